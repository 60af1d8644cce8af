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
    mechanism: SaslMechanism,
    user: String,
    password: Secret,
    /// Salted once, used for all connections: a broker keeps one salt for a user.
    known: Mutex<Option<Known>>,
}

impl Login {
    /// `None` where nothing is to be proven.
    pub(super) fn new(sasl: Option<&Sasl>) -> Option<Self> {
        let Sasl { mechanism, username, password } = sasl?;
        let (user, password) = (username.clone(), password.clone());
        Some(Self { mechanism: *mechanism, user, password, known: Mutex::default() })
    }

    /// Proves itself on a fresh connection; the connection is then good until its session ends.
    pub(super) async fn prove(&self, connection: &mut Connection) -> Result<(), WireError> {
        let peer = Arc::clone(connection.peer());
        let denied = |reason: String| WireError::Denied { peer: Arc::clone(&peer), reason };
        let mechanism = StrBytes::from_static_str(self.mechanism.name());
        let offer = connection.call(&SaslHandshakeRequest::default().with_mechanism(mechanism)).await?;
        if offer.error_code != 0 {
            let offered: Vec<&str> = offer.mechanisms.iter().map(|name| &**name).collect();
            let wanted = self.mechanism.name();
            return Err(denied(format!("{wanted} is not offered, but {}", offered.join(", "))));
        }
        let began = Instant::now();
        let answer = match self.mechanism {
            // Options are refused that would send it unencrypted (RFC 4616).
            SaslMechanism::Plain => {
                let told = format!("\0{}\0{}", self.user, self.password.reveal());
                self.exchange(connection, told).await?
            }
            SaslMechanism::ScramSha256 => self.scram(connection, Scram::Sha256).await?,
            SaslMechanism::ScramSha512 => self.scram(connection, Scram::Sha512).await?,
        };
        if let Some(lifetime) = u64::try_from(answer.session_lifetime_ms).ok().filter(|ms| *ms > 0) {
            connection.good_until(began + Duration::from_millis(lifetime) * USED / 100);
        }
        Ok(())
    }

    /// Shows that both sides know the password, and returns the last answer.
    async fn scram(
        &self,
        connection: &mut Connection,
        scram: Scram,
    ) -> Result<SaslAuthenticateResponse, WireError> {
        let peer = Arc::clone(connection.peer());
        let failed = |error: super::scram::ScramError| {
            let reason = error.to_string();
            WireError::Denied { peer: Arc::clone(&peer), reason }
        };
        let (client, first) = Client::begin(scram, &self.user).map_err(failed)?;
        let answer = self.exchange(connection, first).await?;
        let proving = {
            // Salting takes milliseconds, and one connection's result serves the others.
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            client.prove(&answer.auth_bytes, &self.password, &mut known)
        };
        let (proven, proof) = proving.map_err(failed)?;
        let answer = self.exchange(connection, proof).await?;
        proven.finish(&answer.auth_bytes).map_err(failed)?;
        Ok(answer)
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
