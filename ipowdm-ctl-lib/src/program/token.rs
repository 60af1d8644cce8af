//! `ipowdm-ctl token`

use super::Failure;
use crate::http::{NewToken, Role};
use clap::{Args, ValueEnum};
use ipowdm_core::ids::VopId;

#[derive(Args)]
pub(super) struct Options {
    /// What the caller is called in records.
    #[arg(long, value_parser = name)]
    name: String,
    #[arg(long)]
    role: RoleName,
    /// The virtual operator that a tenant is, and that a viewer is confined to.
    #[arg(long, value_name = "VOP")]
    vop: Option<VopId>,
}

#[derive(Clone, Copy, ValueEnum)]
enum RoleName {
    /// Runs the network.
    Operator,
    /// Has one virtual operator's connections.
    Tenant,
    /// Looks and changes nothing.
    Viewer,
}

fn name(text: &str) -> Result<String, String> {
    let printable = !text.is_empty() && text.len() <= 63 && text.chars().all(|c| c.is_ascii_graphic());
    printable.then(|| text.to_owned()).ok_or_else(|| "1 to 63 visible ASCII characters".to_owned())
}

/// Makes a token: the secret for the caller on stdout, the line for the table on stderr.
pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let vop = options.vop.clone();
    let role = match (options.role, vop) {
        (RoleName::Operator, None) => Role::Operator,
        (RoleName::Tenant, Some(virtual_operator)) => Role::Tenant { virtual_operator },
        (RoleName::Viewer, virtual_operator) => Role::Viewer { virtual_operator },
        (RoleName::Operator, Some(_)) => {
            return Err(Failure::Options("--vop: an operator is not confined to one".to_owned()));
        }
        (RoleName::Tenant, None) => {
            return Err(Failure::Options("--vop is missing: whose tenant?".to_owned()));
        }
    };
    let token = NewToken::generate().map_err(|error| Failure::Work(error.to_string()))?;
    eprintln!("for the tokens of the table: {}", token.entry(&options.name, &role));
    println!("{}", token.secret());
    Ok(())
}
