//! Signing in and out, the first administrator, passwords.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::{Body, Known, Origin, set_cookie};
use super::error::{Code, Problem};
use super::{App, Shared, secret};
use crate::clock::UnixMs;
use crate::store::audit::Actor;
use crate::store::sessions::Session;
use crate::store::users::{NewUser, Purpose, Role, User};

/// How long the first link works.
pub const SETUP_LINK_LIFE: Duration = Duration::from_secs(24 * 3600);
/// How old what a browser holds may become before it is changed.
const ROTATE_AFTER: Duration = Duration::from_secs(3600);
/// How long what was held before still works, for requests under way.
const ROTATE_GRACE: Duration = Duration::from_secs(60);
/// Longest login and longest name.
pub(super) const NAME_CHARS_MAX: usize = 100;

type Cookie = [(HeaderName, HeaderValue); 1];

/// What a person signs in with.
#[derive(Deserialize, ToSchema)]
pub struct SignIn {
    /// 利用者名
    login: String,
    /// パスワード
    password: String,
}

/// The first administrator of a new installation.
#[derive(Deserialize, ToSchema)]
pub struct Setup {
    /// What the printed link carries.
    secret: String,
    /// 部署名
    department: String,
    /// 利用者名
    login: String,
    /// 氏名
    name: String,
    /// パスワード
    password: String,
}

/// A person's own change of password.
#[derive(Deserialize, ToSchema)]
pub struct ChangePassword {
    /// The password so far.
    current: String,
    /// The password from now on.
    new: String,
}

/// A password set by a one-time link.
#[derive(Deserialize, ToSchema)]
pub struct SetPassword {
    /// What the link carries.
    secret: String,
    /// The password from now on.
    new: String,
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
pub struct SignedIn {
    /// The person.
    user: User,
    /// What changing requests must carry as `X-CSRF-Token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    csrf: Option<String>,
}

/// Makes the first department and its administrator, and signs them in.
#[utoipa::path(post, path = "/v1/setup", tag = "session", request_body = Setup, security(()),
    responses((status = 201, body = SignedIn), (status = 410, body = Problem), (status = 422, body = Problem)))]
pub async fn setup(
    State(app): State<Shared>,
    origin: Origin,
    Body(setup): Body<Setup>,
) -> Result<(StatusCode, Cookie, Json<SignedIn>), Problem> {
    app.limits.from_address(origin.0)?;
    let login = checked_login(&setup.login)?;
    let name = checked_name(&setup.name)?;
    let department = checked_name(&setup.department)?;
    check_password(&app, &setup.password, &login)?;
    if app.store.has_users().await? {
        return Err(Code::LinkUsed.into());
    }
    let password = app.hasher.hash(setup.password).await?;
    let now = app.now();
    app.store.use_link(&secret::digest(&setup.secret), Purpose::Setup, now).await?.ok_or(Code::LinkUsed)?;
    let stranger = origin.stranger();
    let department = app.store.add_department(&department, None, &stranger, now).await?;
    let role = Role::Administrator;
    let new = NewUser {
        login,
        name,
        department: department.id,
        role,
        password: Some(password),
        password_expired: false,
        room: false,
    };
    let user = app.store.add_user(&new, &stranger, now).await?;
    if let Err(error) = app.store.add_sample((&app.blobs, app.staging.folder()), &user, &stranger, now).await
    {
        let error: &dyn std::error::Error = &error;
        tracing::warn!(error, "the sample meeting could not be made; everything else works");
    }
    let (cookie, signed_in) = begin(&app, user, &origin, now).await?;
    Ok((StatusCode::CREATED, cookie, Json(signed_in)))
}

/// Signs a person in.
#[utoipa::path(post, path = "/v1/session", tag = "session", request_body = SignIn, security(()),
    responses((status = 201, body = SignedIn), (status = 401, body = Problem), (status = 429, body = Problem)))]
pub async fn sign_in(
    State(app): State<Shared>,
    origin: Origin,
    Body(sign_in): Body<SignIn>,
) -> Result<(StatusCode, Cookie, Json<SignedIn>), Problem> {
    if sign_in.password.len() > secret::PASSWORD_BYTES_MAX {
        return Err(Code::SignInRefused.into());
    }
    let (login, now) = (sign_in.login.trim().to_lowercase(), app.now());
    app.limits.from_address(origin.0)?;
    app.limits.for_login(&login)?;
    let credentials = app.store.credentials(&login).await?;
    let locked_until = credentials.as_ref().and_then(|found| found.user.locked_until);
    if let Some(until) = locked_until.filter(|until| *until > now) {
        return Err(Problem::new(Code::AccountLocked).retry_after(until.since(now).as_secs() + 1));
    }
    let hash = credentials.as_ref().and_then(|found| found.password.clone());
    let fits = app.hasher.check(sign_in.password, hash).await?;
    let Some(found) = credentials else { return Err(Code::SignInRefused.into()) };
    if !fits || found.user.disabled_at.is_some() {
        let (failures_max, until) = (app.settings.lockout_failures, now.plus(app.settings.lockout));
        app.store.sign_in_failed(found.user.id, failures_max, until, &origin.stranger(), now).await?;
        return Err(Code::SignInRefused.into());
    }
    let (cookie, signed_in) = begin(&app, found.user, &origin, now).await?;
    Ok((StatusCode::CREATED, cookie, Json(signed_in)))
}

async fn begin(app: &App, user: User, origin: &Origin, now: UnixMs) -> Result<(Cookie, SignedIn), Problem> {
    let (secret, csrf) = (secret::random(), secret::random());
    let session = Session {
        sha256: secret::digest(&secret),
        user,
        csrf,
        seen_at: now,
        rotated_at: now,
        expires_at: now.plus(app.settings.session_absolute),
    };
    let actor = Actor { user: Some(session.user.id), address: origin.0.to_string() };
    app.store.begin_session(&session, &actor, now).await?;
    let signed_in = SignedIn { user: session.user, csrf: Some(session.csrf) };
    Ok(([set_cookie(&app.settings, Some(&secret))], signed_in))
}

/// Tells who is signed in; what the browser holds is changed when it is old.
#[utoipa::path(get, path = "/v1/session", tag = "session",
    responses((status = 200, body = SignedIn), (status = 401, body = Problem)))]
pub async fn who_am_i(
    State(app): State<Shared>,
    Known(caller): Known,
) -> Result<(Option<Cookie>, Json<SignedIn>), Problem> {
    let Ok(session) = caller.session() else {
        return Ok((None, Json(SignedIn { user: caller.user, csrf: None })));
    };
    let now = app.now();
    let signed_in = Json(SignedIn { user: caller.user.clone(), csrf: Some(session.csrf.clone()) });
    if now.since(session.rotated_at) < ROTATE_AFTER {
        return Ok((None, signed_in));
    }
    let secret = secret::random();
    let grace_until = now.plus(ROTATE_GRACE).min(session.expires_at);
    app.store.rotate_session(&session.sha256, &secret::digest(&secret), grace_until, now).await?;
    Ok((Some([set_cookie(&app.settings, Some(&secret))]), signed_in))
}

/// Signs out.
#[utoipa::path(delete, path = "/v1/session", tag = "session",
    responses((status = 204), (status = 401, body = Problem)))]
pub async fn sign_out(
    State(app): State<Shared>,
    Known(caller): Known,
) -> Result<(StatusCode, Cookie), Problem> {
    app.store.end_session(caller.session()?, &caller.actor, app.now()).await?;
    Ok((StatusCode::NO_CONTENT, [set_cookie(&app.settings, None)]))
}

/// Changes one's own password; every other session of the person ends.
#[utoipa::path(put, path = "/v1/session/password", tag = "session", request_body = ChangePassword,
    responses((status = 204), (status = 401, body = Problem), (status = 422, body = Problem)))]
pub async fn change_password(
    State(app): State<Shared>,
    Known(caller): Known,
    Body(change): Body<ChangePassword>,
) -> Result<StatusCode, Problem> {
    let session = caller.session()?;
    check_password(&app, &change.new, &caller.user.login)?;
    app.limits.for_login(&caller.user.login)?;
    let found = app.store.credentials(&caller.user.login).await?.ok_or(Code::SignInNeeded)?;
    if !app.hasher.check(change.current, found.password).await? {
        let (failures_max, until) = (app.settings.lockout_failures, app.now().plus(app.settings.lockout));
        app.store.sign_in_failed(caller.user.id, failures_max, until, &caller.actor, app.now()).await?;
        return Err(Code::SignInRefused.into());
    }
    let hash = app.hasher.hash(change.new).await?;
    let keep = Some(session.sha256.as_str());
    app.store.set_password(caller.user.id, &hash, keep, &caller.actor, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sets a password by a one-time link that an administrator made; every session of the person ends.
#[utoipa::path(post, path = "/v1/password", tag = "session", request_body = SetPassword, security(()),
    responses((status = 204), (status = 410, body = Problem), (status = 422, body = Problem)))]
pub async fn set_password(
    State(app): State<Shared>,
    origin: Origin,
    Body(set): Body<SetPassword>,
) -> Result<StatusCode, Problem> {
    app.limits.from_address(origin.0)?;
    let digest = secret::digest(&set.secret);
    // Before the hash, which costs: a link that does not work is refused for nothing.
    let user = app.store.link_user(&digest, app.now()).await?.ok_or(Code::LinkUsed)?;
    check_password(&app, &set.new, &user.login)?;
    let hash = app.hasher.hash(set.new).await?;
    if !app.store.set_password_by_link(&digest, user.id, &hash, &origin.stranger(), app.now()).await? {
        return Err(Code::LinkUsed.into());
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Checks a password against the rules.
pub(super) fn check_password(app: &App, password: &str, login: &str) -> Result<(), Problem> {
    let too_short = password.chars().count() < app.settings.password_chars_min;
    if too_short || password.len() > secret::PASSWORD_BYTES_MAX || password.to_lowercase() == login {
        let facts = serde_json::json!({ "chars_min": app.settings.password_chars_min });
        return Err(Problem::new(Code::PasswordWeak).with(facts));
    }
    Ok(())
}

/// Takes what a person types to sign in: case and outer spaces do not matter.
pub fn checked_login(login: &str) -> Result<String, Problem> {
    let login = login.trim().to_lowercase();
    let fine = |ch: char| ch.is_ascii_alphanumeric() || "._-@".contains(ch);
    if login.is_empty() || login.len() > NAME_CHARS_MAX || !login.chars().all(fine) {
        return Err(Problem::new(Code::Invalid).about("login: 半角英数字と . _ - @ で 100 文字まで"));
    }
    Ok(login)
}

/// Takes a name of a person or a department.
pub fn checked_name(name: &str) -> Result<String, Problem> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return Err(Problem::new(Code::Invalid).about("name: 1 文字から 100 文字まで"));
    }
    Ok(name.to_owned())
}
