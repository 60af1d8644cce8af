//! Examples of what requests take: those of the operator guide and of the lab, which has all that they name.

use aide::openapi::{Operation, ParameterData, ReferenceOr};
use serde_json::Value;

/// Examples of path and query parameters, by name.
const PARAMETERS: &[(&str, &str)] = &[
    ("a", "pop1"),
    ("b", "pop2"),
    ("pop", "pop1"),
    ("router", "router1"),
    ("interface", "Ethernet48"),
    ("link", "pop1-pop2"),
    ("virtual_operator", "vOp2"),
    ("name", "set-aside-1"),
    ("application", "billing"),
    ("user", "vOp2"),
    ("modulation", "DP-16QAM"),
    ("kinds", "alarm,connection"),
    ("connection", "POP1-POP2-1"),
    ("action", "up"),
];

/// Examples of the path parameter `id`, by what stands before it. LinkDB changes the spectrum of nobody whom the slice manager
/// looks after, as it does after vOp2.
const IDS: &[(&str, &str)] = &[
    ("/api/pops/", "pop1"),
    ("/api/links/", "pop1-pop2"),
    ("/api/connections/", "by-hand-1"),
    ("/api/vops/", "by-hand"),
    ("/api/v1/connections/", "POP1-POP2-1"),
    ("/api/v1/vops/", "vOp2"),
    ("/api/v1/topics/", "vOp2"),
];

/// Examples of bodies, by method and path.
const BODIES: &[(&str, &str, &str)] = &[
    ("POST", "/api/pops", r#"{"pop_id": "pop9", "name": "Harbour", "location": "Hamburg"}"#),
    (
        "POST",
        "/api/links",
        r#"{"link_id": "pop1-pop2-b", "pop_a": "pop1", "pop_b": "pop2", "distance_km": 80.0, "fiber_type": "SMF"}"#,
    ),
    ("PATCH", "/api/links/{id}", r#"{"admin_state": "up"}"#),
    ("PUT", "/api/links/{id}/reservations/{name}", r#"{"low": 196.0, "high": 196.1, "alien": true}"#),
    ("POST", "/api/routers", r#"{"pop_id": "pop1", "router_id": "router9", "description": "spare"}"#),
    ("POST", "/api/interfaces", r#"{"pop_id": "pop1", "router_id": "router1", "interface": "Ethernet400"}"#),
    (
        "POST",
        "/api/connections/allocate",
        r#"{"connection_id": "by-hand-1", "pop_a": "pop1", "pop_b": "pop2", "bandwidth": 400, "virtual_operator": "vOp2", "hold_seconds": 60}"#,
    ),
    (
        "PUT",
        "/api/vops/{id}/spectrum",
        r#"{"windows": [{"low": 193.0, "high": 194.0}], "quota": {"connections": 10}}"#,
    ),
    (
        "POST",
        "/api/v1/vops",
        r#"{"vop_id": "vOp3", "tenant_name": "Example Networks", "interface_assignments": [{"pop_id": "pop1", "router_id": "router1", "interfaces": ["Ethernet72"]}]}"#,
    ),
    (
        "POST",
        "/api/v1/connections",
        r#"{"connection_id": "POP1-POP2-1", "source_pop": "pop1", "destination_pop": "pop2", "virtual_operator": "vOp2"}"#,
    ),
    ("POST", "/api/v1/connections/{id}/setup", "{}"),
    ("POST", "/api/v1/connections/{id}/reconfigure", r#"{"reason": "manual", "tx_power_step_db": 0.5}"#),
    ("POST", "/api/v1/connections/{id}/repair", "{}"),
    ("POST", "/api/v1/interfaces/{pop}/{router}/{interface}/control", r#"{"admin_state": "up"}"#),
];

/// Adds examples to the parameters and the body of an operation.
pub(super) fn add(operation: &mut Operation, method: &str, path: &str) {
    for parameter in &mut operation.parameters {
        if let ReferenceOr::Item(parameter) = parameter {
            let named: &mut ParameterData = parameter.parameter_data_mut();
            named.example = parameter_example(&named.name, path).map(Value::from);
        }
    }
    let body = BODIES.iter().find(|(of, at, _)| (*of, *at) == (method, path));
    let Some(ReferenceOr::Item(body_of)) = &mut operation.request_body else { return };
    // The texts above are checked by a test.
    let Some(example) = body.and_then(|(_, _, text)| serde_json::from_str(text).ok()) else { return };
    if let Some(media) = body_of.content.get_mut("application/json") {
        media.example = Some(example);
    }
}

fn parameter_example(name: &str, path: &str) -> Option<&'static str> {
    if name == "id" {
        return find(IDS, path.split_once("{id}")?.0);
    }
    find(PARAMETERS, name)
}

fn find(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(of, _)| *of == name).map(|(_, example)| *example)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::access;

    #[test]
    fn bodies_are_objects_of_operations_that_are_there() {
        for (method, path, text) in BODIES {
            assert!(serde_json::from_str::<Value>(text).unwrap().is_object(), "{path}");
            let mut rules = access::LINKDB.iter().chain(access::SLICE).chain(access::CONTROLLER);
            assert!(rules.any(|rule| (rule.method, rule.path) == (*method, *path)), "{method} {path}");
        }
    }
}
