//! Who may do what on a real broker with an authorizer: passwords bind, rights bind, and both go when they are taken away.
//!
//! `IPOWDM_KAFKA_SECURE` names the administrator's client.properties of an Apache Kafka that `scripts/kafka-up.sh --secure` has
//! started. `IPOWDM_KAFKA_BOOTSTRAP` names one without an authorizer.

#![expect(
    clippy::unwrap_used,
    reason = "a test may stop at what it does not expect, in its own functions too"
)]

#[path = "kafka/secured.rs"]
mod secured_kafka;
#[path = "kafka/tenants.rs"]
mod tenants;

use ipowdm_core::bus::access::{Principal, Resource, Right, Scope, Scram, Secret, rights};
use ipowdm_core::bus::kafka::{KafkaBus, KafkaOptions};
use ipowdm_core::bus::quota::Quota;
use ipowdm_core::bus::{Bus, BusError, FetchRequest, Outgoing};
use ipowdm_core::ids::{AgentId, ApplicationId, PortRef};
use ipowdm_core::topics::{ASSIGNMENTS, Role};
use ipowdm_core::units::Length;
use ipowdm_ctl_lib::linkdb::LinkDb;
use ipowdm_ctl_lib::slice::{Activation, ActivationRequest, Enforcement, SliceConfig, SliceManager};
use ipowdm_ctl_lib::store::Store;
use ipowdm_ctl_lib::topology::{FibreLink, Pop, Port, Router};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tenants::{Cluster, bus, make_topics, topic, vop};

async fn read(client: &KafkaBus, topic: &str) -> Result<usize, BusError> {
    let topic = topic.to_owned();
    let max_wait = Duration::from_millis(1);
    let request = FetchRequest { topic, partition: 0, offset: 0, max_bytes: 1 << 16, max_wait };
    client.fetch(request).await.map(|fetched| fetched.records.len())
}

async fn write(client: &KafkaBus, topic: &str) -> Result<(), BusError> {
    client.publish(topic, vec![Outgoing::new("k", "v")]).await.map(|_| ())
}

fn is_forbidden<T: std::fmt::Debug>(outcome: &Result<T, BusError>) -> bool {
    matches!(outcome, Err(BusError::Forbidden(_)))
}

/// Rights and passwords reach a broker a moment after the controller has decided.
async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let within = tokio::time::timeout(Duration::from_secs(60), async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(within.await.is_ok(), "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_reaches_its_own_topics_and_nobody_elses() {
    let Some(cluster) = Cluster::find() else { return };
    let (a, b) = (vop("A"), vop("B"));
    make_topics(&cluster.admin, &a).await;
    make_topics(&cluster.admin, &b).await;
    let controller = cluster.admit(&Principal::Controller(a.clone()), &a, Scram::Sha512).await;
    let application = Principal::Application(a.clone(), ApplicationId::new("exporter").unwrap());
    let application = cluster.admit(&application, &a, Scram::Sha256).await;
    let agent = Principal::Agent(AgentId::new(&format!("{a}-agent")).unwrap());
    let agent = cluster.admit(&agent, &a, Scram::Sha512).await;

    // Who, which topic of A, may read, may write.
    let table = [
        (&controller, Role::Config, false, true),
        (&controller, Role::Monitoring, true, false),
        (&controller, Role::Health, true, false),
        (&application, Role::Config, false, false),
        (&application, Role::Monitoring, true, false),
        (&application, Role::Health, true, false),
        (&agent, Role::Config, true, false),
        (&agent, Role::Monitoring, false, true),
        (&agent, Role::Health, true, true),
    ];
    for (index, (client, role, reads, writes)) in table.into_iter().enumerate() {
        let own = topic(role, &a);
        let (read_it, written) = (read(client, &own).await, write(client, &own).await);
        assert_eq!((read_it.is_ok(), written.is_ok()), (reads, writes), "{index} {role:?}");
        assert!(reads || is_forbidden(&read_it), "{index} {role:?}: {read_it:?}");
        assert!(writes || is_forbidden(&written), "{index} {role:?}: {written:?}");
        let others = topic(role, &b);
        let (read_it, written) = (read(client, &others).await, write(client, &others).await);
        assert!(
            is_forbidden(&read_it) && is_forbidden(&written),
            "{index} {role:?}: {read_it:?} {written:?}"
        );
        assert!(client.topics().await.unwrap().iter().all(|name| !name.contains(b.as_str())));
    }
    assert!(read(&agent, ASSIGNMENTS).await.is_ok());
    for nobody in [&controller, &application] {
        assert!(is_forbidden(&read(nobody, ASSIGNMENTS).await));
    }
    assert!(is_forbidden(&write(&agent, ASSIGNMENTS).await), "only the operator assigns");
    // Nobody of them administers.
    for client in [&controller, &application, &agent] {
        let own = Scope::Resource(Resource::topic_of(Role::Config, &a));
        assert!(client.access().unwrap().revoke(own).await.is_err());
        assert!(client.access().unwrap().issue_passwords(vec!["x".to_owned()], Scram::Sha512).await.is_err());
        assert!(client.delete_topic(&topic(Role::Config, &a)).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_and_passwords_that_are_taken_away_are_gone() {
    let Some(cluster) = Cluster::find() else { return };
    let own = vop("C");
    make_topics(&cluster.admin, &own).await;
    let principal = Principal::Controller(own.clone());
    let client = cluster.admit(&principal, &own, Scram::Sha512).await;
    let config = topic(Role::Config, &own);
    write(&client, &config).await.unwrap();
    let scope = Scope::Principal(principal.name());
    let granted = cluster.access().granted(scope.clone()).await.unwrap();
    let mut wanted = rights(&principal, &own);
    wanted.sort();
    assert_eq!(granted, wanted);
    cluster.access().grant(wanted.clone()).await.unwrap();
    assert_eq!(cluster.access().granted(scope.clone()).await.unwrap().len(), wanted.len(), "not twice");

    assert_eq!(cluster.access().revoke(scope.clone()).await.unwrap(), wanted.len());
    assert_eq!(cluster.access().granted(scope.clone()).await.unwrap(), Vec::<Right>::new());
    eventually("it may not write", || async { is_forbidden(&write(&client, &config).await) }).await;
    assert_eq!(cluster.access().revoke(scope).await.unwrap(), 0);

    let user = vec![principal.name()];
    let held = cluster.access().passwords(user.clone()).await.unwrap();
    assert_eq!(held, BTreeMap::from([(principal.name(), vec![Scram::Sha512])]));
    cluster.access().issue_passwords(user.clone(), Scram::Sha256).await.unwrap();
    assert_eq!(cluster.access().withdraw_passwords(user.clone()).await.unwrap(), 2, "every mechanism");
    assert!(cluster.access().passwords(user.clone()).await.unwrap().is_empty());
    assert_eq!(cluster.access().withdraw_passwords(user).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quotas_are_what_was_set_last_and_go_when_they_are_taken_away() {
    let Some(cluster) = Cluster::find() else { return };
    let users = ["F", "G"].map(|name| Principal::Controller(vop(name)).name());
    let quotas = cluster.admin.quotas().unwrap();
    let all = Quota {
        publish_bytes: NonZeroU32::new(20_000),
        fetch_bytes: NonZeroU32::new(u32::MAX),
        request_percent: NonZeroU32::new(150),
    };
    let one = Quota { fetch_bytes: NonZeroU32::new(1), ..Quota::default() };
    let [f, g] = users.clone();
    quotas.set_quotas([(f.clone(), all), (g.clone(), one)].into()).await.unwrap();
    let held = BTreeMap::from([(f.clone(), all), (g.clone(), one)]);
    assert_eq!(quotas.quotas_of(users.to_vec()).await.unwrap(), held);
    assert_eq!(quotas.quotas_of(vec![g.clone()]).await.unwrap(), [(g.clone(), one)].into());
    // In place of all that it had.
    quotas.set_quotas([(f.clone(), one)].into()).await.unwrap();
    assert_eq!(quotas.quotas_of(vec![f.clone()]).await.unwrap(), [(f.clone(), one)].into());
    let none = users.clone().map(|user| (user, Quota::default()));
    for _ in 0..2 {
        quotas.set_quotas(none.clone().into()).await.unwrap();
        assert_eq!(quotas.quotas_of(users.to_vec()).await.unwrap(), BTreeMap::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_lets_nobody_in_and_says_so() {
    let Some(cluster) = Cluster::find() else { return };
    let own = vop("D");
    let principal = Principal::Controller(own.clone());
    let name = principal.name();
    let first = cluster.access().issue_passwords(vec![name.clone()], Scram::Sha512).await.unwrap();
    let second = cluster.access().issue_passwords(vec![name.clone()], Scram::Sha512).await.unwrap();
    let wrong = Secret::new("wrong");
    for (password, scram) in
        [(&wrong, Scram::Sha512), (&first[0], Scram::Sha512), (&second[0], Scram::Sha256)]
    {
        let error = cluster.client(&name, scram, password).topics().await.unwrap_err();
        let text = error.to_string();
        assert!(error.is_transient() && text.contains(&name), "{text}");
        assert!(!text.contains(password.reveal()));
    }
    assert_eq!(
        cluster.client(&name, Scram::Sha512, &second[0]).topics().await.unwrap(),
        Vec::<String>::new()
    );
    let nobody = bus(cluster.secured.options(None)).topics().await;
    assert!(nobody.is_err(), "{nobody:?}");
}

fn port(pop: &str, number: u8) -> PortRef {
    let port_id = format!("Ethernet{number}").parse().unwrap();
    PortRef { pop_id: pop.parse().unwrap(), router_id: "r1".parse().unwrap(), port_id }
}

/// Two PoPs that nobody else names, a link between them, a router with three ports in each.
async fn network_of(name: &str) -> (LinkDb, [String; 2]) {
    let db = LinkDb::new(Store::memory());
    let pops = ["west", "east"].map(|side| format!("{name}-{side}-{}", std::process::id()));
    for pop in &pops {
        db.add_pop(Pop::new(pop.parse().unwrap())).await.unwrap();
        db.add_router(Router::new(port(pop, 0).router())).await.unwrap();
        for number in 0..3 {
            db.add_port(Port::new(port(pop, number))).await.unwrap();
        }
    }
    let ends = [&pops[0], &pops[1]].map(|pop| pop.parse().unwrap());
    let [a, b] = ends;
    db.add_link(FibreLink::new("l1".parse().unwrap(), a, b, Length::from_metres(80_000))).await.unwrap();
    (db, pops)
}

/// The password that an activation has made for a user.
fn password_of<'a>(activation: &'a Activation, user: &str) -> Option<&'a Secret> {
    let found = activation.credentials.iter().find(|credential| credential.principal.name() == user);
    found.map(|credential| &credential.password)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s0_01_s0_02_activation_admits_a_tenant_to_its_topics_alone_and_deactivation_leaves_nothing() {
    let Some(cluster) = Cluster::find() else { return };
    let (db, [west, east]) = network_of("access").await;
    let slices = SliceManager::builder(db, Arc::new(cluster.admin.clone())).start().await.unwrap();
    let (a, b) = (vop("TenantA"), vop("TenantB"));
    let request_a = ActivationRequest::new(a.clone(), "A", vec![port(&west, 0), port(&east, 0)]);
    let of_a = slices.activate(request_a.clone()).await.unwrap();
    let of_b = ActivationRequest::new(b.clone(), "B", vec![port(&west, 1)]);
    let of_b = slices.activate(of_b).await.unwrap();
    let (agent, controller) = (format!("agent_{west}-r1"), format!("controller_{a}"));
    assert!(password_of(&of_b, &agent).is_none(), "it has one, and keeps it");
    let described = slices.describe(&a).await.unwrap().access;
    assert_eq!((&described.rights, &described.passwords), (&Enforcement::Enforced, &Enforcement::Enforced));

    let agent_client = cluster.client(&agent, Scram::Sha512, password_of(&of_a, &agent).unwrap());
    let controller_client =
        cluster.client(&controller, Scram::Sha512, password_of(&of_a, &controller).unwrap());
    write(&controller_client, &topic(Role::Config, &a)).await.unwrap();
    for vop in [&a, &b] {
        assert!(read(&agent_client, &topic(Role::Config, vop)).await.is_ok());
        write(&agent_client, &topic(Role::Monitoring, vop)).await.unwrap();
        assert!(
            is_forbidden(&write(&agent_client, &topic(Role::Config, vop)).await),
            "commands are not its own"
        );
    }
    for role in Role::ALL {
        let others = topic(role, &b);
        assert!(is_forbidden(&read(&controller_client, &others).await));
        assert!(is_forbidden(&write(&controller_client, &others).await));
    }
    let application = slices.admit_application(&a, &ApplicationId::new("exporter").unwrap()).await.unwrap();
    let application_client =
        cluster.client(&application.principal.name(), application.scram, &application.password);
    assert!(read(&application_client, &topic(Role::Monitoring, &a)).await.is_ok());
    assert!(is_forbidden(&read(&application_client, &topic(Role::Monitoring, &b)).await));
    assert!(is_forbidden(&write(&application_client, &topic(Role::Monitoring, &a)).await));

    slices.deactivate(&a, false).await.unwrap();
    let access = cluster.access();
    for resource in Resource::all_of(&a) {
        assert_eq!(access.granted(Scope::Resource(resource)).await.unwrap(), Vec::<Right>::new());
    }
    let gone = vec![controller.clone(), application.principal.name(), format!("agent_{east}-r1")];
    assert!(access.passwords(gone).await.unwrap().is_empty());
    let stale = cluster.client(&controller, Scram::Sha512, password_of(&of_a, &controller).unwrap());
    eventually("it cannot come in again", || async { stale.topics().await.is_err() }).await;
    assert!(read(&agent_client, &topic(Role::Config, &b)).await.is_ok(), "the other tenant's agent goes on");
    slices.deactivate(&b, false).await.unwrap();
    assert_eq!(access.granted(Scope::Principal(agent.clone())).await.unwrap(), Vec::<Right>::new());
    assert!(access.passwords(vec![agent.clone(), format!("controller_{b}")]).await.unwrap().is_empty());

    let again = slices.activate(request_a).await.unwrap();
    assert!(again.new);
    let client = cluster.client(&controller, Scram::Sha512, password_of(&again, &controller).unwrap());
    write(&client, &topic(Role::Config, &a)).await.unwrap();
    slices.deactivate(&a, false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_and_limits_follow_the_configuration_also_when_it_changes() {
    let Some(cluster) = Cluster::find() else { return };
    let (db, [west, _]) = network_of("mended").await;
    let own = vop("Mended");
    let request = ActivationRequest::new(own.clone(), "A", vec![port(&west, 0)]);
    let users = vec![format!("controller_{own}"), format!("agent_{west}-r1")];
    let quotas = cluster.admin.quotas().unwrap();
    let start =
        |config| SliceManager::builder(db.clone(), Arc::new(cluster.admin.clone())).config(config).start();
    let slices = start(SliceConfig::default()).await.unwrap();
    slices.activate(request.clone()).await.unwrap();
    assert_eq!(
        quotas.quotas_of(users.clone()).await.unwrap(),
        BTreeMap::new(),
        "nobody is limited by default"
    );
    drop(slices);

    let mut config = SliceConfig::default();
    config.monitoring.partitions += 2;
    config.health.retention_ms = 7_200_000;
    config.config.min_in_sync = Some(1);
    config.limits.controller.publish_bytes = NonZeroU32::new(1_000_000);
    config.limits.agent.request_percent = NonZeroU32::new(50);
    let limits = config.limits;
    let slices = start(config).await.unwrap();
    assert!(!slices.activate(request).await.unwrap().new);
    let found = slices.ensure_topics(&own).await.unwrap();
    let setting = |index: usize, key: &str| found[index].configs.get(key).map(String::as_str);
    assert_eq!(found.iter().map(|topic| topic.partitions).collect::<Vec<_>>(), [3, 5, 3]);
    assert_eq!(setting(0, "min.insync.replicas"), Some("1"));
    assert_eq!(setting(1, "min.insync.replicas"), None);
    assert_eq!(setting(2, "retention.ms"), Some("7200000"));
    let held = users.iter().cloned().zip([limits.controller, limits.agent]).collect();
    assert_eq!(quotas.quotas_of(users.clone()).await.unwrap(), held);
    let assignments = cluster.admin.describe_topic(ASSIGNMENTS).await.unwrap().unwrap();
    assert_eq!(assignments.configs["cleanup.policy"], "compact");
    slices.deactivate(&own, false).await.unwrap();
    assert_eq!(quotas.quotas_of(users).await.unwrap(), BTreeMap::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_without_an_authorizer_says_that_nothing_is_enforced() {
    let development = ipowdm_devbroker::Broker::start(ipowdm_devbroker::Options::default()).await.unwrap();
    let mut brokers = vec![development.bootstrap()];
    brokers.extend(std::env::var("IPOWDM_KAFKA_BOOTSTRAP"));
    for bootstrap in brokers {
        let bus = bus(KafkaOptions::new(&bootstrap));
        let access = bus.access().unwrap();
        let own = vop("E");
        let controller = Principal::Controller(own.clone());
        let outcomes = [
            access.granted(Scope::Principal(controller.name())).await.map(|_| ()),
            access.grant(rights(&controller, &own)).await,
            access.revoke(Scope::Principal(controller.name())).await.map(|_| ()),
        ];
        for outcome in outcomes {
            assert!(
                matches!(&outcome, Err(BusError::Unsupported { reason, .. }) if reason.contains("SecurityDisabled")),
                "{bootstrap}: {outcome:?}"
            );
        }
    }
}
