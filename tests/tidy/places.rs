//! One place for each worry: who may import whom, and where crates, files, processes and threads may be named.

use crate::Violation;
use crate::source::{self, Named};

/// Rooms that read no clock's value, no setting and no file.
const CORE: [&str; 4] = ["audio", "speech", "minutes", "seats"];

/// For each place in `src/`: what of this package it may import beside itself.
const ARROWS: [(&str, &[&str]); 11] = [
    ("audio", &["clock"]),
    ("speech", &["audio", "clock"]),
    ("minutes", &["audio", "speech", "clock"]),
    ("seats", &["clock"]),
    ("store", &["audio", "speech", "minutes", "seats", "clock"]),
    ("jobs", &["audio", "speech", "minutes", "seats", "store", "clock"]),
    ("http", &["audio", "speech", "minutes", "seats", "store", "clock"]),
    ("cli", &["audio", "speech", "minutes", "seats", "store", "jobs", "http", "config", "clock"]),
    ("config", &["audio", "speech", "minutes", "seats", "store", "jobs", "http", "clock"]),
    ("clock", &[]),
    ("main", &["audio", "speech", "minutes", "seats", "store", "jobs", "http", "cli", "config", "clock"]),
];

/// Crates and the only places that may name them.
const FENCES: [(&str, &[&str]); 37] = [
    ("symphonia", &["src/audio/decode"]),
    ("symphonia_adapter_libopus", &["src/audio/decode"]),
    ("rubato", &["src/audio/resample.rs"]),
    ("audioadapter", &["src/audio/resample.rs"]),
    ("audioadapter_buffers", &["src/audio/resample.rs"]),
    ("hound", &["src/audio/wav.rs"]),
    ("whisper_rs", &["src/speech/whisper.rs"]),
    ("whisper_rs_sys", &["src/speech/whisper.rs"]),
    ("speakrs", &["src/speech/diarize/pack.rs"]),
    ("krilla", &["src/minutes/"]),
    ("rust_xlsxwriter", &["src/minutes/"]),
    ("zip", &["src/minutes/"]),
    ("ed25519_dalek", &["src/seats/licence/keys.rs"]),
    ("sqlx", &["src/store/"]),
    ("object_store", &["src/store/"]),
    ("reqwest", &["src/jobs/", "src/cli/capture"]),
    ("axum", &["src/http/"]),
    ("axum_extra", &["src/http/"]),
    ("axum_server", &["src/http/", "src/cli/"]),
    ("tower", &["src/http/"]),
    ("tower_http", &["src/http/"]),
    // A derive that describes a type, as serde's does: it stands beside the type, or it would drift from it.
    ("utoipa", &["src/http/", "src/minutes/", "src/store/", "src/speech/transcript.rs"]),
    ("utoipa_axum", &["src/http/"]),
    ("rust_embed", &["src/http/"]),
    ("argon2", &["src/http/"]),
    ("tokio", &["src/cli/", "src/store/", "src/jobs/", "src/http/", "src/main.rs"]),
    ("clap", &["src/cli/", "src/main.rs"]),
    ("anyhow", &["src/cli/", "src/main.rs"]),
    ("qrcode", &["src/cli/", "src/http/live"]),
    ("indicatif", &["src/cli/", "src/main.rs"]),
    ("signal_hook", &["src/cli/", "src/main.rs"]),
    ("cpal", &["src/cli/capture"]),
    ("rtrb", &["src/cli/capture"]),
    ("tokio_tungstenite", &["src/cli/capture"]),
    ("tokio_rustls", &["src/cli/capture"]),
    ("rustls_native_certs", &["src/cli/capture"]),
    ("proptest", &[]),
];

/// Parts of the standard library and the only places that may name them outside of tests.
const SYSTEM: [(&str, &[&str]); 6] = [
    ("std::fs", &["src/store/", "src/cli/", "src/main.rs", "src/config.rs"]),
    ("std::process::Command", &["src/speech/engine/process.rs"]),
    ("process::Command", &["src/speech/engine/process.rs"]),
    ("std::thread", &["src/speech/engine", "src/speech/native/"]),
    ("std::net", &["src/http/", "src/cli/", "src/config.rs"]),
    ("std::time::SystemTime", &["src/clock.rs"]),
];

/// What everyone may know of a fenced part: asking is not doing.
const SYSTEM_HARMLESS: [&str; 1] = ["std::thread::available_parallelism"];

// The tests of the kernels close a page behind their operands.
const UNSAFE: [&str; 3] = ["src/speech/whisper.rs", "src/speech/native/kernels/", "tests/kernels/"];

/// Imports between rooms go along the arrows only.
pub fn arrows(path: &str, text: &str) -> Vec<Violation> {
    let Some(place) = place_of(path) else { return Vec::new() };
    let allowed = ARROWS.iter().find(|(name, _)| *name == place).map_or(&[][..], |(_, allowed)| allowed);
    let depth = module_depth(path);
    let mut found = Vec::new();
    for named in source::paths(&source::tokens(text)) {
        let Some(target) = imported_place(&named.path, depth) else { continue };
        if target != place && !allowed.contains(&target) {
            found.push(Violation::new(path, named.line, format!("{place} must not import {target}")));
        }
        if CORE.contains(&place) && calls_the_clock(&named.path) {
            let message = "the core may name the types of clock, not call it";
            found.push(Violation::new(path, named.line, message));
        }
    }
    found
}

/// Returns the room or top-level file a source file belongs to; lib.rs is the map and belongs to none.
fn place_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let place = inside.split('/').next()?;
    (place != "lib").then_some(place)
}

/// Returns how many `super` lead from the file's module to the top.
fn module_depth(path: &str) -> usize {
    let parts = path.split('/').count() - 1;
    if path.ends_with("/mod.rs") { parts - 1 } else { parts }
}

/// Returns the room that a path leads to, if it leads through the top of this package.
fn imported_place(path: &str, depth: usize) -> Option<&'static str> {
    let parts: Vec<&str> = path.split("::").collect();
    let ups = parts.iter().take_while(|part| **part == "super").count();
    let target = match parts[0] {
        "crate" | "gijiroku" => parts.get(1)?,
        "super" if ups >= depth => parts.get(ups)?,
        _ => return None,
    };
    ARROWS.iter().map(|(name, _)| *name).find(|name| name == target)
}

fn calls_the_clock(path: &str) -> bool {
    let Some(item) = path.strip_prefix("crate::clock::") else { return false };
    item.starts_with(|ch: char| ch.is_ascii_lowercase()) && item != "self"
}

/// A crate is named in its own place only.
pub fn fences(path: &str, text: &str) -> Vec<Violation> {
    let tokens = if is_source(path) { source::without_tests(&source::tokens(text)) } else { Vec::new() };
    let misplaced = |named: &Named| {
        let name = named.path.split("::").next()?;
        let (_, places) = FENCES.iter().find(|(fenced, _)| *fenced == name)?;
        let message = format!("crate {name} belongs to {}", told(places));
        (!is_in(path, places)).then(|| Violation::new(path, named.line, message))
    };
    source::paths(&tokens).iter().filter_map(misplaced).collect()
}

/// Files, processes, threads and sockets are named in their own places only.
pub fn system(path: &str, text: &str) -> Vec<Violation> {
    let tokens = if is_source(path) { source::without_tests(&source::tokens(text)) } else { Vec::new() };
    let misplaced = |named: &Named| {
        if SYSTEM_HARMLESS.iter().any(|harmless| is_below(&named.path, harmless)) {
            return None;
        }
        let (part, places) = SYSTEM.iter().find(|(part, _)| is_below(&named.path, part))?;
        let message = format!("{part} belongs to {}", told(places));
        (!is_in(path, places)).then(|| Violation::new(path, named.line, message))
    };
    source::paths(&tokens).iter().filter_map(misplaced).collect()
}

/// `unsafe` stands where its promises can be read together.
pub fn unsafe_code(path: &str, text: &str) -> Vec<Violation> {
    if !path.ends_with(".rs") || is_in(path, &UNSAFE) {
        return Vec::new();
    }
    let tokens = source::tokens(text);
    let found = tokens.iter().filter(|token| token.text == "unsafe");
    found
        .map(|token| Violation::new(path, token.line, format!("unsafe belongs to {}", told(&UNSAFE))))
        .collect()
}

/// Tells product code from tests, benches and the files that hold a room's tests.
fn is_source(path: &str) -> bool {
    let is_test_file = path.ends_with("/tests.rs") || path.ends_with("/testing.rs");
    path.starts_with("src/") && path.ends_with(".rs") && !is_test_file
}

fn is_below(path: &str, part: &str) -> bool {
    path.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// A place without `/` or `.rs` at its end is a module: one file, or a folder.
fn is_in(path: &str, places: &[&str]) -> bool {
    places.iter().any(|place| {
        path.strip_prefix(place).is_some_and(|rest| {
            rest.is_empty() || place.ends_with('/') || rest == ".rs" || rest.starts_with('/')
        })
    })
}

fn told(places: &[&str]) -> String {
    if places.is_empty() { "tests".into() } else { places.join(" or ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(found: Vec<Violation>) -> Vec<String> {
        found.into_iter().map(|violation| violation.message).collect()
    }

    #[test]
    fn an_import_against_the_arrow_is_found_in_every_form() {
        for text in [
            "use crate::speech::Word;",
            "use crate::{audio::Block, speech};",
            "fn a(w: crate::speech::Word) {}",
            "use super::super::speech::Word;",
        ] {
            assert_eq!(
                messages(arrows("src/audio/wav.rs", text)),
                ["audio must not import speech"],
                "{text}"
            );
        }
    }

    #[test]
    fn imports_along_the_arrow_within_the_room_and_in_comments_are_fine() {
        let text =
            "use crate::audio::MediaSpan; use super::window; use super::super::audio; // crate::http::x";
        assert_eq!(arrows("src/speech/score.rs", text), []);
        assert_eq!(arrows("src/lib.rs", "pub use crate::http::serve;"), []);
        assert_eq!(arrows("src/cli/serve.rs", "use crate::http::serve; use crate::jobs;"), []);
    }

    #[test]
    fn nobody_imports_cli_and_jobs_and_http_never_meet() {
        assert_eq!(arrows("src/store/mod.rs", "use crate::cli::serve;").len(), 1);
        assert_eq!(arrows("src/http/live.rs", "use crate::jobs::worker;").len(), 1);
        assert_eq!(arrows("src/jobs/worker.rs", "use crate::http::error;").len(), 1);
    }

    #[test]
    fn the_core_may_name_a_time_but_not_ask_for_one() {
        assert_eq!(arrows("src/seats/pool.rs", "use crate::clock::Mono;"), []);
        assert_eq!(arrows("src/seats/pool.rs", "let t = crate::clock::now();").len(), 1);
        assert_eq!(arrows("src/seats/pool.rs", "use crate::config::Settings;").len(), 1);
    }

    #[test]
    fn a_crate_outside_its_fence_is_found() {
        for text in
            ["use hound;", "use hound::WavReader;", "fn a() { hound::WavReader::new(b) }", "use {hound::X};"]
        {
            assert_eq!(
                messages(fences("src/speech/x.rs", text)),
                ["crate hound belongs to src/audio/wav.rs"],
                "{text}"
            );
        }
        assert_eq!(fences("src/audio/mod.rs", "#[derive(clap::Args)] struct A;").len(), 1);
    }

    #[test]
    fn a_crate_inside_its_fence_in_a_test_or_of_a_longer_name_is_fine() {
        assert_eq!(fences("src/audio/decode.rs", "use symphonia::core::io;"), []);
        assert_eq!(fences("src/audio/decode/open.rs", "use symphonia::core::io;"), []);
        assert_eq!(fences("src/audio/decoder.rs", "use symphonia::core::io;").len(), 1);
        assert_eq!(fences("tests/it/decode.rs", "use hound::WavReader;"), []);
        assert_eq!(fences("src/audio/decode.rs", "#[cfg(test)] mod tests { use hound::X; }"), []);
        assert_eq!(fences("src/audio/x.rs", "let zip = a.zip(b); use zipper::Z;"), []);
    }

    #[test]
    fn the_core_opens_no_file_starts_no_process_and_no_thread() {
        for text in [
            "use std::fs::File;",
            "use std::{fs, io};",
            "fn a() { std::process::Command::new(b); }",
            "use std::process; fn a() { process::Command::new(b); }",
            "std::thread::spawn(f);",
            "use std::time::{Duration, SystemTime};",
        ] {
            assert_eq!(system("src/audio/x.rs", text).len(), 1, "{text}");
        }
    }

    #[test]
    fn the_named_places_may() {
        assert_eq!(system("src/cli/evaluate.rs", "use std::fs; use std::process::ExitCode;"), []);
        assert_eq!(system("src/speech/engine/process.rs", "use std::process::{Child, Command};"), []);
        assert_eq!(system("src/speech/engine/mod.rs", "std::thread::Builder::new();"), []);
        assert_eq!(system("src/cli/engine.rs", "std::thread::available_parallelism();"), []);
        assert_eq!(system("src/store/blobs.rs", "#[cfg(test)] mod tests { use std::process::Command; }"), []);
    }

    #[test]
    fn unsafe_outside_its_places_is_found_even_in_tests() {
        assert_eq!(unsafe_code("src/audio/vad/gemm.rs", "unsafe { a() }").len(), 1);
        assert_eq!(unsafe_code("tests/it/engine.rs", "unsafe fn a() {}").len(), 1);
        assert_eq!(unsafe_code("src/speech/native/kernels/avx2.rs", "unsafe { a() }"), []);
        assert_eq!(unsafe_code("src/lib.rs", "#![deny(unsafe_code)] // unsafe"), []);
    }
}
