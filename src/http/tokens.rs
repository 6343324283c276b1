//! Personal API tokens: what a person's programs show instead of a password.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::{Body, Caller, Path};
use super::error::{Code, Problem};
use super::session::checked_name;
use super::{Shared, access, secret};
use crate::clock::UnixMs;
use crate::store::Id;
use crate::store::sessions::{Scope, Token};

/// Most tokens of a person that work at a time.
const TOKENS_MAX: u32 = 20;
/// Longest life of a token: a year and a month to renew it in.
const LIFE_MAX: Duration = Duration::from_secs(400 * 24 * 3600);
/// What every secret begins with, so that one that leaked can be found.
const PREFIX: &str = "gjr_";

/// A token to be made.
#[derive(Deserialize, ToSchema)]
pub struct TokenInput {
    /// What it is for, 1 to 100 characters.
    name: String,
    /// What it may do.
    scopes: BTreeSet<Scope>,
    /// When it ends, in milliseconds since 1970; at most 400 days from now.
    #[schema(value_type = i64)]
    expires_at: UnixMs,
}

/// A token just made.
#[derive(Serialize, ToSchema)]
pub struct NewToken {
    /// The token.
    #[serde(flatten)]
    token: Token,
    /// What a program sends as `Authorization: Bearer …`; shown this once.
    secret: String,
}

/// Lists one's own tokens, newest first, without their secrets.
#[utoipa::path(get, path = "/v1/tokens", tag = "session",
    responses((status = 200, body = Vec<Token>), (status = 401, body = Problem)))]
pub async fn list(State(app): State<Shared>, caller: Caller) -> Result<Json<Vec<Token>>, Problem> {
    caller.require_scope(Scope::Read)?;
    Ok(Json(app.store.tokens(caller.user.id).await?))
}

/// Makes a token; only a person at a browser can, no program.
#[utoipa::path(post, path = "/v1/tokens", tag = "session", request_body = TokenInput,
    responses((status = 201, body = NewToken), (status = 403, body = Problem), (status = 409, body = Problem),
        (status = 422, body = Problem)))]
pub async fn create(
    State(app): State<Shared>,
    caller: Caller,
    Body(input): Body<TokenInput>,
) -> Result<(StatusCode, Json<NewToken>), Problem> {
    caller.session()?;
    let name = checked_name(&input.name)?;
    if input.scopes.is_empty() {
        return Err(Problem::new(Code::Invalid).about("scopes: 権限を 1 つ以上選んでください"));
    }
    if input.scopes.contains(&Scope::Administer) && !access::administrates(&caller.user) {
        return Err(Problem::new(Code::NotAllowed).about("scopes: administer は管理者だけが使えます"));
    }
    let now = app.now();
    if input.expires_at <= now || input.expires_at > now.plus(LIFE_MAX) {
        return Err(Problem::new(Code::Invalid).about("expires_at: 今から 400 日以内にしてください"));
    }
    let secret = format!("{PREFIX}{}", secret::random());
    let token = Token::new(&name, input.scopes.into_iter().collect(), Some(input.expires_at), now);
    let digest = secret::digest(&secret);
    if !app.store.add_token(caller.user.id, &token, &digest, TOKENS_MAX, &caller.actor, now).await? {
        let facts = serde_json::json!({ "tokens_max": TOKENS_MAX });
        return Err(Problem::new(Code::TooManyTokens).with(facts));
    }
    Ok((StatusCode::CREATED, Json(NewToken { token, secret })))
}

/// Revokes one of one's own tokens; it stops working at once.
#[utoipa::path(delete, path = "/v1/tokens/{id}", tag = "session", params(("id" = Id, Path)),
    responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn revoke(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<StatusCode, Problem> {
    caller.session()?;
    if !app.store.revoke_token(caller.user.id, id, &caller.actor, app.now()).await? {
        return Err(Code::NotFound.into());
    }
    Ok(StatusCode::NO_CONTENT)
}
