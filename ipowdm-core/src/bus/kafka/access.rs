//! Access control lists.
//!
//! Numbers are those of Kafka's `ResourceType`, `PatternType`, `AclOperation` and `AclPermissionType`.

use super::api::Api;
use super::cluster::{Cluster, unavailable};
use super::connection::WireError;
use super::leader::Patience;
use super::pool::Traffic;
use super::refusal::{Refusal, refusal};
use crate::bus::BusError;
use crate::bus::access::{Operation, Resource, Right, Scope};
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::describe_acls_response::DescribeAclsResource;
use kafka_protocol::messages::{CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest};
use kafka_protocol::protocol::StrBytes;
use std::collections::BTreeSet;
use std::format;
use std::string::{String, ToString};
use std::sync::Arc;
use std::vec::Vec;
use tokio::time::Instant;

const ANY: i8 = 1;
const TOPIC: i8 = 2;
const GROUP: i8 = 3;
const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;
const READ: i8 = 3;
const WRITE: i8 = 4;
const DESCRIBE_CONFIGS: i8 = 10;
const ALLOW: i8 = 3;
/// From wherever the user connects.
const ANY_HOST: &str = "*";
/// What Kafka calls a user who has proven a password.
const USER: &str = "User:";

impl Operation {
    const fn number(self) -> i8 {
        match self {
            Self::Read => READ,
            Self::Write => WRITE,
            Self::DescribeConfigs => DESCRIBE_CONFIGS,
        }
    }

    const fn from_number(number: i8) -> Option<Self> {
        match number {
            READ => Some(Self::Read),
            WRITE => Some(Self::Write),
            DESCRIBE_CONFIGS => Some(Self::DescribeConfigs),
            _ => None,
        }
    }
}

impl Resource {
    /// Type, name, pattern.
    const fn parts(&self) -> (i8, &String, i8) {
        match self {
            Self::Topic(name) => (TOPIC, name, LITERAL),
            Self::Groups(prefix) => (GROUP, prefix, PREFIXED),
        }
    }

    fn from_parts(kind: i8, name: &str, pattern: i8) -> Option<Self> {
        match (kind, pattern) {
            (TOPIC, LITERAL) => Some(Self::Topic(name.to_string())),
            (GROUP, PREFIXED) => Some(Self::Groups(name.to_string())),
            _ => None,
        }
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

fn user(name: &str) -> StrBytes {
    StrBytes::from_string(format!("{USER}{name}"))
}

/// Asks the controller, again where that was another one, until no part of the answer says so.
pub(super) async fn ask_controller<A: Api>(
    cluster: &Cluster,
    request: &A,
    deadline: Instant,
    doing: &str,
    codes: impl Fn(&A::Response) -> Vec<(i16, Option<StrBytes>)>,
) -> Result<A::Response, BusError> {
    let mut patience = Patience::until(deadline);
    loop {
        let answer = match cluster.controller(deadline).await {
            Ok(controller) => cluster.call(&controller, Traffic::Other, request, deadline).await,
            Err(error) => Err(error),
        };
        let answer = answer.map_err(|error| {
            // The controller may be another one by now.
            cluster.doubt_controller();
            failed(doing, &error)
        })?;
        let refused = codes(&answer).into_iter().find_map(|(code, told)| Some((refusal(code)?, told)));
        let Some((refusal, told)) = refused else { return Ok(answer) };
        let error = refusal.into_error(doing, "the cluster", 0, told.as_deref());
        if !matches!(refusal, Refusal::Elsewhere(_)) {
            return Err(error);
        }
        cluster.doubt_controller();
        patience.another(error).await?;
    }
}

/// The error for a broker that could not be asked, or that does not know the question.
pub(super) fn failed(doing: &str, error: &WireError) -> BusError {
    match error {
        WireError::Incompatible { .. } => {
            BusError::Unsupported { doing: doing.to_string(), reason: error.to_string() }
        }
        error => unavailable(doing, error),
    }
}

pub(super) async fn grant(cluster: &Cluster, rights: Vec<Right>) -> Result<(), BusError> {
    const DOING: &str = "granting access";
    if rights.is_empty() {
        return Ok(());
    }
    let deadline = cluster.deadline();
    let creations = rights.iter().map(|right| {
        let (kind, name, pattern) = right.resource.parts();
        AclCreation::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_resource_pattern_type(pattern)
            .with_principal(user(&right.principal))
            .with_host(StrBytes::from_static_str(ANY_HOST))
            .with_operation(right.operation.number())
            .with_permission_type(ALLOW)
    });
    let request = CreateAclsRequest::default().with_creations(creations.collect());
    let answer = ask_controller(cluster, &request, deadline, DOING, |answer| {
        answer.results.iter().map(|result| (result.error_code, result.error_message.clone())).collect()
    });
    if answer.await?.results.len() != rights.len() {
        let reason = "an answer to another number of questions".to_string();
        return Err(BusError::Unavailable { doing: DOING.to_string(), reason });
    }
    let resources: BTreeSet<&Resource> = rights.iter().map(|right| &right.resource).collect();
    for resource in resources {
        let scope = Scope::Resource(resource.clone());
        let wanted: Vec<&Right> = rights.iter().filter(|right| scope.contains(right)).collect();
        let heard = |there: &[Right]| wanted.iter().all(|right| there.contains(right));
        await_rights(cluster, &scope, heard, deadline, DOING).await?;
    }
    Ok(())
}

/// Waits until the rights in a scope are as wanted: what the controller has decided reaches the brokers a moment later.
async fn await_rights(
    cluster: &Cluster,
    scope: &Scope,
    wanted: impl Fn(&[Right]) -> bool,
    deadline: Instant,
    doing: &str,
) -> Result<(), BusError> {
    let wanted = &wanted;
    let heard = |broker: Option<Arc<str>>, until| async move {
        Ok(wanted(&rights_in(cluster, scope, broker.as_ref(), until).await?))
    };
    cluster.everywhere(deadline, doing, heard).await
}

pub(super) async fn revoke(cluster: &Cluster, scope: Scope) -> Result<usize, BusError> {
    const DOING: &str = "revoking access";
    let deadline = cluster.deadline();
    let (kind, name, pattern, principal) = filter(&scope);
    let filter = DeleteAclsFilter::default()
        .with_resource_type_filter(kind)
        .with_resource_name_filter(name)
        .with_pattern_type_filter(pattern)
        .with_principal_filter(principal)
        .with_host_filter(None)
        .with_operation(ANY)
        .with_permission_type(ANY);
    let request = DeleteAclsRequest::default().with_filters(Vec::from([filter]));
    let answer = ask_controller(cluster, &request, deadline, DOING, |answer| {
        let of_filters =
            answer.filter_results.iter().map(|result| (result.error_code, result.error_message.clone()));
        let matched = answer.filter_results.iter().flat_map(|result| &result.matching_acls);
        of_filters.chain(matched.map(|acl| (acl.error_code, acl.error_message.clone()))).collect()
    });
    let gone = answer.await?.filter_results.iter().map(|result| result.matching_acls.len()).sum();
    await_rights(cluster, &scope, <[Right]>::is_empty, deadline, DOING).await?;
    Ok(gone)
}

pub(super) async fn granted(cluster: &Cluster, scope: Scope) -> Result<Vec<Right>, BusError> {
    rights_in(cluster, &scope, None, cluster.deadline()).await
}

async fn rights_in(
    cluster: &Cluster,
    scope: &Scope,
    broker: Option<&Arc<str>>,
    deadline: Instant,
) -> Result<Vec<Right>, BusError> {
    const DOING: &str = "asking who has access";
    let (kind, name, pattern, principal) = filter(scope);
    let request = DescribeAclsRequest::default()
        .with_resource_type_filter(kind)
        .with_resource_name_filter(name)
        .with_pattern_type_filter(pattern)
        .with_principal_filter(principal)
        .with_host_filter(None)
        .with_operation(ANY)
        .with_permission_type(ANY);
    let answer = cluster.ask(broker, &request, deadline).await.map_err(|error| failed(DOING, &error))?;
    if let Some(refusal) = refusal(answer.error_code) {
        return Err(refusal.into_error(DOING, "the cluster", 0, answer.error_message.as_deref()));
    }
    let mut rights: Vec<Right> = answer.resources.iter().flat_map(rights_of).collect();
    rights.sort_unstable();
    Ok(rights)
}

fn rights_of(resource: &DescribeAclsResource) -> impl Iterator<Item = Right> {
    let what = Resource::from_parts(resource.resource_type, &resource.resource_name, resource.pattern_type);
    let allowed = resource.acls.iter().filter(|acl| acl.permission_type == ALLOW && &*acl.host == ANY_HOST);
    allowed.filter_map(move |acl| {
        Some(Right {
            principal: acl.principal.strip_prefix(USER)?.to_string(),
            resource: what.clone()?,
            operation: Operation::from_number(acl.operation)?,
        })
    })
}

/// Resource type, name and pattern, and principal; everything of the rest.
fn filter(scope: &Scope) -> (i8, Option<StrBytes>, i8, Option<StrBytes>) {
    match scope {
        Scope::Principal(principal) => (ANY, None, ANY, Some(user(principal))),
        Scope::Resource(resource) => {
            let (kind, name, pattern) = resource.parts();
            (kind, Some(text(name)), pattern, None)
        }
    }
}
