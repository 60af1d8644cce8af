//! The command that runs `ipowdm-ctl controller` for a virtual operator.
//!
//! It gets the settings in force here through its environment, and nothing else of that of this process: variables meant for
//! the slice manager (`API_PORT`) mean something else to a controller. Passwords are in the environment too, which only
//! processes of the same user can read; nothing is written to a disk.

use super::SETTINGS;
use crate::program::Failure;
use crate::program::settings::Resolved;
use crate::slice::{CommandFor, Credential, Vop};
use crate::store::Location;
use ipowdm_core::bus::kafka::Sasl;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// What of this process's environment a controller gets.
const INHERITED: &[&str] =
    &["HOME", "LANG", "PATH", "RUST_BACKTRACE", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR", "TZ"];

/// Runs `program`, or else the program that runs now.
pub(super) fn command_for(settings: &Resolved, program: Option<&Path>) -> Result<CommandFor, Failure> {
    let program = match program {
        Some(program) => program.to_owned(),
        None => std::env::current_exe()
            .map_err(|error| Failure::Work(format!("this program cannot be found: {error}")))?,
    };
    let text = settings.to_string();
    let store = match &settings.store {
        Location::Redis(location) => location.clone(),
        other => other.to_string(),
    };
    let own = settings.bus.as_ref().and_then(|bus| bus.sasl.clone());
    Ok(Arc::new(move |vop: &Vop, credential: Option<&Credential>| {
        let mut command = Command::new(&program);
        command.args(["controller", "--until-eof", "--vop", vop.id().as_str()]).env_clear();
        command.envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.env(SETTINGS, &text).env("IPOWDM_STORE", &store);
        if let Some(own) = &own {
            let Sasl { mechanism, username, password } = match credential {
                Some(Credential { principal, scram, password }) => Sasl {
                    mechanism: (*scram).into(),
                    username: principal.name(),
                    password: password.clone(),
                },
                None => own.clone(),
            };
            command.env("KAFKA_SASL_MECHANISM", mechanism.name());
            command.env("KAFKA_SASL_USERNAME", username).env("KAFKA_SASL_PASSWORD", password.reveal());
        }
        command
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::settings::{Document, Program};
    use crate::slice::{ActivationRequest, VopPhase};
    use ipowdm_core::bus::access::{Principal, Scram, Secret};
    use ipowdm_core::ids::{Incarnation, VopId};
    use ipowdm_core::time::Timestamp;
    use std::collections::BTreeMap;

    fn vop() -> Vop {
        let id: VopId = "vOp2".parse().unwrap();
        Vop {
            request: ActivationRequest::new(id, "Tenant 2", Vec::new()),
            phase: VopPhase::Active,
            incarnation: Incarnation::new("1-1").unwrap(),
            windows: Vec::new(),
            telemetry_interval_ms: 3_000,
            health_interval_ms: 30_000,
            activated_at: Timestamp(0),
            endpoint: None,
        }
    }

    /// What a controller gets of settings whose secrets are `store-secret` and `bus-secret`.
    fn told(credential: Option<&Credential>) -> (Vec<String>, BTreeMap<String, String>) {
        let text = "[access]\nopen = true\n[slice]\nlauncher = \"process\"\n\
                    [bus]\nsecurity_protocol = \"SASL_PLAINTEXT\"\nsasl_username = \"admin\"\n";
        let environment = BTreeMap::from([
            ("REDIS_URL", "redis://ctl:store-secret@db:6379/0"),
            ("KAFKA_SASL_PASSWORD", "bus-secret"),
            ("API_PORT", "9082"),
        ]);
        let get = |name: &str| environment.get(name).map(|value| (*value).to_owned());
        let settings = Document::parse(text).unwrap().resolve(Program::SliceManager, &get, |_| {}).unwrap();
        let command = command_for(&settings, Some(Path::new("/opt/ctl"))).unwrap()(&vop(), credential);
        assert_eq!(command.get_program(), "/opt/ctl");
        let text = |text: &std::ffi::OsStr| text.to_str().unwrap().to_owned();
        let arguments = command.get_args().map(text).collect();
        let environment = command.get_envs().map(|(name, value)| (text(name), text(value.unwrap())));
        (arguments, environment.collect())
    }

    #[test]
    fn secrets_are_variables_of_their_own_and_nowhere_else() {
        let (arguments, environment) = told(None);
        assert_eq!(arguments, ["controller", "--until-eof", "--vop", "vOp2"]);
        assert_eq!(environment["IPOWDM_STORE"], "redis://ctl:store-secret@db:6379/0");
        assert_eq!(environment["KAFKA_SASL_PASSWORD"], "bus-secret");
        assert_eq!(environment["KAFKA_SASL_USERNAME"], "admin");
        assert!(!environment[SETTINGS].contains("secret"), "{}", environment[SETTINGS]);
        assert!(!environment.contains_key("API_PORT"), "a controller would listen there");
    }

    #[test]
    fn a_controller_proves_who_it_is_with_the_password_that_was_made_for_it() {
        let made = Credential {
            principal: Principal::Controller("vOp2".parse().unwrap()),
            scram: Scram::Sha256,
            password: Secret::new("its-own"),
        };
        let (arguments, environment) = told(Some(&made));
        assert!(!arguments.concat().contains("its-own"));
        let sasl = ["MECHANISM", "USERNAME", "PASSWORD"];
        let sasl = sasl.map(|name| environment[&format!("KAFKA_SASL_{name}")].as_str());
        assert_eq!(sasl, ["SCRAM-SHA-256", "controller_vOp2", "its-own"]);
        assert!(environment.values().all(|value| !value.contains("bus-secret")));
        // It reads what it is told.
        let get = |name: &str| environment.get(name).cloned();
        let document = Document::parse(&environment[SETTINGS]).unwrap();
        let read = document.resolve(Program::Controller, &get, |settings| {
            settings.controller.virtual_operator = Some("vOp2".parse().unwrap());
        });
        let sasl = read.unwrap().bus.unwrap().sasl.unwrap();
        assert_eq!((sasl.username.as_str(), sasl.password.reveal()), ("controller_vOp2", "its-own"));
    }
}
