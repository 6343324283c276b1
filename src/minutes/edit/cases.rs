//! The cases that the browser's editor runs too.

use serde_json::Value;

use super::{Applied, Conflict, EditError, Op, apply, apply_undo, rebase};
use crate::minutes::{Minutes, migrate};

const CASES: &str = include_str!("../../../tests/fixtures/edit_cases.json");

fn cases(list: &str) -> (Value, Vec<Value>) {
    let mut all = expanded(serde_json::from_str(CASES).expect("the cases are JSON"));
    let cases = all[list].take();
    (all["documents"].take(), cases.as_array().expect("the cases are a list").clone())
}

/// Writes out what `$repeat` stands for.
fn expanded(value: Value) -> Value {
    match value {
        Value::Object(map) if map.contains_key("$repeat") => repeated(&map["$repeat"]),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, expanded(value))).collect(),
        Value::Array(list) => list.into_iter().map(expanded).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

fn repeated(of: &Value) -> Value {
    let times = usize::try_from(of[1].as_u64().expect("a number of times")).expect("a small number");
    match &of[0] {
        Value::String(text) => text.repeat(times).into(),
        other => Value::Array(vec![other.clone(); times]),
    }
}

/// Puts values into a document; null takes away.
fn changed(document: &Value, changes: &Value) -> Value {
    let mut document = document.clone();
    for (place, value) in changes.as_object().expect("places and values") {
        let (parent, name) = place.rsplit_once('/').expect("a place begins with a slash");
        let parent = document.pointer_mut(parent).expect("the place exists");
        match (parent, value) {
            (Value::Object(map), Value::Null) => drop(map.remove(name)),
            (Value::Object(map), value) => drop(map.insert(name.into(), value.clone())),
            (parent, value) => *parent.pointer_mut(&format!("/{name}")).expect("an index") = value.clone(),
        }
    }
    document
}

fn minutes(document: &Value, name: &Value) -> Minutes {
    migrate::read(&document.to_string()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn ops(case: &Value, key: &str) -> Vec<Op> {
    serde_json::from_value(case[key].clone()).unwrap_or_else(|error| panic!("{}: {error}", case["name"]))
}

#[test]
fn every_edit_leads_where_its_case_says_and_back_again() {
    let (documents, cases) = cases("edits");
    assert!(cases.len() >= 40, "only {} cases", cases.len());
    for case in &cases {
        let name = &case["name"];
        let document = &documents[case["before"].as_str().expect("a document's name")];
        let before = minutes(document, name);
        let found = apply(&before, &ops(case, "ops"));
        if case.get("error").is_some() {
            let expected: EditError = serde_json::from_value(case["error"].clone()).expect("a known refusal");
            assert_eq!(found.expect_err("the case names a refusal"), expected, "{name}");
            continue;
        }
        let Applied { minutes: after, undo } = found.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(after, minutes(&changed(document, &case["after"]), name), "{name}");
        let undone = apply_undo(&after, &undo).unwrap_or_else(|error| panic!("{name}, undone: {error}"));
        assert_eq!(undone.minutes, before, "{name}, undone");
    }
}

#[test]
fn every_rebase_leads_where_its_case_says() {
    let (documents, cases) = cases("rebases");
    let base = minutes(&documents["meeting"], &Value::Null);
    for case in &cases {
        let name = &case["name"];
        let (mine, since) = (ops(case, "mine"), ops(case, "since"));
        let found = rebase(&mine, &since);
        if case.get("conflict").is_some() {
            let expected: Conflict =
                serde_json::from_value(case["conflict"].clone()).expect("a known conflict");
            assert_eq!(found, Err(expected), "{name}");
            continue;
        }
        let rebased = found.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(rebased, ops(case, "rebased"), "{name}");
        // Some cases begin with an undo, whose text is not that of the document.
        if let Ok(theirs) = apply(&base, &since).and_then(|_| apply(&base, &mine)).and(apply(&base, &since)) {
            apply(&theirs.minutes, &rebased).unwrap_or_else(|error| panic!("{name}, carried out: {error}"));
        }
    }
}
