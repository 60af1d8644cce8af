//! Another life of a virtual operator on a broker, and with agents, that remember an earlier one.

use super::*;
use ipowdm_core::bus::memory::MemoryBus;
use ipowdm_core::ids::CommandId;
use ipowdm_core::msg::{AdminState, Command, Target};
use std::collections::BTreeSet;

#[tokio::test(start_paused = true)]
async fn an_answer_to_a_command_of_an_earlier_life_is_not_taken() {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    bed.agent("pop2").behave("Ethernet48", Behaviour::Mute);
    controller.create_connection(guide()).await.unwrap();
    controller.setup(&id("POP1-POP2-1")).await.unwrap();
    calm().await;
    let commands = bed.commands("config_vOp2", "POP1-POP2-1").await;
    let awaited = commands.iter().find(|(agent, _)| agent.starts_with("pop2")).unwrap();
    let awaited = awaited.1.command_id.clone().unwrap();
    let parts: Vec<&str> = awaited.as_str().split('.').collect();
    let [connection, _life, incarnation, epoch, number] = parts[..] else { panic!("{awaited}") };
    let earlier = format!("{connection}.00c0ffee.{incarnation}.{epoch}.{number}");
    let answered = bed.records("monitoring_vOp2").await.into_iter().filter_map(|record| record.value);
    let ack = answered
        .map(|value| String::from_utf8(value.to_vec()).unwrap())
        .find(|v| v.contains("setupConnection"));
    let mut ack: serde_json::Value = serde_json::from_str(&ack.unwrap()).unwrap();
    let as_pop2 = [("agent_id", "pop2-router1"), ("pop_id", "pop2"), ("command_id", earlier.as_str())];
    for (field, value) in as_pop2 {
        ack[field] = value.into();
    }
    bed.publish("monitoring_vOp2", "POP1-POP2-1", ack.to_string().as_bytes()).await;
    calm().await;
    assert_eq!(state(&controller), State::SetupInProgress);
    // The same answer to the command of this life is taken: it was the id alone.
    ack["command_id"] = awaited.as_str().into();
    bed.publish("monitoring_vOp2", "POP1-POP2-1", ack.to_string().as_bytes()).await;
    calm().await;
    assert_eq!(state(&controller), State::Active);
}

#[tokio::test(start_paused = true)]
async fn a_store_made_anew_gives_no_command_an_id_that_agents_may_remember() {
    async fn ids(bed: Testbed, ahead_ms: i64) -> (MemoryBus, BTreeSet<CommandId>) {
        bed.wall.jump(ahead_ms);
        let (bed, controller) = bed.with_vop2().await;
        controller.create_connection(guide()).await.unwrap();
        controller.setup_and_wait(&id("POP1-POP2-1"), MINUTE).await.unwrap();
        let port = port("pop1/router1/Ethernet56");
        controller.control_interface(&port, AdminState::Up).await.unwrap();
        calm().await;
        let commands = bed.records("config_vOp2").await.into_iter().filter_map(|record| record.value);
        let ids = commands.filter_map(|value| Command::from_json(&value).unwrap().command_id);
        let ids: BTreeSet<CommandId> = ids.collect();
        (bed.bus.clone(), ids)
    }
    let (bus, before) = ids(Testbed::new().await, 0).await;
    let (_, after) = ids(Testbed::on(bus).await, 60_000).await;
    assert!(before.len() >= 4, "a question, two setups, a switched port: {before:?}");
    assert_eq!(before.len(), after.len());
    assert!(before.is_disjoint(&after), "{:?}", before.intersection(&after));
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_starts_anew_is_asked_for_a_discovery_until_it_answers() {
    let (bed, _controller) = Testbed::new().await.with_vop2().await;
    tokio::time::sleep(MINUTE).await;
    let asked = async || {
        let records = bed.records("config_vOp2").await;
        let commands =
            records.iter().map(|record| Command::from_json(record.value.as_ref().unwrap()).unwrap());
        let asked = commands.filter(|command| command.action == Action::Discover);
        asked.map(|command| command.target).collect::<Vec<_>>()
    };
    assert_eq!(asked().await, [Target::All], "at the controller's start; all have answered");
    bed.agent("pop2").change("Ethernet48", |port| port.module = Some(plain_zr()));
    bed.agent("pop2").restart_terse().await;
    let at = port("pop2/router1/Ethernet48");
    eventually("the new module is known", || async {
        bed.linkdb.port(&at).await.unwrap().port.capability == Some(plain_zr())
    })
    .await;
    tokio::time::sleep(MINUTE * 10).await;
    let agent = at.router().default_agent();
    let all = asked().await;
    assert!(all.len() == 2 && all.contains(&Target::Agent(agent)), "once: {all:?}");
}
