//! The documents of the three services, as they are served.

use crate::http::access::{self, Rule};
use crate::http::tests::client::Service;
use crate::http::tests::lab::Tenant;
use crate::http::{Access, linkdb_router};
use crate::linkdb::LinkDb;
use crate::store::Store;
use serde_json::Value;
use std::collections::BTreeSet;

/// Asserts that a document names the routes and methods of the rules and no others, that each operation is described
/// whole, and that every reference leads somewhere.
async fn check(service: &Service, rules: &[Rule]) {
    let answer = service.get("/openapi.json").await;
    assert_eq!(answer.headers["content-type"], "application/json");
    let document = answer.expect(200);
    assert_eq!(document["openapi"], "3.1.0");
    let mut documented = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            documented.insert((method.to_uppercase(), path.clone()));
            assert!(ids.insert(operation["operationId"].to_string()), "{operation}");
            whole(path, operation);
        }
    }
    let ruled: BTreeSet<_> =
        rules.iter().map(|rule| (rule.method.to_owned(), rule.path.replace("{*", "{"))).collect();
    assert_eq!(documented, ruled);
    references(&document, &document);
}

fn whole(path: &str, operation: &Value) {
    assert!(operation["summary"].is_string(), "{path}: {operation}");
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let named: BTreeSet<_> = parameters
        .iter()
        .filter(|parameter| parameter["in"] == "path")
        .map(|parameter| parameter["name"].as_str().unwrap())
        .collect();
    let wanted: BTreeSet<_> =
        path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')).collect();
    assert_eq!(named, wanted, "{path}");
    let responses = operation["responses"].as_object().unwrap();
    assert!(responses.keys().any(|status| status.starts_with('2')), "{path}: {operation}");
    for (status, response) in responses.iter().filter(|(status, _)| status.starts_with(['4', '5'])) {
        let problem = response["content"]["application/problem+json"]["schema"]["$ref"].as_str();
        // Health answers 503 with what it knows.
        assert!(
            problem == Some("#/components/schemas/Problem")
                || status == "503" && path.ends_with("health")
                || path == "/",
            "{path} {status}: {response}"
        );
    }
    assert!(operation.as_object().unwrap().keys().all(|member| !member.starts_with("x-")), "{operation}");
}

fn references(document: &Value, at: &Value) {
    match at {
        Value::Object(members) => {
            if let Some(Value::String(to)) = members.get("$ref") {
                assert!(document.pointer(to.trim_start_matches('#')).is_some(), "{to} leads nowhere");
            }
            members.values().for_each(|member| references(document, member));
        }
        Value::Array(items) => items.iter().for_each(|item| references(document, item)),
        _ => {}
    }
}

#[tokio::test]
async fn rules_router_and_document_of_linkdb_name_the_same_routes() {
    let service = Service::start(linkdb_router(LinkDb::new(Store::memory()), Access::open())).await;
    check(&service, access::LINKDB).await;
}

#[tokio::test]
async fn rules_router_and_document_of_slice_manager_and_controller_name_the_same_routes() {
    let tenant = Tenant::start().await;
    check(&tenant.lab.slice, access::SLICE).await;
    check(&tenant.ctl, access::CONTROLLER).await;
}

#[tokio::test]
async fn an_operation_says_who_may_use_it_and_how_it_refuses() {
    let db = || LinkDb::new(Store::memory());
    let open = Service::start(linkdb_router(db(), Access::open())).await;
    let closed = Service::start(linkdb_router(db(), Access::tokens(access::TokenTable::default()))).await;
    let open = open.get("/openapi.json").await.expect(200);
    let closed = closed.get("/openapi.json").await.expect(200);
    let roles = |document: &Value| document["paths"]["/api/pops"]["post"]["security"].clone();
    assert_eq!(roles(&closed), serde_json::json!([{"bearer": ["operator"]}]));
    assert_eq!(roles(&open), serde_json::json!([{"bearer": ["operator"]}, {}]));
    let allocate = &closed["paths"]["/api/connections/allocate"]["post"];
    let refused = allocate["responses"]["409"]["description"].as_str().unwrap();
    assert!(refused.contains("`no_spectrum`: ") && refused.contains("`quota_exceeded`: "), "{refused}");
    let body = &allocate["requestBody"]["content"]["application/json"]["schema"]["$ref"];
    assert_eq!(body, "#/components/schemas/AllocateBody");
    let refused = &closed["paths"]["/api/pops"]["post"]["responses"]["400"]["description"];
    assert!(refused.as_str().unwrap().contains("`already_exists`"), "{refused}");
}

#[cfg(feature = "viewer")]
#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let service = Service::start(linkdb_router(LinkDb::new(Store::memory()), Access::open())).await;
    let answer = service.get("/docs").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("http"), "{policy}");
    let page = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(page.contains("SwaggerUIBundle") && page.contains("'/openapi.json'"));
    for tag in ["<script src", "<link ", "<img "] {
        assert!(!page.contains(tag), "{tag}");
    }
}

/// Asserts that path parameters and bodies have examples, and that links lead somewhere with all that it takes to get there.
fn exemplary(document: &Value) {
    let mut targets = std::collections::BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            targets.insert(operation["operationId"].as_str().unwrap(), (path, operation));
        }
    }
    let parameters = |operation: &Value| operation["parameters"].as_array().cloned().unwrap_or_default();
    for (path, operation) in targets.values() {
        for parameter in parameters(operation).iter().filter(|parameter| parameter["in"] == "path") {
            // Ids of operations are found by links alone.
            assert!(parameter["example"].is_string() || path.contains("/operations/"), "{path}: {parameter}");
        }
        if let Some(body) = operation["requestBody"]["content"].get("application/json") {
            assert!(body["example"].is_object(), "{path}: {body}");
        }
        for response in operation["responses"].as_object().unwrap().values() {
            for link in response["links"].as_object().into_iter().flat_map(|links| links.values()) {
                let (to, target) = targets[link["operationId"].as_str().unwrap()];
                for parameter in parameters(target).iter().filter(|parameter| parameter["in"] == "path") {
                    let name = parameter["name"].as_str().unwrap();
                    assert!(link["parameters"][name].is_string(), "{path} to {to} without {name}");
                }
            }
        }
    }
}

#[tokio::test]
async fn documents_have_examples_and_all_of_their_links() {
    let tenant = Tenant::start().await;
    let linkdb = Service::start(linkdb_router(LinkDb::new(Store::memory()), Access::open())).await;
    for (service, links) in
        [(&linkdb, super::LINKDB), (&tenant.lab.slice, super::SLICE), (&tenant.ctl, super::CONTROLLER)]
    {
        let document = service.get("/openapi.json").await.expect(200);
        exemplary(&document);
        let found: usize = document["paths"].as_object().unwrap().values().map(linked).sum();
        assert_eq!(found, links.iter().map(|link| link.count()).sum::<usize>());
    }
}

/// Links of the operations of a path.
fn linked(item: &Value) -> usize {
    let responses =
        |operation: &Value| operation["responses"].as_object().unwrap().values().cloned().collect::<Vec<_>>();
    let operations = item.as_object().unwrap().values();
    operations
        .flat_map(responses)
        .map(|response| response["links"].as_object().map_or(0, |links| links.len()))
        .sum()
}
