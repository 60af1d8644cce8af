//! All lines degrade at once: from the third bad sample to the published command.

use benches::world::{Plane, Site, one_thread};
use futures_util::StreamExt as _;
use futures_util::stream;
use ipowdm_core::units::Db;
use ipowdm_examples::lab::fill;
use std::time::{Duration, Instant};

pub(crate) fn run(bus: &str, words: &[&str]) {
    let shape = ["--pops", "2", "--routers", "4", "--ports", "16", "--telemetry-ms", "500"];
    let site = Site::start(&[&shape[..], words].concat());
    one_thread().block_on(async {
        let plane = Plane::first(&site, &site.redb()).await;
        let controller = plane.controller();
        let works = site.pairs().into_iter().enumerate().map(|(number, (a, b))| {
            fill::light(controller.clone(), format!("STEP-{number}"), a, b)
        });
        let lit = stream::iter(works).buffer_unordered(16).filter(|done| std::future::ready(done.is_ok()));
        let lit = lit.count().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        for (_, b) in site.pairs() {
            assert!(site.plant.degrade(&b, Db::from_hundredths(1_300)), "{b} has a line");
        }
        let begun = Instant::now();
        let figures = loop {
            let figures = controller.metrics();
            if figures.step_published_us.count >= lit as u64 || begun.elapsed() > Duration::from_secs(20) {
                break figures;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let (decided, published) = (figures.step_decided_us, figures.step_published_us);
        println!(
            "step bus=\"{bus}\" store=redb connections={lit} n={} decided_us p50={} p99={} published_us p50={} p99={} max={}",
            published.count,
            decided.p50.unwrap_or(0),
            decided.p99.unwrap_or(0),
            published.p50.unwrap_or(0),
            published.p99.unwrap_or(0),
            published.max.unwrap_or(0),
        );
        plane.stop().await;
    });
    site.stop();
}
