//! What `gijiroku model bench` measured, in words for an administrator and as JSON for scripts.

use std::fmt::Write as _;

use super::bench::Figures;
use crate::speech::capacity::{self, BATCH, Batch, Estimate, HOUR_S_MAX};
use crate::speech::native::Level;

/// A lone greedy text.
const ALONE: Batch = Batch { windows: 1, hypotheses: 1 };

/// What follows from the figures.
struct Derived {
    encoder_flops: f64,
    encoder_share: f64,
    alone_tokens_per_s: f64,
    alone_share: f64,
    batch_tokens_per_s: f64,
    batch_share: f64,
    estimates: Vec<Estimate>,
}

impl Derived {
    fn of(figures: &Figures) -> Self {
        let dims = figures.dims;
        let encoder_flops = capacity::encoder_flop(dims, dims.audio_ctx) / figures.encoder_s;
        // Steps are counted with two bytes a value.
        let width = figures.value_bytes / 2.0;
        let bytes = |batch| width * capacity::step_bytes(dims, batch, dims.audio_ctx);
        let share = |batch, seconds: f64| bytes(batch) / figures.read / seconds;
        Self {
            encoder_flops,
            encoder_share: encoder_flops / figures.peak[1],
            alone_tokens_per_s: 1.0 / figures.step_alone_s,
            alone_share: share(ALONE, figures.step_alone_s),
            batch_tokens_per_s: BATCH.windows as f64 / figures.step_s,
            batch_share: share(BATCH, figures.step_s),
            estimates: capacity::estimates(&figures.measured(), figures.machine),
        }
    }
}

/// Writes the verdict, the table of models and the numbers behind it, in Japanese.
pub fn text(figures: &Figures) -> String {
    let derived = Derived::of(figures);
    let mut out = verdict(&derived.estimates, figures);
    out.push_str("\n【モデルごとの見込み】");
    let _ = writeln!(out, "{} を測った結果からの計算です。", figures.model);
    for estimate in &derived.estimates {
        let fits = if estimate.fits { "" } else { "（空きが足りません）" };
        let _ = writeln!(
            out,
            "  {:<15} 1時間の会議: {}  字幕: {}  発言の終わりから文字まで: {}  メモリ: {:.1} GB{fits}",
            estimate.shape.name,
            duration(estimate.hour_s),
            rooms(estimate.rooms),
            seconds(estimate.final_s),
            estimate.memory_bytes / 1e9,
        );
    }
    numbers(&mut out, figures, &derived);
    out
}

fn verdict(estimates: &[Estimate], figures: &Figures) -> String {
    let mut out = String::new();
    let minutes = HOUR_S_MAX / 60.0;
    match capacity::recommended(estimates) {
        Some(best) => {
            let name = best.shape.name;
            let _ = writeln!(
                out,
                "この機械では {name} が使えます。1時間の会議は{}で終わります。",
                duration(best.hour_s)
            );
            let _ = writeln!(out, "同時に字幕を出せる会議室: {}。", rooms(best.rooms));
            let (need, free) = (best.memory_bytes / 1e9, figures.machine.memory_bytes / 1e9);
            let _ = writeln!(out, "必要なメモリは約 {need:.1} GB、いまの空きは {free:.1} GB です。");
        }
        None => {
            let _ = writeln!(
                out,
                "この機械では、1時間の会議を {minutes:.0} 分以内に文字にできるモデルがありません。"
            );
            let _ = writeln!(out, "録音して後から文字にする使い方か、より速い機械をお勧めします。");
        }
    }
    let _ = writeln!(
        out,
        "（選び方: 1時間の会議が {minutes:.0} 分以内に終わり、空きメモリの8割に収まるもののうち最も正確なモデル。"
    );
    out.push_str("  会議室の数は、全室が話し続けても確定の処理が計算能力の半分に収まる数です。）\n");
    out
}

fn numbers(out: &mut String, figures: &Figures, derived: &Derived) {
    let available: Vec<&str> = Level::available().into_iter().map(Level::name).collect();
    let threads = figures.threads;
    let lines = [
        format!(
            "命令: {}、{}（この機械にあるもの: {}）",
            figures.level.name(),
            figures.precision,
            available.join(" ")
        ),
        format!(
            "演算の上限: 1スレッド {:.0} GFLOP/s、{threads}スレッド {:.0} GFLOP/s",
            figures.peak[0] / 1e9,
            figures.peak[1] / 1e9
        ),
        format!("メモリの読み出し: {:.1} GB/s（{threads}スレッド）", figures.read / 1e9),
        format!(
            "音声30秒の解析: {:.3} 秒、{:.0} GFLOP/s、上限の {:.0} %（{threads}スレッド）",
            figures.encoder_s,
            derived.encoder_flops / 1e9,
            100.0 * derived.encoder_share
        ),
        format!(
            "文字への変換、1件: 毎秒 {:.0} トークン、メモリの上限の {:.0} %（1スレッド）",
            derived.alone_tokens_per_s,
            100.0 * derived.alone_share
        ),
        format!(
            "文字への変換、{}件×候補{}: 毎秒 {:.0} トークン、メモリの上限の {:.0} %（{threads}スレッド）",
            BATCH.windows,
            BATCH.hypotheses,
            derived.batch_tokens_per_s,
            100.0 * derived.batch_share
        ),
        format!("10秒の発言の確定: {:.2} 秒（1スレッド）", figures.final_s),
    ];
    let _ = writeln!(out, "\n【測定値】{}", figures.model);
    for line in lines {
        let _ = writeln!(out, "  {line}");
    }
}

fn duration(seconds: f64) -> String {
    if seconds < 90.0 {
        format!("約 {seconds:.0} 秒")
    } else {
        format!("約 {:.0} 分", (seconds / 60.0).ceil())
    }
}

fn seconds(seconds: f64) -> String {
    format!("約 {seconds:.1} 秒")
}

fn rooms(rooms: usize) -> String {
    if rooms == 0 { "なし".to_owned() } else { format!("{rooms} 室") }
}

/// Writes everything as one JSON object.
pub fn json(figures: &Figures) -> String {
    let derived = Derived::of(figures);
    let recommended = capacity::recommended(&derived.estimates).map(|best| best.shape.name);
    let models: Vec<_> = derived.estimates.iter().map(estimate).collect();
    let value = serde_json::json!({
        "model": figures.model,
        "level": figures.level.name(),
        "levels": Level::available().into_iter().map(Level::name).collect::<Vec<_>>(),
        "precision": figures.precision,
        "threads": figures.threads,
        "cores": figures.machine.cores,
        "peak_flops_per_s": { "one": figures.peak[0], "all": figures.peak[1] },
        "memory_read_bytes_per_s": figures.read,
        "memory_free_bytes": figures.machine.memory_bytes,
        "encoder_30s_s": figures.encoder_s,
        "encoder_flops_per_s": derived.encoder_flops,
        "encoder_share_of_peak": derived.encoder_share,
        "decoder_alone_tokens_per_s": derived.alone_tokens_per_s,
        "decoder_alone_share_of_memory_bound": derived.alone_share,
        "decoder_batch_tokens_per_s": derived.batch_tokens_per_s,
        "decoder_batch_share_of_memory_bound": derived.batch_share,
        "final_10s_s": figures.final_s,
        "recommended": recommended,
        "models": models,
    });
    format!("{value:#}")
}

fn estimate(estimate: &Estimate) -> serde_json::Value {
    serde_json::json!({
        "model": estimate.shape.name,
        "hour_s": estimate.hour_s,
        "final_10s_s": estimate.final_s,
        "live_rooms": estimate.rooms,
        "memory_bytes": estimate.memory_bytes,
        "fits_in_memory": estimate.fits,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::capacity::{Machine, SHAPES};

    fn figures(slowness: f64) -> Figures {
        Figures {
            model: "base".to_owned(),
            dims: SHAPES[0].dims,
            level: Level::Portable,
            precision: "bf16".to_owned(),
            value_bytes: 2.0,
            threads: 2,
            peak: [1e12, 2e12],
            read: 40e9,
            encoder_s: 0.16 * slowness,
            step_alone_s: 0.004 * slowness,
            step_s: 0.012 * slowness,
            final_s: 0.2 * slowness,
            machine: Machine { cores: 2, memory_bytes: 20e9 },
        }
    }

    #[test]
    fn the_first_sentence_says_which_model_and_how_long_an_hour_takes() {
        let told = text(&figures(1.0));
        let first = told.lines().next().expect("the report has lines");
        assert!(first.starts_with("この機械では large-v3-turbo が使えます。1時間の会議は約 "), "{first}");
        assert!(first.ends_with(" 分で終わります。"), "{first}");
    }

    #[test]
    fn a_machine_too_slow_for_all_models_is_told_so() {
        let told = text(&figures(1000.0));
        assert!(told.contains("文字にできるモデルがありません"), "{told}");
        assert!(!told.contains("使えます"), "{told}");
    }

    #[test]
    fn scripts_get_the_same_numbers() {
        let value: serde_json::Value = serde_json::from_str(&json(&figures(1.0))).expect("it is JSON");
        assert_eq!(value["encoder_30s_s"], 0.16);
        assert_eq!(value["recommended"], "large-v3-turbo");
        assert_eq!(value["models"].as_array().map(Vec::len), Some(4));
    }
}
