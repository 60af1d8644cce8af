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
    let [connection, life, incarnation, start, number] = parts[..] else { panic!("{awaited}") };
    let earlier = format!("{connection}.00c0ffee.{incarnation}.{start}.{number}");
    let of_another_start = format!("{connection}.{life}.{incarnation}.00c0ffee.{number}");
    let of_another_incarnation = format!("{connection}.{life}.c0ffee.{start}.{number}");
    let answered = bed.records("monitoring_vOp2").await.into_iter().filter_map(|record| record.value);
    let ack = answered
        .map(|value| String::from_utf8(value.to_vec()).unwrap())
        .find(|v| v.contains("setupConnection"));
    let mut ack: serde_json::Value = serde_json::from_str(&ack.unwrap()).unwrap();
    for (field, value) in [("agent_id", "pop2-router1"), ("pop_id", "pop2")] {
        ack[field] = value.into();
    }
    for other in [earlier, of_another_start, of_another_incarnation] {
        ack["command_id"] = other.as_str().into();
        bed.publish("monitoring_vOp2", "POP1-POP2-1", ack.to_string().as_bytes()).await;
        calm().await;
        assert_eq!(state(&controller), State::SetupInProgress, "{other}");
    }
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

/// As many controllers start after the restoration as have started since the backup, so the epoch is the same.
#[tokio::test(start_paused = true)]
async fn a_restored_backup_gives_no_command_an_id_twice() {
    let (mut bed, controller) = Testbed::new().await.with_vop2().await;
    controller.create_connection(guide()).await.unwrap();
    drop(controller);
    bed.crash();
    let id_of = vop("vOp2");
    let (command_key, record_key) =
        (record::Command::key(&id_of), record::ConnectionRecord::key(&id_of, &id("POP1-POP2-1")));
    let store = bed.linkdb.store().clone();
    let command = store.get(&command_key).await.unwrap().unwrap();
    let record = store.get(&record_key).await.unwrap().unwrap();
    let mut ids = std::collections::BTreeMap::<CommandId, u64>::new();
    for life in 0..2 {
        bed.start().await;
        let controller = bed.controller("vOp2");
        let operation = controller.setup_and_wait(&id("POP1-POP2-1"), MINUTE).await.unwrap();
        assert_eq!(operation.status, OperationStatus::Succeeded, "in life {life}");
        drop(controller);
        bed.crash();
        let restored = store.transact(|tx| {
            tx.put(&command_key, &command)?;
            tx.put(&record_key, &record)
        });
        restored.await.unwrap();
    }
    let mut epochs = BTreeSet::new();
    for (_, command) in bed.commands("config_vOp2", "POP1-POP2-1").await {
        *ids.entry(command.command_id.unwrap()).or_default() += 1;
        epochs.insert(command.epoch);
    }
    assert_eq!(epochs.len(), 1, "the epoch tells nothing: {epochs:?}");
    assert!(ids.len() == 4 && ids.values().all(|times| *times == 1), "{ids:?}");
}
