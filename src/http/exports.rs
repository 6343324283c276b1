//! Minutes leave as files, and come back from one.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Standing;
use super::auth::{Caller, Path, Query};
use super::error::{Code, Problem};
use super::minutes::state_of;
use super::{Shared, heavy, secret};
use crate::minutes::export::{
    self, Assets, Clock, Encoding, Era, ExportError, Exported, FontChoice, Format, JSON_VERSION, Options,
    SpeakerLayout, Warning,
};
use crate::minutes::mask::masked;
use crate::minutes::template::Template;
use crate::minutes::{HeaderField, Minutes, migrate, workflow};
use crate::store::Id;
use crate::store::audit::Entry;
use crate::store::meetings::Meeting;
use crate::store::sessions::Scope;

/// Longest file of minutes that is taken in: a day of speech with every word's time.
pub const WHOLE_BYTES_MAX: usize = 64 << 20;
/// Tells how many things a person should know before handing a file in.
const WARNINGS: HeaderName = HeaderName::from_static("x-gijiroku-warnings");
/// Longest part of a file's name that a person gave, in characters.
const NAME_CHARS_MAX: usize = 60;

/// How the file shall be; what is absent is as the meeting's template says.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// What kind of file.
    #[serde(rename = "as")]
    format: Format,
    /// What is written: `current` (if absent), `final`, `recognised`, a revision's number, or an edition's name.
    state: Option<String>,
    /// Where the speaker stands beside the words.
    layout: Option<SpeakerLayout>,
    /// 同一話者の発言をまとめる
    merge: Option<bool>,
    /// 句点で改行する
    break_sentences: Option<bool>,
    /// The fields of the header in their order, parted by commas; none if empty.
    header: Option<String>,
    /// Whether the time of each utterance is shown.
    times: Option<bool>,
    /// Whether the marks of the utterances are shown.
    marks: Option<bool>,
    /// Whether decisions, issues and to-dos are listed.
    items: Option<bool>,
    /// Whether the headings of the agenda are shown.
    headings: Option<bool>,
    /// Whether the number of hidden utterances is told.
    hidden_count: Option<bool>,
    /// 西暦 or 和暦.
    era: Option<Era>,
    /// 24 h or 午前・午後.
    clock: Option<Clock>,
    /// The encoding of txt, csv and srt.
    encoding: Option<Encoding>,
    /// 公開用: names are replaced by what a published copy calls people, and the texts of マスキング一覧 are gone.
    public_names: Option<bool>,
    /// 署名欄, one title each, parted by commas.
    signatures: Option<String>,
    /// The font a Word file names.
    font: Option<FontChoice>,
    /// 版, as it stands in the file's name; where the minutes stand on their way if absent.
    edition: Option<String>,
    /// Whether the Word file of the template is used, `true` if absent.
    own_word: Option<bool>,
}

impl ExportQuery {
    fn options(&self, template: &Template, meeting: &Meeting) -> Result<Options, Problem> {
        let usual = Options::default();
        let header = self.header.as_deref().map_or_else(|| Ok(template.fields.clone()), fields)?;
        let public_names = self.public_names.unwrap_or(usual.public_names);
        let signatures = self.signatures.as_deref().unwrap_or_default().split([',', '、']).map(str::trim);
        Ok(Options {
            format: self.format,
            layout: self.layout.unwrap_or_else(|| layout(template)),
            merge: self.merge.unwrap_or(usual.merge),
            break_sentences: self.break_sentences.unwrap_or(usual.break_sentences),
            header,
            times: self.times.unwrap_or(usual.times),
            marks: self.marks.unwrap_or(usual.marks),
            items: self.items.unwrap_or(usual.items),
            headings: self.headings.unwrap_or(usual.headings),
            hidden_count: self.hidden_count.unwrap_or(usual.hidden_count),
            era: self.era.unwrap_or(usual.era),
            clock: self.clock.unwrap_or(usual.clock),
            encoding: self.encoding.unwrap_or(usual.encoding),
            public_names,
            signatures: signatures.filter(|title| !title.is_empty()).map(str::to_owned).collect(),
            font: self.font.unwrap_or(usual.font),
            edition: self.edition.clone().unwrap_or_else(|| self.edition_of(meeting, public_names)),
        })
    }

    fn state(&self) -> &str {
        self.state.as_deref().unwrap_or("current")
    }

    /// Returns the name of the edition that nobody named: a draft must not be called 原本.
    fn edition_of(&self, meeting: &Meeting, public_names: bool) -> String {
        let state = serde_json::from_value(serde_json::Value::String(meeting.state.clone()));
        match (self.state(), state) {
            _ if public_names => String::new(),
            ("final", _) => "確定版".to_owned(),
            ("recognised", _) => "認識結果".to_owned(),
            ("current", Ok(workflow::State::Final | workflow::State::Published)) => "確定版".to_owned(),
            ("current", Ok(state)) => workflow::State::label(state).to_owned(),
            _ => "編集後".to_owned(),
        }
    }
}

fn fields(names: &str) -> Result<Vec<HeaderField>, Problem> {
    let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
    let field = |name: &str| {
        serde_json::from_value(serde_json::Value::String(name.to_owned()))
            .map_err(|_| Problem::new(Code::Invalid).about(format!("header: {name}")))
    };
    names.map(field).collect()
}

/// Reads the stable word a template keeps; one of a later program counts as the usual layout.
fn layout(template: &Template) -> SpeakerLayout {
    match template.speaker_layout.as_str() {
        "space" => SpeakerLayout::Space,
        "table" => SpeakerLayout::Table,
        _ => SpeakerLayout::Line,
    }
}

/// What a person should know before they hand a file in.
#[derive(Serialize, ToSchema)]
pub struct CheckAnswer {
    /// The file's name.
    file_name: String,
    /// Its length.
    bytes: usize,
    /// What does not fit.
    warnings: Vec<ToldWarning>,
}

/// A warning with its sentence.
#[derive(Serialize, ToSchema)]
pub struct ToldWarning {
    /// The sentence.
    message: String,
    /// The facts.
    #[serde(flatten)]
    warning: Warning,
}

/// Writes the minutes as a file; `x-gijiroku-warnings` counts what a person should look at first.
#[utoipa::path(get, path = "/v1/meetings/{id}/export", tag = "exports", params(("id" = Id, Path), ExportQuery),
    responses((status = 200, content(
            (Vec<u8> = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
            (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
            (Vec<u8> = "application/pdf"), (String = "text/csv"), (String = "text/plain"), (String = "text/markdown"),
            (String = "text/vtt"), (String = "application/x-subrip"), (Object = "application/json"))),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub async fn export(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Query(query): Query<ExportQuery>,
) -> Result<Response, Problem> {
    let file = written(&app, &caller, id, &query).await?;
    let facts = serde_json::json!({
        "format": query.format, "state": query.state(), "public": query.public_names.unwrap_or(false),
        "bytes": file.bytes.len(), "warnings": file.warnings.len(),
    });
    let line = Entry::done(&caller.actor, app.now(), "minutes.export", id).on(id).with(facts);
    app.store.note(line).await?;
    Ok(attachment(&file.file_name, file.mime, file.bytes, file.warnings.len()))
}

/// Tells what a person should know before they hand a file in; nothing leaves.
#[utoipa::path(post, path = "/v1/meetings/{id}/export/check", tag = "exports",
    params(("id" = Id, Path), ExportQuery),
    responses((status = 200, body = CheckAnswer), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 422, body = Problem)))]
pub async fn check(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Query(query): Query<ExportQuery>,
) -> Result<Json<CheckAnswer>, Problem> {
    let file = written(&app, &caller, id, &query).await?;
    let told = |warning: Warning| ToldWarning { message: warning.told(), warning };
    let warnings = file.warnings.into_iter().map(told).collect();
    Ok(Json(CheckAnswer { file_name: file.file_name, bytes: file.bytes.len(), warnings }))
}

async fn written(app: &Shared, caller: &Caller, id: Id, query: &ExportQuery) -> Result<Exported, Problem> {
    caller.require_scope(Scope::Read)?;
    let (meeting, _) = caller.meeting(app, id, Standing::Read).await?;
    let template = app.store.template_of_meeting(id).await?.unwrap_or_default();
    let options = query.options(&template, &meeting)?;
    let minutes = state_of(app, id, query.state()).await?;
    let word = match meeting.template {
        Some(template) if options.format == Format::Docx && query.own_word.unwrap_or(true) => {
            app.store.template_word(template).await?
        }
        Some(_) | None => None,
    };
    let masks = if options.public_names { app.store.masks(id).await? } else { Vec::new() };
    let write = move || {
        let minutes = if masks.is_empty() { minutes } else { Arc::new(masked(&minutes, &masks)) };
        render(&minutes, &options, word.as_deref())
    };
    heavy::apart(write).await?.map_err(refused)
}

fn render(minutes: &Arc<Minutes>, options: &Options, word: Option<&[u8]>) -> Result<Exported, ExportError> {
    export::export(minutes, options, &Assets { template: word, ..Assets::default() })
}

fn refused(error: ExportError) -> Problem {
    let code = match &error {
        ExportError::TooMuch { .. } | ExportError::NotForPublication | ExportError::Template { .. } => {
            Code::ExportRefused
        }
        ExportError::Font { .. } | ExportError::Writer { .. } => {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "a file could not be written");
            Code::Internal
        }
    };
    Problem::new(code).about(error.told())
}

/// Answers with a file to be saved under its name (RFC 6266, RFC 8187).
pub(super) fn attachment(name: &str, mime: &str, bytes: Vec<u8>, warnings: usize) -> Response {
    let ending = name.rsplit_once('.').map_or("bin", |(_, ending)| ending);
    let plain = if ending.is_ascii() { ending } else { "bin" };
    let disposition =
        format!("attachment; filename=\"gijiroku.{plain}\"; filename*=UTF-8''{}", encoded(name));
    let headers = [
        (header::CONTENT_TYPE, mime.to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CACHE_CONTROL, "private, no-store".to_owned()),
        (WARNINGS, warnings.to_string()),
    ];
    (StatusCode::OK, headers, bytes).into_response()
}

/// Writes a name as `ext-value` of RFC 8187 wants it.
fn encoded(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len() * 3);
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Makes a part of a file's name out of what a person wrote: nothing that Windows forbids.
pub(super) fn plain_name(text: &str) -> String {
    let forbidden = |ch: char| ch.is_control() || "<>:\"/\\|?*".contains(ch);
    let plain: String =
        text.chars().map(|ch| if forbidden(ch) { '_' } else { ch }).take(NAME_CHARS_MAX).collect();
    plain.trim_matches([' ', '.']).to_owned()
}

/// A json file that this product wrote.
#[derive(Deserialize, ToSchema)]
pub struct WholeInput {
    /// Always `gijiroku-minutes`.
    format: String,
    /// The number of the schema.
    version: u32,
    /// The sha256 of the minutes as compact json; not looked at if absent.
    minutes_sha256: Option<String>,
    /// The minutes.
    minutes: Minutes,
}

/// The minutes that were taken in.
#[derive(Serialize, ToSchema)]
pub struct TakenIn {
    /// Their revision.
    revision: u64,
}

/// Takes in minutes that were exported as json; only a meeting without minutes takes them.
#[utoipa::path(post, path = "/v1/meetings/{id}/minutes", tag = "minutes", request_body = WholeInput,
    params(("id" = Id, Path)),
    responses((status = 201, body = TakenIn), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 413, body = Problem), (status = 422, body = Problem)))]
pub async fn take_in(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<TakenIn>), Problem> {
    caller.require_scope(Scope::Write)?;
    caller.meeting(&app, id, Standing::Edit).await?;
    let body = body?;
    let minutes = heavy::apart(move || whole(&body)).await??;
    let document = app.store.import_minutes(id, &minutes, &caller.actor, app.now()).await?;
    let document = document.ok_or(Code::MinutesExist)?;
    Ok((StatusCode::CREATED, Json(TakenIn { revision: document.revision })))
}

fn whole(body: &[u8]) -> Result<Minutes, Problem> {
    let refused = |why: String| Problem::new(Code::FileRefused).about(why);
    let whole: WholeInput = serde_json::from_slice(body).map_err(|error| refused(error.to_string()))?;
    if whole.format != "gijiroku-minutes" || whole.version != JSON_VERSION {
        return Err(refused(format!("format {} version {}", whole.format, whole.version)));
    }
    migrate::check(&whole.minutes).map_err(|damage| refused(damage.to_string()))?;
    let compact = serde_json::to_string(&whole.minutes).map_err(|error| refused(error.to_string()))?;
    match whole.minutes_sha256 {
        Some(told) if told != secret::digest(&compact) => {
            Err(refused("minutes_sha256: 出力後に内容が変わっています".to_owned()))
        }
        Some(_) | None => Ok(whole.minutes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_japanese_name_is_encoded_and_a_plain_one_stands_beside_it() {
        let response = attachment("定例会 1.docx", "text/plain", Vec::new(), 2);
        let expected =
            "attachment; filename=\"gijiroku.docx\"; filename*=UTF-8''%E5%AE%9A%E4%BE%8B%E4%BC%9A%201.docx";
        assert_eq!(response.headers()[header::CONTENT_DISPOSITION], expected);
        assert_eq!(response.headers()[WARNINGS], "2");
    }

    #[test]
    fn a_name_holds_nothing_that_windows_or_a_header_forbids() {
        assert_eq!(plain_name("../税務課\r\n\"一覧\"."), "_税務課___一覧_");
    }

    #[test]
    fn an_unknown_field_of_the_header_is_refused() {
        assert!(fields("title,held_on").is_ok_and(|fields| fields.len() == 2));
        assert!(fields("").is_ok_and(|fields| fields.is_empty()));
        assert!(fields("title,password").is_err());
    }
}
