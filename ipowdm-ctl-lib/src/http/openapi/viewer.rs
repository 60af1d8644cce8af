//! The page that shows the document.

use super::{DOCUMENT, content, does};
use aide::OperationOutput;
use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use aide::generate::GenContext;
use aide::openapi::{Operation, Response};
use aide::swagger::Swagger;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use bytes::Bytes;

/// Where the page is.
const PAGE: &str = "/docs";

/// Nothing is loaded from elsewhere: script and style stand in the page, and requests go to this service.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// The routes with that of the page.
pub(super) fn with_viewer(router: ApiRouter, title: &str) -> ApiRouter {
    let page = Page(Bytes::from(Swagger::new(DOCUMENT).with_title(title).html()));
    let show = move || async move { page };
    router.api_route(PAGE, get_with(show, does("This document for people, to read and to try out", &[])))
}

/// The page.
#[derive(Clone)]
struct Page(Bytes);

impl IntoResponse for Page {
    fn into_response(self) -> axum::response::Response {
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        ([(header::CONTENT_TYPE, html), (header::CONTENT_SECURITY_POLICY, POLICY)], self.0).into_response()
    }
}

impl OperationOutput for Page {
    type Inner = Self;

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Response)> {
        let schema = schemars::json_schema!({"type": "string"});
        vec![(Some(200), content("text/html", "A page.".to_owned(), schema))]
    }
}
