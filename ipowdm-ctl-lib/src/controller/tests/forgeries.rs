//! Messages of those who cannot know, and commands of somebody else.

use super::*;
use ipowdm_core::msg::{TelemetryFields, TelemetrySample};
use ipowdm_core::qot::Level;

#[tokio::test(start_paused = true)]
async fn a_command_of_somebody_else_shows_up_as_a_foreign_change() {
    let (bed, controller) = lit().await;
    let by_hand = |outcome: &str, agent: &str, port: &str| {
        serde_json::json!({
            "type": "commandAck", "v": 1, "agent_id": agent, "pop_id": "pop2", "router_id": "router1",
            "virtual_operator": "vOp2", "command_id": "typed-by-hand", "action": "teardownConnection",
            "status": "success", "outcome": outcome, "connection_id": "POP1-POP2-1", "interface": port,
            "details": {"readback": {"tx_enabled": false}}, "timestamp": 1.0,
        })
        .to_string()
    };
    for harmless in [
        by_hand("unchanged", "pop2-router1", "Ethernet48"),
        by_hand("applied", "pop2-router9", "Ethernet48"),
        by_hand("applied", "pop2-router1", "Ethernet56"),
    ] {
        bed.publish("monitoring_vOp2", "POP1-POP2-1", harmless.as_bytes()).await;
        calm().await;
        assert_eq!(state(&controller), State::Active, "{harmless}");
    }
    let teardown = by_hand("applied", "pop2-router1", "Ethernet48");
    bed.publish("monitoring_vOp2", "POP1-POP2-1", teardown.as_bytes()).await;
    eventually("the connection is not called verified", async || state(&controller) == State::Degraded).await;
    let view = controller.connection(&id("POP1-POP2-1")).unwrap();
    assert_eq!(view.verified_at, None, "an end was changed since it was read back");
    assert!(view.ends.destination.troubles.unverified && !view.ends.source.troubles.unverified);
    assert_eq!((view.ends.source.light, view.ends.destination.light), (Light::Lit, Light::Dark));
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_the_wrong_agent_place_port_or_connection_is_passed_over() {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    for pop in ["pop1", "pop2"] {
        bed.agent(pop).behave("Ethernet48", Behaviour::Mute);
    }
    controller.create_connection(guide()).await.unwrap();
    controller.setup(&id("POP1-POP2-1")).await.unwrap();
    calm().await;
    let commands = bed.commands("config_vOp2", "POP1-POP2-1").await;
    let answer = |index: usize, changed: &[(&str, &str)]| {
        let (key, command) = &commands[index];
        let pop = key.split('-').next().unwrap();
        let mut ack = serde_json::json!({
            "type": "commandAck", "v": 1, "agent_id": key, "pop_id": pop, "router_id": "router1",
            "virtual_operator": "vOp2", "command_id": command.command_id, "action": "setupConnection",
            "status": "success", "outcome": "applied", "connection_id": "POP1-POP2-1",
            "interface": "Ethernet48", "timestamp": 1.0, "details": {"readback": {
                "frequency_mhz": 191_375_000, "tx_power_dbm": -2.0, "tx_enabled": true,
                "data_path_state": "DPActivated"
            }},
        });
        for (member, value) in changed {
            ack[*member] = serde_json::json!(value);
        }
        ack.to_string()
    };
    for index in [0, 1] {
        let other = commands[1 - index].0.as_str();
        for forged in [
            &[("agent_id", "evil")][..],
            &[("agent_id", other)],
            &[("agent_id", other), ("pop_id", other.split('-').next().unwrap())],
            &[("pop_id", "pop3")],
            &[("pop_id", "pop9")],
            &[("router_id", "router9")],
            &[("interface", "Ethernet56")],
            &[("connection_id", "OTHER")],
            &[("virtual_operator", "vOp1")],
        ] {
            bed.publish("monitoring_vOp2", "POP1-POP2-1", answer(index, forged).as_bytes()).await;
            calm().await;
            let view = controller.connection(&id("POP1-POP2-1")).unwrap();
            assert_eq!(view.state, State::SetupInProgress, "{forged:?}");
            assert!(view.ends.all(|end| end.awaits_answer), "{forged:?}");
        }
    }
    assert_eq!(controller.metrics().acks_ignored, 18);
    for index in [0, 1] {
        bed.publish("monitoring_vOp2", "POP1-POP2-1", answer(index, &[]).as_bytes()).await;
    }
    eventually("the true answers count", async || state(&controller) == State::Active).await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_where_the_tenant_has_no_ports_is_not_believed() {
    let (bed, controller) = lit().await;
    let known = controller.agents().len();
    let heartbeat = |agent: &str, pop: &str, router: &str| {
        serde_json::json!({
            "type": "agentHealth", "v": 1, "agent_id": agent, "pop_id": pop, "router_id": router,
            "virtual_operator": "vOp2", "status": "healthy", "timestamp": 1.0, "uptime": 1.0,
            "interfaces": [], "issues": [],
        })
        .to_string()
    };
    for (agent, pop, router) in [("evil", "pop9", "router1"), ("pop1-router1", "pop1", "router9")] {
        bed.publish("health_vOp2", agent, heartbeat(agent, pop, router).as_bytes()).await;
    }
    calm().await;
    assert_eq!(controller.agents().len(), known);
    let at = router("pop1", "router1");
    assert_eq!(controller.agent(&at).unwrap().agent.agent_id, at.default_agent(), "it has not moved");
}

#[tokio::test(start_paused = true)]
async fn a_forged_sample_with_the_highest_numbers_does_not_blind_the_quality_loop() {
    let (bed, controller) = lit().await;
    let fields = TelemetryFields { osnr: Some(Db::from_tenths(300)), ..TelemetryFields::default() };
    let (agent, at) = (router("pop2", "router1").default_agent(), ipowdm_core::time::Timestamp(0));
    let forged = TelemetrySample::new(id("POP1-POP2-1"), agent, "Ethernet48".parse().unwrap(), at, fields);
    bed.agent("pop2").publish_sample(&forged.numbered(u64::MAX, u64::MAX)).await;
    for _ in 0..3 {
        bed.agent("pop2").osnr("Ethernet48", 100).await;
    }
    calm().await;
    let qot = controller.qot(&id("POP1-POP2-1")).unwrap();
    assert_eq!((qot.samples.judged, qot.samples.repeated), (4, 0));
    assert_eq!(qot.level, Level::Critical);
    assert_eq!(controller.metrics().steps, 1);
}

#[tokio::test(start_paused = true)]
async fn another_agent_that_describes_a_port_is_told_shown_and_not_believed() {
    let (bed, controller) = lit().await;
    let mut events = controller.events();
    let said = |kind: &str, ports: serde_json::Value| {
        serde_json::json!({
            "type": kind, "v": 1, "agent_id": "evil", "pop_id": "pop1", "router_id": "router1",
            "virtual_operator": "vOp2", "status": "healthy", "timestamp": 1.0, "uptime": 1.0,
            "interfaces": ports, "issues": [],
        })
        .to_string()
    };
    let gone = said(
        "agentHealth",
        serde_json::json!([
            {"port_id": "Ethernet48", "present": false, "operational": false}
        ]),
    );
    let nothing = said("capabilities", serde_json::json!([{"port_id": "Ethernet48"}]));
    for message in [&gone, &nothing, &gone] {
        bed.publish("health_vOp2", "evil", message.as_bytes()).await;
        calm().await;
    }
    assert_eq!(state(&controller), State::Active, "no module was taken out");
    let at = router("pop1", "router1");
    assert_eq!(controller.agent(&at).unwrap().agent.agent_id, at.default_agent());
    let interfaces = controller.interfaces(&at).unwrap();
    assert_eq!(interfaces[0].reported.module(), Some(&openzr()));
    assert_eq!(interfaces[0].claimants, ["evil".parse().unwrap()]);
    assert!(interfaces[1].claimants.is_empty());
    let stored = bed.linkdb.port(&port("pop1/router1/Ethernet48")).await.unwrap();
    assert!(stored.port.capability.is_some(), "LinkDB has learned nothing from it");
    assert_eq!(controller.metrics().conflicts, 1, "once");
    let mut told = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let ControllerEvent::Conflict(conflict) = event {
            told.push([
                conflict.port.to_string(),
                conflict.holder.to_string(),
                conflict.claimant.to_string(),
            ]);
        }
    }
    assert_eq!(told, [["pop1/router1/Ethernet48", "pop1-router1", "evil"]]);
}
