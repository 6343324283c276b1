//! Every error as an answer: status, stable code, and a sentence for a person. The only such place.

mod seats;
pub mod voices;

use std::any::Any;

use axum::Json;
use axum::extract::multipart::MultipartRejection;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::tus::TusError;
use crate::store::StoreError;
use crate::store::blobs::BlobError;
use crate::store::uploads::SealError;

/// A refusal, as RFC 9457 describes it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:gijiroku:` and the code.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: Box<str>,
    /// The HTTP status.
    status: u16,
    /// The stable code, for programs.
    code: &'static str,
    /// The number that a person tells the support centre.
    number: &'static str,
    /// What happened, what was kept, what to do: in Japanese.
    #[schema(value_type = String)]
    title: Box<str>,
    /// The same in English.
    #[schema(value_type = String)]
    title_en: Box<str>,
    /// The value or place it is about, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    detail: Option<Box<str>>,
    /// Further facts for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    facts: Option<Box<serde_json::Value>>,
    /// Seconds after which to ask again.
    #[serde(skip)]
    retry_after_s: Option<u32>,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = ($status:expr, $code:literal, $number:literal, $ja:literal, $en:literal);)*) => {
        /// Everything the service refuses, and why.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code { $($(#[$doc])* $name),* }

        impl Code {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Returns status, code, number and sentences.
            const fn row(self) -> (u16, &'static str, &'static str, &'static str, &'static str) {
                match self { $(Self::$name => ($status, $code, $number, $ja, $en)),* }
            }
        }
    };
}

codes! {
    /// Nobody is signed in.
    SignInNeeded = (401, "sign_in_needed", "G-1001",
        "サインインしていないか、時間が過ぎて終了しました。もう一度サインインしてください。入力中の内容はこの端末に残っています。",
        "You are not signed in, or the session ended. Sign in again.");
    /// Login or password is wrong.
    SignInRefused = (401, "sign_in_refused", "G-1002",
        "利用者名またはパスワードが違います。", "User name or password is wrong.");
    /// Too many failures.
    AccountLocked = (429, "account_locked", "G-1003",
        "続けて失敗したため、このアカウントを一時的に停止しています。時間をおくか、管理者へ連絡してください。",
        "The account is locked for a while after several failures.");
    /// The CSRF token is missing or wrong.
    CsrfMissing = (403, "csrf_missing", "G-1004",
        "画面が古くなっています。再読み込みしてから、もう一度操作してください。",
        "The page is out of date. Reload it and try again.");
    /// The password must be changed first.
    PasswordExpired = (403, "password_expired", "G-1005",
        "最初にパスワードを変更してください。", "Change your password first.");
    /// The new password is too weak.
    PasswordWeak = (422, "password_weak", "G-1006",
        "パスワードが短いか、利用者名と同じです。条件を満たすものを入力してください。",
        "The password is too short or equals the user name.");
    /// The one-time link does not work any more.
    LinkUsed = (410, "link_used", "G-1007",
        "このリンクは使用済みか、期限が過ぎています。管理者に新しいリンクを依頼してください。",
        "The link was used or has expired. Ask for a new one.");
    /// Too many requests.
    TooManyRequests = (429, "too_many_requests", "G-1008",
        "短い時間に操作が集中しています。少し待ってからもう一度操作してください。",
        "Too many requests. Wait a moment.");
    /// The token's scope does not allow it.
    ScopeMissing = (403, "scope_missing", "G-1009",
        "このAPIトークンの権限では実行できません。", "The token's scopes do not allow this.");
    /// The person has as many tokens as may be.
    TooManyTokens = (409, "too_many_tokens", "G-1010",
        "APIトークンの数が上限です。使わないものを削除してから、もう一度作成してください。",
        "You have as many tokens as may be. Revoke one first.");
    /// A file of people has faults.
    PeopleFaulty = (422, "people_faulty", "G-1011",
        "ファイルに誤りがあります。何も変更していません。行番号を見て直し、もう一度取り込んでください。",
        "The file has faults; nothing was changed. Correct the lines and import it again.");
    /// The role does not allow it.
    NotAllowed = (403, "not_allowed", "G-1101",
        "この操作の権限がありません。必要な場合は部署の管理者へ依頼してください。",
        "You are not allowed to do this.");
    /// There is nothing under this name, or not for this person.
    NotFound = (404, "not_found", "G-1102",
        "見つかりません。削除されたか、閲覧の権限がありません。", "Not found, or not visible to you.");
    /// A name is in use.
    Taken = (409, "taken", "G-1103",
        "同じ名前がすでに使われています。別の名前を入力してください。", "The name is taken.");
    /// A recognition failed or was cancelled.
    RecognitionFailed = (422, "recognition_failed", "G-2201",
        "文字起こしができませんでした。録音は保存済みです。会議の画面から理由の確認と再認識ができます。",
        "The recognition failed. The recording is kept; see the meeting for the reason.");
    /// There are no minutes yet.
    NoMinutes = (404, "no_minutes", "G-2001",
        "この会議の議事録はまだありません。録音を取り込むと作成されます。", "This meeting has no minutes yet.");
    /// Somebody else changed the same.
    EditConflict = (409, "edit_conflict", "G-2002",
        "ほかの人が同じ箇所を先に編集しました。どちらの内容も残っています。見比べて選んでください。",
        "Somebody else edited the same place first. Both texts are kept; compare and choose.");
    /// The edit does not fit the document.
    EditRefused = (422, "edit_refused", "G-2003",
        "この編集は適用できません。何も変更していません。議事録を読み込み直してください。",
        "The edit does not fit the document; nothing was changed. Load it anew.");
    /// The edit is based on a revision too old or unknown.
    EditBehind = (409, "edit_behind", "G-2004",
        "編集の元になった版が古すぎます。編集内容はこの端末に残っています。議事録を読み込み直してください。",
        "The edit is based on a revision too old or unknown. Load the minutes anew.");
    /// The minutes are in a state in which nobody edits.
    MinutesFrozen = (409, "minutes_frozen", "G-2005",
        "確認中または確定済みのため編集できません。差戻しまたは確定解除をすると編集できます。",
        "The minutes are in review or final and cannot be edited now.");
    /// The call needs a seat, and names none.
    SeatNeeded = (428, "seat_needed", "G-2490",
        "編集には席が必要です。何も変更していません。席を取ってから、もう一度操作してください。",
        "Editing takes a seat; nothing was changed. Take one and try again.");
    /// There is nothing to undo.
    NothingToUndo = (409, "nothing_to_undo", "G-2006",
        "元に戻す操作がありません。", "There is nothing to undo.");
    /// The step does not follow on the state.
    StepRefused = (409, "step_refused", "G-2007",
        "今の状態からはこの操作に進めません。画面を読み込み直してください。",
        "This step does not follow on the present state.");
    /// Minutes are there already.
    MinutesExist = (409, "minutes_exist", "G-2008",
        "この会議にはすでに議事録があります。何も変更していません。取り込むには新しい会議を作成してください。",
        "This meeting has minutes already; nothing was changed.");
    /// A file that was handed over is not what it should be.
    FileRefused = (422, "file_refused", "G-2009",
        "ファイルを取り込めません。何も変更していません。詳細を確認し、ファイルを直してからもう一度操作してください。",
        "The file cannot be taken in; nothing was changed.");
    /// A file cannot be written.
    ExportRefused = (422, "export_refused", "G-2010",
        "ファイルを出力できません。議事録は保存済みです。詳細を確認し、設定を変えてからもう一度操作してください。",
        "The file cannot be written; the minutes are safe.");
    /// The request cannot be read.
    Malformed = (400, "malformed", "G-1201",
        "送られた内容を読み取れません。何も変更していません。", "The request cannot be read; nothing was changed.");
    /// A value is out of its range.
    Invalid = (422, "invalid", "G-1202",
        "入力に誤りがあります。何も変更していません。内容を確認してください。",
        "A value is not allowed; nothing was changed.");
    /// The body is too long.
    TooLarge = (413, "too_large", "G-1203",
        "送られた内容が上限を超えています。何も変更していません。", "The body is too large; nothing was changed.");
    /// The wrong method.
    MethodNotAllowed = (405, "method_not_allowed", "G-1204",
        "この操作は使えません。", "The method is not allowed here.");
    /// The wrong content type.
    UnsupportedMedia = (415, "unsupported_media", "G-1205",
        "送られた形式には対応していません。何も変更していません。", "The content type is not supported.");
    /// The recording is waiting for recognition, or being recognised.
    RecognitionOpen = (409, "recognition_open", "G-2202",
        "この録音はすでに待機中か処理中です。終わってからもう一度操作するか、先に取り消してください。",
        "This recording is waiting or being recognised already.");
    /// The meeting has no recording, or its audio is erased.
    NoRecording = (409, "no_recording", "G-2203",
        "認識できる録音がありません。録音を取り込んでください。", "There is no recording to recognise.");
    /// The job has ended.
    JobEnded = (409, "job_ended", "G-2204",
        "この処理はすでに終わっています。結果は保存済みです。", "This job has ended; its result is kept.");
    /// The job has not failed and was not cancelled.
    JobNotEnded = (409, "job_not_ended", "G-2205",
        "やり直せるのは、失敗した処理と取り消した処理です。", "Only a failed or cancelled job can be retried.");
    /// The client speaks another version of the upload protocol.
    TusVersion = (412, "tus_version", "G-2101",
        "送信側のソフトの版が合いません。何も保存していません。画面を再読み込みしてください。",
        "Another version of the upload protocol; nothing was stored.");
    /// The part does not begin where the upload is.
    UploadOffset = (409, "upload_offset", "G-2102",
        "取込の続きの位置が合いません。届いた分は保存されています。続きから送り直してください。",
        "The part does not begin where the upload is; ask for the offset.");
    /// Another request writes the upload.
    UploadLocked = (423, "upload_locked", "G-2103",
        "この取込は別の接続が続けています。届いた分は保存されています。少し待ってから再開してください。",
        "Another request is writing this upload. Try again soon.");
    /// The upload was given up.
    UploadRemoved = (410, "upload_removed", "G-2104",
        "この取込は取り消されています。もう一度はじめから取り込んでください。",
        "This upload was given up. Begin again.");
    /// The upload is whole.
    UploadWhole = (409, "upload_whole", "G-2105",
        "この取込は終わっていて、録音は保存されています。削除は会議の画面から行ってください。",
        "This upload is whole; its recording is kept.");
    /// The bytes are not what was hashed.
    ChecksumMismatch = (460, "checksum_mismatch", "G-2106",
        "通信の途中で内容が変わりました。この部分は保存していません。自動で送り直してください。",
        "The bytes do not match their checksum; this part was dropped.");
    /// The file is longer than allowed.
    UploadTooLarge = (413, "upload_too_large", "G-2107",
        "ファイルが上限を超えています。超えた分は保存していません。分割するか、音声だけの形式にしてください。",
        "The file is larger than allowed.");
    /// The person holds as much as they may.
    QuotaReached = (413, "quota_reached", "G-2108",
        "置ける録音の合計を超えるため、取込を始めていません。不要な録音か途中の取込を削除してください。",
        "Your storage is used up; nothing was stored.");
    /// The connection said nothing for a long time.
    UploadStalled = (408, "upload_stalled", "G-2109",
        "通信が途切れました。届いた分は保存されています。続きから再開できます。",
        "The connection stalled; what arrived is stored.");
    /// The audio was erased by the rules of retention.
    AudioErased = (410, "audio_erased", "G-2110",
        "この録音の音声は、保存期間の終了などにより消去されています。議事録は残っています。",
        "The audio was erased; the minutes remain.");
    /// No byte of the file is in the range.
    RangeUnsatisfiable = (416, "range_unsatisfiable", "G-2111",
        "録音の長さを超える位置が指定されました。再読み込みしてください。",
        "The range is outside of the file.");
    /// The socket that pushes belongs to a page of another site.
    OriginForeign = (403, "origin_foreign", "G-2480",
        "別のサイトからの接続のため受け付けません。このサーバーの画面を開き直してください。",
        "The connection comes from another site.");
    /// The person has as many sockets open as may be.
    TooManySockets = (429, "too_many_sockets", "G-2481",
        "同じ利用者の画面がほかにも開いています。使わない画面を閉じてから、もう一度開いてください。",
        "Too many pages are open for the same person. Close one first.");
    /// The request is no upgrade to a socket.
    NoSocket = (426, "no_socket", "G-2482",
        "この宛先は画面との常時接続だけに使います。", "This address is for WebSocket connections only.");
    /// A licence file is not accepted.
    LicenceRefused = (422, "licence_refused", "G-2483",
        "このライセンスは受け付けられません。何も変更していません。",
        "The licence is not accepted; nothing was changed.");
    /// The live meeting has ended.
    LiveEnded = (409, "live_ended", "G-2301",
        "この録音はすでに終了しています。録音は保存済みです。続きを録音する場合は新しく開始してください。",
        "This recording has ended; it is kept. Begin a new one to go on.");
    /// As many meetings are recorded as this server can follow.
    TooManyLives = (409, "too_many_lives", "G-2302",
        "同時に録音できる会議の数が上限です。終わった会議の録音を終了してから、もう一度開始してください。",
        "As many meetings are recorded as may be. End one first.");
    /// As many read the captions as may.
    TooManyViewers = (429, "too_many_viewers", "G-2303",
        "字幕を見ている人の数が上限です。会場の画面を見るか、少し待ってから開き直してください。",
        "As many read these captions as may. Try again soon.");
    /// The link works inside the house only.
    OutsideHouse = (403, "outside_house", "G-2304",
        "この字幕は庁内のネットワークからだけ見られます。", "These captions can be read inside the office only.");
    /// As many programs stream sound as may.
    TooManyDoors = (429, "too_many_doors", "G-2305",
        "外部プログラムからの音声認識の数が上限です。少し待ってからもう一度接続してください。",
        "As many programs stream sound as may. Try again soon.");
    /// The disk is full.
    StorageFull = (507, "storage_full", "G-3001",
        "サーバーの空き容量が足りません。保存済みの内容は失われていません。情報担当へ連絡してください。",
        "The server's disk is full; what was saved is safe.");
    /// The database does not answer.
    Unavailable = (503, "unavailable", "G-3002",
        "サーバーが一時的に応答できません。保存済みの内容は失われていません。少し待ってからもう一度操作してください。",
        "The server cannot answer now; what was saved is safe. Try again soon.");
    /// What was stored is damaged.
    Damaged = (500, "damaged", "G-3003",
        "保存された内容を読み取れません。情報担当へ連絡してください。バックアップから戻せます。",
        "Stored data cannot be read; restore it from a backup.");
    /// A defect of this program.
    Internal = (500, "internal", "G-3999",
        "サーバー内部で問題が起きました。保存済みの内容は失われていません。番号を情報担当へお知らせください。",
        "An internal error; what was saved is safe. Report the number.");
}

impl Problem {
    /// Makes a refusal.
    pub fn new(code: Code) -> Self {
        let (status, code, number, title, title_en) = code.row();
        Self::of((status, code, number), title, title_en)
    }

    fn of(
        (status, code, number): (u16, &'static str, &'static str),
        title: impl Into<Box<str>>,
        title_en: impl Into<Box<str>>,
    ) -> Self {
        let kind = format!("urn:gijiroku:{code}").into_boxed_str();
        let (title, title_en) = (title.into(), title_en.into());
        Self { kind, status, code, number, title, title_en, detail: None, facts: None, retry_after_s: None }
    }

    /// Says which value or place it is about.
    pub fn about(mut self, detail: impl ToString) -> Self {
        self.detail = Some(detail.to_string().into_boxed_str());
        self
    }

    /// Adds facts for programs.
    pub fn with(mut self, facts: serde_json::Value) -> Self {
        self.facts = Some(Box::new(facts));
        self
    }

    /// Adds further facts to those that are there.
    pub fn also(mut self, facts: serde_json::Value) -> Self {
        match (self.facts.as_deref_mut(), facts) {
            (Some(serde_json::Value::Object(known)), serde_json::Value::Object(more)) => known.extend(more),
            (_, facts) => self.facts = Some(Box::new(facts)),
        }
        self
    }

    /// Says when to ask again.
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(u32::try_from(seconds).unwrap_or(u32::MAX));
        self
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after_s = self.retry_after_s;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Taken => return Code::Taken.into(),
            StoreError::Erased => return Code::AudioErased.into(),
            StoreError::Full => Code::StorageFull,
            StoreError::Unreachable(_) | StoreError::Busy { .. } => Code::Unavailable,
            StoreError::Damaged { .. } => Code::Damaged,
            StoreError::Io { .. } | StoreError::Database(_) => Code::Internal,
        };
        let error: &dyn std::error::Error = &error;
        tracing::error!(error, "the store failed");
        let problem = Self::new(code);
        if code == Code::Unavailable { problem.retry_after(2) } else { problem }
    }
}

impl From<BlobError> for Problem {
    fn from(error: BlobError) -> Self {
        let code = match &error {
            BlobError::Full { .. } => Code::StorageFull,
            BlobError::Unreachable { .. } | BlobError::Busy { .. } | BlobError::Refused { .. } => {
                Code::Unavailable
            }
            BlobError::OutOfRange { .. } => Code::RangeUnsatisfiable,
            BlobError::Missing { .. }
            | BlobError::StagedMissing { .. }
            | BlobError::Damaged { .. }
            | BlobError::Taken { .. } => Code::Damaged,
            BlobError::BadKey { .. } | BlobError::Settings { .. } | BlobError::Io { .. } => Code::Internal,
        };
        let error: &dyn std::error::Error = &error;
        tracing::error!(error, "the store of audio failed");
        let problem = Self::new(code);
        if code == Code::Unavailable { problem.retry_after(2) } else { problem }
    }
}

impl From<SealError> for Problem {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Store(error) => error.into(),
            SealError::Blob(error) => error.into(),
        }
    }
}

impl From<TusError> for Problem {
    fn from(error: TusError) -> Self {
        let code = match &error {
            TusError::OtherVersion { .. } => Code::TusVersion,
            TusError::Missing { .. }
            | TusError::Malformed { .. }
            | TusError::DeferredLength
            | TusError::OtherChecksum { .. } => Code::Malformed,
            TusError::TooLarge { .. } | TusError::PastEnd { .. } => Code::UploadTooLarge,
            TusError::OtherMediaType { .. } => Code::UnsupportedMedia,
            TusError::OffsetMismatch { .. } => Code::UploadOffset,
        };
        Self::new(code).about(error)
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        let code = match &rejection {
            JsonRejection::JsonDataError(_) => Code::Invalid,
            JsonRejection::MissingJsonContentType(_) => Code::UnsupportedMedia,
            other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => Code::TooLarge,
            _ => Code::Malformed,
        };
        Self::new(code).about(rejection.body_text())
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        let too_large = rejection.status() == StatusCode::PAYLOAD_TOO_LARGE;
        if too_large { Code::TooLarge.into() } else { Code::Malformed.into() }
    }
}

impl From<MultipartRejection> for Problem {
    fn from(rejection: MultipartRejection) -> Self {
        Self::new(Code::Malformed).about(rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(_: PathRejection) -> Self {
        Code::NotFound.into()
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(Code::Invalid).about(rejection.body_text())
    }
}

/// Answers a request whose handler panicked.
pub fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a handler panicked");
    Problem::new(Code::Internal).into_response()
}

/// Answers a request of a method that the path does not know.
pub async fn method_not_allowed() -> Problem {
    Code::MethodNotAllowed.into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_refusal_has_a_code_and_a_number_of_its_own() {
        let rows: Vec<_> = Code::ALL.iter().map(|code| code.row()).collect();
        assert_eq!(rows.iter().map(|row| row.1).collect::<BTreeSet<_>>().len(), rows.len());
        let numbers: Vec<_> =
            rows.iter().map(|row| row.2).chain(seats::NUMBERS).chain(voices::NUMBERS).collect();
        assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), numbers.len());
    }

    #[test]
    fn every_refusal_is_a_japanese_sentence() {
        for code in Code::ALL {
            let (.., title, _) = code.row();
            assert!(title.ends_with('。'), "{code:?}");
        }
    }
}
