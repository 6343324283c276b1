//! Departments and accounts.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::{Body, Caller, Path, Query};
use super::error::{Code, Problem};
use super::session::{check_password, checked_login, checked_name};
use super::{Shared, access, secret};
use crate::clock::UnixMs;
use crate::store::Id;
use crate::store::sessions::Scope;
use crate::store::users::{Department, NewUser, Purpose, Role, User};

/// How long a link to set a password works.
pub const PASSWORD_LINK_LIFE: Duration = Duration::from_secs(3 * 24 * 3600);
/// Most people on one page of a list.
const PAGE_MAX: u32 = 500;

/// A department to be made or changed.
#[derive(Deserialize, ToSchema)]
pub struct DepartmentInput {
    /// What it is called.
    name: String,
    /// The department it belongs to.
    parent: Option<Id>,
    /// Whether it is closed.
    #[serde(default)]
    closed: bool,
}

/// An account to be made.
#[derive(Deserialize, ToSchema)]
pub struct UserInput {
    /// 利用者名
    login: String,
    /// 氏名
    name: String,
    /// 部署
    department: Id,
    /// 役割
    role: Role,
    /// A first password, to be changed at the first sign-in; without one a link sets it.
    password: Option<String>,
    /// Whether it is a meeting room's account.
    #[serde(default)]
    room: bool,
}

/// What may be changed about an account; what is absent stays.
#[derive(Deserialize, ToSchema)]
pub struct UserChange {
    /// 氏名
    name: Option<String>,
    /// 部署
    department: Option<Id>,
    /// 役割
    role: Option<Role>,
    /// Whether the account can be used.
    disabled: Option<bool>,
    /// Whether it is a meeting room's account.
    room: Option<bool>,
}

/// A one-time link.
#[derive(Serialize, ToSchema)]
pub struct Link {
    /// What the link carries; shown this once.
    secret: String,
    /// The page, below the product's address.
    path: String,
    /// Until when it works.
    #[schema(value_type = i64)]
    expires_at: UnixMs,
}

/// A page of a list.
#[derive(Deserialize, IntoParams)]
pub struct UserPage {
    /// The login after which the page begins.
    #[serde(default)]
    after: String,
    /// Most entries on it, at most 500.
    limit: Option<u32>,
}

/// Lists every department.
#[utoipa::path(get, path = "/v1/departments", tag = "people",
    responses((status = 200, body = Vec<Department>), (status = 401, body = Problem)))]
pub async fn departments(State(app): State<Shared>, _: Caller) -> Result<Json<Vec<Department>>, Problem> {
    Ok(Json(app.store.departments().await?))
}

/// Adds a department.
#[utoipa::path(post, path = "/v1/departments", tag = "people", request_body = DepartmentInput,
    responses((status = 201, body = Department), (status = 403, body = Problem), (status = 409, body = Problem)))]
pub async fn add_department(
    State(app): State<Shared>,
    caller: Caller,
    Body(input): Body<DepartmentInput>,
) -> Result<(StatusCode, Json<Department>), Problem> {
    caller.require(&[Role::Administrator])?;
    let name = checked_name(&input.name)?;
    known_department(&app, input.parent).await?;
    let made = app.store.add_department(&name, input.parent, &caller.actor, app.now()).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Renames, moves, closes or opens a department.
#[utoipa::path(put, path = "/v1/departments/{id}", tag = "people", request_body = DepartmentInput,
    params(("id" = Id, Path)),
    responses((status = 200, body = Department), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem)))]
pub async fn change_department(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Body(input): Body<DepartmentInput>,
) -> Result<Json<Department>, Problem> {
    caller.require(&[Role::Administrator])?;
    known_department(&app, input.parent).await?;
    if input.parent == Some(id) {
        return Err(Problem::new(Code::Invalid).about("parent: 自分自身は選べません"));
    }
    let now = app.now();
    let closed_at = input.closed.then_some(now);
    let department = Department { id, name: checked_name(&input.name)?, parent: input.parent, closed_at };
    if !app.store.change_department(&department, &caller.actor, now).await? {
        return Err(Code::NotFound.into());
    }
    Ok(Json(department))
}

/// Lists accounts by login: all for administrators, those of the own department for its administrator.
#[utoipa::path(get, path = "/v1/users", tag = "people", params(UserPage),
    responses((status = 200, body = Vec<User>), (status = 403, body = Problem)))]
pub async fn users(
    State(app): State<Shared>,
    caller: Caller,
    Query(page): Query<UserPage>,
) -> Result<Json<Vec<User>>, Problem> {
    caller.require(&[Role::Administrator, Role::DepartmentAdministrator])?;
    let limit = page.limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    Ok(Json(app.store.users(&page.after, limit, access::people_reach(&caller.user)).await?))
}

/// Makes an account.
#[utoipa::path(post, path = "/v1/users", tag = "people", request_body = UserInput,
    responses((status = 201, body = User), (status = 403, body = Problem), (status = 409, body = Problem)))]
pub async fn add_user(
    State(app): State<Shared>,
    caller: Caller,
    Body(input): Body<UserInput>,
) -> Result<(StatusCode, Json<User>), Problem> {
    require_people(&caller, input.department, input.role)?;
    known_department(&app, Some(input.department)).await?;
    let login = checked_login(&input.login)?;
    let password = match input.password {
        Some(password) => {
            check_password(&app, &password, &login)?;
            Some(app.hasher.hash(password).await?)
        }
        None => None,
    };
    let new = NewUser {
        login,
        name: checked_name(&input.name)?,
        department: input.department,
        role: input.role,
        password,
        password_expired: true,
        room: input.room,
    };
    Ok((StatusCode::CREATED, Json(app.store.add_user(&new, &caller.actor, app.now()).await?)))
}

/// Changes an account: name, department (a transfer), role, whether it can be used.
#[utoipa::path(patch, path = "/v1/users/{id}", tag = "people", request_body = UserChange,
    params(("id" = Id, Path)),
    responses((status = 200, body = User), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn change_user(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Body(change): Body<UserChange>,
) -> Result<Json<User>, Problem> {
    caller.require(&[Role::Administrator, Role::DepartmentAdministrator])?;
    let mut user = app.store.user(id).await?.ok_or(Code::NotFound)?;
    require_people(&caller, user.department, user.role)?;
    known_department(&app, change.department).await?;
    if let Some(name) = change.name {
        user.name = checked_name(&name)?;
    }
    user.department = change.department.unwrap_or(user.department);
    user.role = change.role.unwrap_or(user.role);
    user.room = change.room.unwrap_or(user.room);
    if let Some(disabled) = change.disabled {
        user.disabled_at = disabled.then(|| app.now());
    }
    if user.id == caller.user.id && (user.disabled_at.is_some() || user.role != caller.user.role) {
        return Err(Problem::new(Code::NotAllowed).about("自分自身の停止と役割の変更はできません"));
    }
    require_people(&caller, user.department, user.role)?;
    app.store.change_user(&user, &caller.actor, app.now()).await?;
    Ok(Json(user))
}

/// Makes a one-time link by which a person sets a new password.
#[utoipa::path(post, path = "/v1/users/{id}/password-link", tag = "people", params(("id" = Id, Path)),
    responses((status = 201, body = Link), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn password_link(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<(StatusCode, Json<Link>), Problem> {
    caller.require(&[Role::Administrator, Role::DepartmentAdministrator])?;
    let user = app.store.user(id).await?.ok_or(Code::NotFound)?;
    require_people(&caller, user.department, user.role)?;
    let (secret, now) = (secret::random(), app.now());
    let expires_at = now.plus(PASSWORD_LINK_LIFE);
    let digest = secret::digest(&secret);
    app.store.add_link(&digest, Purpose::Password, Some(id), expires_at, &caller.actor, now).await?;
    let path = link_path(&secret);
    Ok((StatusCode::CREATED, Json(Link { secret, path, expires_at })))
}

/// Returns the page on which a person sets a password; what stands behind # is sent to no server and kept in no log.
pub fn link_path(secret: &str) -> String {
    format!("/password#{secret}")
}

fn require_people(caller: &Caller, department: Id, role: Role) -> Result<(), Problem> {
    caller.require_scope(Scope::Administer)?;
    let may = access::may_manage_people(&caller.user, department) && access::may_grant(&caller.user, role);
    if may { Ok(()) } else { Err(Code::NotAllowed.into()) }
}

async fn known_department(app: &Shared, id: Option<Id>) -> Result<(), Problem> {
    let Some(id) = id else { return Ok(()) };
    let known = app.store.departments().await?.iter().any(|department| department.id == id);
    if known { Ok(()) } else { Err(Problem::new(Code::Invalid).about("department: ありません")) }
}
