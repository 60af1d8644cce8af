//! A whole cluster that is gone for a minute, without a word, while commands are carried out.

use crate::nodes::{Cluster, PATIENCE, delete_topics, make_topics, until};
use ipowdm_agent::{Agent, AgentConfig, AgentHandle, Identity, Service};
use ipowdm_cmis::emulator::{EmulatedModule, ModuleClock, Profile};
use ipowdm_core::bus::{Bus, Outgoing};
use ipowdm_core::ids::{PortId, VopId};
use ipowdm_core::msg::Outcome;
use ipowdm_core::topics::{self, Role};
use ipowdm_examples::heard::{Heard, Listener};
use nix::sys::signal::Signal;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long there is no broker.
const GONE: Duration = Duration::from_secs(60);

/// Ports, of which each is sampled and set up.
const PORTS: u32 = 8;

/// Records that the agent keeps for a bus that is away: fewer than it has in that time.
const KEPT: usize = 100;

const TELEMETRY_MS: u32 = 500;

fn agent(bus: Arc<dyn Bus>, vop: &VopId) -> (AgentHandle, Vec<EmulatedModule>) {
    let ports: Vec<PortId> = (0..PORTS).map(|port| format!("Ethernet{port}").parse().unwrap()).collect();
    let service = Service::Fixed {
        vop: vop.clone(),
        ports: ports.clone(),
        telemetry_interval_ms: TELEMETRY_MS,
        health_interval_ms: 2_000,
    };
    let identity = Identity::of_router("pop1".parse().unwrap(), "router1".parse().unwrap());
    let mut config = AgentConfig::new(identity, service);
    config.emulated = true;
    config.outgoing = KEPT;
    // Seconds for each set-up: the brokers go while modules are at work.
    let modules = (1..=u64::from(PORTS)).map(|serial| {
        let serial = serial.try_into().unwrap();
        EmulatedModule::new(Profile::OPENZRP, serial, ModuleClock::scaled(10))
    });
    let modules: Vec<EmulatedModule> = modules.collect();
    let mut builder = Agent::builder(config).bus(bus);
    for (port, module) in ports.into_iter().zip(&modules) {
        builder = builder.port(port, Box::new(module.eeprom()));
    }
    (builder.build().unwrap().spawn().unwrap(), modules)
}

fn command(action: &str, id: &str, port: u32, endpoint: &str) -> Outgoing {
    let line = format!(
        r#"{{"action":"{action}","v":1,"epoch":1,"command_id":"{id}","parameters":{{"connection_id":"C-{port}","endpoint_config":[{{"pop_id":"pop1","node_id":"router1","port_id":"Ethernet{port}"{endpoint}}}]}}}}"#
    );
    Outgoing::new("pop1-router1", line)
}

/// Everything was answered once, and what was dropped was told.
fn judge(heard: &Heard, early: usize, resync: Duration) {
    let (life, gaps) = (heard.life, heard.gaps_of(heard.life));
    let missing: u64 = gaps.iter().map(|(first, last)| last - first + 1).sum();
    let told = heard.dropped.get(&life).copied().unwrap_or(0);
    println!(
        "three nodes gone for {} s: {} of {PORTS} set-ups answered once ({early} before they went), {missing} samples missing \
         in {} runs, {told} told; a command is answered {resync:.2?} after the cluster answers anybody",
        GONE.as_secs(),
        heard.acks.values().filter(|ack| ack.ids.len() == 1).count() - 1,
        gaps.len(),
    );
    let refused: Vec<_> = heard.acks.iter().filter(|(_, ack)| ack.outcome != Outcome::Applied).collect();
    assert!(refused.is_empty(), "{refused:?}");
    assert!(heard.acks.values().all(|ack| ack.ids.len() == 1), "each is answered once");
    assert!(missing > 0, "the queue was to be too short");
    assert_eq!(missing, told, "what was dropped is told exactly");
    assert!(gaps.len() <= heard.ports_of(life), "the oldest are dropped, so each port has one gap at most");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_gone_for_a_minute_costs_no_answer_and_what_was_dropped_is_told_exactly() {
    let Some(cluster) = Cluster::find() else { return };
    let vop: VopId = format!("gone{}", std::process::id()).parse().unwrap();
    let ours = cluster.bus();
    make_topics(&*ours, &vop).await;
    let topic = |role| topics::name(role, &vop, None).to_string();
    let listener = Listener::start(&cluster.bus(), &[&topic(Role::Monitoring), &topic(Role::Health)]);
    let (agent, modules) = agent(cluster.bus(), &vop);
    while agent.status().await.is_none_or(|status| status.vops.values().any(|listening| !listening)) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Half of the ports are lit and sampled before; the other half is being set up when the brokers go.
    let setups = |ports: core::ops::Range<u32>| {
        let endpoint = r#","frequency":193.1,"tx_power_level":-10.0"#;
        ports.map(|port| command("setupConnection", &format!("up-{port}"), port, endpoint)).collect()
    };
    let commands = topic(Role::Config);
    let half = PORTS / 2;
    ours.publish(&commands, setups(0..half)).await.unwrap();
    let acked = |count: u32| {
        let acks = || listener.look().acks.len();
        (acks() >= usize::try_from(count).unwrap()).then_some(())
    };
    until("half of the ports are lit", || acked(half)).await;
    ours.publish(&commands, setups(half..PORTS)).await.unwrap();
    while agent.status().await.is_none_or(|status| status.intake.records < u64::from(PORTS)) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    cluster.nodes().iter().for_each(|node| node.signal(Signal::SIGKILL));
    let early = listener.look().acks.len() - usize::try_from(half).unwrap();
    tokio::time::sleep(GONE).await;
    let lit = modules.iter().filter(|module| module.emission().is_some()).count();
    assert_eq!(lit, modules.len(), "what was under way is done without brokers");
    cluster.nodes().iter().for_each(crate::nodes::Node::launch);
    // Somebody who knows nothing of the time before.
    let stranger = cluster.bus();
    let began = Instant::now();
    while stranger.bounds(&topic(Role::Monitoring), 0).await.is_err() {
        assert!(began.elapsed() < PATIENCE, "the cluster does not come back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let back = Instant::now();
    until("all set-ups are answered", || acked(PORTS)).await;
    let line = command("reconfigConnection", "after", 0, r#","tx_power_level":-9.5"#);
    ours.publish(&commands, Vec::from([line])).await.unwrap();
    until("a command after it is answered", || acked(PORTS + 1)).await;
    let answered = listener.look().acks.values().map(|ack| ack.at).max().unwrap();
    let resync = answered.saturating_duration_since(back);
    // Telling what was dropped takes a heartbeat; another shows that nothing is told twice.
    let heartbeats = listener.look().heartbeats;
    until("heartbeats", || (listener.look().heartbeats > heartbeats + 2).then_some(())).await;
    agent.stop().await;

    judge(&listener.look(), early, resync);
    delete_topics(&*ours, &vop).await;
}
