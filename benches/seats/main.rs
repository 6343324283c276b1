//! The seats under load: the engine with its log in this process, or a running server on loopback.
//!
//! `cargo bench --bench seats -- grants` and so on; each prints one line of JSON.
//!
//! | word | what is done | environment |
//! |---|---|---|
//! | `grants` | seats taken and given back, durably, by many tasks | SEATS_FOLDER, SEATS_TASKS (256), SEATS_S (10) |
//! | `beats` | signs of life of 500 holders | SEATS_FOLDER, SEATS_TASKS (8), SEATS_S (5) |
//! | `fill` | 500 seats taken on top of a long log | SEATS_FOLDER, SEATS_EVENTS (1,000,000) |
//! | `people` | accounts with tokens in a server's folder | SEATS_FOLDER, SEATS_PEOPLE |
//! | `asked` | seats taken and given back over HTTP | SEATS_URL, SEATS_TOKENS (a file), SEATS_S (10) |
//! | `beaten` | signs of life over sockets | SEATS_URL, SEATS_TOKENS, SEATS_S (5) |
//! | `storm` | sockets opened at once, some by holders | SEATS_URL, SEATS_TOKENS, SEATS_SOCKETS (10,000) |
//! | `dead` | how long a waiter waits for one who fell silent, and for one who closed | SEATS_URL, SEATS_TOKENS |
//! | `held` | whether every holder of `fill` still has their seat, after a restart | SEATS_URL, SEATS_TOKENS |
#![expect(clippy::disallowed_methods, reason = "a bench reads settings, files and the clock")]

mod desk;
mod office;
mod people;
mod socket;

use serde_json::{Value, json};

/// Returns a number from the environment.
fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Returns a text that the environment must give.
fn text(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is needed"))
}

/// Returns the times in milliseconds at some shares of all.
fn told(mut times_us: Vec<u64>) -> Value {
    times_us.sort_unstable();
    let at = |share: f64| {
        let index = ((times_us.len() as f64 * share).ceil() as usize).clamp(1, times_us.len().max(1)) - 1;
        times_us.get(index).map_or(0.0, |us| *us as f64 / 1000.0)
    };
    json!({ "count": times_us.len(), "p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "max": at(1.0) })
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    // Cargo adds a word of its own.
    let word = std::env::args().skip(1).find(|word| !word.starts_with("--"));
    let answer = match word.as_deref() {
        Some("grants") => desk::grants().await,
        Some("beats") => desk::beats().await,
        Some("fill") => desk::fill().await,
        Some("people") => people::make().await,
        Some("asked") => office::asked().await,
        Some("beaten") => office::beaten().await,
        Some("storm") => office::storm().await,
        Some("dead") => office::dead().await,
        Some("held") => office::held().await,
        other => panic!("{other:?} is none of the loads"),
    };
    println!("{answer}");
}
