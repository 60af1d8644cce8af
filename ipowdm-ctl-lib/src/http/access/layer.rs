//! Every request: who asks, whether a rule lets him, and what came of it where something was to change.

use super::rate::Rates;
use super::{Access, Need, Principal, Rule};
use crate::http::error::ApiError;
use crate::http::metrics;
use aide::OperationInput;
use axum::Router;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use ipowdm_core::error::Code;
use ipowdm_core::ids::VopId;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// Who asks, for handlers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller(pub Principal);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let unknown = || ApiError::new(Code::Internal, "nobody has asked who the caller is");
        parts.extensions.get::<Self>().cloned().ok_or_else(unknown)
    }
}

impl OperationInput for Caller {}

#[derive(Debug)]
struct Gate {
    access: Access,
    rates: Option<Rates>,
    started: Instant,
    /// By path, as the router has it.
    rules: HashMap<&'static str, Vec<Rule>>,
    /// The virtual operator whose service it is, where it is one's.
    service_of: Option<VopId>,
}

/// Puts the rules around a service's routes.
pub(in crate::http) fn protected(
    router: Router,
    access: Access,
    rules: &'static [Rule],
    service_of: Option<VopId>,
) -> Router {
    let mut by_path: HashMap<&'static str, Vec<Rule>> = HashMap::new();
    for rule in rules {
        by_path.entry(rule.path).or_default().push(*rule);
    }
    let rates = access.limits().rate.map(Rates::new);
    let gate = Gate { access, rates, started: Instant::now(), rules: by_path, service_of };
    router.layer(from_fn_with_state(Arc::new(gate), pass))
}

async fn pass(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    let principal = gate.access.identify(token(request.headers()));
    let change = (!request.method().is_safe()).then(|| Change::of(&request, principal.clone()));
    let response = match gate.admit(&request, principal.as_ref()) {
        Ok(()) => {
            if let Some(principal) = principal {
                request.extensions_mut().insert(Caller(principal));
            }
            next.run(request).await
        }
        Err(refused) => refuse(refused),
    };
    if let Some(change) = change {
        change.record(&response);
    }
    response
}

/// What somebody asks to be changed.
struct Change {
    /// `None` where nobody is known by the token that was sent.
    principal: Option<Principal>,
    method: Method,
    uri: Uri,
    route: Option<MatchedPath>,
}

impl Change {
    fn of(request: &Request, principal: Option<Principal>) -> Self {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        Self { principal, method, uri, route: request.extensions().get::<MatchedPath>().cloned() }
    }

    /// The record of a change, made or refused: who, what, and how it was answered. Bodies, queries and tokens are not in it.
    fn record(&self, response: &Response) {
        let code = response.extensions().get::<ApiError>().map(|error| error.code().as_str());
        tracing::info!(
            target: "ipowdm::audit",
            caller = self.principal.as_ref().map_or("unknown", |principal| &*principal.name),
            role = self.principal.as_ref().map(|principal| tracing::field::debug(&principal.role)),
            method = %self.method,
            route = self.route.as_ref().map(MatchedPath::as_str),
            path = self.uri.path(),
            status = response.status().as_u16(),
            code,
            "change"
        );
    }
}

impl Gate {
    /// Whether a caller is let in; nobody where no known token was sent.
    fn admit(&self, request: &Request, principal: Option<&Principal>) -> Result<(), ApiError> {
        // HEAD is answered by the handler of GET.
        let method = if request.method() == Method::HEAD { "GET" } else { request.method().as_str() };
        let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        let rules = path.and_then(|path| self.rules.get(path));
        let rule = rules.and_then(|rules| rules.iter().find(|rule| rule.method == method));
        let opened = self.access.open_metrics && path == Some(metrics::PATH);
        let need = rule.map(|rule| if opened { Need::Nobody } else { rule.need });
        let service_of = self.service_of.as_ref();
        match (principal, need) {
            (Some(principal), Some(need)) if need.is_met_by(&principal.role, service_of) => {
                if need == Need::Nobody { Ok(()) } else { self.count(principal) }
            }
            (None, Some(Need::Nobody)) => Ok(()),
            (None, _) => Err(ApiError::new(Code::Unauthenticated, "a bearer token is needed")
                .hint("send it as Authorization: Bearer …")),
            (Some(principal), _) => {
                Err(ApiError::new(Code::Forbidden, format_args!("{} may not do that", principal.name)))
            }
        }
    }

    /// Counts a request of a caller.
    fn count(&self, caller: &Principal) -> Result<(), ApiError> {
        let Some(rates) = &self.rates else { return Ok(()) };
        rates.admit(&caller.name, self.started.elapsed()).map_err(|wait| {
            let reason = format_args!("{} sends more requests than it may", caller.name);
            ApiError::new(Code::LimitReached, reason).retry_after(wait)
        })
    }
}

fn refuse(error: ApiError) -> Response {
    let challenge = error.code() == Code::Unauthenticated;
    let mut response = error.into_response();
    if challenge {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// The bearer token of a request (RFC 6750, section 2.1).
fn token(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}
