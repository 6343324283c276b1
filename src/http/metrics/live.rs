//! Figures about live meetings.

use super::super::Shared;
use crate::store::live::event::Recognition;

const LIVES: &str = "gijiroku_live_meetings";
const CAPTIONED: &str = "gijiroku_live_captioned";
const LAG: &str = "gijiroku_live_lag_seconds";
const LAG_MAX: &str = "gijiroku_live_lag_seconds_max";
const MICROPHONES: &str = "gijiroku_live_microphones";
const VIEWERS: &str = "gijiroku_live_viewers";
/// Rooms that are told apart; more are in the maximum only.
const ROOMS_MAX: usize = 16;

/// Says what the figures mean.
pub fn describe() {
    metrics::describe_gauge!(LIVES, "Meetings that are being recorded");
    metrics::describe_gauge!(CAPTIONED, "Those of them that have captions now");
    metrics::describe_gauge!(LAG, "By how much captions are behind, the longest recorded meeting first");
    metrics::describe_gauge!(LAG_MAX, "By how much captions are behind at most");
    metrics::describe_gauge!(MICROPHONES, "Microphones that are connected");
    metrics::describe_gauge!(VIEWERS, "Screens that show captions");
}

/// Tells the figures of now.
pub fn tell(app: &Shared) {
    let mut rooms = app.live.rooms();
    rooms.retain(|room| room.phase().is_open() && !room.kind.is_door);
    rooms.reverse();
    let lags: Vec<f64> = rooms.iter().map(|room| room.status().lag_ms as f64 / 1_000.0).collect();
    for number in 0..ROOMS_MAX {
        // A place that nobody has any more is not behind.
        let lag = lags.get(number).copied().unwrap_or(0.0);
        metrics::gauge!(LAG, "room" => (number + 1).to_string()).set(lag);
    }
    metrics::gauge!(LAG_MAX).set(lags.iter().copied().fold(0.0, f64::max));
    let captioned = rooms.iter().filter(|room| room.status().recognition == Recognition::Running);
    metrics::gauge!(CAPTIONED).set(captioned.count() as f64);
    let streams = rooms.iter().flat_map(|room| room.streams());
    let connected = streams.filter(|stream| stream.progress().connected);
    metrics::gauge!(MICROPHONES).set(connected.count() as f64);
    metrics::gauge!(VIEWERS).set(rooms.iter().map(|room| room.listeners()).sum::<usize>() as f64);
    metrics::gauge!(LIVES).set(rooms.len() as f64);
}
