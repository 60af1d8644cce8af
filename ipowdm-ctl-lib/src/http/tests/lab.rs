//! The test bed, served over the loopback address.

use super::client::Service;
use super::outage::Breakable;
use crate::controller::{ControllerConfig, ControllerHandle};
use crate::http::{Access, controller_router, slice_router};
use crate::slice::ActivationRequest;
use crate::store::Version;
use crate::testbed::{Behaviour, Testbed, pop, port, router};
use crate::topology::{Pop, Port, Router};
use core::time::Duration;
use ipowdm_core::grid::SpectrumWindow;
use ipowdm_core::units::Frequency;
use serde_json::{Value, json};
use std::sync::Arc;

/// Longest that anything here is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// The test bed with one PoP more, `island`, that no fibre reaches; its slice manager is served.
pub(in crate::http) struct Lab {
    pub(in crate::http) bed: Testbed,
    pub(in crate::http) backend: Arc<Breakable>,
    pub(in crate::http) slice: Service,
}

/// vOp2 as it is asked for over REST: both ports of `router1` everywhere, but one only in `pop3`, and half a terahertz.
pub(in crate::http) fn vop2() -> Value {
    let both = |pop: &str| json!({"pop_id": pop, "router_id": "router1", "interfaces": ["Ethernet48", "Ethernet56"]});
    json!({
        "vop_id": "vOp2",
        "tenant_name": "Tenant 2",
        "interface_assignments": [
            both("island"), both("pop1"), both("pop2"),
            {"pop_id": "pop3", "router_id": "router1", "interfaces": ["Ethernet48"]},
        ],
        "spectrum": [{"low": 193.0, "high": 193.5}],
    })
}

impl Lab {
    /// No virtual operator yet.
    pub(in crate::http) async fn start() -> Self {
        let (store, backend) = Breakable::store();
        // Tests compare versions of the store: nothing is written because time passes.
        let (lease, checkpoint) = (Duration::from_secs(600), Duration::from_secs(600));
        let config = ControllerConfig { lease, checkpoint, ..ControllerConfig::default() };
        let bed = Testbed::over(store, config).await;
        bed.linkdb.add_pop(Pop::new(pop("island"))).await.unwrap();
        let at = router("island", "router1");
        bed.linkdb.add_router(Router::new(at)).await.unwrap();
        for interface in ["Ethernet48", "Ethernet56"] {
            bed.linkdb.add_port(Port::new(port(&format!("island/router1/{interface}")))).await.unwrap();
        }
        let slice = Service::start(slice_router(bed.slices().clone(), Access::open())).await;
        Self { bed, backend, slice }
    }

    pub(in crate::http) async fn version(&self) -> Version {
        self.bed.linkdb.store().snapshot().await.unwrap().version()
    }
}

/// A lab with vOp2, its agents and its controller, which is served.
pub(in crate::http) struct Tenant {
    pub(in crate::http) lab: Lab,
    pub(in crate::http) handle: ControllerHandle,
    pub(in crate::http) ctl: Service,
}

impl Tenant {
    pub(in crate::http) async fn start() -> Self {
        let mut lab = Lab::start().await;
        let ports = ["island", "pop1", "pop2"].iter().flat_map(|pop| {
            ["Ethernet48", "Ethernet56"].map(|interface| port(&format!("{pop}/router1/{interface}")))
        });
        let ports = ports.chain([port("pop3/router1/Ethernet48")]).collect();
        let (low, high) = (Frequency::from_mhz(193_000_000), Frequency::from_mhz(193_500_000));
        let request = ActivationRequest {
            windows: Some(vec![SpectrumWindow { low, high }]),
            ..ActivationRequest::new("vOp2".parse().unwrap(), "Tenant 2", ports)
        };
        let handle = lab.bed.activate(request).await;
        Self { ctl: Service::start(controller_router(handle.clone(), Access::open())).await, handle, lab }
    }

    /// How the guide's two ports answer from now on.
    pub(in crate::http) fn behave(&self, behaviour: Behaviour) {
        for pop in ["pop1", "pop2"] {
            self.lab.bed.agent(pop).behave("Ethernet48", behaviour);
        }
    }

    /// Until a GET answers what `wanted` accepts; the last answer.
    pub(in crate::http) async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let answered = async {
            loop {
                let json = self.ctl.get(path).await.json();
                if wanted(&json) {
                    return json;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(json) => json,
            Err(_) => panic!("{path} stays {}", self.ctl.get(path).await.json()),
        }
    }
}
