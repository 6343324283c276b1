//! The document that describes the API: a snapshot, and what every operation in it says about itself.
//!
//! `gijiroku openapi > tests/fixtures/openapi.json` renews the snapshot, after a look at what changed.

use std::collections::BTreeSet;

use gijiroku::http::openapi;
use serde_json::Value;

use crate::office::Office;

fn document() -> Value {
    serde_json::from_str(&openapi::document()).expect("the document is JSON")
}

/// Returns every operation with its name: `GET /v1/meetings`.
fn operations() -> Vec<(String, Value)> {
    let document = document();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().expect("the document has paths") {
        for (method, operation) in item.as_object().expect("a path has operations") {
            if ["get", "put", "post", "delete", "patch", "head", "options"].contains(&method.as_str()) {
                operations.push((format!("{} {path}", method.to_uppercase()), operation.clone()));
            }
        }
    }
    operations
}

#[test]
fn the_document_is_the_one_that_was_looked_at() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/openapi.json");
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    let renew = "renew it: gijiroku openapi > tests/fixtures/openapi.json";
    let (kept, now) = (kept.lines(), openapi::document());
    for (number, (kept, now)) in kept.clone().zip(now.lines()).enumerate() {
        assert_eq!(kept, now, "line {}; {renew}", number + 1);
    }
    assert_eq!(kept.count(), now.lines().count(), "{renew}");
}

#[tokio::test]
async fn the_server_serves_the_same_document() {
    let office = Office::open().await;
    let answer = office.stranger().get("/openapi.json").await;
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.bytes, openapi::document().as_bytes());
}

#[test]
fn every_operation_has_a_name_of_its_own_a_tag_and_a_summary() {
    let mut names = BTreeSet::new();
    for (key, operation) in operations() {
        let name = operation["operationId"].as_str().expect("an operation has a name").to_owned();
        assert!(names.insert(name.clone()), "{key}: {name} stands twice");
        assert!(operation["tags"][0].as_str().is_some_and(|tag| !tag.is_empty()), "{key} has no tag");
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(summary.ends_with('.'), "{key} has no sentence");
    }
}

#[test]
fn every_operation_says_how_it_goes_well_and_how_it_is_refused() {
    for (key, operation) in operations() {
        let responses = operation["responses"].as_object().expect("an operation has responses");
        // A socket is opened by switching protocols.
        let goes_well = |status: &String| status.starts_with('2') || status == "101";
        assert!(responses.keys().any(goes_well), "{key}");
        for (status, response) in responses {
            assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{key} {status}");
            let is_refusal = status.starts_with(['4', '5']);
            if is_refusal && key != "GET /healthz" && !key.starts_with("HEAD ") {
                let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Problem", "{key} {status}");
            }
            assert!(
                response["content"]["application/json"]["schema"]["$ref"] != "#/components/schemas/Problem",
                "{key} {status}"
            );
        }
        let needed: &[&str] = if is_public(&operation) { &["429"] } else { &["401", "403", "429", "503"] };
        assert!(needed.iter().all(|status| responses.contains_key(*status)), "{key}");
    }
}

fn is_public(operation: &Value) -> bool {
    operation["security"].as_array().is_some_and(|all| all.contains(&serde_json::json!({})))
}

#[test]
fn only_health_setup_signing_in_and_what_the_protocol_of_uploads_is_are_open_to_everybody() {
    let open: Vec<_> = operations().into_iter().filter(|(_, operation)| is_public(operation)).collect();
    let keys: Vec<_> = open.iter().map(|(key, _)| key.as_str()).collect();
    let expected = [
        "GET /healthz",
        // To the machine itself; others sign in.
        "GET /metrics",
        // Captions of a meeting that allows it, to whoever has the link inside the house.
        "GET /v1/captions/{code}",
        "GET /v1/captions/{code}/events",
        "GET /v1/captions/{code}/live",
        "POST /v1/password",
        "POST /v1/session",
        "POST /v1/setup",
        "OPTIONS /v1/uploads",
    ];
    assert_eq!(keys, expected);
    for (key, operation) in operations() {
        assert!(operation["security"].as_array().is_some_and(|all| !all.is_empty()), "{key}");
    }
}

#[test]
fn every_parameter_is_described() {
    for (key, operation) in operations() {
        assert!(operation.get("parameters").is_none_or(Value::is_array), "{key}");
        let empty = Vec::new();
        let parameters = operation["parameters"].as_array().unwrap_or(&empty);
        let places = key.matches('{').count();
        let of_path = parameters.iter().filter(|parameter| parameter["in"] == "path").count();
        assert_eq!(places, of_path, "{key}");
        for parameter in parameters {
            let text = parameter["description"].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{key}: {}", parameter["name"]);
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut left = vec![&document];
    while let Some(value) = left.pop() {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(reference)) = map.get("$ref") {
                    let pointer = reference.strip_prefix('#').expect("references stay in the document");
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                }
                left.extend(map.values());
            }
            Value::Array(list) => left.extend(list),
            _ => {}
        }
    }
}
