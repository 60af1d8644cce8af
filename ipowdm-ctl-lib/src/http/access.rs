//! Who may do what on the REST surfaces: callers, their roles, bearer tokens, one rule per route.
//!
//! A service is open, or closed to whoever has no token. In a closed one what no rule allows is refused: a route without a
//! rule, and a role that the rule does not name. `GET /` and health answer everybody.
//!
//! | role | LinkDB | slice manager | controller of a virtual operator |
//! |---|---|---|---|
//! | operator | everything | everything | everything |
//! | viewer | reads | reads | reads |
//! | tenant of a virtual operator | PoPs and links; its own connections | its own virtual operator, read | its own: everything; another's: nothing |
//! | viewer of a virtual operator | as the tenant, reads only | as the tenant | its own: reads |
//!
//! Of what is another's a tenant learns nothing, not even that it exists: it is answered as what does not exist.

mod layer;
mod rate;
mod rules;
mod tokens;

pub use layer::Caller;
pub use rate::Rate;
pub use tokens::{NewToken, TokenError, TokenTable};

pub(super) use layer::protected;
pub(super) use rules::{CONTROLLER, LINKDB, Need, Rule, SLICE};

use super::error::ApiError;
use super::guard::Limits;
use core::time::Duration;
use ipowdm_core::error::Code;
use ipowdm_core::ids::VopId;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a caller is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case", deny_unknown_fields)]
pub enum Role {
    /// Runs the network.
    Operator,
    /// A virtual operator.
    Tenant {
        /// Which.
        virtual_operator: VopId,
    },
    /// Looks and changes nothing.
    Viewer {
        /// What of: one virtual operator's, or everything.
        virtual_operator: Option<VopId>,
    },
}

impl Role {
    /// The virtual operator that the role is confined to.
    #[must_use]
    pub const fn confined_to(&self) -> Option<&VopId> {
        match self {
            Self::Operator => None,
            Self::Tenant { virtual_operator } => Some(virtual_operator),
            Self::Viewer { virtual_operator } => virtual_operator.as_ref(),
        }
    }

    /// Whether the role may see what belongs to a virtual operator.
    #[must_use]
    pub fn may_see(&self, vop: &VopId) -> bool {
        self.confined_to().is_none_or(|own| own == vop)
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    /// Its name, for people and records.
    pub name: Arc<str>,
    /// What it is.
    pub role: Role,
}

impl Principal {
    /// Refuses to act for another virtual operator than the caller's own.
    ///
    /// # Errors
    /// 403 `forbidden`
    pub fn act_for(&self, vop: &VopId) -> Result<(), ApiError> {
        if self.role.may_see(vop) {
            return Ok(());
        }
        Err(ApiError::new(Code::Forbidden, format_args!("{} does not act for {vop}", self.name)))
    }
}

/// How many requests each caller with a token may send unless told otherwise. In an open service, where everybody is the same
/// caller, there is no such limit.
pub const USUAL_RATE: Rate = Rate { interval: Duration::from_millis(5), burst: 1000 };

/// How a service treats callers: who they are, and how much they may ask at a time. A cheap handle.
#[derive(Debug, Clone)]
pub struct Access {
    kind: Kind,
    limits: Limits,
    /// Whether figures are for everybody.
    open_metrics: bool,
}

#[derive(Debug, Clone)]
enum Kind {
    /// Whom everybody is taken for.
    Open(Principal),
    Tokens(Arc<TokenTable>),
}

impl Access {
    /// Whoever reaches the service is the operator: for a laboratory, on the loopback address.
    #[must_use]
    pub fn open() -> Self {
        let anybody = Principal { name: Arc::from("anybody"), role: Role::Operator };
        Self { kind: Kind::Open(anybody), limits: Limits::default(), open_metrics: false }
    }

    /// Only callers with a bearer token of the table, each at most [`USUAL_RATE`].
    #[must_use]
    pub fn tokens(table: TokenTable) -> Self {
        let limits = Limits { rate: Some(USUAL_RATE), ..Limits::default() };
        Self { kind: Kind::Tokens(Arc::new(table)), limits, open_metrics: false }
    }

    /// With other limits than the usual ones.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The limits of a service.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Answers `GET /metrics` to whoever reaches the service, token or none: for scrapers that cannot send one, where others
    /// are kept away by the network. Without this it takes a viewer's token, or the operator's.
    #[must_use]
    pub const fn with_open_metrics(mut self) -> Self {
        self.open_metrics = true;
        self
    }

    /// Whether everybody is let in.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.kind, Kind::Open(_))
    }

    /// Who presents this token; in an open service everybody is the operator, whatever is presented.
    fn identify(&self, token: Option<&[u8]>) -> Option<Principal> {
        match &self.kind {
            Kind::Open(anybody) => Some(anybody.clone()),
            Kind::Tokens(table) => table.holder(token?),
        }
    }
}

#[cfg(test)]
mod tests;
