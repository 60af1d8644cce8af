use crate::slice::{BusLimits, SliceConfig};
use crate::testbed::guarded::{guarded, manager_with};
use crate::testbed::{Testbed, eventually, vop};
use core::num::NonZeroU32;
use ipowdm_core::bus::quota::Quota;
use ipowdm_core::ids::ApplicationId;

fn bytes(publish: u32) -> Quota {
    Quota { publish_bytes: NonZeroU32::new(publish), ..Quota::default() }
}

fn limited() -> SliceConfig {
    let limits = BusLimits { controller: bytes(1_000), agent: bytes(2_000), application: bytes(3_000) };
    SliceConfig { limits, ..Testbed::slice_config() }
}

#[tokio::test(start_paused = true)]
async fn everybody_of_a_virtual_operator_is_limited_by_what_he_is_and_until_he_goes() {
    let (bed, bus, unlimited) = guarded().await;
    drop(unlimited);
    let slices = manager_with(&bed, &bus, limited()).await;
    slices.activate(Testbed::vop2()).await.unwrap();
    let exporter = ApplicationId::new("exporter").unwrap();
    slices.admit_application(&vop("vOp2"), &exporter).await.unwrap();
    let held = bus.with(|state| state.quotas.clone());
    assert_eq!(held["controller_vOp2"], bytes(1_000));
    assert_eq!(held["agent_pop1-router1"], bytes(2_000));
    assert_eq!(held["application_vOp2_exporter"], bytes(3_000));
    assert_eq!(held.len(), 5);
    slices.dismiss_application(&vop("vOp2"), &exporter).await.unwrap();
    assert!(!bus.with(|state| state.quotas.contains_key("application_vOp2_exporter")));
    slices.deactivate(&vop("vOp2"), false).await.unwrap();
    bus.assert_nothing_left();
}

#[tokio::test(start_paused = true)]
async fn limits_that_are_configured_later_hold_from_the_next_start_or_activation_on() {
    let (bed, bus, slices) = guarded().await;
    slices.activate(Testbed::vop2()).await.unwrap();
    assert!(bus.with(|state| state.quotas.is_empty()), "nobody is limited by default");
    drop(slices);
    let slices = manager_with(&bed, &bus, limited()).await;
    eventually("the limits hold", || async { bus.with(|state| state.quotas.len() == 4) }).await;
    bus.with(|state| state.quotas.insert("controller_vOp2".to_owned(), bytes(7)));
    assert!(!slices.activate(Testbed::vop2()).await.unwrap().new);
    assert_eq!(bus.with(|state| state.quotas["controller_vOp2"]), bytes(1_000));
    drop(slices);
    let _slices = manager_with(&bed, &bus, Testbed::slice_config()).await;
    eventually("nobody is limited", || async { bus.with(|state| state.quotas.is_empty()) }).await;
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_does_not_limit_is_no_reason_to_refuse_a_virtual_operator() {
    let (bed, bus, unlimited) = guarded().await;
    drop(unlimited);
    bus.with(|state| state.without_quotas = true);
    let slices = manager_with(&bed, &bus, limited()).await;
    assert!(slices.activate(Testbed::vop2()).await.unwrap().new);
    slices.deactivate(&vop("vOp2"), false).await.unwrap();
    bus.assert_nothing_left();
}
