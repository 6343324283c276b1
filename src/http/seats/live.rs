//! The socket of a page: its pongs are signs of life, and what concerns its seat is pushed at once.
//!
//! A browser answers a ping below its scripts, so a throttled page keeps its seat. Scripts do not see pings; what a page
//! believes about its own seat comes from `beat`, and may only be shorter than what the server believes.

mod socket;
pub mod words;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use axum::response::Response;

use super::super::Shared;
use super::super::auth::{Caller, Proof};
use super::super::error::{Code, Problem};
use super::{admit, holder};
use crate::store::Id;
use socket::Socket;

/// Longest message, either way.
const FRAME_BYTES_MAX: usize = 8 << 10;
/// Bytes a socket reads at once; most messages are shorter.
const READ_BYTES: usize = 1 << 10;
/// Sockets of one person.
const SOCKETS_MAX: u32 = 4;

/// Who has sockets open, and how many.
#[derive(Debug, Clone, Default)]
pub struct Sockets(Arc<Mutex<HashMap<Id, u32>>>);

/// A socket's place among those of its person; leaving it makes room.
#[derive(Debug)]
struct Seated {
    sockets: Sockets,
    user: Id,
}

impl Sockets {
    fn open(&self, user: Id) -> Option<Seated> {
        let mut all = self.lock();
        let count = all.entry(user).or_default();
        if *count >= SOCKETS_MAX {
            return None;
        }
        *count += 1;
        Some(Seated { sockets: self.clone(), user })
    }

    /// Returns how many sockets are open.
    pub fn count(&self) -> u64 {
        self.lock().values().map(|count| u64::from(*count)).sum()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Id, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        let mut all = self.sockets.lock();
        if let Some(count) = all.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.user);
            }
        }
    }
}

/// Opens the socket of a page.
///
/// The client says `{"say":"hello","lease","token","device"}` first, then `beat {n}`, `activity`, `attentive`, `sleep`
/// and `bye`. The server pushes `offer`, `warn`, `revoked`, `moved`, `resume`, `queue` and `reservation`, each with a
/// sentence for a person, and answers a beat with `{n, ttl_ms, state}`.
#[utoipa::path(get, path = "/v1/seats/live", tag = "seats",
    responses((status = 101, description = "The socket is open"), (status = 403, body = Problem),
        (status = 426, body = Problem), (status = 429, body = Problem)))]
pub async fn live(
    State(app): State<Shared>,
    caller: Caller,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    admit(&app, &caller)?;
    let upgrade = upgrade.map_err(|_| Code::NoSocket)?;
    if !is_same_origin(&headers, &caller.proof) {
        return Err(Code::OriginForeign.into());
    }
    let seated = app.sockets.open(caller.user.id).ok_or(Code::TooManySockets)?;
    let holder = holder(&caller);
    let upgrade = upgrade
        .max_message_size(FRAME_BYTES_MAX)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_write_buffer_size(FRAME_BYTES_MAX * 16)
        // The usual 128 KiB come to more than a gigabyte when a whole office has a page open.
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0);
    Ok(upgrade.on_upgrade(move |stream| async move {
        Socket::new(&app, &caller, holder).run(stream).await;
        drop(seated);
    }))
}

/// Tells whether a page of this very server opens the socket: a browser sends its cookies for any page that asks.
///
/// A program that shows a token is no page, and says no origin.
pub(in crate::http) fn is_same_origin(headers: &HeaderMap, proof: &Proof) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = text(ORIGIN) else { return matches!(proof, Proof::Token(..)) };
    let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    host.is_some_and(|host| text(HOST).is_some_and(|own| own.eq_ignore_ascii_case(host)))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_person_has_four_sockets_and_room_again_once_one_closed() {
        let (sockets, user) = (Sockets::default(), Id::new());
        let mut open: Vec<_> = (0..4).map(|_| sockets.open(user)).collect();
        assert!(open.iter().all(Option::is_some));
        assert!(sockets.open(user).is_none());
        assert!(sockets.open(Id::new()).is_some(), "somebody else is not held up");
        open.pop();
        assert_eq!(sockets.count(), 3);
        assert!(sockets.open(user).is_some());
    }

    #[test]
    fn only_a_page_of_this_server_opens_a_socket_with_cookies() {
        let headers = |origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static("gijiroku.example:8443"));
            if let Some(origin) = origin {
                headers.insert(ORIGIN, HeaderValue::from_static(origin));
            }
            headers
        };
        let token = Proof::Token(Id::new(), Vec::new());
        for origin in ["http://gijiroku.example:8443", "https://Gijiroku.example:8443"] {
            assert!(is_same_origin(&headers(Some(origin)), &token), "{origin}");
        }
        for origin in ["https://evil.example", "null", "https://gijiroku.example", "gijiroku.example:8443"] {
            assert!(!is_same_origin(&headers(Some(origin)), &token), "{origin}");
        }
        assert!(is_same_origin(&headers(None), &token));
    }
}
