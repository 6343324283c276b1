//! `gijiroku evaluate`: how far a transcript is from what people really said.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::speech::score::{self, Cer, Hypothesis, Report, Truth};

/// Compares a transcript with the truth and prints error rates.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What was really said: {"duration", "segments": [{"start", "end", "text"}]}, times in seconds
    #[arg(long, value_name = "FILE")]
    pub truth: PathBuf,
    /// A transcript of this program, or a list [{"start", "end", "text"}] in seconds as other tools write it
    #[arg(long, value_name = "FILE")]
    pub transcript: PathBuf,
    /// Print the whole report as JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the sub-command and prints to standard output.
///
/// Errors: a file that cannot be read, or that is not what it should be.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let truth = Truth::from_json(&read(&args.truth)?).with_context(|| args.truth.display().to_string())?;
    let heard = Hypothesis::from_json(&read(&args.transcript)?)
        .with_context(|| args.transcript.display().to_string())?;
    let report = score::evaluate(&truth, &heard)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", for_a_person(&report));
    }
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::disallowed_methods, reason = "the command line is where files are opened")]
fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Writes the report as lines to read.
fn for_a_person(report: &Report) -> String {
    let mut out = String::from("文字誤り率 (CER)        誤り率    置換    脱落    挿入  正解文字数\n");
    for (name, cer) in [
        ("raw          そのまま    ", &report.raw),
        ("normalised   正規化      ", &report.normalised),
        ("filler-free  フィラー除外", &report.filler_free),
    ] {
        push_line(&mut out, &format!("{name}{}", cer_columns(cer)));
    }
    push_line(&mut out, "");
    push_line(&mut out, "主な誤り (正解 → 認識結果, 回数)");
    for confusion in &report.confusions {
        let (expected, heard) = (or_nothing(&confusion.expected), or_nothing(&confusion.heard));
        push_line(&mut out, &format!("  {expected} → {heard}  {}", confusion.count));
    }
    push_line(&mut out, "");
    push_line(&mut out, &format!("要確認の区間: {}", report.flagged_segments));
    let invented = &report.invented;
    let silence_s = invented.silence_ms as f64 / 1_000.0;
    let (plain, flagged) = (invented.unflagged_chars, invented.flagged_chars);
    push_line(
        &mut out,
        &format!("無音 {silence_s:.1} 秒での湧き出し: {plain} 文字 (ほか要確認 {flagged} 文字)"),
    );
    match &report.start_errors {
        Some(e) => push_line(
            &mut out,
            &format!("発話開始のずれ: 中央値 {} ms, 90% 点 {} ms ({} 発話)", e.median_ms, e.p90_ms, e.count),
        ),
        None => push_line(&mut out, "発話開始のずれ: 対応する発話なし"),
    }
    out
}

fn push_line(out: &mut String, line: &str) {
    writeln!(out, "{line}").expect("writing to a string cannot fail");
}

fn or_nothing(text: &str) -> &str {
    if text.is_empty() { "(なし)" } else { text }
}

fn cer_columns(cer: &Cer) -> String {
    let rate = cer.rate.map_or_else(|| "-".into(), |rate| format!("{:.2} %", rate * 100.0));
    format!(
        "{rate:>9}{:>8}{:>8}{:>8}{:>12}",
        cer.substitutions, cer.deletions, cer.insertions, cer.reference_chars
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::score::{TimedText, TruthSegment};

    fn report(said: &str, written: &str) -> Report {
        let segment = TruthSegment { speaker: None, start_ms: 1_000, end_ms: 3_000, text: said.into() };
        let truth = Truth { duration_ms: 9_000, segments: vec![segment] };
        let timed = TimedText { start_ms: 1_200, end_ms: 3_000, text: written.into() };
        score::evaluate(&truth, &Hypothesis::of_segments(vec![timed])).expect("both texts are short")
    }

    #[test]
    fn the_lines_name_rates_confusions_and_times() {
        let text = for_a_person(&report("定刻です。", "低国です"));
        assert!(text.contains("50.00 %       2       0       0           4"), "{text}");
        assert!(text.contains("定刻 → 低国  1"), "{text}");
        assert!(text.contains("中央値 200 ms"), "{text}");
    }

    #[test]
    fn a_recording_without_speech_shows_no_rate() {
        let heard = Hypothesis::of_segments(vec![TimedText { start_ms: 0, end_ms: 900, text: "あ".into() }]);
        let report = score::evaluate(&Truth::silence(30_000), &heard).expect("the text is short");
        let text = for_a_person(&report);
        assert!(text.contains("無音 30.0 秒での湧き出し: 1 文字"), "{text}");
        assert!(text.contains("        -       0       0       1"), "{text}");
    }
}
