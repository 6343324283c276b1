//! Captions for whoever has the link, inside the house: no account, no seat, nothing but the captions.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::Shared;
use super::super::auth::{Origin, Path, Query};
use super::super::error::{Code, Problem};
use super::captions::{AfterQuery, MESSAGE_BYTES_MAX, seen};
use super::viewer::Viewer;
use crate::store::live::event::{Numbered, Snapshot};
use crate::store::live::{CaptionWish, Room};

/// Characters of the secret part of a link: 64 bits.
pub(super) const CODE_CHARS: usize = 16;
/// White border of a QR code. Units: modules.
const QUIET: usize = 4;

/// What somebody sees who has the link.
#[derive(Serialize, ToSchema)]
pub struct PublicView {
    /// 会議名
    title: String,
    /// The name of the room.
    room: String,
    /// What is wished for its captions.
    captions: CaptionWish,
    /// What was said so far.
    snapshot: Snapshot,
}

/// Returns the path of the page for people without an account.
pub(super) fn page(code: &str) -> String {
    format!("/captions/{code}")
}

/// Draws a QR code as an SVG picture; nothing if the text is too long for one.
pub(super) fn qr(text: &str) -> Option<String> {
    let code = qrcode::QrCode::new(text).ok()?;
    let (width, side) = (code.width(), code.width() + 2 * QUIET);
    let mut path = String::new();
    for (at, color) in code.to_colors().into_iter().enumerate() {
        if color == qrcode::Color::Dark {
            let (x, y) = (at % width + QUIET, at / width + QUIET);
            write!(path, "M{x} {y}h1v1h-1z").ok()?;
        }
    }
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
         <rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/><path d=\"{path}\"/></svg>"
    ))
}

/// Lets through who has the link and is inside the house.
fn admitted(app: &Shared, origin: &Origin, code: &str) -> Result<Arc<Room>, Problem> {
    if !is_house(origin.0) {
        return Err(Code::OutsideHouse.into());
    }
    app.live.room_by_code(code).ok_or_else(|| Code::NotFound.into())
}

/// Tells an address that no packet from the internet carries.
fn is_house(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

/// Shows what was said so far to whoever has the link.
#[utoipa::path(get, operation_id = "public_read", path = "/v1/captions/{code}", tag = "live", security(()), params(("code" = String, Path)),
    responses((status = 200, body = PublicView), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn read(
    State(app): State<Shared>,
    origin: Origin,
    Path(code): Path<String>,
) -> Result<Json<PublicView>, Problem> {
    let room = admitted(&app, &origin, &code)?;
    let meeting = app.store.meeting(room.kind.meeting).await?.ok_or(Code::NotFound)?;
    let (title, captions) = (meeting.title, room.kind.wish);
    Ok(Json(PublicView { title, room: room.kind.room.clone(), captions, snapshot: room.snapshot() }))
}

/// Tells captions through a socket to whoever has the link.
#[utoipa::path(get, operation_id = "public_socket", path = "/v1/captions/{code}/live", tag = "live", security(()),
    params(("code" = String, Path), AfterQuery),
    responses((status = 101, description = "The socket is open"), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 426, body = Problem), (status = 429, body = Problem)))]
pub async fn socket(
    State(app): State<Shared>,
    origin: Origin,
    Path(code): Path<String>,
    Query(query): Query<AfterQuery>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let room = admitted(&app, &origin, &code)?;
    let upgrade = upgrade.map_err(|_| Code::NoSocket)?;
    let viewer = Viewer::new(room, query.after, Some(code))?;
    Ok(upgrade.max_message_size(MESSAGE_BYTES_MAX).on_upgrade(|socket| viewer.serve(socket)))
}

/// Tells captions as server-sent events to whoever has the link.
#[utoipa::path(get, operation_id = "public_events", path = "/v1/captions/{code}/events", tag = "live", security(()),
    params(("code" = String, Path), AfterQuery),
    responses((status = 200, content_type = "text/event-stream", body = Numbered), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 429, body = Problem)))]
pub async fn events(
    State(app): State<Shared>,
    origin: Origin,
    Path(code): Path<String>,
    Query(query): Query<AfterQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let room = admitted(&app, &origin, &code)?;
    Ok(Viewer::new(room, seen(&headers, query.after), Some(code))?.sse().into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_is_what_no_packet_from_the_internet_can_come_from() {
        for inside in
            ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.9", "::1", "fd00::1", "::ffff:10.0.0.1"]
        {
            assert!(is_house(inside.parse().expect("it is an address")), "{inside}");
        }
        for outside in ["203.0.113.9", "172.32.0.1", "2001:db8::1", "::ffff:8.8.8.8"] {
            assert!(!is_house(outside.parse().expect("it is an address")), "{outside}");
        }
    }

    #[test]
    fn a_qr_code_is_a_picture_with_a_border_all_around() {
        let picture = qr("http://192.168.0.9:8080/captions/0123456789abcdef").expect("it fits");
        assert!(picture.starts_with("<svg") && picture.ends_with("</svg>"));
        assert!(picture.contains("M4 4h1v1h-1z") && !picture.contains("M3 "));
    }
}
