//! Refusals about remembered voices as answers: what is wrong with a sample, and what to do better.

use serde_json::json;

use super::Problem;
use crate::speech::enrol::{SPEECH_MS_MIN, SampleFault};

/// The numbers that a person tells the support centre, in the order of [`VoiceRefusal`].
pub(super) const NUMBERS: [&str; 9] =
    ["G-2501", "G-2502", "G-2503", "G-2504", "G-2505", "G-2506", "G-2507", "G-2508", "G-2509"];

/// Why a voice is not remembered, or speakers are not named.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum VoiceRefusal {
    /// The department remembers no voices.
    Off,
    /// The department remembers as many as may be.
    Full,
    /// The words that the person agreed to are not the present ones.
    OtherWording,
    /// The sample cannot be used.
    Sample(SampleFault),
    /// The network that hears voices is not installed.
    NoNetwork,
    /// The file is no sound.
    NoSound,
}

impl From<VoiceRefusal> for Problem {
    fn from(refusal: VoiceRefusal) -> Self {
        let (status, code, number, ja, en) = row(refusal);
        let problem = Self::of((status, code, NUMBERS[number]), ja, en);
        match refusal {
            VoiceRefusal::Sample(SampleFault::TooShort { speech_ms }) => {
                problem.with(json!({ "speech_ms": speech_ms, "speech_ms_min": SPEECH_MS_MIN }))
            }
            VoiceRefusal::Sample(SampleFault::TooQuiet { level_dbfs }) => {
                problem.with(json!({ "level_dbfs": level_dbfs.round() }))
            }
            VoiceRefusal::Sample(SampleFault::Clipped { .. } | SampleFault::SeveralSpeakers { .. })
            | VoiceRefusal::Off
            | VoiceRefusal::Full
            | VoiceRefusal::OtherWording
            | VoiceRefusal::NoNetwork
            | VoiceRefusal::NoSound => problem,
        }
    }
}

/// Returns status, code, place of the number, and the sentences.
const fn row(refusal: VoiceRefusal) -> (u16, &'static str, usize, &'static str, &'static str) {
    match refusal {
        VoiceRefusal::Off => (
            409,
            "voices_off",
            0,
            "この部署では声の登録を使っていません。何も保存していません。使う場合は管理者へ依頼してください。",
            "The department remembers no voices; nothing was kept.",
        ),
        VoiceRefusal::Full => (
            409,
            "voices_full",
            1,
            "この部署で登録できる声の数が上限です。何も保存していません。使わない声を消去してから、もう一度登録してください。",
            "The department remembers as many voices as may be; nothing was kept.",
        ),
        VoiceRefusal::OtherWording => (
            409,
            "consent_outdated",
            2,
            "同意の説明が新しくなっています。何も保存していません。画面を読み込み直し、説明を確認してから登録してください。",
            "The words of the consent have changed; nothing was kept. Load them anew.",
        ),
        VoiceRefusal::Sample(SampleFault::TooShort { .. }) => (
            422,
            "sample_too_short",
            3,
            "話している時間が足りません。何も保存していません。20 秒ほど続けて読み上げて、録音し直してください。",
            "Too little is spoken; nothing was kept. Read aloud for about 20 seconds.",
        ),
        VoiceRefusal::Sample(SampleFault::TooQuiet { .. }) => (
            422,
            "sample_too_quiet",
            4,
            "声が小さすぎます。何も保存していません。マイクに近づいて、録音し直してください。",
            "The voice is too quiet; nothing was kept. Come closer to the microphone.",
        ),
        VoiceRefusal::Sample(SampleFault::Clipped { .. }) => (
            422,
            "sample_clipped",
            5,
            "音が割れています。何も保存していません。マイクから少し離れるか、入力音量を下げて、録音し直してください。",
            "The sound is distorted; nothing was kept. Speak farther from the microphone.",
        ),
        VoiceRefusal::Sample(SampleFault::SeveralSpeakers { .. }) => (
            422,
            "sample_several_speakers",
            6,
            "二人以上の声が入っているようです。何も保存していません。一人だけの声で録音し直してください。",
            "More than one person seems to speak; nothing was kept. Record one person only.",
        ),
        VoiceRefusal::NoNetwork => (
            503,
            "voice_model_missing",
            7,
            "声を調べるモデルがサーバーにありません。何も変更していません。情報担当へ連絡してください。",
            "The model that hears voices is not installed; nothing was changed.",
        ),
        VoiceRefusal::NoSound => (
            422,
            "sample_no_sound",
            8,
            "録音を読み取れません。何も保存していません。WAV、MP3、M4A などの録音を選んでください。",
            "The file is no recording that can be read; nothing was kept.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_a_sample_says_that_nothing_was_kept_and_what_to_do() {
        let faults = [
            SampleFault::TooShort { speech_ms: 3_000 },
            SampleFault::TooQuiet { level_dbfs: -60.0 },
            SampleFault::Clipped { share: 0.1 },
            SampleFault::SeveralSpeakers { likeness: 0.6 },
        ];
        for fault in faults {
            let (status, _, _, ja, _) = row(VoiceRefusal::Sample(fault));
            assert_eq!(status, 422);
            assert!(ja.contains("何も保存していません") && ja.ends_with("ください。"), "{ja}");
        }
    }
}
