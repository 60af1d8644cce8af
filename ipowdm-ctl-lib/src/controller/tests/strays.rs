//! Lasers that nobody owns.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_port_that_serves_a_connection_which_does_not_hold_it_is_told_to_go_dark() {
    let (bed, controller) = lit().await;
    let agent = bed.agent("pop3");
    agent.change("Ethernet48", |port| {
        port.lit = true;
        port.connection = Some(id("long-over"));
    });
    agent.report().await;
    eventually("the stray is dark", || async { !bed.agent("pop3").port("Ethernet48").lit }).await;
    let commands = bed.commands("config_vOp2", "long-over").await;
    assert!(commands.iter().all(|(key, command)| {
        key == "pop3-router1"
            && matches!(command.action, Action::Teardown { .. })
            && command.epoch.is_some()
            && command.lifetime_ms.is_some()
    }));
    assert!(!commands.is_empty());
    // What is owned is left alone, however often it is reported.
    for pop in ["pop1", "pop2"] {
        bed.agent(pop).report().await;
    }
    calm().await;
    assert_eq!(state(&controller), State::Active);
    let torn = bed.commands("config_vOp2", "POP1-POP2-1").await;
    assert!(torn.iter().all(|(_, command)| !matches!(command.action, Action::Teardown { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_port_that_serves_another_ports_connection_is_a_stray_too() {
    let (bed, controller) = lit().await;
    let agent = bed.agent("pop2");
    agent.change("Ethernet56", |port| {
        port.lit = true;
        port.connection = Some(id("POP1-POP2-1"));
    });
    agent.report().await;
    eventually("the stray is dark", || async { !bed.agent("pop2").port("Ethernet56").lit }).await;
    assert!(bed.agent("pop2").port("Ethernet48").lit, "its own port shines on");
    assert_eq!(state(&controller), State::Active);
}

#[tokio::test(start_paused = true)]
async fn an_end_whose_port_serves_nobody_is_dark_once_heartbeats_have_repeated_it() {
    let (bed, controller) = lit().await;
    let agent = bed.agent("pop2");
    agent.change("Ethernet48", |port| {
        port.lit = false;
        port.connection = None;
    });
    agent.report().await;
    calm().await;
    assert_eq!(state(&controller), State::Active, "one heartbeat may be from before");
    tokio::time::sleep(MINUTE).await;
    let view = controller.connection(&id("POP1-POP2-1")).unwrap();
    assert_eq!((view.state, view.verified_at), (State::Degraded, None));
    assert_eq!(view.ends.destination.light, Light::Dark);
    assert_eq!(view.ends.source.light, Light::Lit);
}
