//! A tenant with valid credentials tries everything on everybody's topics, groups and on the cluster: what is not in the table of
//! rights is denied by the broker, all of the rest is allowed, and nothing of what was tried has changed anything of others.
//!
//! `IPOWDM_KAFKA_SECURE` names the administrator's client.properties of an Apache Kafka that `scripts/kafka-up.sh --secure` has
//! started.

#![expect(
    clippy::unwrap_used,
    reason = "a test may stop at what it does not expect, in its own functions too"
)]

#[path = "hostile_tenant/matrix.rs"]
mod matrix;
#[path = "kafka/secured.rs"]
mod secured_kafka;
#[path = "kafka/tenants.rs"]
mod tenants;

use ipowdm_core::bus::access::{Operation, Principal, Resource, Right, Scope, Scram, rights};
use ipowdm_core::bus::kafka::KafkaBus;
use ipowdm_core::bus::kafka::attempts::{OnCluster, OnGroup, OnPosition, OnTopic, Verdict};
use ipowdm_core::bus::quota::Quota;
use ipowdm_core::bus::{Bounds, Bus, Outgoing, TopicDescription, TopicSpec};
use ipowdm_core::ids::{AgentId, ApplicationId, VopId};
use ipowdm_core::topics::{ASSIGNMENTS, Role};
use matrix::Matrix;
use std::collections::BTreeMap;
use tenants::{Cluster, make_topics, topic, vop};

/// What somebody may do, as the table of rights has it.
struct Expected(Vec<Right>);

impl Expected {
    fn may(&self, resource: &Resource, operations: &[Operation]) -> bool {
        let fits = |right: &Right| right.resource == *resource && operations.contains(&right.operation);
        self.0.iter().any(fits)
    }

    /// Whoever reads or writes a topic may see it (Kafka's `AclEntry`: both imply DESCRIBE).
    fn sees(&self, topic: &str) -> bool {
        self.may(&Resource::Topic(topic.to_owned()), &[Operation::Read, Operation::Write])
    }

    fn on_topic(&self, what: OnTopic, topic: &str) -> bool {
        let may = |operation| self.may(&Resource::Topic(topic.to_owned()), &[operation]);
        match what {
            OnTopic::Describe | OnTopic::ListOffsets | OnTopic::EpochEnd => self.sees(topic),
            OnTopic::Fetch | OnTopic::DescribeProducers => may(Operation::Read),
            OnTopic::Produce => may(Operation::Write),
            OnTopic::DescribeConfigs => may(Operation::DescribeConfigs),
            OnTopic::Create
            | OnTopic::Delete
            | OnTopic::AlterConfigs
            | OnTopic::CreatePartitions
            | OnTopic::DeleteRecords
            | OnTopic::WriteMarkers
            | OnTopic::ElectLeader
            | OnTopic::Reassign => false,
        }
    }

    fn uses(&self, group: &str) -> bool {
        self.0.iter().any(|right| match &right.resource {
            Resource::Groups(prefix) => group.starts_with(prefix) && right.operation == Operation::Read,
            Resource::Topic(_) => false,
        })
    }

    fn on_group(&self, what: OnGroup, group: &str) -> bool {
        what != OnGroup::Delete && self.uses(group)
    }

    fn on_position(&self, what: OnPosition, group: &str, topic: &str) -> bool {
        let reads = self.may(&Resource::Topic(topic.to_owned()), &[Operation::Read]);
        match what {
            OnPosition::Commit => self.uses(group) && reads,
            OnPosition::Fetch => self.uses(group) && self.sees(topic),
            OnPosition::Delete => false,
        }
    }

    /// Whoever writes something may have an id to write it once only (KIP-679).
    fn on_cluster(&self, what: OnCluster) -> bool {
        what == OnCluster::ProducerId && self.0.iter().any(|right| right.operation == Operation::Write)
    }
}

/// Everything that is tried on, by whoever it belongs to.
struct Scene {
    a: VopId,
    b: VopId,
    topics: Vec<String>,
    groups: Vec<String>,
    broker: String,
}

impl Scene {
    async fn set(cluster: &Cluster) -> Self {
        let (a, b, never) = (vop("HostileA"), vop("HostileB"), vop("HostileNever"));
        make_topics(&cluster.admin, &a).await;
        make_topics(&cluster.admin, &b).await;
        let third = format!("orders-{}", std::process::id());
        let spec = TopicSpec { name: third.clone(), partitions: 1, replication: 1, configs: BTreeMap::new() };
        cluster.admin.create_topic(spec).await.unwrap();
        let of_vops = [&a, &b].into_iter().flat_map(|vop| Role::ALL.map(|role| topic(role, vop)));
        // The last one does not exist: that must not be told either.
        let others = [ASSIGNMENTS.to_owned(), third.clone(), topic(Role::Config, &never)];
        let topics: Vec<String> = of_vops.chain(others).collect();
        let groups = [&a, &b].map(|vop| format!("{vop}_readers")).into_iter().chain([third]).collect();
        let scene = Self { a, b, topics, groups, broker: "1".to_owned() };
        let holds = |topic: &&String| *topic != ASSIGNMENTS && scene.topics.last() != Some(*topic);
        for topic in scene.topics.iter().filter(holds) {
            cluster.admin.publish(topic, vec![Outgoing::new("k", "theirs")]).await.unwrap();
        }
        // Groups are there as soon as they have a position somewhere, and coordinators as soon as they are asked for.
        let theirs = &scene.topics[4];
        for group in &scene.groups[1..] {
            let found = cluster.admin.attempt_on_group(OnGroup::FindCoordinator, group).await;
            assert_eq!(found, Ok(Verdict::Allowed), "{group}");
            let made = cluster.admin.attempt_on_position(OnPosition::Commit, group, theirs).await;
            assert_eq!(made, Ok(Verdict::Allowed), "{group}");
        }
        let controller = Principal::Controller(scene.b.clone());
        cluster.access().grant(rights(&controller, &scene.b)).await.unwrap();
        cluster.access().issue_passwords(vec![controller.name()], Scram::Sha512).await.unwrap();
        scene
    }

    fn theirs(&self) -> Principal {
        Principal::Controller(self.b.clone())
    }

    /// What must be the same afterwards.
    async fn picture(&self, cluster: &Cluster) -> Picture {
        let admin = &cluster.admin;
        let mut topics = Vec::new();
        for topic in &self.topics {
            let bounds = admin.bounds(topic, 0).await.ok();
            // What may be written by right is.
            let bounds = bounds.filter(|_| !topic.ends_with(self.a.as_str()));
            topics.push((admin.describe_topic(topic).await.unwrap(), bounds));
        }
        let user = self.theirs().name();
        Picture {
            topics,
            rights: cluster.access().granted(Scope::Principal(user.clone())).await.unwrap(),
            passwords: cluster.access().passwords(vec![user.clone()]).await.unwrap(),
            quotas: admin.quotas().unwrap().quotas_of(vec![user]).await.unwrap(),
            groups: admin.groups().await.unwrap().into_iter().filter(|group| self.is_theirs(group)).collect(),
        }
    }

    fn is_theirs(&self, group: &str) -> bool {
        self.groups[1..].iter().any(|theirs| theirs == group)
    }
}

#[derive(Debug, PartialEq)]
struct Picture {
    topics: Vec<(Option<TopicDescription>, Option<Bounds>)>,
    rights: Vec<Right>,
    passwords: BTreeMap<String, Vec<Scram>>,
    quotas: BTreeMap<String, Quota>,
    groups: Vec<String>,
}

/// Everything that one client can try; each cell against what is expected.
async fn try_everything(
    matrix: &mut Matrix,
    scene: &Scene,
    client: &KafkaBus,
    who: &str,
    expected: &Expected,
) {
    let listed = client.topics().await.unwrap();
    for topic in &scene.topics {
        let seen = if listed.contains(topic) { Verdict::Allowed } else { Verdict::Denied };
        matrix.cell(who, topic, "Listed", expected.sees(topic), seen);
        for what in OnTopic::ALL {
            let verdict = client.attempt_on_topic(what, topic).await.unwrap();
            matrix.cell(who, topic, format!("{what:?}"), expected.on_topic(what, topic), verdict);
        }
    }
    for group in &scene.groups {
        for what in OnGroup::ALL {
            let verdict = client.attempt_on_group(what, group).await.unwrap();
            matrix.cell(
                who,
                format!("group {group}"),
                format!("{what:?}"),
                expected.on_group(what, group),
                verdict,
            );
        }
        for topic in &scene.topics {
            for what in OnPosition::ALL {
                let verdict = client.attempt_on_position(what, group, topic).await.unwrap();
                let allowed = expected.on_position(what, group, topic);
                matrix.cell(who, format!("{group} in {topic}"), format!("{what:?}"), allowed, verdict);
            }
        }
    }
    let groups = client.groups().await.unwrap();
    let leaks = groups.iter().any(|group| scene.is_theirs(group));
    let seen = if leaks { Verdict::Allowed } else { Verdict::Denied };
    matrix.cell(who, "cluster", "ListGroups", false, seen);
    for what in OnCluster::ALL {
        let verdict = client.attempt_on_cluster(what, &scene.broker).await.unwrap();
        matrix.cell(who, "cluster", format!("{what:?}"), expected.on_cluster(what), verdict);
    }
    for (what, verdict) in administrate(scene, client).await {
        matrix.cell(who, "cluster", what, false, verdict);
    }
}

/// What only the operator does: rights, passwords, quotas, all of them another's.
async fn administrate(scene: &Scene, client: &KafkaBus) -> [(&'static str, Verdict); 7] {
    let (access, quotas) = (client.access().unwrap(), client.quotas().unwrap());
    let user = scene.theirs().name();
    let theirs = Resource::topic_of(Role::Config, &scene.b);
    let right = Right { principal: user.clone(), resource: theirs.clone(), operation: Operation::Read };
    let limit =
        BTreeMap::from([(user.clone(), Quota { publish_bytes: 1.try_into().ok(), ..Quota::default() })]);
    [
        ("DescribeAcls", access.granted(Scope::Resource(theirs.clone())).await.into()),
        ("CreateAcls", access.grant(vec![right]).await.into()),
        ("DeleteAcls", access.revoke(Scope::Resource(theirs)).await.into()),
        ("DescribeScram", access.passwords(vec![user.clone()]).await.into()),
        ("AlterScram", access.issue_passwords(vec![user.clone()], Scram::Sha512).await.into()),
        ("DescribeQuotas", quotas.quotas_of(vec![user]).await.into()),
        ("AlterQuotas", quotas.set_quotas(limit).await.into()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s0_01_whatever_a_tenant_tries_is_denied_unless_the_table_of_rights_has_it() {
    let Some(cluster) = Cluster::find() else { return };
    let scene = Scene::set(&cluster).await;
    let before = scene.picture(&cluster).await;
    let a = &scene.a;
    let principals = [
        Principal::Controller(a.clone()),
        Principal::Application(a.clone(), ApplicationId::new("exporter").unwrap()),
        Principal::Agent(AgentId::new(&format!("{a}-agent")).unwrap()),
    ];
    let mut matrix = Matrix::default();
    for principal in &principals {
        let client = cluster.admit(principal, a, Scram::Sha512).await;
        let expected = Expected(rights(principal, a));
        try_everything(&mut matrix, &scene, &client, &principal.name(), &expected).await;
    }
    println!("{matrix}");
    matrix.holds();
    assert_eq!(scene.picture(&cluster).await, before, "what is not the tenant's is as it was");
    for principal in principals.into_iter().chain([scene.theirs()]) {
        cluster.access().revoke(Scope::Principal(principal.name())).await.unwrap();
        cluster.access().withdraw_passwords(vec![principal.name()]).await.unwrap();
    }
    for topic in scene.topics.iter().filter(|topic| *topic != ASSIGNMENTS) {
        cluster.admin.delete_topic(topic).await.unwrap();
    }
}
