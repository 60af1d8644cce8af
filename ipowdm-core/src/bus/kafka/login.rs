//! Proving who this client is, on every new connection.

use super::connection::{Connection, WireError};
use super::options::{Sasl, SaslMechanism};
use super::scram::{Client, Known};
use crate::bus::access::{Scram, Secret};
use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest};
use kafka_protocol::protocol::StrBytes;
use std::format;
use std::string::{String, ToString};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::vec::Vec;
use tokio::time::Instant;

/// Which part of a session's time is used, in per cent: the rest is for a request that is under way when it ends.
const USED: u32 = 85;

/// What a client proves itself with.
pub(super) struct Login {
    scram: Scram,
    user: String,
    password: Secret,
    /// Salted once, used for all connections: a broker keeps one salt for a user.
    known: Mutex<Option<Known>>,
}

impl Login {
    /// `None` where nothing is to be proven. PLAIN is refused when options are checked.
    pub(super) fn new(sasl: Option<&Sasl>) -> Option<Self> {
        let Sasl { mechanism, username, password } = sasl?;
        let scram = match mechanism {
            SaslMechanism::Plain => return None,
            SaslMechanism::ScramSha256 => Scram::Sha256,
            SaslMechanism::ScramSha512 => Scram::Sha512,
        };
        let (user, password) = (username.clone(), password.clone());
        Some(Self { scram, user, password, known: Mutex::default() })
    }

    /// Proves itself on a fresh connection; the connection is then good until its session ends.
    pub(super) async fn prove(&self, connection: &mut Connection) -> Result<(), WireError> {
        let peer = Arc::clone(connection.peer());
        let denied = |reason: String| WireError::Denied { peer: Arc::clone(&peer), reason };
        let mechanism = StrBytes::from_static_str(self.scram.mechanism());
        let offer = connection.call(&SaslHandshakeRequest::default().with_mechanism(mechanism)).await?;
        if offer.error_code != 0 {
            let offered: Vec<&str> = offer.mechanisms.iter().map(|name| &**name).collect();
            let wanted = self.scram.mechanism();
            return Err(denied(format!("{wanted} is not offered, but {}", offered.join(", "))));
        }
        let failed = |error: super::scram::ScramError| denied(error.to_string());
        let (client, first) = Client::begin(self.scram, &self.user).map_err(failed)?;
        let answer = self.exchange(connection, first).await?;
        let proving = {
            // Salting takes milliseconds, and one connection's result serves the others.
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            client.prove(&answer.auth_bytes, &self.password, &mut known)
        };
        let (proven, proof) = proving.map_err(failed)?;
        let began = Instant::now();
        let answer = self.exchange(connection, proof).await?;
        proven.finish(&answer.auth_bytes).map_err(failed)?;
        if let Some(lifetime) = u64::try_from(answer.session_lifetime_ms).ok().filter(|ms| *ms > 0) {
            connection.good_until(began + Duration::from_millis(lifetime) * USED / 100);
        }
        Ok(())
    }

    async fn exchange(
        &self,
        connection: &mut Connection,
        message: String,
    ) -> Result<SaslAuthenticateResponse, WireError> {
        let request = SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from(message));
        let answer = connection.call(&request).await?;
        let Some(error) = ResponseError::try_from_code(answer.error_code) else { return Ok(answer) };
        let told = answer.error_message.map_or_else(|| format!("{error:?}"), |text| text.to_string());
        let reason = format!("user {}: {told}", self.user);
        Err(WireError::Denied { peer: Arc::clone(connection.peer()), reason })
    }
}
