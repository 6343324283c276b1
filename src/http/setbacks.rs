//! Why a recognition waits or has failed, for a person: what happened, what is kept, what to do.

use serde::Serialize;
use utoipa::ToSchema;

use crate::store::jobs::{Failure, Hindrance, Job};

/// Why a recognition waits or has failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reason {
    /// The stable code, for programs.
    code: &'static str,
    /// The number that a person tells the support centre.
    number: &'static str,
    /// What happened, what is kept, what to do: in Japanese.
    title: &'static str,
    /// The same in English.
    title_en: &'static str,
    /// What it is about, as the name of a codec.
    detail: Option<String>,
}

/// Returns why a job has failed, else why it waits, if there is a reason.
pub fn reason(job: &Job) -> Option<Reason> {
    let (code, (number, title, title_en)) = match (job.failure, job.hindrance) {
        (Some(failure), _) => (failure.word(), of_failure(failure)),
        (None, Some(hindrance)) => (hindrance.word(), of_hindrance(hindrance)),
        (None, None) => return None,
    };
    Some(Reason { code, number, title, title_en, detail: job.failure_detail.clone() })
}

type Row = (&'static str, &'static str, &'static str);

const fn of_failure(failure: Failure) -> Row {
    match failure {
        Failure::Empty => (
            "G-2301",
            "ファイルの中身が空です。ファイルは保存済みです。録音を確認して、もう一度取り込んでください。",
            "The file is empty. Import the recording again.",
        ),
        Failure::NotAudio => (
            "G-2302",
            "音声ファイルではないため読めません。ファイルは保存済みです。録音のファイルを選び直してください。",
            "The file is no recording. Choose the right file.",
        ),
        Failure::Encrypted => (
            "G-2303",
            "コピー防止のかかったファイルは読めません。ファイルは保存済みです。保護を外したものを取り込んでください。",
            "The file is protected against copying. Import an unprotected copy.",
        ),
        Failure::UnsupportedCodec => (
            "G-2304",
            "この音声形式には対応していません。ファイルは保存済みです。mp3、m4a、wav などに変換して取り込むか、情報担当へお問い合わせください。",
            "The audio format is not supported. Convert it to mp3, m4a or wav.",
        ),
        Failure::NoAudioTrack => (
            "G-2305",
            "ファイルに音声が入っていません。ファイルは保存済みです。音声のあるファイルを選び直してください。",
            "The file has no sound track. Choose the right file.",
        ),
        Failure::NoSound => (
            "G-2306",
            "音声を取り出せません。ファイルは保存済みです。録音機の元のファイルを取り込んでください。",
            "No sound can be read. Import the recorder's original file.",
        ),
        Failure::Unfinished => (
            "G-2307",
            "録音が途中で終わったファイルのため読めません。ファイルは保存済みです。録音機で修復してから取り込んでください。",
            "The recording was never finished. Repair it on the recorder.",
        ),
        Failure::Damaged => (
            "G-2308",
            "ファイルが壊れているため読めません。認識済みの区間とファイルは保存済みです。別の控えがあれば取り込んでください。",
            "The file is damaged. Import another copy if there is one.",
        ),
        Failure::TooLong => (
            "G-2309",
            "録音が長すぎます。認識済みの区間とファイルは保存済みです。分割して取り込んでください。",
            "The recording is too long. Split it and import the parts.",
        ),
        Failure::AudioMissing => (
            "G-2310",
            "録音がサーバーに見つかりません。議事録は残っています。消去した覚えがない場合は情報担当へ連絡してください。",
            "The audio is not on the server. Ask the administrator if it was not erased on purpose.",
        ),
        Failure::EngineFailed => (
            "G-2311",
            "認識エンジンが繰り返し止まりました。認識済みの区間と録音は保存済みです。再実行すると続きから始めます。続く場合は情報担当へ連絡してください。",
            "The recogniser stopped again and again. A retry goes on from what is recognised.",
        ),
        Failure::Crashed => (
            "G-2312",
            "処理が繰り返し中断しました。認識済みの区間と録音は保存済みです。再実行すると続きから始めます。続く場合は情報担当へ連絡してください。",
            "The work was interrupted again and again. A retry goes on from what is recognised.",
        ),
    }
}

const fn of_hindrance(hindrance: Hindrance) -> Row {
    match hindrance {
        Hindrance::EngineDown => (
            "G-2351",
            "認識エンジンが応答しません。認識済みの区間と録音は保存済みです。自動でやり直します。",
            "The recogniser does not answer. The work goes on by itself.",
        ),
        Hindrance::StorageFull => (
            "G-2352",
            "サーバーの空き容量が足りません。認識済みの区間と録音は保存済みです。空きができると自動で再開します。情報担当へ連絡してください。",
            "The server's disk is full. The work goes on when there is room.",
        ),
        Hindrance::ModelMissing => (
            "G-2353",
            "認識モデルがないか、壊れています。録音は保存済みです。情報担当がモデルを入れると自動で始まります。",
            "The model is missing or damaged. The work begins when it is there.",
        ),
        Hindrance::AudioUnreachable => (
            "G-2354",
            "録音の保存先につながりません。認識済みの区間は保存済みです。自動でやり直します。",
            "The audio cannot be read now. The work goes on by itself.",
        ),
        Hindrance::DatabaseDown => (
            "G-2355",
            "データベースにつながりません。認識済みの区間と録音は保存済みです。自動でやり直します。",
            "The database does not answer. The work goes on by itself.",
        ),
        Hindrance::SeatNeeded => (
            "G-2356",
            "満席のため、席が空くのを待っています。録音は保存済みです。席が空くと自動で始まります。",
            "Every seat is taken. The work begins by itself when one is free.",
        ),
        Hindrance::SeatRefused => (
            "G-2357",
            "ライセンスまたは席の規則により、いまは席を使えません。録音は保存済みです。管理者へ連絡してください。",
            "The licence or a rule gives no seat now. Ask the administrator.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_has_a_number_of_its_own_and_says_in_japanese_what_is_kept() {
        let failures = Failure::ALL.iter().map(|failure| of_failure(*failure));
        let rows: Vec<_> = failures.chain(Hindrance::ALL.iter().map(|row| of_hindrance(*row))).collect();
        assert_eq!(rows.iter().map(|row| row.0).collect::<BTreeSet<_>>().len(), rows.len());
        for (number, title, _) in rows {
            let keeps = title.contains("保存済み") || title.contains("残っています");
            assert!(title.ends_with('。') && keeps, "{number}");
        }
    }
}
