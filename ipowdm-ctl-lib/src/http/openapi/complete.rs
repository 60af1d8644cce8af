//! What the document gets once all routes are known: names of path parameters, refusals by status, who may ask.

use super::{About, REFUSALS, SEGMENTS, content, examples, links};
use crate::http::access::{Need, Rule};
use crate::http::error::{ErrorBody, MEDIA_TYPE, status_of};
use aide::generate::in_context;
use aide::openapi::{
    Components, Header, HeaderStyle, OpenApi, Operation, Parameter, ParameterData, ParameterSchemaOrContent,
    PathItem, PathStyle, ReferenceOr, Response, SchemaObject, SecurityScheme, StatusCode,
};
use ipowdm_core::error::Code;
use schemars::{JsonSchema as _, Schema};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The name of the security scheme.
const BEARER: &str = "bearer";

/// Codes with which every route may refuse.
const EVERYWHERE: &[Code] = &[Code::LimitReached, Code::TimedOut, Code::Internal];

/// Codes with which every route that looks into the store may refuse.
const STORE: &[Code] = &[Code::StoreUnavailable, Code::Conflict];

/// Makes known what every operation refers to.
pub(super) fn common_schemas() {
    // What is referred to is what is kept: the reference itself is made again where it is used.
    in_context(|ctx| drop(ctx.schema.subschema_for::<ErrorBody<'static>>()));
}

/// Completes the operations of a document.
pub(super) fn complete(api: &mut OpenApi, about: &About) {
    let scheme = SecurityScheme::Http {
        scheme: BEARER.to_owned(),
        bearer_format: None,
        description: Some("A token of the service's table; its role decides.".to_owned()),
        extensions: Default::default(),
    };
    let components = api.components.get_or_insert_with(Components::default);
    components.security_schemes.insert(BEARER.to_owned(), ReferenceOr::Item(scheme));
    let Some(paths) = &mut api.paths else { return };
    // A wildcard is a parameter like any other to the document.
    let templates = core::mem::take(&mut paths.paths).into_iter();
    paths.paths = templates
        .map(|(path, mut item)| {
            if let ReferenceOr::Item(item) = &mut item {
                for (method, operation) in operations(item) {
                    let rule = about.rules.iter().find(|rule| rule.path == path && rule.method == method);
                    complete_operation(operation, method, &path, rule, about);
                }
            }
            (path.replace("{*", "{"), item)
        })
        .collect();
    links::add(api, about.links);
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    [
        ("GET", &mut item.get),
        ("PUT", &mut item.put),
        ("POST", &mut item.post),
        ("PATCH", &mut item.patch),
        ("DELETE", &mut item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// The names in a path's template, in order.
fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|segment| {
        segment.strip_prefix('{')?.strip_suffix('}').map(|name| name.trim_start_matches('*'))
    })
}

/// What an operation is called.
pub(super) fn operation_id(method: &str, path: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let id: Vec<String> =
        core::iter::once(method.to_ascii_lowercase()).chain(words.map(str::to_owned)).collect();
    id.join("_")
}

fn complete_operation(
    operation: &mut Operation,
    method: &str,
    path: &str,
    rule: Option<&Rule>,
    about: &About,
) {
    operation.operation_id = Some(operation_id(method, path));
    let topic = path.trim_start_matches("/api").trim_start_matches("/v1").split('/').nth(1);
    operation.tags = vec![topic.filter(|topic| !topic.is_empty()).unwrap_or("service").to_owned()];
    name_segments(operation, path);
    let need = rule.map_or(Need::Operate, |rule| rule.need);
    say_who(operation, need, about.open);
    let mut refusals = taken(operation, REFUSALS);
    let mut also = |codes: &[Code]| {
        refusals.extend(codes.iter().map(|code| serde_json::json!([status_of(*code).as_u16(), code])));
    };
    also(EVERYWHERE);
    if need != Need::Nobody {
        also(STORE);
        also(&[Code::Unauthenticated, Code::Forbidden]);
        also(about.refusals);
        if method != "GET" {
            also(&[Code::StorageFull]);
        }
        if method == "POST" {
            also(&[
                Code::IdempotencyKeyReused,
                Code::IllegalState,
                Code::InvalidField,
                Code::TooLarge,
                Code::Malformed,
            ]);
            refusals.push(serde_json::json!([408, Code::TimedOut]));
            operation.parameters.push(ReferenceOr::Item(idempotency_key()));
        }
    }
    list_refusals(operation, refusals);
    examples::add(operation, method, path);
}

/// The header that makes a POST one that is done once.
fn idempotency_key() -> Parameter {
    let description = "The same request with the same key gets the answer that the first one got, for a day. Keys are each caller's own.";
    let json_schema = schemars::json_schema!({
        "type": "string", "pattern": "^[!-~]+$", "minLength": 1, "maxLength": 255,
    });
    let schema = SchemaObject { json_schema, example: None, external_docs: None };
    let parameter_data = ParameterData {
        name: "Idempotency-Key".to_owned(),
        description: Some(description.to_owned()),
        required: false,
        deprecated: None,
        format: ParameterSchemaOrContent::Schema(schema),
        example: None,
        examples: Default::default(),
        explode: None,
        extensions: Default::default(),
    };
    Parameter::Header { parameter_data, style: HeaderStyle::Simple }
}

fn taken(operation: &mut Operation, member: &str) -> Vec<Value> {
    match operation.extensions.shift_remove(member) {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    }
}

fn name_segments(operation: &mut Operation, path: &str) {
    let schemas = taken(operation, SEGMENTS);
    for (name, schema) in names(path).zip(schemas) {
        let Ok(json_schema) = Schema::try_from(schema) else { continue };
        let description = json_schema.get("description").and_then(Value::as_str).map(str::to_owned);
        let schema = SchemaObject { json_schema, example: None, external_docs: None };
        let parameter_data = ParameterData {
            name: name.to_owned(),
            description,
            required: true,
            deprecated: None,
            format: ParameterSchemaOrContent::Schema(schema),
            example: None,
            examples: Default::default(),
            explode: None,
            extensions: Default::default(),
        };
        let parameter = Parameter::Path { parameter_data, style: PathStyle::Simple };
        operation.parameters.push(ReferenceOr::Item(parameter));
    }
}

/// The roles that have what is needed, by the names that a token table gives them.
fn roles(need: Need) -> &'static [&'static str] {
    match need {
        Need::Nobody => &[],
        Need::See => &["operator", "viewer"],
        Need::SeeOwn => &["operator", "viewer", "tenant"],
        Need::ChangeOwn => &["operator", "tenant"],
        Need::Operate => &["operator"],
    }
}

fn say_who(operation: &mut Operation, need: Need, open: bool) {
    let who = match need {
        Need::Nobody => "Answers everybody.",
        Need::See => "Needs the role operator, or viewer of everything.",
        Need::SeeOwn => "Needs any role; tenants and viewers of a virtual operator see what is its own.",
        Need::ChangeOwn => "Needs the role operator, or tenant for what is its own.",
        Need::Operate => "Needs the role operator.",
    };
    operation.description = Some(match operation.description.take() {
        Some(text) => format!("{text}\n\n{who}"),
        None => who.to_owned(),
    });
    if need == Need::Nobody {
        return;
    }
    // One of them is enough, as alternatives are.
    operation.security =
        roles(need).iter().map(|role| [(BEARER.to_owned(), vec![(*role).to_owned()])].into()).collect();
    if open {
        operation.security.push(Default::default());
    }
}

/// One answer for each status, which lists its codes.
fn list_refusals(operation: &mut Operation, refusals: Vec<Value>) {
    let mut by_status: BTreeMap<u16, BTreeSet<Code>> = BTreeMap::new();
    for refusal in refusals {
        if let Ok((status, code)) = serde_json::from_value::<(u16, Code)>(refusal) {
            by_status.entry(status).or_default().insert(code);
        }
    }
    let responses = operation.responses.get_or_insert_default();
    for (status, codes) in by_status {
        let lines: Vec<String> = codes.iter().map(|code| format!("`{code}`: {}", code.meaning())).collect();
        let schema = Schema::new_ref(format!("#/components/schemas/{}", ErrorBody::schema_name()));
        let mut response = content(MEDIA_TYPE, lines.join("\n\n"), schema);
        for (name, description) in headers(status) {
            response.headers.insert((*name).to_owned(), ReferenceOr::Item(text_header(description)));
        }
        match responses.responses.get_mut(&StatusCode::Code(status)) {
            // A service that is ill says so in its own words, or as a refusal.
            Some(ReferenceOr::Item(known)) => known.content.extend(response.content),
            _ => {
                responses.responses.insert(StatusCode::Code(status), ReferenceOr::Item(response));
            }
        }
    }
}

/// The headers of a refusal.
const fn headers(status: u16) -> &'static [(&'static str, &'static str)] {
    match status {
        401 => &[("WWW-Authenticate", "`Bearer`")],
        429 | 503 => &[("Retry-After", "Seconds after which to try again.")],
        _ => &[],
    }
}

/// A header whose value is text.
pub(in crate::http) fn text_header(description: &str) -> Header {
    let json_schema = schemars::json_schema!({"type": "string"});
    let schema = SchemaObject { json_schema, example: None, external_docs: None };
    Header {
        description: Some(description.to_owned()),
        style: HeaderStyle::Simple,
        required: true,
        deprecated: None,
        format: ParameterSchemaOrContent::Schema(schema),
        example: None,
        examples: Default::default(),
        extensions: Default::default(),
    }
}

/// Adds the header `Location` to an answer.
pub(in crate::http) fn with_location(mut response: Response) -> Response {
    let header = text_header("The path of what was made, or of the operation to follow.");
    response.headers.insert("Location".to_owned(), ReferenceOr::Item(header));
    response
}
