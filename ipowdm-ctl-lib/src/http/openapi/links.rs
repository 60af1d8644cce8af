//! What can be asked for next: links from the answers of a document's operations to other operations of it.
//!
//! A program that reads the document follows a connection from its making to its end without being told how; tests that make
//! up requests do so, too.

use super::complete::operation_id;
use aide::openapi::{
    Link as Documented, LinkOperation, OpenApi, Operation, ReferenceOr, Responses, StatusCode,
};
use serde_json::Value;

/// Links from an answer.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Link {
    /// Method and path of the operation that is answered, and the statuses of the answers.
    from: (&'static str, &'static str, &'static [u16]),
    /// Method and path of what can be asked for then.
    to: &'static [(&'static str, &'static str)],
    /// The parameters of these paths, each with where its value is found (runtime expressions of `OpenAPI`).
    parameters: &'static [(&'static str, &'static str)],
}

/// Links from one kind of answer to several operations that take the same path parameters.
macro_rules! links {
    ($($from:literal $path:literal $statuses:tt => { $($name:literal: $value:literal),* } $($to:literal $target:literal),+;)*) => {
        &[$(Link {
            from: ($from, $path, &$statuses),
            to: &[$(($to, $target)),+],
            parameters: &[$(($name, $value)),*],
        }),*]
    };
}

/// Port 8000.
pub(in crate::http) const LINKDB: &[Link] = links! {
    "POST" "/api/pops" [200] => { "id": "$response.body#/pop/pop_id" }
        "DELETE" "/api/pops/{id}";
    "POST" "/api/links" [200] => { "id": "$response.body#/link/link_id" }
        "GET" "/api/links/{id}",
        "PATCH" "/api/links/{id}",
        "DELETE" "/api/links/{id}",
        "GET" "/api/links/{id}/spectrum",
        "GET" "/api/links/{id}/utilisation",
        "GET" "/api/links/{id}/reservations";
    "GET" "/api/links" [200] => { "id": "$response.body#/links/0/link_id" }
        "GET" "/api/links/{id}/spectrum",
        "GET" "/api/links/{id}/utilisation";
    "PUT" "/api/links/{id}/reservations/{name}" [200] => {
        "id": "$response.body#/link_id", "name": "$response.body#/reservation_id"
    }
        "DELETE" "/api/links/{id}/reservations/{name}";
    "POST" "/api/routers" [201] => {
        "pop": "$response.body#/router/pop_id", "router": "$response.body#/router/router_id"
    }
        "DELETE" "/api/routers/{pop}/{router}";
    "POST" "/api/interfaces" [201] => {
        "pop": "$response.body#/interface/pop_id",
        "router": "$response.body#/interface/router_id",
        "interface": "$response.body#/interface/interface"
    }
        "GET" "/api/interfaces/{pop}/{router}/{interface}",
        "DELETE" "/api/interfaces/{pop}/{router}/{interface}";
    "POST" "/api/connections/allocate" [200] => { "id": "$response.body#/connection/connection_id" }
        "GET" "/api/connections/{id}",
        "POST" "/api/connections/{id}/confirm",
        "DELETE" "/api/connections/{id}";
    "PUT" "/api/vops/{id}/spectrum" [200] => { "id": "$response.body#/virtual_operator" }
        "GET" "/api/vops/{id}/spectrum",
        "DELETE" "/api/vops/{id}/spectrum";
};

/// Port 8082.
pub(in crate::http) const SLICE: &[Link] = links! {
    "POST" "/api/v1/vops" [201, 200] => { "id": "$response.body#/vop_id" }
        "GET" "/api/v1/vops/{id}",
        "POST" "/api/v1/topics/{id}",
        "DELETE" "/api/v1/vops/{id}";
    "GET" "/api/v1/vops" [200] => { "id": "$response.body#/0/vop_id" }
        "GET" "/api/v1/vops/{id}",
        "POST" "/api/v1/topics/{id}";
    "PUT" "/api/v1/vops/{id}/applications/{application}" [200] => {
        "id": "$request.path.id", "application": "$request.path.application"
    }
        "DELETE" "/api/v1/vops/{id}/applications/{application}";
};

/// Port 8083.
pub(in crate::http) const CONTROLLER: &[Link] = links! {
    "POST" "/api/v1/connections" [201, 200] => { "id": "$response.body#/connection_id" }
        "GET" "/api/v1/connections/{id}",
        "POST" "/api/v1/connections/{id}/setup",
        "GET" "/api/v1/connections/{id}/qot",
        "DELETE" "/api/v1/connections/{id}";
    "GET" "/api/v1/connections" [200] => { "id": "$response.body#/0/connection_id" }
        "GET" "/api/v1/connections/{id}",
        "GET" "/api/v1/connections/{id}/qot";
    "POST" "/api/v1/connections/{id}/setup" [200, 202] => { "id": "$response.body#/operation/operation_id" }
        "GET" "/api/v1/operations/{*id}";
    "POST" "/api/v1/connections/{id}/setup" [200, 202] => { "id": "$response.body#/connection_id" }
        "POST" "/api/v1/connections/{id}/reconfigure",
        "DELETE" "/api/v1/connections/{id}";
    "POST" "/api/v1/connections/{id}/reconfigure" [200, 202] => {
        "id": "$response.body#/operation/operation_id"
    }
        "GET" "/api/v1/operations/{*id}";
    "POST" "/api/v1/connections/{id}/reconfigure" [200, 202] => { "id": "$response.body#/connection_id" }
        "DELETE" "/api/v1/connections/{id}";
    "POST" "/api/v1/connections/{id}/repair" [200, 202] => { "id": "$response.body#/operation/operation_id" }
        "GET" "/api/v1/operations/{*id}";
    "DELETE" "/api/v1/connections/{id}" [200, 202] => { "id": "$response.body#/operation/operation_id" }
        "GET" "/api/v1/operations/{*id}";
    "POST" "/api/v1/interfaces/{pop}/{router}/{interface}/control" [200, 202] => {
        "id": "$response.body#/operation/operation_id"
    }
        "GET" "/api/v1/operations/{*id}";
};

/// Adds links to the answers of a document.
pub(super) fn add(api: &mut OpenApi, links: &[Link]) {
    for link in links {
        let (method, path, statuses) = link.from;
        let Some(operation) = operation(api, method, path) else {
            tracing::error!(method, path, "a link leads away from an operation that is not there");
            continue;
        };
        let Responses { responses, .. } = operation.responses.get_or_insert_default();
        for status in statuses {
            let Some(ReferenceOr::Item(response)) = responses.get_mut(&StatusCode::Code(*status)) else {
                tracing::error!(method, path, status, "a link leads away from an answer that is not there");
                continue;
            };
            for (method, path) in link.to {
                let id = operation_id(method, path);
                response.links.insert(id.clone(), ReferenceOr::Item(link.documented(id)));
            }
        }
    }
}

fn operation<'a>(api: &'a mut OpenApi, method: &str, path: &str) -> Option<&'a mut Operation> {
    let item = api.paths.as_mut()?.paths.get_mut(path)?;
    let ReferenceOr::Item(item) = item else { return None };
    match method {
        "GET" => item.get.as_mut(),
        "PUT" => item.put.as_mut(),
        "POST" => item.post.as_mut(),
        "PATCH" => item.patch.as_mut(),
        "DELETE" => item.delete.as_mut(),
        _ => None,
    }
}

impl Link {
    /// How many a document has of it.
    #[cfg(test)]
    pub(super) const fn count(&self) -> usize {
        self.from.2.len() * self.to.len()
    }

    fn documented(&self, id: String) -> Documented {
        let parameters = self.parameters.iter();
        Documented {
            description: None,
            operation: LinkOperation::OperationId(id),
            request_body: None,
            parameters: parameters.map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect(),
            server: None,
            extensions: Default::default(),
        }
    }
}
