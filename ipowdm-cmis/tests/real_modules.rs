//! Images of real modules, where they are at hand: third-party data that is read from beside the project.
#![expect(clippy::expect_used, reason = "an image that cannot be read fails its test")]

use ipowdm_cmis::access::Eeprom;
use ipowdm_cmis::codes::{DataPathState, ModuleState, Observable};
use ipowdm_cmis::procedure::{
    ApplicationChoice, Change, Configure, Flags, Identify, ModuleInfo, ProcError, Sweep, Target, TxControl,
    TxGoal, run,
};
use ipowdm_cmis::time::HostClock;
use ipowdm_cmis::transport::Image;
use ipowdm_core::grid::Grid;
use ipowdm_core::units::{Frequency, Power};
use serde_json::Value;
use std::path::PathBuf;
use std::{env, fs};

fn half(hex: &str) -> [u8; 128] {
    let mut bytes = [0; 128];
    for (byte, digits) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).expect("hexadecimal digits");
        *byte = u8::from_str_radix(digits, 16).expect("hexadecimal digits");
    }
    bytes
}

/// The image of a real module, or `None` with a message where it is not at hand.
fn image(name: &str) -> Option<Image> {
    let folder = env::var_os("IPOWDM_CMIS_IMAGES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join("../shared/cmis/eeprom"),
        PathBuf::from,
    );
    let path = folder.join(name).with_extension("json");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            eprintln!(
                "SKIPPED: no image at {}: {error} (IPOWDM_CMIS_IMAGES names the folder)",
                path.display()
            );
            return None;
        }
    };
    let json: Value = serde_json::from_str(&text).expect("an image is JSON");
    let mut image = Image::new(half(json["lower"].as_str().expect("lower memory")));
    for (page, bytes) in json["pages"].as_object().expect("pages") {
        let page = u8::from_str_radix(page, 16).expect("a page number");
        image.put_page(0, page, half(bytes.as_str().expect("page bytes")));
    }
    Some(image)
}

fn identify(image: &mut Image) -> ModuleInfo {
    run(Identify::new(), image, &mut HostClock::start()).expect("a real module is identified")
}

#[test]
fn a_400zr_module_is_decoded_and_left_alone_where_it_is_right() {
    let Some(mut image) = image("sfppi-400zr-a") else { return };
    let info = identify(&mut image);
    assert_eq!((info.identifier, info.cmis_revision), (0x18, (5, 0)));
    assert!(info.identity_checksum_ok && info.is_coherent() && info.tunable && !info.flat_memory);
    assert_eq!(info.module_state, ModuleState::Ready);
    let applications: Vec<_> = info
        .applications
        .iter()
        .map(|a| (a.info.app_sel, a.info.host_code, a.info.media_code, a.info.host_lanes, a.host_assignment))
        .collect();
    assert_eq!(
        applications,
        [(1, 0x11, 0x3E, 8, 0x01), (2, 0x11, 0x3F, 8, 0x01), (3, 0x0D, 0x3E, 2, 0x55)],
        "the list ends at the first FFh"
    );
    let durations = info.durations.unwrap();
    assert_eq!(durations.dp_init.as_secs(), 300);
    assert_eq!(durations.power_up.as_secs(), 5);
    let power = info.capability.tx_power.unwrap();
    assert_eq!((power.min, power.max), (Power::from_hundredths(-1400), Power::from_hundredths(-1000)));
    let hundred = info.capability.grids.iter().find(|range| range.grid == Grid::Ghz100).unwrap();
    assert!(hundred.holds(Frequency::from_mhz(196_100_000)));

    let mut clock = HostClock::start();
    let report = run(Sweep::new(&info, 0, Flags::Leave), &mut image, &mut clock).unwrap();
    assert_eq!(report.laser_frequency.value(), Some(Frequency::from_mhz(196_100_000)));
    assert_eq!(report.tx_power_target.value(), Some(Power::from_hundredths(-1000)));
    assert_eq!(report.dp_states.value(), Some([DataPathState::Activated; 8]));
    // 111.2 µW and 402.5 µW.
    assert_eq!(report.tx_power.value(), Some(Power::from_hundredths(-954)));
    assert_eq!(report.rx_total_power.value(), Some(Power::from_hundredths(-395)));

    let target = Target {
        frequency: Frequency::from_mhz(196_100_000),
        tx_power: Power::from_hundredths(-1000),
        application: ApplicationChoice::MediaCode(0x3E),
    };
    let readback = run(Configure::new(&info, target).unwrap(), &mut image, &mut clock).unwrap();
    assert_eq!((readback.change, readback.app_sel), (Change::Unchanged, 1));
    assert_eq!(image.counters().writes, 0);
    let louder = Target { tx_power: Power::from_hundredths(-200), ..target };
    assert!(matches!(Configure::new(&info, louder), Err(ProcError::PowerOutOfRange { .. })));
}

#[test]
fn an_800zr_module_is_coherent_by_its_pages_and_its_samples_are_found() {
    let Some(mut image) = image("fboss-800zr") else { return };
    let info = identify(&mut image);
    assert!(info.is_coherent() && info.coherent_pages && info.vdm, "not by a name with ZR in it");
    assert_eq!(info.applications.len(), 15, "all descriptors, no FFh");
    assert!(info.applications.iter().any(|a| a.info.media_code == 0xF7), "custom codes are kept");
    assert!(info.instance(Observable::Osnr, 0).is_some());
    let report = run(Sweep::new(&info, 0, Flags::Leave), &mut image, &mut HostClock::start()).unwrap();
    let osnr = report.osnr.value().expect("an OSNR").value();
    assert!((25.0..45.0).contains(&osnr), "{osnr}");
    let ber = report.pre_fec_ber.value().expect("a bit error ratio").value();
    assert!((1e-4..1e-2).contains(&ber), "{ber}");
    println!("{report:#?}");
}

#[test]
fn a_grey_module_has_no_laser_to_tune() {
    for name in ["sfppi-400g-lr4", "fboss-400g-lr4"] {
        let Some(mut image) = image(name) else { return };
        let info = identify(&mut image);
        assert!(!info.is_coherent() && !info.flat_memory && !info.applications.is_empty(), "{name}");
        let target = Target {
            frequency: Frequency::ANCHOR,
            tx_power: Power::from_hundredths(-1000),
            application: ApplicationChoice::Keep,
        };
        assert_eq!(Configure::new(&info, target).unwrap_err(), ProcError::NotTunable);
        let report = run(Sweep::new(&info, 0, Flags::Leave), &mut image, &mut HostClock::start()).unwrap();
        assert_eq!(report.laser_frequency, ipowdm_cmis::procedure::Reading::Unsupported);
        assert_eq!(image.counters().writes, 0);
    }
}

#[test]
fn a_flat_cable_is_identified_and_has_nothing_to_control() {
    let Some(mut image) = image("fboss-400g-cr8-flat") else { return };
    let info = identify(&mut image);
    assert!(info.flat_memory && info.durations.is_none());
    assert_eq!(TxControl::new(&info, TxGoal::Disable).unwrap_err(), ProcError::FlatMemory);
    let report = run(Sweep::new(&info, 0, Flags::Latch), &mut image, &mut HostClock::start()).unwrap();
    assert_eq!(report.dp_states, ipowdm_cmis::procedure::Reading::Unsupported);
}
