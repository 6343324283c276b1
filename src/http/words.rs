//! 単語登録: groups of words, the words in them, and which groups a meeting uses.

mod list;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::{self, Standing};
use super::auth::{Body, Caller, Path, Query};
use super::error::{Code, Problem};
use super::templates::{known_department, reach};
use super::{App, Shared};
use crate::minutes::dictionary::{self, Day, Entry, WORD_CHARS_MAX};
use crate::store::Id;
use crate::store::meetings::Meeting;
use crate::store::sessions::Scope;
use crate::store::words::{CHOSEN_MAX, Choice, GROUPS_MAX, Owner, WordGroup};

pub use list::*;

/// Longest name of a group.
const NAME_CHARS_MAX: usize = 100;

/// A group to be made; neither department nor meeting: the whole office.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupInput {
    /// Its name on screen, 1 to 100 characters.
    name: String,
    /// The department whose words it holds.
    department: Option<Id>,
    /// The meeting whose words it holds.
    meeting: Option<Id>,
}

/// What may be changed about a group.
#[derive(Deserialize, ToSchema)]
pub struct GroupChange {
    /// Its name on screen, 1 to 100 characters.
    name: String,
}

/// Which groups are listed.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct GroupsQuery {
    /// A meeting whose own groups are listed too.
    meeting: Option<Id>,
}

/// Which groups a meeting uses, and which it could.
#[derive(Serialize, ToSchema)]
pub struct ChoiceView {
    /// What was chosen.
    #[serde(flatten)]
    choice: Choice,
    /// Every group of the office, of the meeting's department and of the meeting; the last are always used.
    available: Vec<WordGroup>,
}

/// A word that somebody selected.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CandidatesQuery {
    /// The word, 1 to 100 characters.
    selected: String,
}

/// What a person wants to do with a group; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    /// Read its words.
    See,
    /// Add, change and take away single words.
    Register,
    /// Rename it, replace all its words, take it away.
    Keep,
}

/// Lets through who may do this with the group.
async fn group(app: &Shared, caller: &Caller, id: Id, wish: Wish) -> Result<WordGroup, Problem> {
    caller.require_scope(if wish == Wish::See { Scope::Read } else { Scope::Write })?;
    let group = app.store.word_group(id).await?.ok_or(Code::NotFound)?;
    if let Some(meeting) = group.meeting {
        let needed = if wish == Wish::See { Standing::Read } else { Standing::Edit };
        caller.meeting(app, meeting, needed).await?;
        return Ok(group);
    }
    if !access::may_see_shared(&caller.user, group.department) {
        return Err(Code::NotFound.into());
    }
    let may = match wish {
        Wish::See => true,
        Wish::Register => access::may_register_words(&caller.user, group.department),
        Wish::Keep => access::may_keep_shared(&caller.user, group.department),
    };
    if may { Ok(group) } else { Err(Code::NotAllowed.into()) }
}

/// Lists the groups of the office and of the caller's department (administrators: of every one), by name.
#[utoipa::path(get, path = "/v1/word-groups", tag = "words", params(GroupsQuery),
    responses((status = 200, body = Vec<WordGroup>), (status = 404, body = Problem)))]
pub async fn groups(
    State(app): State<Shared>,
    caller: Caller,
    Query(query): Query<GroupsQuery>,
) -> Result<Json<Vec<WordGroup>>, Problem> {
    caller.require_scope(Scope::Read)?;
    if let Some(meeting) = query.meeting {
        caller.meeting(&app, meeting, Standing::Read).await?;
    }
    Ok(Json(app.store.word_groups(reach(&caller), query.meeting).await?))
}

/// Makes a group without words.
#[utoipa::path(post, path = "/v1/word-groups", tag = "words", request_body = GroupInput,
    responses((status = 201, body = WordGroup), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 422, body = Problem)))]
pub async fn add_group(
    State(app): State<Shared>,
    caller: Caller,
    Body(input): Body<GroupInput>,
) -> Result<(StatusCode, Json<WordGroup>), Problem> {
    caller.require_scope(Scope::Write)?;
    let name = checked_name(&input.name)?;
    let owner = match (input.department, input.meeting) {
        (Some(_), Some(_)) => return Err(Problem::new(Code::Invalid).about("department, meeting")),
        (None, Some(meeting)) => {
            caller.meeting(&app, meeting, Standing::Edit).await?;
            Owner::Meeting(meeting)
        }
        (department, None) => {
            if !access::may_keep_shared(&caller.user, department) {
                return Err(Code::NotAllowed.into());
            }
            known_department(&app, department).await?;
            department.map_or(Owner::Office, Owner::Department)
        }
    };
    if app.store.word_groups(None, input.meeting).await?.len() >= GROUPS_MAX {
        return Err(Problem::new(Code::Invalid).about(format!("単語グループは {GROUPS_MAX} 件まで")));
    }
    let group = app.store.add_word_group(name, owner, &caller.actor, app.now()).await?;
    Ok((StatusCode::CREATED, Json(group)))
}

fn checked_name(name: &str) -> Result<&str, Problem> {
    let name = name.trim();
    if !(1..=NAME_CHARS_MAX).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(Problem::new(Code::Invalid).about(format!("name: 1 文字から {NAME_CHARS_MAX} 文字まで")));
    }
    Ok(name)
}

/// Renames a group.
#[utoipa::path(patch, path = "/v1/word-groups/{id}", tag = "words", request_body = GroupChange,
    params(("id" = Id, Path)),
    responses((status = 200, body = WordGroup), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 422, body = Problem)))]
pub async fn change_group(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Body(change): Body<GroupChange>,
) -> Result<Json<WordGroup>, Problem> {
    let group = group(&app, &caller, id, Wish::Keep).await?;
    let name = checked_name(&change.name)?;
    app.store.rename_word_group(id, name, &caller.actor, app.now()).await?;
    Ok(Json(WordGroup { name: name.to_owned(), ..group }))
}

/// Takes a group away with all its words.
#[utoipa::path(delete, path = "/v1/word-groups/{id}", tag = "words", params(("id" = Id, Path)),
    responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn remove_group(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<StatusCode, Problem> {
    group(&app, &caller, id, Wish::Keep).await?;
    app.store.remove_word_group(id, &caller.actor, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows which groups a meeting uses.
#[utoipa::path(get, path = "/v1/meetings/{id}/word-groups", tag = "words", params(("id" = Id, Path)),
    responses((status = 200, body = ChoiceView), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn choice(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Json<ChoiceView>, Problem> {
    caller.require_scope(Scope::Read)?;
    let (meeting, _) = caller.meeting(&app, id, Standing::Read).await?;
    let choice = app.store.word_choice(id).await?;
    let available = app.store.word_groups(Some(meeting.department), Some(id)).await?;
    Ok(Json(ChoiceView { choice, available }))
}

/// Chooses the groups that a meeting uses.
#[utoipa::path(put, path = "/v1/meetings/{id}/word-groups", tag = "words", request_body = Choice,
    params(("id" = Id, Path)),
    responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 422, body = Problem)))]
pub async fn choose(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Body(choice): Body<Choice>,
) -> Result<StatusCode, Problem> {
    caller.require_scope(Scope::Write)?;
    let (meeting, _) = caller.meeting(&app, id, Standing::Edit).await?;
    check_choice(&app, &meeting, &choice).await?;
    app.store.choose_words(id, &choice, &caller.actor, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Passes groups that a meeting can choose.
pub(super) async fn check_choice(app: &App, meeting: &Meeting, choice: &Choice) -> Result<(), Problem> {
    let chosen = choice.groups.as_deref().unwrap_or_default();
    let available = app.store.word_groups(Some(meeting.department), Some(meeting.id)).await?;
    let unknown = chosen.iter().find(|id| !available.iter().any(|group| group.id == **id));
    if let Some(unknown) = unknown {
        return Err(Problem::new(Code::Invalid).about(format!("groups: {unknown}")));
    }
    if chosen.len() > CHOSEN_MAX {
        return Err(Problem::new(Code::Invalid).about(format!("groups: {CHOSEN_MAX} 件まで")));
    }
    Ok(())
}

/// Lists how a selected word may be meant: other words of the same sound, and what it is a 置換元 of.
#[utoipa::path(get, path = "/v1/meetings/{id}/words/candidates", tag = "words",
    params(("id" = Id, Path), CandidatesQuery),
    responses((status = 200, body = Vec<String>), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 422, body = Problem)))]
pub async fn candidates(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Query(query): Query<CandidatesQuery>,
) -> Result<Json<Vec<String>>, Problem> {
    caller.require_scope(Scope::Read)?;
    let (meeting, _) = caller.meeting(&app, id, Standing::Read).await?;
    if !(1..=WORD_CHARS_MAX).contains(&query.selected.chars().count()) {
        return Err(
            Problem::new(Code::Invalid).about(format!("selected: 1 文字から {WORD_CHARS_MAX} 文字まで"))
        );
    }
    let entries = in_force(&app, &meeting).await?;
    let entries: Vec<&Entry> = entries.iter().collect();
    let found = dictionary::candidates(&entries, &query.selected);
    Ok(Json(found.into_iter().map(str::to_owned).collect()))
}

/// Returns the words that hold for a meeting: on its day, or today if it has none.
pub(super) async fn in_force(app: &App, meeting: &Meeting) -> Result<Vec<Entry>, Problem> {
    let day = Day::parse(&meeting.held_on).unwrap_or_else(|_| Day::in_japan(app.now()));
    Ok(app.store.words_of_meeting(meeting.id, day).await?)
}
