//! Agents of other makes: what they are told, and what their word is worth.

use super::*;
use crate::connection::Ends;
use crate::testbed::{ForeignAgent, Manner};
use ipowdm_core::bus::Outgoing;
use ipowdm_core::msg::AdminState;
use serde_json::{Value, json};

const ID: &str = "POP1-POP2-1";

/// A bed with agents of another make at pop1 and pop2, in the given mode.
async fn bed(compatibility: bool) -> (Testbed, ControllerHandle, Ends<ForeignAgent>) {
    let config = ControllerConfig { compatibility, ..ControllerConfig::default() };
    let bed = Testbed::with_config(config).await;
    bed.slices().activate(Testbed::vop2()).await.unwrap();
    let agent = |pop: &str| ForeignAgent::start(&bed.bus, &vop("vOp2"), &router(pop, "router1"));
    let agents = Ends { source: agent("pop1"), destination: agent("pop2") };
    let controller = bed.controller("vOp2");
    if compatibility {
        eventually("both agents have described their modules", || async {
            let mut known = true;
            for pop in ["pop1", "pop2"] {
                let port = port(&format!("{pop}/router1/Ethernet48"));
                known &= bed.linkdb.port(&port).await.unwrap().port.capability.is_some();
            }
            known
        })
        .await;
    }
    (bed, controller, agents)
}

async fn lit_by_word() -> (Testbed, ControllerHandle, Ends<ForeignAgent>) {
    let (bed, controller, agents) = bed(true).await;
    controller.create_connection(guide()).await.unwrap();
    let operation = controller.setup_and_wait(&id(ID), MINUTE).await.unwrap();
    assert_eq!(operation.status, OperationStatus::Succeeded);
    (bed, controller, agents)
}

/// The commands about the connection as they are on the wire, with their keys.
async fn wire(bed: &Testbed, action: &str) -> Vec<(String, Value)> {
    let records = bed.records("config_vOp2").await;
    let read = |record: ipowdm_core::bus::Record| {
        let key = String::from_utf8(record.key.unwrap().to_vec()).unwrap();
        (key, serde_json::from_slice::<Value>(&record.value.unwrap()).unwrap())
    };
    records.into_iter().map(read).filter(|(_, command)| command["action"] == action).collect()
}

fn sample(agent: &str, interface: &str, osnr: f64) -> Value {
    json!({
        "type": "telemetrySample", "connection_id": ID, "agent_id": agent, "interface": interface,
        "fields": {
            "rx_power": -12.5, "osnr": osnr, "ber": null, "tx_power": -10.0, "temperature": 45.5,
            "module_state": "HIGH_POWER",
        },
    })
}

#[tokio::test(start_paused = true)]
async fn s0_05_agents_of_another_make_are_set_up_by_the_superset_and_active_is_not_verified() {
    let (bed, controller, agents) = lit_by_word().await;
    let view = controller.connection(&id(ID)).unwrap();
    assert_eq!((view.state, view.verified_at), (State::Active, None));
    assert!(view.ends.all(|end| end.seen.is_none()), "nothing was read back");
    assert_eq!(view.frequency.mhz() % 100_000, 0, "a channel that their driver can tune to");
    assert_eq!(agents.source.power(ID), Some(-10.0));
    let setups = wire(&bed, "setupConnection").await;
    assert_eq!(setups.len(), 2);
    for (key, setup) in setups {
        assert_eq!(key, setup["target_agent"].as_str().unwrap());
        assert_eq!((&setup["type"], &setup["connection_id"]), (&json!("setupConnection"), &json!(ID)));
        assert_eq!(setup["frequency"], view.frequency.mhz() / 1_000);
        assert_eq!(setup["endpoint_config"][0]["app"], 1, "their number of 400ZR");
        assert_eq!(setup["parameters"]["tx_power_level"], -10.0);
        assert_eq!(setup["parameters"]["endpoint_config"][0]["media_code"], 0x3E, "for agents of ours");
    }
}

#[tokio::test(start_paused = true)]
async fn outside_compatibility_mode_nothing_of_this_is_taken() {
    let (bed, controller, _agents) = bed(false).await;
    calm().await;
    let metrics = controller.metrics();
    assert_eq!((metrics.unknown_messages, metrics.acks.len()), (2, 0), "two descriptions of modules");
    let port = bed.linkdb.port(&port("pop1/router1/Ethernet48")).await.unwrap();
    assert_eq!(port.port.capability, None);
    let discovery = &wire(&bed, "discover").await[0].1;
    assert_eq!(discovery.get("type"), None);
}

#[tokio::test(start_paused = true)]
async fn s0_06_a_reconfiguration_is_answered_without_an_id_and_stays_unverified() {
    let (bed, controller, agents) = lit_by_word().await;
    let step = ReconfigureRequest::step("manual", Db::from_hundredths(50), None);
    let operation = controller.reconfigure(&id(ID), &step).await.unwrap();
    let operation = controller.wait(operation, MINUTE).await.unwrap();
    assert_eq!(operation.status, OperationStatus::Succeeded);
    let view = controller.connection(&id(ID)).unwrap();
    assert_eq!((view.state, view.verified_at), (State::Active, None));
    assert!(view.ends.all(|end| end.tx_power == Some(power(-950))));
    assert_eq!((agents.source.power(ID), agents.destination.power(ID)), (Some(-9.5), Some(-9.5)));
    for (_, command) in wire(&bed, "reconfigConnection").await {
        assert_eq!(command.get("frequency"), None, "it would be one to tune to");
        assert_eq!(command["parameters"]["reason"], "manual");
    }
}

#[tokio::test(start_paused = true)]
async fn a_teardown_by_word_ends_the_connection_and_says_that_light_is_not_known_to_be_off() {
    let (bed, controller, agents) = lit_by_word().await;
    let mut events = controller.events();
    let operation = controller.delete(&id(ID)).await.unwrap();
    let operation = controller.wait(operation, MINUTE).await.unwrap();
    assert_eq!(operation.status, OperationStatus::Succeeded);
    assert_eq!((state(&controller), agents.source.power(ID)), (State::Terminated, None));
    bed.assert_nothing_held().await;
    let mut unconfirmed = 0;
    while let Ok(event) = events.try_recv() {
        unconfirmed += usize::from(matches!(event, ControllerEvent::LeftUnconfirmed { .. }));
    }
    assert_eq!(unconfirmed, 2);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_never_answers_is_timed_out_released_and_failed() {
    let (bed, controller, agents) = bed(true).await;
    agents.destination.behave(Manner::Mute);
    controller.create_connection(guide()).await.unwrap();
    let operation = controller.setup_and_wait(&id(ID), MINUTE * 30).await.unwrap();
    assert_eq!(failed_with(&operation), Some(Code::TimedOut));
    assert_eq!(state(&controller), State::Failed);
    bed.assert_nothing_held().await;
}

#[tokio::test(start_paused = true)]
async fn s0_05_an_error_that_names_the_command_fails_it_at_once() {
    let (bed, controller, agents) = bed(true).await;
    agents.destination.behave(Manner::Refuse);
    controller.create_connection(guide()).await.unwrap();
    controller.setup(&id(ID)).await.unwrap();
    eventually("the set-up is being undone", || async { state(&controller) == State::TeardownInProgress })
        .await;
    let failure = controller.connection(&id(ID)).unwrap().failure.unwrap();
    assert_eq!(
        (failure.code, failure.text.as_str()),
        (Code::ModuleRejected, "SetupConnectionError: refused")
    );
    // The end that refused has nothing to take down, and does not answer.
    eventually("given up", || async { state(&controller) == State::Failed }).await;
    bed.assert_nothing_held().await;
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_to_a_set_up_that_was_given_up_is_not_that_of_the_next() {
    let (bed, controller, agents) = bed(true).await;
    let times = ControllerConfig::default().times;
    let limit = Duration::from_millis(times.control_ms + times.setup_module_ms);
    agents.source.behave(Manner::Mute);
    agents.destination.behave(Manner::Mute);
    controller.create_connection(guide()).await.unwrap();
    let operation = controller.setup_and_wait(&id(ID), MINUTE * 30).await.unwrap();
    assert_eq!(failed_with(&operation), Some(Code::TimedOut));
    bed.assert_nothing_held().await;
    // Both are lit anew, one of them answers only late; the answers to the first set-up come now.
    agents.source.behave(Manner::Slow(limit * 2));
    agents.destination.behave(Manner::Slow(limit * 2));
    controller.repair(&id(ID)).await.unwrap();
    eventually("is being set up", || async { state(&controller) == State::SetupInProgress }).await;
    for (agent, name) in [(&agents.source, "pop1-router1"), (&agents.destination, "pop2-router1")] {
        let result =
            json!({"type": "setupConnectionResult", "connection_id": ID, "agent_id": name, "success": true});
        agent.say(result).await;
    }
    calm().await;
    assert_eq!(state(&controller), State::SetupInProgress, "these are answers to what was given up");
}

#[tokio::test(start_paused = true)]
async fn what_an_agent_says_of_another_connection_or_for_another_agent_answers_nothing() {
    let (_bed, controller, agents) = bed(true).await;
    agents.source.behave(Manner::Mute);
    agents.destination.behave(Manner::Mute);
    controller.create_connection(guide()).await.unwrap();
    controller.setup(&id(ID)).await.unwrap();
    calm().await;
    for (connection, agent, kind) in [
        ("POP1-POP2-2", "pop1-router1", "setupConnectionResult"),
        (ID, "pop3-router1", "setupConnectionResult"),
        (ID, "stranger", "setupConnectionResult"),
        (ID, "pop1-router1", "reconfigConnectionResult"),
        (ID, "pop1-router1", "teardownConnectionResult"),
    ] {
        let result = json!({"type": kind, "connection_id": connection, "agent_id": agent, "success": true});
        agents.source.say(result).await;
    }
    calm().await;
    let view = controller.connection(&id(ID)).unwrap();
    assert!(view.ends.all(|end| end.awaits_answer), "{view:?}");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_denies_what_is_up_makes_it_degraded() {
    for denial in [
        json!({"type": "teardownConnectionResult", "success": true}),
        json!({"type": "reconfigConnectionResult", "success": true, "new_power": -14.0}),
        json!({"type": "setupConnectionResult", "success": false, "error": "Configuration verification failed"}),
    ] {
        let (_bed, controller, agents) = lit_by_word().await;
        let mut message = denial.clone();
        (message["connection_id"], message["agent_id"]) = (json!(ID), json!("pop2-router1"));
        agents.destination.say(message).await;
        eventually("degraded", || async { state(&controller) == State::Degraded }).await;
        assert_eq!(controller.connection(&id(ID)).unwrap().verified_at, None, "{denial}");
    }
    let (_bed, controller, agents) = lit_by_word().await;
    for same in [
        json!({"type": "setupConnectionResult", "success": true}),
        json!({"type": "reconfigConnectionResult", "success": true, "new_power": -10.0}),
    ] {
        let mut message = same;
        (message["connection_id"], message["agent_id"]) = (json!(ID), json!("pop2-router1"));
        agents.destination.say(message).await;
    }
    calm().await;
    assert_eq!(state(&controller), State::Active);
}

#[tokio::test(start_paused = true)]
async fn s0_08_a_sample_with_the_constant_agent_id_is_placed_by_its_key_or_its_port() {
    let (bed, controller, _agents) = lit_by_word().await;
    let topic = "monitoring_vOp2";
    let seen = || {
        let qot = controller.qot(&id(ID)).unwrap();
        (qot.ends.source.last.is_some(), qot.ends.destination.last.is_some())
    };
    // Both ends have a port of this name: neither the constant id nor the port says which it was.
    let lost = sample("pop1-router1", "Ethernet48", 35.0).to_string();
    bed.bus
        .publish(topic, vec![Outgoing { key: None, value: Some(lost.into_bytes().into()) }])
        .await
        .unwrap();
    calm().await;
    assert_eq!((seen(), controller.metrics().samples_unknown), ((false, false), 1));
    bed.publish(topic, "pop2-router1", sample("pop1-router1", "Ethernet48", 35.0).to_string().as_bytes())
        .await;
    eventually("the destination is sampled", || async { seen() == (false, true) }).await;
    // A port that this end does not have.
    bed.publish(topic, "pop1-router1", sample("pop1-router1", "Ethernet56", 35.0).to_string().as_bytes())
        .await;
    bed.publish(topic, "pop1-router1", sample("pop1-router1", "Ethernet48", 35.0).to_string().as_bytes())
        .await;
    eventually("the source is sampled", || async { seen() == (true, true) }).await;
    let last = controller.qot(&id(ID)).unwrap().ends.source.last.unwrap().0;
    assert_eq!((last.fields.ber, last.fields.osnr), (None, Some(Db::from_hundredths(3500))));
    assert_eq!(controller.metrics().samples_unknown, 2);
}

#[tokio::test(start_paused = true)]
async fn s0_08_a_sample_without_a_key_is_placed_by_a_port_or_by_an_id_that_is_not_the_constant() {
    let (bed, controller, agents) = bed(true).await;
    let at = |pop: &str, port: &str| EndRequest {
        pop: pop_of(pop),
        router: None,
        port: Some(port.parse().unwrap()),
    };
    let request = ConnectionRequest { destination: at("pop2", "Ethernet56"), ..guide() };
    controller.create_connection(request).await.unwrap();
    controller.setup_and_wait(&id(ID), MINUTE).await.unwrap();
    agents.destination.say(sample("pop1-router1", "Ethernet56", 35.0)).await;
    eventually("by its port", || async { controller.qot(&id(ID)).unwrap().ends.destination.last.is_some() })
        .await;
    assert!(controller.qot(&id(ID)).unwrap().ends.source.last.is_none());
    drop((bed, controller, agents));

    let (_bed, controller, agents) = lit_by_word().await;
    agents.destination.say(sample("pop2-router1", "Ethernet48", 35.0)).await;
    eventually("by its id", || async { controller.qot(&id(ID)).unwrap().ends.destination.last.is_some() })
        .await;
}

fn pop_of(name: &str) -> ipowdm_core::ids::PopId {
    pop(name)
}

#[tokio::test(start_paused = true)]
async fn s0_13_a_quality_event_is_counted_and_changes_nothing() {
    let (_bed, controller, agents) = lit_by_word().await;
    let details =
        json!({"old_power": -10.0, "new_power": -9.5, "reason": "OSNR degraded to 17.2 dB", "samples": 3});
    let event = json!({
        "type": "qotEvent", "connection_id": ID, "agent_id": "pop1-router1", "event": "tx_power_adjusted",
        "details": details,
    });
    agents.source.say(event).await;
    eventually("it is counted", || async { controller.metrics().quality_notes == 1 }).await;
    let view = controller.connection(&id(ID)).unwrap();
    assert_eq!((view.state, view.ends.source.tx_power), (State::Active, Some(power(-1000))));
}

#[tokio::test(start_paused = true)]
async fn s0_07_an_ack_of_interface_control_is_matched_by_its_id_alone() {
    let (bed, controller, agents) = bed(true).await;
    let port = port("pop1/router1/Ethernet48");
    let operation = controller.control_interface(&port, AdminState::Down).await.unwrap();
    calm().await;
    let command = wire(&bed, "down").await.pop().unwrap().1;
    assert_eq!(
        (&command["type"], &command["parameters"]["action"]),
        (&json!("interfaceControl"), &json!("down"))
    );
    let ack = json!({
        "type": "commandAck", "agent_id": "pop1-router1", "pop_id": "pop1", "router_id": "router1",
        "virtual_operator": "vOp2", "command_id": command["command_id"], "action": "down", "status": "success",
        "details": {"result": "Interface Ethernet48 set to down"},
    });
    agents.source.say(ack).await;
    let operation = controller.wait(operation, MINUTE).await.unwrap();
    assert_eq!(operation.status, OperationStatus::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn agents_of_ours_are_commanded_by_the_superset_and_read_back_as_ever() {
    let config = ControllerConfig { compatibility: true, ..ControllerConfig::default() };
    let (_bed, controller) = Testbed::with_config(config).await.with_vop2().await;
    controller.create_connection(guide()).await.unwrap();
    let operation = controller.setup_and_wait(&id(ID), MINUTE).await.unwrap();
    assert_eq!(operation.status, OperationStatus::Succeeded);
    let view = controller.connection(&id(ID)).unwrap();
    assert!(view.verified_at.is_some() && view.ends.all(|end| end.seen.is_some()));
}

#[tokio::test(start_paused = true)]
async fn in_compatibility_mode_an_agent_of_ours_must_still_read_back() {
    let config = ControllerConfig { compatibility: true, ..ControllerConfig::default() };
    let (bed, controller) = Testbed::with_config(config).await.with_vop2().await;
    bed.agent("pop1").behave("Ethernet48", Behaviour::WrongPower);
    controller.create_connection(guide()).await.unwrap();
    let operation = controller.setup_and_wait(&id(ID), MINUTE).await.unwrap();
    assert_eq!(failed_with(&operation), Some(Code::ReadBackMismatch));
    bed.assert_nothing_held().await;
}

#[tokio::test(start_paused = true)]
async fn modules_that_are_not_described_are_what_the_inventory_says() {
    let config = ControllerConfig { compatibility: true, ..ControllerConfig::default() };
    let bed = Testbed::with_config(config).await;
    let at = port("pop1/router1/Ethernet48");
    bed.linkdb.set_capability(&at, Some(openzr())).await.unwrap();
    bed.slices().activate(Testbed::vop2()).await.unwrap();
    let names = json!({
        "type": "capabilities", "agent_id": "pop1-router1", "pop_id": "pop1", "router_id": "router1",
        "virtual_operator": "vOp2", "timestamp": 1.5, "interfaces": ["Ethernet48"],
    });
    bed.publish("monitoring_vOp2", "pop1-router1", names.to_string().as_bytes()).await;
    let controller = bed.controller("vOp2");
    eventually("it is heard", || async {
        controller.agents().iter().any(|agent| agent.agent.last_seen.is_some())
    })
    .await;
    calm().await;
    assert_eq!(bed.linkdb.port(&at).await.unwrap().port.capability, Some(openzr()));
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_comes_back_takes_the_answer_to_what_the_one_before_it_has_asked() {
    let (mut bed, controller, agents) = bed(true).await;
    for agent in [&agents.source, &agents.destination] {
        agent.behave(Manner::Slow(Duration::from_secs(20)));
    }
    controller.create_connection(guide()).await.unwrap();
    controller.setup(&id(ID)).await.unwrap();
    eventually("published", || async { wire(&bed, "setupConnection").await.len() == 2 }).await;
    drop(controller);
    bed.crash();
    bed.start().await;
    let controller = bed.controller("vOp2");
    assert_eq!(state(&controller), State::SetupInProgress);
    eventually("by their word", || async { state(&controller) == State::Active }).await;
    assert_eq!(controller.connection(&id(ID)).unwrap().verified_at, None);
}

#[cfg(feature = "http")]
#[tokio::test(start_paused = true)]
async fn the_rest_says_that_a_connection_is_up_and_not_verified() {
    let (_bed, controller, _agents) = lit_by_word().await;
    let view = controller.connection(&id(ID)).unwrap();
    let json = crate::http::connection_json(vop("vOp2"), view);
    assert_eq!((&json["status"], &json["verified"]), (&json!("ACTIVE"), &json!(false)));
    assert_eq!((&json["verified_at"], &json["source"]["read_back"]), (&Value::Null, &Value::Null));
    assert!(json["message"].as_str().unwrap().contains("by the word of its agents"), "{json}");
}
