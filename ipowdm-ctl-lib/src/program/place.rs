//! The option that names a store.

use super::Failure;
use crate::store::Location;
use clap::Args;

#[derive(Args)]
pub(super) struct Place {
    /// Where the records are kept: memory (gone at the end), redb:PATH (a file of this process alone), or redis://HOST:PORT/DB
    /// (shared by several). Without it, the environment variables IPOWDM_STORE and REDIS_URL.
    #[arg(long, value_name = "STORE")]
    store: Option<String>,
}

impl Place {
    /// The store's place. From the environment a location may hold a password that must not show among the arguments.
    pub(super) fn location(&self) -> Result<Location, Failure> {
        let from = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let text = self.store.clone().or_else(|| from("IPOWDM_STORE")).or_else(|| from("REDIS_URL"));
        let text = text.ok_or_else(|| {
            let choices = "memory, redb:PATH or redis://HOST:PORT/DB";
            Failure::Options(format!("--store is missing: {choices}"))
        })?;
        text.parse().map_err(|error| Failure::Options(format!("--store: {error}")))
    }
}
