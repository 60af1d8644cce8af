//! SCRAM passwords of users (KIP-554).

use super::access::{ask_controller, failed};
use super::cluster::Cluster;
use super::keeper::KEEPER;
use super::refusal::refusal;
use super::scram::{self, ITERATIONS, Salted, ScramError};
use crate::bus::BusError;
use crate::bus::access::{Scram, Secret};
use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use kafka_protocol::messages::describe_user_scram_credentials_request::UserName;
use kafka_protocol::messages::{AlterUserScramCredentialsRequest, DescribeUserScramCredentialsRequest};
use kafka_protocol::protocol::StrBytes;
use std::collections::BTreeMap;
use std::string::{String, ToString};
use std::sync::Arc;
use std::vec::Vec;
use tokio::time::Instant;

/// The protocol's number of a mechanism.
const fn number(scram: Scram) -> i8 {
    match scram {
        Scram::Sha256 => 1,
        Scram::Sha512 => 2,
    }
}

fn no_randomness(doing: &str, error: &ScramError) -> BusError {
    BusError::Unavailable { doing: doing.to_string(), reason: error.to_string() }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

pub(super) async fn issue(
    cluster: &Cluster,
    users: Vec<String>,
    scram: Scram,
) -> Result<Vec<Secret>, BusError> {
    const DOING: &str = "issuing passwords";
    let failed = |error: ScramError| no_randomness(DOING, &error);
    let mut secrets = Vec::with_capacity(users.len());
    let mut upsertions = Vec::with_capacity(users.len());
    for user in &users {
        let secret = scram::new_password().map_err(failed)?;
        let salted = scram::salt(scram, &secret).map_err(failed)?;
        upsertions.push(upsertion(user, scram, salted));
        secrets.push(secret);
    }
    let deadline = cluster.deadline();
    let request = AlterUserScramCredentialsRequest::default().with_upsertions(upsertions);
    alter(cluster, request, scram, deadline, DOING).await?;
    let has = |found: &BTreeMap<String, Vec<Scram>>, user: &String| {
        found.get(user).is_some_and(|mechanisms| mechanisms.contains(&scram))
    };
    await_passwords(cluster, &users, |found| users.iter().all(|user| has(found, user)), deadline, DOING)
        .await?;
    Ok(secrets)
}

pub(super) async fn withdraw(cluster: &Cluster, users: Vec<String>) -> Result<usize, BusError> {
    const DOING: &str = "withdrawing passwords";
    let deadline = cluster.deadline();
    let there = describe(cluster, &users, None, deadline).await?;
    let mut count = 0;
    // A user may appear once in a request.
    for scram in Scram::ALL {
        let holders = there.iter().filter(|(_, mechanisms)| mechanisms.contains(&scram));
        let deletions: Vec<_> = holders
            .map(|(user, _)| {
                ScramCredentialDeletion::default().with_name(text(user)).with_mechanism(number(scram))
            })
            .collect();
        count += deletions.len();
        let request = AlterUserScramCredentialsRequest::default().with_deletions(deletions);
        alter(cluster, request, scram, deadline, DOING).await?;
    }
    await_passwords(cluster, &users, BTreeMap::is_empty, deadline, DOING).await?;
    Ok(count)
}

pub(super) async fn passwords(
    cluster: &Cluster,
    users: Vec<String>,
) -> Result<BTreeMap<String, Vec<Scram>>, BusError> {
    describe(cluster, &users, None, cluster.deadline()).await
}

fn upsertion(user: &str, scram: Scram, salted: Salted) -> ScramCredentialUpsertion {
    ScramCredentialUpsertion::default()
        .with_name(text(user))
        .with_mechanism(number(scram))
        .with_iterations(i32::try_from(ITERATIONS).unwrap_or(i32::MAX))
        .with_salt(Bytes::from(salted.salt))
        .with_salted_password(Bytes::from(salted.password))
}

/// Changes passwords of one mechanism, the [`KEEPER`]'s first.
async fn alter(
    cluster: &Cluster,
    mut request: AlterUserScramCredentialsRequest,
    scram: Scram,
    deadline: Instant,
    doing: &str,
) -> Result<(), BusError> {
    if request.deletions.is_empty() && request.upsertions.is_empty() {
        return Ok(());
    }
    let nobodys = scram::unmatched(scram).map_err(|error| no_randomness(doing, &error))?;
    request.upsertions.insert(0, upsertion(KEEPER, scram, nobodys));
    let answer = ask_controller(cluster, &request, deadline, doing, |answer| {
        answer.results.iter().map(|result| (result.error_code, result.error_message.clone())).collect()
    });
    answer.await.map(|_| ())
}

/// Waits until the users' passwords are as wanted: what the controller has decided reaches the brokers a moment later.
async fn await_passwords(
    cluster: &Cluster,
    users: &[String],
    wanted: impl Fn(&BTreeMap<String, Vec<Scram>>) -> bool,
    deadline: Instant,
    doing: &str,
) -> Result<(), BusError> {
    let wanted = &wanted;
    let heard = |broker: Option<Arc<str>>, until| async move {
        Ok(wanted(&describe(cluster, users, broker.as_ref(), until).await?))
    };
    cluster.everywhere(deadline, doing, heard).await
}

async fn describe(
    cluster: &Cluster,
    users: &[String],
    broker: Option<&Arc<str>>,
    deadline: Instant,
) -> Result<BTreeMap<String, Vec<Scram>>, BusError> {
    const DOING: &str = "asking who has passwords";
    if users.is_empty() {
        // The protocol would take it for everybody.
        return Ok(BTreeMap::new());
    }
    let names = users.iter().map(|user| UserName::default().with_name(text(user))).collect();
    let request = DescribeUserScramCredentialsRequest::default().with_users(Some(names));
    let answer = cluster.ask(broker, &request, deadline).await.map_err(|error| failed(DOING, &error))?;
    if let Some(refusal) = refusal(answer.error_code) {
        return Err(refusal.into_error(DOING, "the cluster", 0, answer.error_message.as_deref()));
    }
    let mut found = BTreeMap::new();
    for result in answer.results {
        if result.error_code == ResponseError::ResourceNotFound.code() {
            continue;
        }
        if let Some(refusal) = refusal(result.error_code) {
            return Err(refusal.into_error(DOING, &result.user, 0, result.error_message.as_deref()));
        }
        let mechanisms = result.credential_infos.iter().map(|info| info.mechanism);
        let mechanisms: Vec<Scram> =
            Scram::ALL.into_iter().filter(|scram| mechanisms.clone().any(|m| m == number(*scram))).collect();
        found.insert(result.user.to_string(), mechanisms);
    }
    Ok(found)
}
