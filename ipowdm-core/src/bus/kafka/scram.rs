//! SCRAM (RFC 5802, RFC 7677): what a broker keeps of a password, and a client's side of the proof.
//!
//! Passwords and user names are taken as UTF-8 without SASLprep, as Kafka takes them.

use crate::bus::access::{Scram, Secret};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use hmac::digest::core_api::BlockSizeUser;
use hmac::{Mac, SimpleHmac};
use sha2::{Digest, Sha256, Sha512};
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

/// Rounds that passwords are salted with: the least that RFC 7677 and Kafka allow. Ours are random and need no more.
pub(super) const ITERATIONS: u32 = 4096;

/// Most rounds that a broker may ask for. Kafka keeps to 16 384; more would keep a thread busy for nothing.
const MOST_ITERATIONS: u32 = 100_000;

/// Bytes of randomness in a salt and in a nonce.
const NONCE: usize = 24;

/// Why a broker was not convinced, or does not convince.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ScramError {
    #[error("the broker's SCRAM message cannot be read")]
    Malformed,
    #[error("the broker has answered another client's nonce")]
    Nonce,
    #[error("the broker asks for {0} rounds; {ITERATIONS} to {MOST_ITERATIONS} are accepted")]
    Iterations(u32),
    #[error("the broker refuses: {0}")]
    Refused(String),
    #[error("the broker does not know the password")]
    Server,
    #[error("the system has no randomness: {0}")]
    Randomness(String),
}

/// Random bytes from the operating system.
fn random<const N: usize>() -> Result<[u8; N], ScramError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| ScramError::Randomness(error.to_string()))?;
    Ok(bytes)
}

/// A password of 256 bits.
pub(super) fn new_password() -> Result<Secret, ScramError> {
    Ok(Secret::new(BASE64_URL_SAFE_NO_PAD.encode(random::<32>()?)))
}

/// What a broker is told of a new password (KIP-554).
pub(super) struct Salted {
    pub(super) salt: Vec<u8>,
    pub(super) password: Vec<u8>,
}

/// Salts a password.
pub(super) fn salt(scram: Scram, password: &Secret) -> Result<Salted, ScramError> {
    let salt = random::<NONCE>()?.to_vec();
    let password = salted_password(scram, password, &salt, ITERATIONS);
    Ok(Salted { salt, password })
}

/// What no password gives when it is salted: random, of the mechanism's length.
pub(super) fn unmatched(scram: Scram) -> Result<Salted, ScramError> {
    let password = match scram {
        Scram::Sha256 => random::<32>()?.to_vec(),
        Scram::Sha512 => random::<64>()?.to_vec(),
    };
    Ok(Salted { salt: random::<NONCE>()?.to_vec(), password })
}

/// `Hi(password, salt, i)` of RFC 5802, which is PBKDF2 with HMAC.
fn salted_password(scram: Scram, password: &Secret, salt: &[u8], iterations: u32) -> Vec<u8> {
    let password = password.reveal().as_bytes();
    match scram {
        Scram::Sha256 => pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password, salt, iterations).to_vec(),
        Scram::Sha512 => pbkdf2::pbkdf2_hmac_array::<Sha512, 64>(password, salt, iterations).to_vec(),
    }
}

/// A salted password and what it was salted with, to be used again: salting is meant to be slow.
#[derive(Clone)]
pub(super) struct Known {
    salt: Vec<u8>,
    iterations: u32,
    salted: Vec<u8>,
}

/// A client that has sent its first message.
pub(super) struct Client {
    scram: Scram,
    nonce: String,
    first_bare: String,
}

/// A client that has sent its proof, and awaits the broker's.
pub(super) struct Proven {
    scram: Scram,
    server_key: Vec<u8>,
    auth_message: String,
}

impl Client {
    /// Begins an exchange; answers the client's first message.
    pub(super) fn begin(scram: Scram, user: &str) -> Result<(Self, String), ScramError> {
        let nonce = BASE64_URL_SAFE_NO_PAD.encode(random::<NONCE>()?);
        Ok(Self::with_nonce(scram, user, nonce))
    }

    fn with_nonce(scram: Scram, user: &str, nonce: String) -> (Self, String) {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        let first_bare = format!("n={user},r={nonce}");
        // No channel binding.
        let message = format!("n,,{first_bare}");
        (Self { scram, nonce, first_bare }, message)
    }

    /// Answers the broker's first message with the proof. `known` is taken where it fits, and replaced where it does not.
    pub(super) fn prove(
        self,
        server_first: &[u8],
        password: &Secret,
        known: &mut Option<Known>,
    ) -> Result<(Proven, String), ScramError> {
        let server_first = core::str::from_utf8(server_first).map_err(|_| ScramError::Malformed)?;
        let nonce = attribute(server_first, 'r')?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(ScramError::Nonce);
        }
        let salt = attribute(server_first, 's')?;
        let salt = BASE64_STANDARD.decode(salt).map_err(|_| ScramError::Malformed)?;
        let iterations = attribute(server_first, 'i')?.parse().map_err(|_| ScramError::Malformed)?;
        if !(ITERATIONS..=MOST_ITERATIONS).contains(&iterations) {
            return Err(ScramError::Iterations(iterations));
        }
        let fits = |known: &Known| known.salt == salt && known.iterations == iterations;
        let salted = match known.as_ref().filter(|known| fits(known)) {
            Some(known) => known.salted.clone(),
            None => salted_password(self.scram, password, &salt, iterations),
        };
        *known = Some(Known { salt, iterations, salted: salted.clone() });
        // "biws" is the base 64 of "n,,".
        let without_proof = format!("c=biws,r={nonce}");
        let auth_message = format!("{},{server_first},{without_proof}", self.first_bare);
        let mut proof = hmac(self.scram, &salted, b"Client Key")?;
        let stored_key = hash(self.scram, &proof);
        let signature = hmac(self.scram, &stored_key, auth_message.as_bytes())?;
        proof.iter_mut().zip(&signature).for_each(|(key, signature)| *key ^= signature);
        let server_key = hmac(self.scram, &salted, b"Server Key")?;
        let message = format!("{without_proof},p={}", BASE64_STANDARD.encode(proof));
        Ok((Proven { scram: self.scram, server_key, auth_message }, message))
    }
}

impl Proven {
    /// Checks the broker's proof.
    pub(super) fn finish(&self, server_final: &[u8]) -> Result<(), ScramError> {
        let server_final = core::str::from_utf8(server_final).map_err(|_| ScramError::Malformed)?;
        if let Ok(error) = attribute(server_final, 'e') {
            return Err(ScramError::Refused(error.chars().take(128).collect()));
        }
        let signature = attribute(server_final, 'v')?;
        let signature = BASE64_STANDARD.decode(signature).map_err(|_| ScramError::Malformed)?;
        let message = self.auth_message.as_bytes();
        let right = match self.scram {
            Scram::Sha256 => keyed::<Sha256>(&self.server_key, message)?.verify_slice(&signature).is_ok(),
            Scram::Sha512 => keyed::<Sha512>(&self.server_key, message)?.verify_slice(&signature).is_ok(),
        };
        if right { Ok(()) } else { Err(ScramError::Server) }
    }
}

/// The value of an attribute: `r=…,s=…`.
fn attribute(message: &str, name: char) -> Result<&str, ScramError> {
    let value = |part: &'_ str| part.strip_prefix(name)?.strip_prefix('=').map(str::len);
    let part = message.split(',').find(|part| value(part).is_some());
    part.and_then(|part| part.get(2..)).ok_or(ScramError::Malformed)
}

fn keyed<D: Digest + BlockSizeUser>(key: &[u8], message: &[u8]) -> Result<SimpleHmac<D>, ScramError> {
    // A key of any length is taken.
    let mut mac = <SimpleHmac<D> as Mac>::new_from_slice(key).map_err(|_| ScramError::Malformed)?;
    Mac::update(&mut mac, message);
    Ok(mac)
}

fn hmac(scram: Scram, key: &[u8], message: &[u8]) -> Result<Vec<u8>, ScramError> {
    Ok(match scram {
        Scram::Sha256 => keyed::<Sha256>(key, message)?.finalize().into_bytes().to_vec(),
        Scram::Sha512 => keyed::<Sha512>(key, message)?.finalize().into_bytes().to_vec(),
    })
}

fn hash(scram: Scram, bytes: &[u8]) -> Vec<u8> {
    match scram {
        Scram::Sha256 => Sha256::digest(bytes).to_vec(),
        Scram::Sha512 => Sha512::digest(bytes).to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    fn client() -> Client {
        let (client, first) = Client::with_nonce(Scram::Sha256, "user", "rOprNGfwEbeRWgbNEkqO".to_string());
        assert_eq!(first, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        client
    }

    /// RFC 7677, section 3.
    #[test]
    fn the_exchange_is_the_one_of_rfc_7677() {
        let mut known = None;
        for _ in 0..2 {
            let (proven, proof) =
                client().prove(FIRST.as_bytes(), &Secret::new("pencil"), &mut known).unwrap();
            assert_eq!(
                proof,
                "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                 p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
            );
            assert_eq!(proven.finish(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Ok(()));
            assert_eq!(
                proven.finish(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5="),
                Err(ScramError::Malformed)
            );
            let wrong = format!("v={}", BASE64_STANDARD.encode([7; 32]));
            assert_eq!(proven.finish(wrong.as_bytes()), Err(ScramError::Server));
            let refused = proven.finish(b"e=invalid-proof");
            assert_eq!(refused, Err(ScramError::Refused("invalid-proof".to_string())));
            assert!(known.is_some(), "the salted password is kept for the next connection");
        }
    }

    #[test]
    fn what_a_broker_may_not_say_is_refused() {
        let prove = |first: &str| {
            client().prove(first.as_bytes(), &Secret::new("pencil"), &mut None).map(|(_, proof)| proof)
        };
        assert!(prove(FIRST).is_ok());
        for (first, error) in [
            ("", ScramError::Malformed),
            ("s=QQ==,i=4096", ScramError::Malformed),
            ("r=rOprNGfwEbeRWgbNEkqO,s=QQ==,i=4096", ScramError::Nonce),
            ("r=somebodyElses1234567890,s=QQ==,i=4096", ScramError::Nonce),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=%,i=4096", ScramError::Malformed),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=QQ==,i=-1", ScramError::Malformed),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=QQ==,i=4095", ScramError::Iterations(4095)),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=QQ==,i=4000000000", ScramError::Iterations(4_000_000_000)),
        ] {
            assert_eq!(prove(first), Err(error), "{first}");
        }
    }

    #[test]
    fn a_user_name_cannot_end_its_attribute() {
        let (_, first) = Client::with_nonce(Scram::Sha512, "a=b,c", "x".to_string());
        assert_eq!(first, "n,,n=a=3Db=2Cc,r=x");
    }

    #[test]
    fn passwords_and_salts_are_never_the_same_twice_and_salting_is_pbkdf2() {
        let (first, second) = (new_password().unwrap(), new_password().unwrap());
        assert!(first != second);
        assert_eq!(first.reveal().len(), 43, "256 bits in base 64");
        let (a, b) = (salt(Scram::Sha512, &first).unwrap(), salt(Scram::Sha512, &first).unwrap());
        assert_ne!(a.salt, b.salt);
        assert_eq!(a.password, salted_password(Scram::Sha512, &first, &a.salt, ITERATIONS));
        assert_eq!([a.password.len(), salt(Scram::Sha256, &first).unwrap().password.len()], [64, 32]);
    }
}
