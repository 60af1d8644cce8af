//! Who may do what on the bus, and with what password.
//!
//! Nothing is allowed that is not granted. What is granted follows from the names of topics ([`rights`]) and from nothing
//! else:
//!
//! | principal | on the bus | may |
//! |---|---|---|
//! | an agent | `agent_<agent>` | read `ipowdm_assignments` and the commands, write the acks, telemetry and health of the vOps it serves, read the health back |
//! | a vOp's controller | `controller_<vOp>` | write the vOp's commands; read its acks, telemetry and health |
//! | an application of a vOp | `application_<vOp>_<application>` | read the vOp's acks, telemetry and health; use consumer groups whose names begin with `<vOp>_` |
//!
//! Ids of vOps and applications have no `_`, so no name can be taken for another's. The slice manager itself administers, and is
//! not granted anything here.

use super::BusFuture;
use crate::ids::{AgentId, ApplicationId, VopId};
use crate::topics::{self, ASSIGNMENTS, Role};
use std::collections::BTreeMap;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

/// Somebody on the bus.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    /// The agent of a router. It may serve several virtual operators.
    Agent(AgentId),
    /// The controller of a virtual operator.
    Controller(VopId),
    /// An application of a virtual operator.
    Application(VopId, ApplicationId),
}

impl Principal {
    /// Its user name on the bus.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Agent(agent) => format!("agent_{agent}"),
            Self::Controller(vop) => format!("controller_{vop}"),
            Self::Application(vop, application) => format!("application_{vop}_{application}"),
        }
    }

    /// Reads a user name back.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (kind, rest) = name.split_once('_')?;
        match kind {
            "agent" => Some(Self::Agent(AgentId::new(rest).ok()?)),
            "controller" => Some(Self::Controller(VopId::new(rest).ok()?)),
            "application" => {
                let (vop, application) = rest.split_once('_')?;
                Some(Self::Application(VopId::new(vop).ok()?, ApplicationId::new(application).ok()?))
            }
            _ => None,
        }
    }
}

/// What a right is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// The topic of this name.
    Topic(String),
    /// All consumer groups whose names begin so.
    Groups(String),
}

impl Resource {
    /// A topic of a virtual operator.
    #[must_use]
    pub fn topic_of(role: Role, vop: &VopId) -> Self {
        Self::Topic(topics::name(role, vop, None).to_string())
    }

    /// The consumer groups of a virtual operator's applications.
    #[must_use]
    pub fn groups_of(vop: &VopId) -> Self {
        Self::Groups(format!("{vop}_"))
    }

    /// Everything on the bus that is a virtual operator's alone.
    #[must_use]
    pub fn all_of(vop: &VopId) -> Vec<Self> {
        let topics = Role::ALL.into_iter().map(|role| Self::topic_of(role, vop));
        topics.chain([Self::groups_of(vop)]).collect()
    }
}

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Fetch records, and ask where a log begins and ends; use a consumer group.
    Read,
    /// Publish records.
    Write,
    /// Ask for a topic's settings.
    DescribeConfigs,
}

/// Something that somebody may do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Right {
    /// The user name.
    pub principal: String,
    /// With what.
    pub resource: Resource,
    /// What.
    pub operation: Operation,
}

/// Rights of which a set is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of a user name.
    Principal(String),
    /// Everybody's to a resource.
    Resource(Resource),
}

impl Scope {
    /// Whether a right belongs to it.
    #[must_use]
    pub fn contains(&self, right: &Right) -> bool {
        match self {
            Self::Principal(principal) => right.principal == *principal,
            Self::Resource(resource) => right.resource == *resource,
        }
    }
}

/// What a principal may do because of one virtual operator; nothing where it belongs to another.
#[must_use]
pub fn rights(principal: &Principal, vop: &VopId) -> Vec<Right> {
    use Operation::{DescribeConfigs, Read, Write};
    let topic = |role| Resource::topic_of(role, vop);
    let (config, monitoring, health) = (topic(Role::Config), topic(Role::Monitoring), topic(Role::Health));
    let given: Vec<(Resource, &[Operation])> = match principal {
        Principal::Agent(_) => Vec::from([
            (Resource::Topic(ASSIGNMENTS.to_string()), &[Read, DescribeConfigs][..]),
            (config, &[Read, DescribeConfigs]),
            (monitoring, &[Write]),
            // Read too: the broker's stamp of a heartbeat, read back, is how an agent learns how old commands are.
            (health, &[Write, Read]),
        ]),
        Principal::Controller(of) if of == vop => Vec::from([
            (config, &[Write, DescribeConfigs][..]),
            (monitoring, &[Read, DescribeConfigs]),
            (health, &[Read, DescribeConfigs]),
        ]),
        Principal::Application(of, _) if of == vop => Vec::from([
            (monitoring, &[Read, DescribeConfigs][..]),
            (health, &[Read, DescribeConfigs]),
            (Resource::groups_of(vop), &[Read]),
        ]),
        Principal::Controller(_) | Principal::Application(..) => Vec::new(),
    };
    let name = principal.name();
    let each = given.into_iter().flat_map(|(resource, operations)| {
        operations.iter().map(move |operation| (resource.clone(), *operation))
    });
    each.map(|(resource, operation)| Right { principal: name.clone(), resource, operation }).collect()
}

/// How a password is proven without being sent (RFC 5802).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Scram {
    /// SCRAM-SHA-256 (RFC 7677).
    Sha256,
    /// SCRAM-SHA-512.
    #[default]
    Sha512,
}

impl Scram {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// The name of the SASL mechanism.
    #[must_use]
    pub const fn mechanism(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }
}

/// Text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("***")
    }
}

/// The part of a broker that decides who may do what.
///
/// All calls may be repeated. A broker without access control, or one that speaks none of these calls, answers
/// [`super::BusError::Unsupported`]: then nothing is enforced.
pub trait AccessControl: Send + Sync {
    /// Grants rights; those that are there stay. When this returns, the broker knows them.
    fn grant(&self, rights: Vec<Right>) -> BusFuture<'_, ()>;

    /// Takes every right in a scope away; answers how many there were.
    fn revoke(&self, scope: Scope) -> BusFuture<'_, usize>;

    /// The rights in a scope, sorted. Denials, and what is no [`Right`], are left out.
    fn granted(&self, scope: Scope) -> BusFuture<'_, Vec<Right>>;

    /// Gives users new random passwords of 256 bits, which replace those they had with this mechanism. They are answered in the
    /// order of the users, this once: the broker keeps what a password can be checked with.
    fn issue_passwords(&self, users: Vec<String>, scram: Scram) -> BusFuture<'_, Vec<Secret>>;

    /// Takes passwords away, with every mechanism; answers how many there were.
    fn withdraw_passwords(&self, users: Vec<String>) -> BusFuture<'_, usize>;

    /// Which of these users have passwords, and with which mechanisms.
    fn passwords(&self, users: Vec<String>) -> BusFuture<'_, BTreeMap<String, Vec<Scram>>>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn vop(name: &str) -> VopId {
        VopId::new(name).unwrap()
    }

    fn principals(vop: &VopId) -> [Principal; 3] {
        [
            Principal::Agent(AgentId::new("pop1-router1").unwrap()),
            Principal::Controller(vop.clone()),
            Principal::Application(vop.clone(), ApplicationId::new("exporter").unwrap()),
        ]
    }

    fn may(principal: &Principal, vop: &VopId, operation: Operation, topic: &str) -> bool {
        let resource = Resource::Topic(topic.to_string());
        rights(principal, vop).iter().any(|right| right.resource == resource && right.operation == operation)
    }

    #[test]
    fn an_agent_reads_commands_writes_answers_and_reads_its_heartbeats_back_and_no_more() {
        let vop2 = vop("vOp2");
        let [agent, controller, application] = principals(&vop2);
        let table = [
            (&agent, "config_vOp2", true, false),
            (&agent, "monitoring_vOp2", false, true),
            (&agent, "health_vOp2", true, true),
            (&agent, ASSIGNMENTS, true, false),
            (&controller, "config_vOp2", false, true),
            (&controller, "monitoring_vOp2", true, false),
            (&controller, "health_vOp2", true, false),
            (&controller, ASSIGNMENTS, false, false),
            (&application, "config_vOp2", false, false),
            (&application, "monitoring_vOp2", true, false),
            (&application, "health_vOp2", true, false),
            (&application, ASSIGNMENTS, false, false),
        ];
        for (principal, topic, read, write) in table {
            let found = [Operation::Read, Operation::Write].map(|op| may(principal, &vop2, op, topic));
            assert_eq!(found, [read, write], "{principal:?} {topic}");
        }
    }

    #[test]
    fn what_belongs_to_another_virtual_operator_has_no_rights() {
        let [_, controller, application] = principals(&vop("vOp1"));
        assert!(rights(&controller, &vop("vOp2")).is_empty());
        assert!(rights(&application, &vop("vOp2")).is_empty());
    }

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new("hunter2");
        assert_eq!((format!("{secret:?}").as_str(), secret.reveal()), ("***", "hunter2"));
    }

    proptest! {
        #[test]
        fn no_right_reaches_what_another_virtual_operator_has(
            a in "[A-Za-z0-9-]{1,63}", b in "[A-Za-z0-9-]{1,63}", agent in "[A-Za-z0-9_.-]{1,100}", app in "[A-Za-z0-9-]{1,63}"
        ) {
            prop_assume!(a != b && agent != "." && agent != "..");
            let (a, b) = (vop(&a), vop(&b));
            let others = Resource::all_of(&b);
            let principals = [
                Principal::Agent(AgentId::new(&agent).unwrap()),
                Principal::Controller(a.clone()),
                Principal::Application(a.clone(), ApplicationId::new(&app).unwrap()),
            ];
            for principal in principals {
                prop_assert_eq!(Principal::parse(&principal.name()), Some(principal.clone()));
                for right in rights(&principal, &a) {
                    prop_assert!(!others.contains(&right.resource), "{:?}", right);
                    // No prefix of one tenant's groups is one of another's.
                    if let (Resource::Groups(own), Some(Resource::Groups(other))) = (&right.resource, others.last()) {
                        prop_assert!(!own.starts_with(other.as_str()) && !other.starts_with(own.as_str()));
                    }
                }
            }
        }
    }
}
