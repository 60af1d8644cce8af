//! Tenants on the secured Apache Kafka of a test run, made as its administrator.

use crate::secured_kafka::Secured;
use ipowdm_core::bus::access::{AccessControl, Principal, Scram, Secret, rights};
use ipowdm_core::bus::kafka::{KafkaBus, KafkaOptions, Sasl};
use ipowdm_core::bus::{Bus, TopicSpec};
use ipowdm_core::ids::VopId;
use ipowdm_core::topics::{self, ASSIGNMENTS, Role};
use std::collections::BTreeMap;
use std::time::Duration;

/// A broker on a busy machine answers late.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) fn bus(mut options: KafkaOptions) -> KafkaBus {
    options.call_timeout = CALL_TIMEOUT;
    KafkaBus::connect(&options).unwrap()
}

/// The secured cluster, and ids that nobody else uses on it.
pub(crate) struct Cluster {
    pub(crate) secured: Secured,
    pub(crate) admin: KafkaBus,
}

impl Cluster {
    pub(crate) fn find() -> Option<Self> {
        let secured = Secured::find()?;
        Some(Self { admin: bus(secured.administrator()), secured })
    }

    pub(crate) fn access(&self) -> &dyn AccessControl {
        self.admin.access().unwrap()
    }

    /// A client with this user's password.
    pub(crate) fn client(&self, user: &str, scram: Scram, password: &Secret) -> KafkaBus {
        let (username, password) = (user.to_owned(), password.clone());
        bus(self.secured.options(Some(Sasl { mechanism: scram.into(), username, password })))
    }

    /// Gives somebody his rights and a password; answers his client.
    pub(crate) async fn admit(&self, principal: &Principal, vop: &VopId, scram: Scram) -> KafkaBus {
        self.access().grant(rights(principal, vop)).await.unwrap();
        let secrets = self.access().issue_passwords(vec![principal.name()], scram).await.unwrap();
        self.client(&principal.name(), scram, &secrets[0])
    }
}

/// Makes the topics of a virtual operator, and that of assignments where it is not there.
pub(crate) async fn make_topics(operator: &dyn Bus, vop: &VopId) {
    for name in Role::ALL.map(|role| topic(role, vop)).into_iter().chain([ASSIGNMENTS.to_owned()]) {
        let spec = TopicSpec { name, partitions: 1, replication: 1, configs: BTreeMap::new() };
        operator.create_topic(spec).await.unwrap();
    }
}

pub(crate) fn vop(name: &str) -> VopId {
    VopId::new(&format!("{name}-{}", std::process::id())).unwrap()
}

pub(crate) fn topic(role: Role, vop: &VopId) -> String {
    topics::name(role, vop, None).to_string()
}
