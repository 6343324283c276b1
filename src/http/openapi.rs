//! The document that describes the API: made from the handlers, served, and kept as a snapshot by a test.

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use serde_json::{Value, json};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder};

use super::Shared;
use crate::minutes::export;

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "patch", "head", "options"];
/// Where the document describes a refusal.
const PROBLEM: &str = "#/components/schemas/Problem";

/// Returns the document without its paths.
pub fn frame() -> OpenApi {
    let session = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("gijiroku")));
    let token = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    let components = ComponentsBuilder::new()
        .security_scheme("session", session)
        .security_scheme("token", token)
        // What only stands in queries is not found by itself.
        .schema_from::<export::Format>()
        .schema_from::<export::SpeakerLayout>()
        .schema_from::<export::Era>()
        .schema_from::<export::Clock>()
        .schema_from::<export::Encoding>()
        .schema_from::<export::FontChoice>()
        .build();
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
    let mut document = serde_json::to_value(document).expect("a document of text and numbers is always JSON");
    complete(&mut document);
    format!("{document:#}\n")
}

/// Serves the document.
pub fn serve(document: &OpenApi) -> Router<Shared> {
    let text = text(document);
    Router::new()
        .route("/openapi.json", get(move || async move { ([(CONTENT_TYPE, "application/json")], text) }))
}

/// Writes what holds for every operation, and would be forgotten if each had to say it.
fn complete(document: &mut Value) {
    let security = document["security"].clone();
    let Some(paths) = document["paths"].as_object_mut() else { return };
    for (path, item) in paths {
        let operations = item.as_object_mut().into_iter().flatten();
        for (method, operation) in operations.filter(|(method, _)| METHODS.contains(&method.as_str())) {
            name(operation);
            describe_parameters(operation, path);
            let operation_security = operation.get("security").unwrap_or(&security).clone();
            operation["security"] = operation_security;
            refuse(operation);
            describe_responses(operation, method != "head");
        }
    }
}

/// Makes names unique: handlers of different resources are called alike.
fn name(operation: &mut Value) {
    let tag = operation["tags"][0].as_str().unwrap_or_default();
    let name = operation["operationId"].as_str().unwrap_or_default();
    operation["operationId"] = json!(format!("{tag}_{name}"));
}

fn describe_parameters(operation: &mut Value, path: &str) {
    // An index would put a null where there are none.
    let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap_or_default();
        if parameter["in"] == "path" && parameter["description"].as_str().is_none_or(str::is_empty) {
            let before = path.split(&format!("{{{name}}}")).next().unwrap_or_default();
            let place = before.trim_end_matches('/');
            parameter["description"] = json!(format!("Which one of `{place}`."));
        }
    }
}

/// Adds the refusals that any request of its kind can meet.
fn refuse(operation: &mut Value) {
    let is_public = operation["security"].as_array().is_some_and(|all| all.contains(&json!({})));
    let has_body = operation.get("requestBody").is_some();
    let parameters = operation.get("parameters").and_then(Value::as_array);
    let has_query = parameters.is_some_and(|all| all.iter().any(|parameter| parameter["in"] == "query"));
    let responses = operation["responses"].as_object_mut();
    let Some(responses) = responses else { return };
    let mut statuses = vec!["429", "503"];
    if !is_public {
        statuses.extend(["401", "403"]);
    }
    if has_body {
        statuses.extend(["400", "413", "415", "422"]);
    }
    if has_query {
        statuses.push("422");
    }
    for status in statuses {
        responses.entry(status).or_insert_with(|| json!({ "description": "" }));
    }
}

/// Says what a status means, and that a refusal is a problem of RFC 9457.
fn describe_responses(operation: &mut Value, has_bodies: bool) {
    for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
        if response["description"].as_str().is_none_or(str::is_empty) {
            let code = status.parse().ok().and_then(|code| StatusCode::from_u16(code).ok());
            let reason = code.and_then(|code| code.canonical_reason()).unwrap_or("Answer");
            response["description"] = json!(reason);
        }
        if has_bodies && status.starts_with(['4', '5']) && response.get("content").is_none() {
            response["content"] = json!({ "application/problem+json": { "schema": { "$ref": PROBLEM } } });
        }
        let Some(content) = response.get_mut("content").and_then(Value::as_object_mut) else { continue };
        let is_problem =
            content.get("application/json").is_some_and(|body| body["schema"]["$ref"] == PROBLEM);
        if is_problem && let Some(body) = content.remove("application/json") {
            content.insert("application/problem+json".to_owned(), body);
        }
    }
}
