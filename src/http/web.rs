//! What a browser gets that asks for no API.

use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{Html, IntoResponse as _, Response};

use super::error::{Code, Problem};

/// Nothing is loaded from anywhere else, and no other page shows this one.
const POLICY: &str = "default-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; frame-ancestors 'none'; \
                      base-uri 'none'; form-action 'self'";

/// Shows the page of the product; unknown paths below the API are refused as such.
pub async fn page(method: Method, uri: Uri) -> Response {
    let is_api = ["/v1/", "/healthz", "/metrics"].iter().any(|prefix| uri.path().starts_with(prefix));
    if is_api || !matches!(method, Method::GET | Method::HEAD) {
        return Problem::new(Code::NotFound).into_response();
    }
    (StatusCode::OK, [(CONTENT_SECURITY_POLICY, POLICY)], Html(PAGE)).into_response()
}

/// One file, nothing loaded from outside: what a person needs until the workplace is built in.
const PAGE: &str = include_str!("page.html");
