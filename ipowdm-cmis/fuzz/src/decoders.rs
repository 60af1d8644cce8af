//! Decoders of registers, pages, files and lines.

use super::module::Source;
use ipowdm_cmis::codes::{ConfigStatus, DataPathState, F16, ModuleState, Observable, duration_limit};
use ipowdm_cmis::dump::{Dump, Memory, PageName, PageState};
use ipowdm_cmis::emulator::Control;
use ipowdm_cmis::emulator::Profile;
use ipowdm_cmis::map::{Address, Block, TABLES, store};
use ipowdm_cmis::monitoring::{
    FecCounters, LaneMonitor, LinkPerformance, ModuleThresholds, MonitorSupport, PmAdvertisement, Reading,
    VdmInstance,
};
use ipowdm_cmis::transport::line_protocol::{Request, Response};
use ipowdm_cmis::transport::{Image, ModuleSpec};

/// Every register of every page in blocks of any place and length; what is parsed can be emitted.
pub fn registers(data: &[u8]) {
    let [page, byte, bytes @ ..] = data else { return };
    let bytes = &bytes[..bytes.len().min(128)];
    let at = Address::page(*page, *byte);
    let block = Block::new(at, bytes);
    for field in TABLES.iter().copied().flatten().filter(|field| field.page == *page) {
        for index in 0..=field.count {
            let Some(raw) = block.unsigned_at(*field, index) else { continue };
            let mut again = bytes.to_vec();
            assert!(store(at, &mut again, *field, index, raw));
            assert_eq!(again, bytes, "{}", field.name);
            let _ = (block.signed_at(*field, index), block.word_at(*field, index), block.bytes(*field));
        }
    }
}

/// A memory of any pages: shown and serialised, with finite numbers and without null.
pub fn dump(data: &[u8]) {
    let mut memory = Memory::default();
    let mut rest = data;
    let mut name = PageName::Lower;
    loop {
        let (half, after) = rest.split_at(rest.len().min(128));
        let start = if name == PageName::Lower { 0 } else { 128 };
        match half {
            [] => memory.put(name, PageState::Absent),
            half => memory.put_bytes(name, start, half),
        }
        let [page, bank, after @ ..] = after else { break };
        name = PageName::Page { page: *page, bank: bank & 3 };
        rest = after;
    }
    let dump = Dump::decode(&memory);
    let shown = dump.to_string();
    assert!(!shown.contains("NaN") && !shown.contains(" inf"), "{shown}");
    let json = serde_json::to_string(&dump).expect("a dump is JSON");
    assert!(!json.contains(":null"), "what is not known says why");
}

/// An image file.
pub fn image_json(data: &[u8]) {
    let _ = Image::from_json(&String::from_utf8_lossy(data));
}

/// Descriptors, samples, thresholds and flags of VDM.
pub fn vdm_pages(data: &[u8]) {
    let mut source = Source::new(data);
    let mut memory = Memory::default();
    for page in (0x20..=0x2D).chain([0x2F]) {
        let bytes: [u8; 128] = core::array::from_fn(|_| source.byte());
        memory.put(PageName::page(page), PageState::Read(bytes.into()));
        let mut instances = Default::default();
        let block = Block::new(Address::page(page, 128), &bytes);
        VdmInstance::decode_page(block, page & 3, &mut instances);
        for instance in &instances {
            let _ = (
                instance.flags(Block::new(Address::page(0x2C, 128), &bytes)),
                instance.known(),
                instance.number(),
            );
        }
    }
    let _ = Dump::decode(&memory).to_string();
}

/// Counters and statistics of C-CMIS; thresholds and lane monitors.
pub fn pm_pages(data: &[u8]) {
    let mut source = Source::new(data);
    let bytes: [u8; 128] = core::array::from_fn(|_| source.byte());
    let other: [u8; 128] = core::array::from_fn(|_| source.byte());
    let block = |page| Block::new(Address::page(page, 128), &bytes);
    for counters in [FecCounters::decode_media(block(0x34)), FecCounters::decode_host(block(0x3A))] {
        let counters = counters.expect("the block covers the page");
        if let Reading::Value(ber) = counters.pre_fec_ber() {
            assert!(ber.min() <= ber.avg() && ber.avg() <= ber.max());
            assert!(ber.max().value() <= 1.0);
        }
        let _ = (counters.frame_error_ratio(), counters.average_ber(), counters.sub_interval_bits());
    }
    for advertisement in [None, Some(Block::new(Address::page(0x42, 128), &other))] {
        let advertisement = PmAdvertisement::decode(advertisement);
        let link = LinkPerformance::decode(block(0x35), &advertisement).expect("the block covers the page");
        for statistics in link.iter() {
            if let Reading::Value(triplet) = statistics.triplet() {
                assert!(triplet.min() <= triplet.avg() && triplet.avg() <= triplet.max());
                assert!(statistics.physical(triplet.avg()).is_finite());
            }
        }
    }
    let support = MonitorSupport::decode(block(0x01));
    let _ = ModuleThresholds::decode(block(0x02), support);
    for lane in 0..=8 {
        let _ = LaneMonitor::decode(block(0x11), lane, support);
    }
}

/// Codes, floats and samples.
pub fn observables(data: &[u8]) {
    for triple in data.chunks_exact(3) {
        let raw = u16::from_be_bytes([triple[1], triple[2]]);
        assert!(F16(raw).value().is_finite());
        if let Some(observable) = Observable::from_code(triple[0]) {
            let measured = observable.measured(raw);
            assert!(measured.value().is_finite());
            let _ = (measured.to_string(), measured.ratio(), measured.db(), measured.power());
        }
        assert_eq!(ModuleState::from_code(triple[0]).code(), triple[0]);
        assert_eq!(DataPathState::from_code(triple[0]).code(), triple[0]);
        assert_eq!(ConfigStatus::from_code(triple[0]).code(), triple[0]);
        assert!(duration_limit(triple[0]).as_millis() > 0);
    }
}

/// Lines of both directions: what is read and written again is read alike.
pub fn line_protocol(data: &[u8]) {
    // A line holds no line end.
    let line = String::from_utf8_lossy(data).replace(['\n', '\r'], " ");
    if let Ok(request) = Request::parse(&line) {
        assert_eq!(Request::parse(&request.to_string()), Ok(request));
    }
    if let Ok(response) = Response::parse(&line) {
        assert_eq!(
            Response::parse(&response.to_string()).map(|again| again.to_string()),
            Ok(response.to_string())
        );
    }
}

/// Names of modules on a command line.
pub fn module_spec(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(spec) = text.parse::<ModuleSpec>() {
        assert_eq!(spec.to_string().parse(), Ok(spec));
    }
}

/// Documents of the request `X`.
pub fn control_json(data: &[u8]) {
    let _ = Control::from_json(&String::from_utf8_lossy(data));
}

/// Profiles of emulated modules.
pub fn profile_toml(data: &[u8]) {
    let _ = Profile::from_toml(&String::from_utf8_lossy(data));
}
