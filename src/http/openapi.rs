//! The document that describes the API: made from the handlers, served, and kept as a snapshot by a test.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder};

use super::Shared;

/// Returns the document without its paths.
pub fn frame() -> OpenApi {
    let session = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("gijiroku")));
    let token = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    let components =
        ComponentsBuilder::new().security_scheme("session", session).security_scheme("token", token).build();
    let info = InfoBuilder::new()
        .title("gijiroku")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("議事録作成支援: recordings become minutes, inside the office."))
        .build();
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .security(Some([
            SecurityRequirement::new("session", Vec::<String>::new()),
            SecurityRequirement::new("token", Vec::<String>::new()),
        ]))
        .build()
}

/// Returns the whole document as text.
pub fn document() -> String {
    let (_, document) = super::api().split_for_parts();
    text(&document)
}

fn text(document: &OpenApi) -> String {
    let mut text = document.to_pretty_json().expect("a document of text and numbers is always JSON");
    text.push('\n');
    text
}

/// Serves the document.
pub fn serve(document: &OpenApi) -> Router<Shared> {
    let text = text(document);
    Router::new()
        .route("/openapi.json", get(move || async move { ([(CONTENT_TYPE, "application/json")], text) }))
}
