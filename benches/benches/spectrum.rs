//! Spectrum in memory: finding a slot, taking and giving back, a whole simulation.
//!
//! `cargo bench -p benches --bench spectrum` measures with criterion and prints a line per figure, with its target beside it. The
//! fibres are half full, by requests of 1, 4, 8 and 32 slots that came and went. Networks are read from the folder that
//! `IPOWDM_TOPOLOGIES` names, or beside the project; NSFNET is in the project, and where another one is not there its line says
//! so. Times are those that the thread had a core. They are reported, not judged: they depend on the machine.
#![expect(clippy::expect_used, reason = "a benchmark that cannot run has no result")]

use benches::{is_selected, machine};
use criterion::Criterion;
use ipowdm_core::slots::Policy;
use ipowdm_ctl_lib::plane::{Candidates, Grant, PathId, Plane, Request};
use ipowdm_examples::plan::{core_time, simulate};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use std::hint::black_box;
use std::time::Duration;

const SIZES: [u16; 4] = [1, 4, 8, 32];
const FIBRES: u32 = 48;
/// Paths that are asked in turn; a power of two.
const PATHS: usize = 1 << 12;

/// Half-full fibres and random paths over them.
struct Lab {
    plane: Plane,
    paths: Vec<PathId>,
    needs: Vec<u16>,
}

impl Lab {
    fn new(bits: u16, hops: usize) -> Self {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(u64::from(bits));
        let mut plane = Plane::new(FIBRES, bits).expect("fibres");
        let single: Vec<PathId> =
            (0..FIBRES).map(|fibre| plane.add_path(&[fibre]).expect("a path")).collect();
        let mut live: Vec<Vec<Grant>> = vec![Vec::new(); single.len()];
        for _ in 0..200_000 {
            let at = random.random_range(0..single.len());
            let used: u16 = live[at].iter().map(|grant| grant.count).sum();
            if used > bits / 2 {
                let grant = random.random_range(0..live[at].len());
                plane.release(live[at].swap_remove(grant).handle).expect("it lives");
            } else {
                let request = Request::of(SIZES[random.random_range(0..SIZES.len())]);
                live[at].extend(plane.allocate(single[at], request));
            }
        }
        let mut path = || {
            let mut fibres = Vec::new();
            while fibres.len() < hops {
                let fibre = random.random_range(0..FIBRES);
                if !fibres.contains(&fibre) {
                    fibres.push(fibre);
                }
            }
            plane.add_path(&fibres).expect("a path")
        };
        let paths = (0..PATHS).map(|_| path()).collect();
        let needs = (0..PATHS).map(|_| SIZES[random.random_range(0..SIZES.len())]).collect();
        Self { plane, paths, needs }
    }

    fn ask(&self, turn: usize) -> (PathId, Request) {
        let at = turn & (PATHS - 1);
        (self.paths[at], Request::of(self.needs[at]))
    }
}

/// Measures with criterion and answers the median of its samples in nanoseconds; `None` where this was not asked for.
fn measured(criterion: &mut Criterion, name: &str, mut run: impl FnMut(u64) -> Duration) -> Option<f64> {
    let mut samples = Vec::new();
    criterion.bench_function(name, |bencher| {
        bencher.iter_custom(|count| {
            let took = run(count);
            samples.push(took.as_secs_f64() * 1e9 / f64::from(u32::try_from(count).expect("few runs")));
            took
        });
    });
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied()
}

fn line(name: &str, value: f64, unit: &str, target: Option<f64>) {
    let target = target.map_or_else(|| "-".to_owned(), |target| format!("{target}"));
    println!("spectrum {name} {value:.1} {unit} target {target}");
}

fn find(criterion: &mut Criterion, bits: u16, hops: usize, policy: Policy, target: Option<f64>) {
    let lab = Lab::new(bits, hops);
    let name = format!("find/{policy}/{bits}-slots-{hops}-hops");
    let nanoseconds = measured(criterion, &name, |count| {
        let started = core_time();
        for turn in 0..count {
            let (path, request) = lab.ask(usize::try_from(turn).unwrap_or(0));
            let _ = black_box(lab.plane.find(path, &Request { policy, random: turn << 40, ..request }));
        }
        core_time().saturating_sub(started)
    });
    if let Some(nanoseconds) = nanoseconds {
        line(&name, nanoseconds, "ns", target);
    }
}

fn allocate_and_release(criterion: &mut Criterion, bits: u16, hops: usize, target: Option<f64>) {
    let mut lab = Lab::new(bits, hops);
    // Each granted and given back: those that fit.
    let fits: Vec<(Candidates, Request)> = (0..PATHS)
        .map(|turn| lab.ask(turn))
        .filter(|(path, request)| lab.plane.find(*path, request).is_ok())
        .map(|(path, request)| (path.into(), request))
        .collect();
    let name = format!("allocate+release/{bits}-slots-{hops}-hops");
    let nanoseconds = measured(criterion, &name, |count| {
        let started = core_time();
        for turn in 0..count {
            let (path, request) = fits[usize::try_from(turn).unwrap_or(0) % fits.len()];
            let grant = lab.plane.allocate(path, request).expect("it fits");
            black_box(lab.plane.release(black_box(grant).handle).expect("it lives"));
        }
        core_time().saturating_sub(started)
    });
    if let Some(nanoseconds) = nanoseconds {
        line(&name, nanoseconds, "ns", target);
    }
}

fn simulation(network: &str, load: f64, target: f64) {
    let name = format!("simulate/{network}-{load}-erlang");
    if !is_selected(&name) {
        return;
    }
    let Some(topology) = benches::network(network) else {
        println!("spectrum {name} skipped: no file of {network}; IPOWDM_TOPOLOGIES names a folder");
        return;
    };
    let options = simulate::Options { load, seeds: 5, ..simulate::Options::of(topology) };
    let report = simulate::report(&options).expect("a workload");
    line(&name, report.requests_per_s / 1e6, "M/s", Some(target));
    println!("spectrum {name} blocking {:.4e} ± {:.1e}", report.blocking, report.blocking_ci95);
}

fn main() {
    println!("machine {}", machine());
    let mut criterion = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .without_plots()
        .configure_from_args();
    find(&mut criterion, 320, 3, Policy::FirstFit, Some(15.0));
    find(&mut criterion, 768, 5, Policy::FirstFit, Some(35.0));
    find(&mut criterion, 1_536, 5, Policy::FirstFit, None);
    for policy in Policy::ALL.into_iter().filter(|&policy| policy != Policy::FirstFit) {
        find(&mut criterion, 320, 3, policy, None);
    }
    allocate_and_release(&mut criterion, 320, 3, Some(250.0));
    allocate_and_release(&mut criterion, 768, 5, None);
    simulation("nsfnet-14-22", 150.0, 8.0);
    simulation("coronet-conus-75", 200.0, 6.0);
    simulation("germany50", 100.0, 6.0);
}
