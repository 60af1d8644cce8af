//! Many set-ups at once, the control plane on one core.

use benches::thread_seconds;
use benches::world::{Plane, Site, one_thread};
use futures_util::StreamExt as _;
use futures_util::stream;
use ipowdm_examples::lab::fill;
use std::time::{Duration, Instant};

/// Set-ups under way at a time.
const CONCURRENT: usize = 128;

/// Times that all connections are set up.
const ROUNDS: usize = 6;

pub(crate) fn run() {
    let site = Site::start(&[
        "--memory-bus",
        "--pops",
        "16",
        "--routers",
        "1",
        "--ports",
        "64",
        "--telemetry-ms",
        "60000",
    ]);
    let ports = site.plan.ports.len();
    one_thread().block_on(async {
        let plane = Plane::first(&site, &site.redb()).await;
        let controller = plane.controller();
        let (mut done, mut wall, mut own) = (0_u32, 0.0, 0.0);
        for round in 0..ROUNDS {
            let (begun, used) = (Instant::now(), thread_seconds());
            let works =
                site.pairs().into_iter().enumerate().map(|(number, (a, b))| {
                    fill::light(controller.clone(), format!("R{round}-{number}"), a, b)
                });
            let outcomes: Vec<_> = stream::iter(works).buffer_unordered(CONCURRENT).collect().await;
            let failed = outcomes.iter().find_map(|outcome| outcome.as_ref().err());
            assert!(failed.is_none(), "{failed:?}");
            wall += begun.elapsed().as_secs_f64();
            own += thread_seconds() - used;
            done += u32::try_from(outcomes.len()).unwrap();
            let views = controller.connections(None).unwrap();
            stream::iter(views)
                .for_each_concurrent(CONCURRENT, |view| {
                    let controller = controller.clone();
                    async move {
                        let operation = controller.delete(&view.connection_id).await.unwrap();
                        controller.wait(operation, Duration::from_secs(60)).await.unwrap();
                    }
                })
                .await;
        }
        println!(
            "sustained bus=memory store=redb ports={ports} setups={done} concurrent={CONCURRENT} per_s={:.0} \
             control_core={:.2} per_control_core_second={:.0}",
            f64::from(done) / wall,
            own / wall,
            f64::from(done) / own,
        );
        plane.stop().await;
    });
    site.stop();
}
