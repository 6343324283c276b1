//! The words of one group: by page, one at a time, as a whole list, and as CSV.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Wish, group};
use crate::http::auth::{Body, Caller, Path, Query};
use crate::http::error::{Code, Problem};
use crate::http::{Shared, exports, heavy};
use crate::minutes::dictionary::{self, Charset, CsvError, ENTRIES_MAX, Entry, LineProblem};
use crate::store::Id;
use crate::store::words::{Registered, Word, WordsChange};

/// Most words on one page.
const PAGE_MAX: u32 = 1_000;
/// Most problems of a list that are told; the first ones help.
const PROBLEMS_MAX: usize = 200;

/// Where a page of words begins.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WordsPage {
    /// The 表記 after which it begins.
    #[serde(default)]
    after: String,
    /// Most words on it, at most 1,000.
    limit: Option<u32>,
}

/// A whole list.
#[derive(Deserialize, ToSchema)]
pub struct WordsInput {
    /// The words; of several with the same 表記 the first is taken.
    entries: Vec<Entry>,
}

/// How a file is taken in.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    /// Whether it is only tried: nothing is kept.
    #[serde(default)]
    dry_run: bool,
    /// Whether words that are not in the file go.
    #[serde(default)]
    replace: bool,
}

/// What a file holds, and what became of it.
#[derive(Serialize, ToSchema)]
pub struct ImportedWords {
    /// Whether it is kept.
    kept: bool,
    /// What it changes.
    change: WordsChange,
    /// Lines that cannot be taken, the first 200.
    problems: Vec<LineProblem>,
    /// Lines whose 表記 stands above already, the first 200.
    duplicates: Vec<LineProblem>,
    /// How many lines were not taken.
    left_out: usize,
}

/// How a file is written.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CharsetQuery {
    /// UTF-8 with a byte order mark if absent.
    #[serde(default)]
    #[param(inline)]
    charset: Charset,
}

fn too_many() -> Problem {
    Problem::new(Code::Invalid).about(format!("1 つの単語グループは {ENTRIES_MAX} 語まで"))
}

fn checked(mut entry: Entry) -> Result<Entry, Problem> {
    tidied(&mut entry);
    match entry.problem() {
        Some(problem) => Err(Problem::new(Code::Invalid).about(problem)),
        None => Ok(entry),
    }
}

/// Takes off the blanks that come along when people paste.
fn tidied(entry: &mut Entry) {
    for text in [&mut entry.written, &mut entry.reading].into_iter().chain(&mut entry.sources) {
        *text = text.trim().to_owned();
    }
}

/// Lists the words of a group, by 表記.
#[utoipa::path(get, path = "/v1/word-groups/{id}/words", tag = "words", params(("id" = Id, Path), WordsPage),
    responses((status = 200, body = Vec<Word>), (status = 404, body = Problem)))]
pub async fn words(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Query(page): Query<WordsPage>,
) -> Result<Json<Vec<Word>>, Problem> {
    group(&app, &caller, id, Wish::See).await?;
    let limit = page.limit.unwrap_or(200).clamp(1, PAGE_MAX);
    Ok(Json(app.store.words(id, &page.after, limit).await?))
}

/// Puts a list in the place of all words of a group.
#[utoipa::path(put, path = "/v1/word-groups/{id}/words", tag = "words", request_body = WordsInput,
    params(("id" = Id, Path)),
    responses((status = 200, body = WordsChange), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 422, body = Problem)))]
pub async fn put_words(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Body(mut input): Body<WordsInput>,
) -> Result<Json<WordsChange>, Problem> {
    group(&app, &caller, id, Wish::Keep).await?;
    if input.entries.len() > ENTRIES_MAX {
        return Err(too_many());
    }
    let mut problems = Vec::new();
    for (index, entry) in input.entries.iter_mut().enumerate() {
        tidied(entry);
        if let Some(message) = entry.problem() {
            problems.push(LineProblem { line: index + 1, message });
        }
    }
    if !problems.is_empty() {
        problems.truncate(PROBLEMS_MAX);
        let facts = serde_json::json!({ "problems": problems });
        return Err(Problem::new(Code::Invalid).about("entries").with(facts));
    }
    match app.store.put_words(id, &input.entries, true, &caller.actor, app.now()).await? {
        Registered::Done(change) => Ok(Json(change)),
        Registered::TooMany => Err(too_many()),
    }
}

/// Registers one word.
#[utoipa::path(post, path = "/v1/word-groups/{id}/words", tag = "words", request_body = Entry,
    params(("id" = Id, Path)),
    responses((status = 201, body = Word), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn add_word(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Body(entry): Body<Entry>,
) -> Result<(StatusCode, Json<Word>), Problem> {
    group(&app, &caller, id, Wish::Register).await?;
    let entry = checked(entry)?;
    match app.store.add_word(id, &entry, &caller.actor, app.now()).await? {
        Registered::Done(word) => Ok((StatusCode::CREATED, Json(word))),
        Registered::TooMany => Err(too_many()),
    }
}

/// Writes one word anew, as a whole.
#[utoipa::path(patch, path = "/v1/word-groups/{id}/words/{word}", tag = "words", request_body = Entry,
    params(("id" = Id, Path), ("word" = Id, Path)),
    responses((status = 200, body = Word), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn change_word(
    State(app): State<Shared>,
    caller: Caller,
    Path((id, word)): Path<(Id, Id)>,
    Body(entry): Body<Entry>,
) -> Result<Json<Word>, Problem> {
    group(&app, &caller, id, Wish::Register).await?;
    let entry = checked(entry)?;
    let changed = app.store.change_word(id, word, &entry, &caller.actor, app.now()).await?;
    Ok(Json(changed.ok_or(Code::NotFound)?))
}

/// Takes one word away.
#[utoipa::path(delete, path = "/v1/word-groups/{id}/words/{word}", tag = "words",
    params(("id" = Id, Path), ("word" = Id, Path)),
    responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn remove_word(
    State(app): State<Shared>,
    caller: Caller,
    Path((id, word)): Path<(Id, Id)>,
) -> Result<StatusCode, Problem> {
    group(&app, &caller, id, Wish::Register).await?;
    let removed = app.store.remove_word(id, word, &caller.actor, app.now()).await?;
    if removed { Ok(StatusCode::NO_CONTENT) } else { Err(Code::NotFound.into()) }
}

/// Takes in a CSV file (UTF-8 or CP932): good lines are registered, the others are told with their numbers.
#[utoipa::path(post, path = "/v1/word-groups/{id}/words/import", tag = "words",
    params(("id" = Id, Path), ImportQuery), request_body(content = Vec<u8>, content_type = "text/csv"),
    responses((status = 200, body = ImportedWords), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 413, body = Problem), (status = 422, body = Problem)))]
pub async fn import_words(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Query(query): Query<ImportQuery>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ImportedWords>, Problem> {
    let wish = if query.replace { Wish::Keep } else { Wish::Register };
    group(&app, &caller, id, wish).await?;
    let body = body?;
    let imported =
        heavy::apart(move || dictionary::import(&body)).await?.map_err(|error| unreadable(&error))?;
    let written = if query.dry_run {
        app.store.compare_words(id, &imported.entries, query.replace).await?
    } else {
        app.store.put_words(id, &imported.entries, query.replace, &caller.actor, app.now()).await?
    };
    let Registered::Done(change) = written else { return Err(too_many()) };
    Ok(Json(ImportedWords {
        kept: !query.dry_run,
        change,
        problems: imported.problems,
        duplicates: imported.duplicates,
        left_out: imported.left_out_count,
    }))
}

fn unreadable(error: &CsvError) -> Problem {
    let told = match error {
        CsvError::TooLong { .. } => "ファイルが大きすぎます。分けてから取り込んでください。".to_owned(),
        CsvError::Undecodable { line } => {
            format!("{line}行目の文字を読めません。UTF-8 または CP932（Shift_JIS）で保存してください。")
        }
        CsvError::NoHeader => "1行目に「表記」の列がありません。".to_owned(),
        CsvError::TooMany => format!("{ENTRIES_MAX} 語を超えています。分けてから取り込んでください。"),
    };
    Problem::new(Code::FileRefused).about(told)
}

/// Hands the words of a group out as CSV; `x-gijiroku-warnings` counts characters that CP932 lacks.
#[utoipa::path(get, path = "/v1/word-groups/{id}/words/export", tag = "words",
    params(("id" = Id, Path), CharsetQuery),
    responses((status = 200, content_type = "text/csv", body = Vec<u8>), (status = 404, body = Problem)))]
pub async fn export_words(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Query(query): Query<CharsetQuery>,
) -> Result<Response, Problem> {
    let group = group(&app, &caller, id, Wish::See).await?;
    let entries = app.store.entries(id).await?;
    let file = heavy::apart(move || dictionary::export(&entries, query.charset)).await?;
    let name = format!("単語登録_{}.csv", exports::plain_name(&group.name));
    let mime = match query.charset {
        Charset::Utf8Bom => "text/csv; charset=utf-8",
        Charset::Cp932 => "text/csv; charset=Windows-31J",
    };
    Ok(exports::attachment(&name, mime, file.bytes, file.unmapped.len()))
}
