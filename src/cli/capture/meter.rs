//! What people in the room see: a line a microphone, with its level, what to do about it, and whether it is sent.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::link::Sent;
use super::microphone::Shown;

/// Signs of a level's bar.
const BAR: usize = 24;
/// The level at which the bar is empty.
const FLOOR_DBFS: f32 = -60.0;

/// The lines on the terminal; nothing elsewhere, where the log tells.
pub struct Meter {
    lines: Vec<ProgressBar>,
    _all: MultiProgress,
}

impl Meter {
    /// Takes a line for each of so many microphones.
    pub fn new(microphones: usize) -> Self {
        let all = MultiProgress::new();
        let style = ProgressStyle::with_template("{msg}").expect("the template is constant and right");
        let lines = match std::io::stderr().is_terminal() {
            true => (0..microphones)
                .map(|_| all.add(ProgressBar::new_spinner().with_style(style.clone())))
                .collect(),
            false => Vec::new(),
        };
        Self { lines, _all: all }
    }

    /// Shows one microphone.
    pub fn show(&self, number: usize, shown: &Shown, sent: Option<&Arc<Sent>>) {
        if let Some(line) = self.lines.get(number) {
            line.set_message(text(number, shown, sent));
        }
    }

    /// Leaves the terminal as it was.
    pub fn end(&self) {
        self.lines.iter().for_each(ProgressBar::finish_and_clear);
    }
}

fn text(number: usize, shown: &Shown, sent: Option<&Arc<Sent>>) -> String {
    if shown.rate_hz == 0 {
        return format!("マイク{}  接続を待っています", number + 1);
    }
    let rate = u64::from(shown.rate_hz);
    let stored = sent.map_or(0, |sent| sent.stored.load(Ordering::Relaxed));
    let is_connected = sent.is_some_and(|sent| sent.connected.load(Ordering::Relaxed));
    let waiting = shown.recorded.saturating_sub(stored) / rate;
    let is_paused = sent.is_some_and(|sent| sent.paused.load(Ordering::Relaxed));
    let way = match (is_paused, is_connected) {
        (true, _) => "一時停止中 (録音していません)".to_owned(),
        (false, true) => "送信中".to_owned(),
        (false, false) => format!("サーバー待ち (この端末に {} 保存)", clock(waiting)),
    };
    let holes = if shown.holes > 0 { format!("  欠落 {} か所", shown.holes) } else { String::new() };
    format!(
        "マイク{}  {}  {}  {}{holes}  {way}",
        number + 1,
        clock(shown.recorded / rate),
        bar(shown),
        advice(shown)
    )
}

fn advice(shown: &Shown) -> &'static str {
    if shown.is_full {
        return "空き容量がありません: 録音できていません";
    }
    if !shown.hears {
        return "マイクが外れています";
    }
    if shown.is_mute {
        return "音が入っていません (ミュート?)";
    }
    shown.advice.map_or("発言待ち", crate::audio::health::Advice::word)
}

fn bar(shown: &Shown) -> String {
    let signs = |dbfs: f32| ((dbfs - FLOOR_DBFS) / -FLOOR_DBFS * BAR as f32).clamp(0.0, BAR as f32) as usize;
    let (loud, peak) = (signs(shown.level.rms_dbfs), signs(shown.level.peak_dbfs));
    let sign = |at: usize| {
        if at < loud {
            '█'
        } else if at < peak {
            '▒'
        } else {
            '·'
        }
    };
    format!("{} {:>4.0} dB", (0..BAR).map(sign).collect::<String>(), shown.level.peak_dbfs)
}

fn clock(seconds: u64) -> String {
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::health::{Advice, Level};

    fn shown() -> Shown {
        let level = Level { rms_dbfs: -30.0, peak_dbfs: -15.0 };
        Shown {
            hears: true,
            level,
            advice: Some(Advice::TooLow),
            recorded: 480_000,
            rate_hz: 48_000,
            ..Shown::default()
        }
    }

    #[test]
    fn a_line_tells_level_advice_and_what_is_not_yet_sent() {
        let sent = Arc::new(Sent::default());
        let told = text(0, &shown(), Some(&sent));
        for part in ["マイク1", "0:00:10", "小さすぎる", "サーバー待ち (この端末に 0:00:10 保存)", "████"]
        {
            assert!(told.contains(part), "{part} is not in {told}");
        }
        sent.connected.store(true, Ordering::Relaxed);
        assert!(text(0, &shown(), Some(&sent)).ends_with("送信中"));
    }

    #[test]
    fn what_is_wrong_comes_before_advice_on_the_level() {
        assert_eq!(advice(&Shown { hears: false, ..shown() }), "マイクが外れています");
        assert!(advice(&Shown { is_mute: true, ..shown() }).contains("ミュート"));
        assert!(advice(&Shown { is_full: true, hears: false, ..shown() }).contains("空き容量"));
    }
}
