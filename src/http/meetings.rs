//! Meetings: make, find, change, hand over, discard.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::{self, Standing};
use super::auth::{Body, Caller, Path, Query};
use super::error::{Code, Problem};
use super::{Shared, templates};
use crate::clock::UnixMs;
use crate::store::Id;
use crate::store::meetings::{Meeting, Member, NewMeeting, Sensitivity, Viewer};
use crate::store::sessions::Scope;
use crate::store::users::Role;

/// Longest title.
pub(super) const TITLE_CHARS_MAX: usize = 200;
/// Most members of a meeting.
const MEMBERS_MAX: usize = 500;
/// Most meetings on one page of a list.
const PAGE_MAX: u32 = 200;

/// A meeting to be made.
#[derive(Deserialize, ToSchema)]
pub struct MeetingInput {
    /// 会議名, 1 to 200 characters; the template's title if empty
    #[serde(default)]
    pub(super) title: String,
    /// 部署; the own one if absent
    pub(super) department: Option<Id>,
    /// 機密区分; 庁内限り if absent
    pub(super) sensitivity: Option<Sensitivity>,
    /// 開催日, as `2026-11-22`
    #[serde(default)]
    pub(super) held_on: String,
    /// The template to begin with.
    pub(super) template: Option<Id>,
}

/// What may be changed about a meeting; what is absent stays.
#[derive(Deserialize, ToSchema)]
pub struct MeetingChange {
    /// 会議名
    title: Option<String>,
    /// 部署
    department: Option<Id>,
    /// The person responsible.
    owner: Option<Id>,
    /// 機密区分
    sensitivity: Option<Sensitivity>,
    /// 開催日
    held_on: Option<String>,
    /// When the audio is erased, in milliseconds since 1970; 0 for no date of its own: the office's period then holds.
    #[schema(value_type = Option<i64>)]
    audio_until: Option<UnixMs>,
    /// When the minutes are erased, in milliseconds since 1970; 0 for no date of its own: the office's period then holds.
    #[schema(value_type = Option<i64>)]
    minutes_until: Option<UnixMs>,
    /// 法的保留: nothing is erased while it is set.
    legal_hold: Option<bool>,
}

/// A meeting as one person sees it.
#[derive(Serialize, ToSchema)]
pub struct MeetingView {
    /// The meeting.
    #[serde(flatten)]
    meeting: Meeting,
    /// Whether the person may read, edit, or change everything about it.
    may: May,
}

/// What a person may do with a meeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum May {
    /// Know that it exists.
    Know,
    /// Read, play and export.
    Read,
    /// Edit, upload, recognise again.
    Edit,
    /// Change members, sensitivity and retention, delete.
    Manage,
}

/// A page of a list.
#[derive(Deserialize, IntoParams)]
pub struct MeetingPage {
    /// `updated_at` of the last entry of the page before.
    before_at: Option<i64>,
    /// `id` of the last entry of the page before.
    before_id: Option<Id>,
    /// Most entries on it, at most 200.
    limit: Option<u32>,
}

fn view(meeting: Meeting, standing: Standing) -> MeetingView {
    let may = match standing {
        Standing::Nothing | Standing::Known => May::Know,
        Standing::Read => May::Read,
        Standing::Edit => May::Edit,
        Standing::Manage => May::Manage,
    };
    MeetingView { meeting, may }
}

/// Lists the meetings that the caller may find, last changed first.
#[utoipa::path(get, path = "/v1/meetings", tag = "meetings", params(MeetingPage),
    responses((status = 200, body = Vec<Meeting>), (status = 401, body = Problem)))]
pub async fn list(
    State(app): State<Shared>,
    caller: Caller,
    Query(page): Query<MeetingPage>,
) -> Result<Json<Vec<Meeting>>, Problem> {
    caller.require_scope(Scope::Read)?;
    let viewer = Viewer { user: caller.user.id, department: caller.user.department, role: caller.user.role };
    let before = page.before_at.map(|at| (UnixMs::from_ms(at), page.before_id.unwrap_or(Id::LAST)));
    let limit = page.limit.unwrap_or(50).clamp(1, PAGE_MAX);
    Ok(Json(app.store.meetings(viewer, before, limit).await?))
}

/// Makes a meeting.
#[utoipa::path(post, path = "/v1/meetings", tag = "meetings", request_body = MeetingInput,
    responses((status = 201, body = MeetingView), (status = 403, body = Problem), (status = 422, body = Problem)))]
pub async fn create(
    State(app): State<Shared>,
    caller: Caller,
    Body(input): Body<MeetingInput>,
) -> Result<(StatusCode, Json<MeetingView>), Problem> {
    caller.require_scope(Scope::Write)?;
    let new = checked_new(&app, &caller, input).await?;
    let meeting = app.store.add_meeting(&new, &caller.actor, app.now()).await?;
    Ok((StatusCode::CREATED, Json(view(meeting, Standing::Manage))))
}

/// Shows a meeting, without what was said.
#[utoipa::path(get, path = "/v1/meetings/{id}", tag = "meetings", params(("id" = Id, Path)),
    responses((status = 200, body = MeetingView), (status = 404, body = Problem)))]
pub async fn read(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Json<MeetingView>, Problem> {
    caller.require_scope(Scope::Read)?;
    let (meeting, standing) = caller.meeting(&app, id, Standing::Known).await?;
    Ok(Json(view(meeting, standing)))
}

/// Changes title, department, owner, sensitivity, date or retention.
#[utoipa::path(patch, path = "/v1/meetings/{id}", tag = "meetings", request_body = MeetingChange,
    params(("id" = Id, Path)),
    responses((status = 200, body = MeetingView), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 422, body = Problem)))]
pub async fn change(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Body(change): Body<MeetingChange>,
) -> Result<Json<MeetingView>, Problem> {
    caller.require_scope(Scope::Write)?;
    let (mut meeting, standing) = caller.meeting(&app, id, Standing::Known).await?;
    if !access::may_administer(&caller.user, &meeting, standing) {
        return Err(Code::NotAllowed.into());
    }
    if let Some(owner) = change.owner {
        let known = app.store.user(owner).await?.is_some_and(|user| user.disabled_at.is_none());
        if !known {
            return Err(Problem::new(Code::Invalid).about("owner"));
        }
        meeting.owner = owner;
    }
    if let Some(department) = change.department {
        if !app.store.departments().await?.iter().any(|known| known.id == department) {
            return Err(Problem::new(Code::Invalid).about("department"));
        }
        meeting.department = department;
    }
    if let Some(sensitivity) = change.sensitivity {
        // Who may not read it may not open it either.
        if standing < Standing::Manage {
            return Err(Problem::new(Code::NotAllowed).about("sensitivity"));
        }
        meeting.sensitivity = sensitivity;
    }
    if let Some(title) = change.title {
        meeting.title = checked_title(&title)?;
    }
    if let Some(held_on) = change.held_on {
        meeting.held_on = checked_date(&held_on)?;
    }
    let date = |until: UnixMs| (until.ms() > 0).then_some(until);
    meeting.audio_until = change.audio_until.map_or(meeting.audio_until, date);
    meeting.minutes_until = change.minutes_until.map_or(meeting.minutes_until, date);
    meeting.legal_hold = change.legal_hold.unwrap_or(meeting.legal_hold);
    app.store.change_meeting(&meeting, "meeting.change", &caller.actor, app.now()).await?;
    Ok(Json(view(meeting, standing)))
}

/// Puts a meeting into the bin; it can be brought back for 30 days.
#[utoipa::path(delete, path = "/v1/meetings/{id}", tag = "meetings", params(("id" = Id, Path)),
    responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn discard(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<StatusCode, Problem> {
    caller.require_scope(Scope::Write)?;
    let (mut meeting, _) = caller.meeting(&app, id, Standing::Manage).await?;
    meeting.deleted_at = Some(app.now());
    app.store.change_meeting(&meeting, "meeting.delete", &caller.actor, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a meeting out of the bin.
#[utoipa::path(post, path = "/v1/meetings/{id}/restore", tag = "meetings", params(("id" = Id, Path)),
    responses((status = 200, body = MeetingView), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn restore(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Json<MeetingView>, Problem> {
    caller.require_scope(Scope::Write)?;
    let (mut meeting, standing) = caller.meeting(&app, id, Standing::Manage).await?;
    meeting.deleted_at = None;
    app.store.change_meeting(&meeting, "meeting.restore", &caller.actor, app.now()).await?;
    Ok(Json(view(meeting, standing)))
}

/// Lists who belongs to a meeting besides its owner.
#[utoipa::path(get, path = "/v1/meetings/{id}/members", tag = "meetings", params(("id" = Id, Path)),
    responses((status = 200, body = Vec<Member>), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn members(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Json<Vec<Member>>, Problem> {
    caller.require_scope(Scope::Read)?;
    caller.meeting(&app, id, Standing::Read).await?;
    Ok(Json(app.store.members(id).await?))
}

/// Writes the list of members anew.
#[utoipa::path(put, path = "/v1/meetings/{id}/members", tag = "meetings", request_body = Vec<Member>,
    params(("id" = Id, Path)),
    responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 422, body = Problem)))]
pub async fn set_members(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Body(members): Body<Vec<Member>>,
) -> Result<StatusCode, Problem> {
    caller.require_scope(Scope::Write)?;
    caller.meeting(&app, id, Standing::Manage).await?;
    if members.len() > MEMBERS_MAX {
        return Err(Problem::new(Code::Invalid).about(format!("{MEMBERS_MAX} 人まで")));
    }
    let mut seen = std::collections::BTreeSet::new();
    for member in &members {
        if !seen.insert(member.user) || app.store.user(member.user).await?.is_none() {
            return Err(Problem::new(Code::Invalid).about(format!("user {}", member.user)));
        }
    }
    app.store.set_members(id, &members, &caller.actor, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a meeting that the caller may make.
pub(super) async fn checked_new(
    app: &Shared,
    caller: &Caller,
    input: MeetingInput,
) -> Result<NewMeeting, Problem> {
    if caller.user.role == Role::Auditor {
        return Err(Code::NotAllowed.into());
    }
    let department = input.department.unwrap_or(caller.user.department);
    if department != caller.user.department {
        if caller.user.role != Role::Administrator {
            return Err(Problem::new(Code::NotAllowed).about("department"));
        }
        if !app.store.departments().await?.iter().any(|known| known.id == department) {
            return Err(Problem::new(Code::Invalid).about("department"));
        }
    }
    let held_on = checked_date(&input.held_on)?;
    let title = match input.template {
        Some(id) => templates::title(app, caller, id, input.title, &held_on).await?,
        None => input.title,
    };
    Ok(NewMeeting {
        title: checked_title(&title)?,
        department,
        owner: caller.user.id,
        sensitivity: input.sensitivity.unwrap_or(Sensitivity::Internal),
        held_on,
        template: input.template,
        sample: false,
    })
}

fn checked_title(title: &str) -> Result<String, Problem> {
    let title = title.trim();
    if title.is_empty() || title.chars().count() > TITLE_CHARS_MAX || title.chars().any(char::is_control) {
        return Err(Problem::new(Code::Invalid).about("title: 1 文字から 200 文字まで"));
    }
    Ok(title.to_owned())
}

fn checked_date(date: &str) -> Result<String, Problem> {
    if !date.is_empty() && date.parse::<jiff::civil::Date>().is_err() {
        return Err(Problem::new(Code::Invalid).about("held_on: 2026-11-22 の形で"));
    }
    Ok(date.to_owned())
}
