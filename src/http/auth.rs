//! Who asks: a browser's session or a program's token becomes a person. What they may do is for `access`.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::extract::{ConnectInfo, FromRequest, FromRequestParts};
use axum::http::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method};

use super::error::{Code, Problem};
use super::{Settings, Shared, access, secret};
use crate::clock::UnixMs;
use crate::store::Id;
use crate::store::audit::Actor;
use crate::store::meetings::Meeting;
use crate::store::sessions::{Scope, Session};
use crate::store::users::{Role, User};

/// The header that a browser's changing request carries.
pub const CSRF_HEADER: &str = "x-csrf-token";
/// How exactly "last used" is kept: a write a minute, not one a request.
const TOUCH_EVERY: Duration = Duration::from_secs(60);

/// JSON from a request's body.
#[derive(FromRequest)]
#[from_request(via(axum::Json), rejection(Problem))]
pub struct Body<T>(pub T);

/// Values from a request's path.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub struct Path<T>(pub T);

/// Values from a request's query.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub struct Query<T>(pub T);

/// Where a request comes from.
#[derive(Debug, Clone)]
pub struct Origin(pub IpAddr);

impl Origin {
    /// Returns somebody unknown at this address.
    pub fn stranger(&self) -> Actor {
        Actor { user: None, address: self.0.to_string() }
    }
}

impl FromRequestParts<Shared> for Origin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let peer = peer.unwrap_or(IpAddr::from([127, 0, 0, 1]));
        Ok(Self(believed(peer, &parts.headers, &app.settings)))
    }
}

/// Returns the client's address: the peer's, or what a trusted proxy says it was.
fn believed(peer: IpAddr, headers: &HeaderMap, settings: &Settings) -> IpAddr {
    if !settings.trusted_proxies.contains(&peer) {
        return peer;
    }
    let forwarded = headers.get("x-forwarded-for").and_then(|value| value.to_str().ok()).unwrap_or_default();
    // The last entry is the one our own proxy wrote; those before it anybody could have sent.
    forwarded.rsplit(',').next().and_then(|text| text.trim().parse().ok()).unwrap_or(peer)
}

/// How somebody showed who they are.
#[derive(Debug, Clone)]
pub enum Proof {
    /// A browser's session.
    Session(Box<Session>),
    /// A program's token with its scopes.
    Token(Id, Vec<Scope>),
}

impl Proof {
    /// Returns the token's name, if it is one.
    pub const fn token(&self) -> Option<Id> {
        match self {
            Self::Session(_) => None,
            Self::Token(id, _) => Some(*id),
        }
    }
}

/// Somebody who may use the product.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who.
    pub user: User,
    /// How that is known.
    pub proof: Proof,
    /// Who, for the audit log.
    pub actor: Actor,
}

impl Caller {
    /// Lets through who may read the meeting to at least this degree.
    ///
    /// Errors: [`Code::NotFound`] if it does not exist for them; [`Code::NotAllowed`] if they may less.
    pub async fn meeting(
        &self,
        app: &Shared,
        id: Id,
        needed: access::Standing,
    ) -> Result<(Meeting, access::Standing), Problem> {
        let meeting = app.store.meeting(id).await?.ok_or(Code::NotFound)?;
        let member = app.store.membership(id, self.user.id).await?;
        let standing = access::standing(&self.user, &meeting, member.as_ref());
        let binned = meeting.deleted_at.is_some() && standing < access::Standing::Manage;
        if standing == access::Standing::Nothing || binned {
            return Err(Code::NotFound.into());
        }
        if standing < needed { Err(Code::NotAllowed.into()) } else { Ok((meeting, standing)) }
    }

    /// Lets through who has one of these roles; a program also needs the scope to administer.
    pub fn require(&self, roles: &[Role]) -> Result<(), Problem> {
        self.require_scope(Scope::Administer)?;
        if roles.contains(&self.user.role) { Ok(()) } else { Err(Code::NotAllowed.into()) }
    }

    /// Lets through a browser, and a program whose token has the scope.
    pub fn require_scope(&self, scope: Scope) -> Result<(), Problem> {
        match &self.proof {
            Proof::Session(_) => Ok(()),
            Proof::Token(_, scopes) if scopes.contains(&scope) => Ok(()),
            Proof::Token(..) => Err(Code::ScopeMissing.into()),
        }
    }

    /// Returns the session of a browser.
    pub fn session(&self) -> Result<&Session, Problem> {
        match &self.proof {
            Proof::Session(session) => Ok(session),
            Proof::Token(..) => Err(Code::ScopeMissing.into()),
        }
    }
}

impl FromRequestParts<Shared> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        let caller = known(parts, app).await?;
        if caller.user.password_expired {
            return Err(Code::PasswordExpired.into());
        }
        Ok(caller)
    }
}

/// Somebody who is known, but may first have to change their password.
pub struct Known(pub Caller);

impl FromRequestParts<Shared> for Known {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        known(parts, app).await.map(Self)
    }
}

async fn known(parts: &mut Parts, app: &Shared) -> Result<Caller, Problem> {
    let origin = Origin::from_request_parts(parts, app).await?;
    let now = app.now();
    let caller = match bearer(&parts.headers) {
        Some(token) => by_token(app, token, &origin, now).await?,
        None => by_session(app, parts, &origin, now).await?,
    };
    if caller.user.disabled_at.is_some() {
        return Err(Code::SignInNeeded.into());
    }
    if !is_piece_of_upload(parts) {
        app.limits.by_account(caller.proof.token().unwrap_or(caller.user.id))?;
    }
    Ok(caller)
}

/// A recording comes in as many pieces as the line allows; slowing them down would help nobody.
fn is_piece_of_upload(parts: &Parts) -> bool {
    // POST stands in for PATCH where a network lets nothing else through.
    matches!(parts.method, Method::PATCH | Method::POST) && parts.uri.path().starts_with("/v1/uploads/")
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

async fn by_token(app: &Shared, token: &str, origin: &Origin, now: UnixMs) -> Result<Caller, Problem> {
    let (token, user) = app.store.token(&secret::digest(token)).await?.ok_or(Code::SignInNeeded)?;
    if token.expires_at.is_some_and(|end| end <= now) {
        return Err(Code::SignInNeeded.into());
    }
    if token.used_at.is_none_or(|used| now.since(used) >= TOUCH_EVERY) {
        app.store.touch_token(token.id, now).await?;
    }
    let actor = Actor { user: Some(user.id), address: origin.0.to_string() };
    Ok(Caller { user, proof: Proof::Token(token.id, token.scopes), actor })
}

async fn by_session(app: &Shared, parts: &Parts, origin: &Origin, now: UnixMs) -> Result<Caller, Problem> {
    let secret = cookie(&parts.headers, cookie_name(&app.settings)).ok_or(Code::SignInNeeded)?;
    let session = app.store.session(&secret::digest(secret)).await?.ok_or(Code::SignInNeeded)?;
    if session.expires_at <= now || now.since(session.seen_at) >= app.settings.session_idle {
        return Err(Code::SignInNeeded.into());
    }
    if changes_something(&parts.method) {
        let sent = parts.headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !secret::same(sent, &session.csrf) {
            return Err(Code::CsrfMissing.into());
        }
    }
    if now.since(session.seen_at) >= TOUCH_EVERY {
        app.store.touch_session(&session.sha256, now).await?;
    }
    let actor = Actor { user: Some(session.user.id), address: origin.0.to_string() };
    Ok(Caller { user: session.user.clone(), proof: Proof::Session(Box::new(session)), actor })
}

fn changes_something(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Returns the name of the cookie: bound to host and TLS where there is TLS.
fn cookie_name(settings: &Settings) -> &'static str {
    if settings.secure { "__Host-gijiroku" } else { "gijiroku" }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// Makes the header that gives a browser its session, or takes it away.
pub fn set_cookie(settings: &Settings, secret: Option<&str>) -> (axum::http::HeaderName, HeaderValue) {
    let (name, secure) = (cookie_name(settings), if settings.secure { "; Secure" } else { "" });
    let (value, age) = match secret {
        Some(secret) => (secret, settings.session_absolute.as_secs()),
        None => ("", 0),
    };
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{secure}");
    (
        SET_COOKIE,
        HeaderValue::from_str(&text).expect("hexadecimal digits and fixed words are a header's text"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_is_believed_about_the_address() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static("203.0.113.9, 192.0.2.7"));
        let proxy = IpAddr::from([192, 0, 2, 1]);
        let mut settings = Settings::default();
        assert_eq!(believed(proxy, &headers, &settings), proxy);
        settings.trusted_proxies.push(proxy);
        assert_eq!(believed(proxy, &headers, &settings), IpAddr::from([192, 0, 2, 7]));
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_static("a=1; gijiroku=abc; b=2"));
        assert_eq!(cookie(&headers, "gijiroku"), Some("abc"));
        assert_eq!(cookie(&headers, "giji"), None);
    }

    #[test]
    fn with_tls_the_cookie_is_bound_to_it() {
        let settings = Settings { secure: true, ..Settings::default() };
        let (_, value) = set_cookie(&settings, Some("abc"));
        let text = value.to_str().expect("it is text");
        assert!(
            text.starts_with("__Host-gijiroku=abc; Path=/; HttpOnly; SameSite=Lax")
                && text.ends_with("; Secure")
        );
    }
}
