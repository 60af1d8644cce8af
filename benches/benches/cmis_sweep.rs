//! One warm full telemetry sweep of a coherent module: `cargo bench -p benches --bench cmis_sweep`.
//!
//! The module is an image in memory: a real 800ZR with the laser pages of a real 400ZR where the images are at hand
//! (`IPOWDM_CMIS_IMAGES`), else a synthetic one with the same monitors. A sweep is what the driver does every interval:
//! identity check, freeze, four VDM groups with their statistics, 34h, 35h, release, current samples, 2Ch, 12h, 11h and
//! lower memory, and then every number decoded. Reads, bytes, I2C transactions as optoe would issue them and heap
//! allocations have limits; one that is broken ends the run with an error. Times are reported, not judged: they depend on
//! the machine.
#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark that cannot run has no result")]

#[path = "../../ipowdm-cmis/tests/common/full_image.rs"]
mod full_image;

use full_image::{Freezing, Waiting};
use ipowdm_cmis::access::Eeprom;
use ipowdm_cmis::dump::{Dump, Plan, ReadMemory};
use ipowdm_cmis::flags::FlagLatch;
use ipowdm_cmis::monitoring::{MonitorCatalogue, Reading};
use ipowdm_cmis::procedure::{FullSweep, FullSweepReport, Identify, ModuleInfo, Survey, SweepScope, run};
use ipowdm_cmis::transport::{BusCost, Image, Priced};
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

type Module = Priced<Freezing<Image>>;

const MOST_READS: u64 = 14;
const MOST_BYTES: u64 = 1_100;
const MOST_TRANSACTIONS: u64 = 60;
const MOST_CPU_US: f64 = 20.0;
const MOST_DUMP_US: f64 = 100.0;

/// Sweeps before anything is measured.
const WARM_UP: u32 = 2_000;
/// Batches that are timed, and sweeps of each.
const BATCHES: usize = 200;
const BATCH: u32 = 50;

fn sweep(module: &mut Module, info: &ModuleInfo, catalogue: &MonitorCatalogue) -> FullSweepReport {
    let sweep = FullSweep::new(info, &[catalogue], 0, SweepScope::default()).expect("it fits");
    run(sweep, module, &mut Waiting::default()).expect("an image is always swept")
}

/// Decodes every number of a report; how many there were.
fn decode(report: &FullSweepReport, catalogue: &MonitorCatalogue, latch: &mut FlagLatch<2>) -> usize {
    let mut numbers = 0;
    for instance in catalogue.vdm.iter().flat_map(|vdm| &vdm.instances) {
        let sample = report.sample(catalogue.bank, instance).value();
        let measured = instance.known().zip(sample).map(|(observable, raw)| observable.measured(raw));
        numbers += usize::from(black_box(measured).is_some());
        numbers += usize::from(black_box(report.vdm_flags(catalogue.bank, instance)).value().is_some());
    }
    if let Reading::Value(fec) = report.media_fec(catalogue.bank) {
        numbers += 3 * usize::from(black_box(fec.pre_fec_ber()).value().is_some());
        numbers += 3 * usize::from(black_box(fec.frame_error_ratio()).value().is_some());
    }
    if let Reading::Value(link) = report.link(catalogue) {
        numbers += link.iter().filter(|of| black_box(of.triplet()).value().is_some()).count() * 3;
    }
    for lane in 0..8 {
        numbers += usize::from(black_box(report.lane(catalogue, lane)).value().is_some()) * 3;
    }
    report.reads().for_each(|(at, bytes)| {
        latch.observe(at, bytes);
    });
    black_box(&report.current);
    numbers
}

/// Median and 95th percentile of the time of one of `of` runs, in µs.
fn timed(of: u32, mut run: impl FnMut()) -> (f64, f64) {
    let mut batches: Vec<Duration> = (0..BATCHES)
        .map(|_| {
            let started = Instant::now();
            (0..of).for_each(|_| run());
            started.elapsed() / of
        })
        .collect();
    batches.sort();
    let at = |index: usize| batches[index].as_secs_f64() * 1e6;
    (at(BATCHES / 2), at(BATCHES * 95 / 100))
}

fn main() -> ExitCode {
    let real = full_image::real_800zr_tunable();
    let name = if real.is_some() { "real 800ZR with laser pages of a real 400ZR" } else { "synthetic 800ZR" };
    let mut image = real.unwrap_or_else(full_image::synthetic);
    let everything = ReadMemory::new(Plan::Everything);
    let memory = run(everything, &mut image, &mut Waiting::default()).expect("an image is always read");
    let mut below = Freezing::new(image);
    let mut clock = Waiting::default();
    let info = run(Identify::new(), &mut below, &mut clock).expect("identified");
    let catalogue = run(Survey::new(&info, 0), &mut below, &mut clock).expect("surveyed");
    let mut module = Priced::new(below);
    let mut latch = FlagLatch::new();
    let _consumers = (latch.consumer(), latch.consumer());
    for _ in 0..WARM_UP {
        let report = sweep(&mut module, &info, &catalogue);
        black_box(decode(&report, &catalogue, &mut latch));
    }

    let counts = allocation_counter::measure(|| drop(black_box(Box::new(0_u64)))).count_total;
    assert_eq!(counts, 1, "the allocator does not count");
    let (before, cost) = (module.counters(), module.cost());
    let mut numbers = 0;
    let allocations = allocation_counter::measure(|| {
        let report = sweep(&mut module, &info, &catalogue);
        numbers = decode(&report, &catalogue, &mut latch);
    });
    let (after, cost_after) = (module.counters(), module.cost());
    let (reads, bytes) = (after.reads - before.reads, after.read_bytes - before.read_bytes);
    let cost = BusCost {
        transactions: cost_after.transactions - cost.transactions,
        wire_bytes: cost_after.wire_bytes - cost.wire_bytes,
    };
    let (cpu, cpu_p95) = timed(BATCH, || {
        let report = sweep(&mut module, &info, &catalogue);
        black_box(decode(&report, &catalogue, &mut latch));
    });
    let (dump, dump_p95) = timed(BATCH, || {
        black_box(Dump::decode(black_box(&memory)));
    });

    println!(
        "sweep reads={reads} bytes={bytes} i2c_transactions={} cpu_us={cpu:.1} allocs={}",
        cost.transactions, allocations.count_total
    );
    let milliseconds = |kilohertz| cost.time(kilohertz).as_secs_f64() * 1e3;
    println!(
        "bus (modelled) wire_bytes={} at_100_khz_ms={:.1} at_400_khz_ms={:.1}",
        cost.wire_bytes,
        milliseconds(100),
        milliseconds(400)
    );
    println!("cpu p50_us={cpu:.1} p95_us={cpu_p95:.1} limit_us={MOST_CPU_US} numbers={numbers} image={name}");
    println!(
        "dump registers={} p50_us={dump:.1} p95_us={dump_p95:.1} limit_us={MOST_DUMP_US}",
        Dump::decode(&memory).pages.iter().map(|page| page.registers.len()).sum::<usize>()
    );
    println!(
        "peer (quoted, NOT measured in this run) sonic-platform-common 8607c9f3, CPython 3.11, EPYC, the same image: \
         reads=109 bytes=1457 i2c_transactions=414 wire_bytes=2800 cpu_us=2600 at_100_khz_ms=252 at_400_khz_ms=63"
    );
    let broken = [
        ("reads", reads, MOST_READS),
        ("bytes", bytes, MOST_BYTES),
        ("i2c_transactions", cost.transactions, MOST_TRANSACTIONS),
        ("allocs", allocations.count_total, 0),
    ];
    let mut result = ExitCode::SUCCESS;
    for (what, found, limit) in broken.into_iter().filter(|(_, found, limit)| found > limit) {
        eprintln!("limit broken: {what} {found}, at most {limit}");
        result = ExitCode::FAILURE;
    }
    result
}
