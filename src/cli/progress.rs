//! How far a transcription has come, for a person: a bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::clock::Mono;
use crate::jobs::transcribe::Progress;

/// Without a terminal a line is written at most this often.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Tells on standard error.
pub struct Teller {
    bar: ProgressBar,
    started: Mono,
    last_line: Mono,
    terminal: bool,
    /// Windows a checkpoint holds; they cost no time, so they count for no speed.
    done_before: usize,
    skipped_ms: u64,
}

impl Teller {
    /// Begins; `quiet` tells nothing at all, `done_before` is how many windows a checkpoint holds.
    pub fn new(quiet: bool, done_before: usize) -> Self {
        if done_before > 0 && !quiet {
            eprintln!("前回の続きから始めます（認識済み {done_before} 区間）");
        }
        let terminal = std::io::stderr().is_terminal() && !quiet;
        let bar = ProgressBar::new(0);
        bar.set_draw_target(if terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        });
        let style = ProgressStyle::with_template("{wide_bar} {msg}");
        bar.set_style(style.expect("the template is constant and right"));
        let now = Mono::now();
        let last_line = if quiet { now + Duration::from_secs(1 << 40) } else { now };
        Self { bar, started: now, last_line, terminal, done_before, skipped_ms: 0 }
    }

    /// Shows how far it is.
    pub fn tell(&mut self, progress: Progress) {
        let settled_ms = progress.settled.ms();
        if self.done_before > 0 {
            self.done_before -= 1;
            self.skipped_ms = settled_ms;
        }
        let elapsed = Mono::now() - self.started;
        let message = message(settled_ms, settled_ms.saturating_sub(self.skipped_ms), progress, elapsed);
        if self.terminal {
            self.bar.set_length(progress.expected.map_or(0, |expected| expected.ms()));
            self.bar.set_position(settled_ms);
            self.bar.set_message(message);
        } else if Mono::now() >= self.last_line + LINE_EVERY {
            self.last_line = Mono::now();
            eprintln!("{message}");
        }
    }

    /// Takes the bar away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn message(settled_ms: u64, worked_ms: u64, progress: Progress, elapsed: Duration) -> String {
    let speed = worked_ms as f64 / 1000.0 / elapsed.as_secs_f64().max(0.001);
    let done = clock(settled_ms);
    match progress.expected.filter(|_| speed > 0.0) {
        Some(expected) => {
            let left_ms = expected.ms().saturating_sub(settled_ms) as f64 / speed;
            format!("{done} / {}  {speed:.1}x  残り {}", clock(expected.ms()), clock(left_ms as u64))
        }
        None => format!("{done}  {speed:.1}x"),
    }
}

fn clock(ms: u64) -> String {
    let seconds = ms / 1000;
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::MediaTime;

    #[test]
    fn remaining_time_counts_only_what_this_run_did() {
        let progress = Progress {
            settled: MediaTime::from_ms(3_600_000),
            expected: Some(MediaTime::from_ms(5_400_000)),
        };
        let told = message(3_600_000, 1_800_000, progress, Duration::from_secs(180));
        assert_eq!(told, "1:00:00 / 1:30:00  10.0x  残り 0:03:00");
    }

    #[test]
    fn an_unknown_length_promises_nothing() {
        let progress = Progress { settled: MediaTime::from_ms(60_000), expected: None };
        assert_eq!(message(60_000, 60_000, progress, Duration::from_secs(10)), "0:01:00  6.0x");
    }
}
