//! What the client half of a seat hears and says: the words of `holder_cases.json`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::seats::request::Held;
use crate::seats::{TicketId, Token};

/// What both clocks of the device did since the last step, and the luck of this step.
///
/// A clock that stood still or was set back must not make the device believe for longer, so neither is trusted alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// Milliseconds that the steady clock counted.
    pub mono_ms: u64,
    /// Milliseconds that the calendar clock moved; negative when somebody set it back.
    pub wall_ms: i64,
    /// Luck of this step in thousandths, 0–999: spreads what many devices would do at the same moment.
    pub luck: u16,
}

impl Passed {
    /// Returns the longer of the two, never less than nothing.
    pub fn longest(self) -> Duration {
        Duration::from_millis(self.mono_ms.max(u64::try_from(self.wall_ms).unwrap_or(0)))
    }

    /// Returns `least` plus the lucky share of `spread`.
    pub fn spread(self, least: Duration, spread: Duration) -> Duration {
        least + spread * u32::from(self.luck.min(999)) / 1000
    }
}

/// Names one message of this device; the shell keeps one `request_id` for each number of an [`Message::Acquire`].
pub type Number = u64;

/// What happened on the device or came from the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Input {
    /// Nothing but time; due when [`super::Holding::wake_in`] is over.
    Wake,
    /// The person wants to record, recognise or edit.
    Want,
    /// The person is done: the seat goes back.
    Done,
    /// The person goes away on purpose and lets the seat be taken if somebody needs it.
    Park,
    /// The person takes the offered seat.
    Accept,
    /// The person lets the offered seat go to the next.
    Decline,
    /// The page came to the front, or the program is one that has no page.
    Shown,
    /// The page went to the back, where its timers may be throttled.
    Hidden,
    /// The system announced that it goes to sleep.
    Sleep,
    /// The system woke.
    Woke,
    /// The page or the program ends.
    Leave,
    /// The socket to the server stands.
    SocketOpen,
    /// The socket broke, or could not be opened.
    SocketClosed,
    /// The server said something.
    Heard {
        /// What it said.
        answer: Answer,
    },
}

/// What the server says, as a reply or on the socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Answer {
    /// The seat is this person's: new, joined or the same again.
    Granted {
        /// The message answered; absent where the server acted by itself.
        number: Option<Number>,
        /// The lease and what proves it.
        held: Held,
        /// Milliseconds until it ends without a sign of life.
        ttl_ms: u64,
    },
    /// A sign of life was heard.
    Alive {
        /// The message answered.
        number: Number,
        /// Milliseconds until the lease ends without another.
        ttl_ms: u64,
    },
    /// The lease of that message lives no more.
    Lapsed {
        /// The message answered.
        number: Number,
    },
    /// All seats are in use; this person stands in line.
    Queued {
        /// The message answered.
        number: Number,
        /// Names the place.
        ticket: TicketId,
        /// Place in line, from 1.
        position: u32,
    },
    /// No seat and no place in line.
    Refused {
        /// The message answered.
        number: Number,
        /// The stable code, such as `quota_group`.
        code: String,
    },
    /// A seat is free for this person for a short time.
    Offered {
        /// The lease to be, and what proves it once it is accepted.
        held: Held,
        /// Milliseconds until it goes to the next in line.
        hold_ms: u64,
    },
    /// The offer went to the next in line.
    OfferExpired {
        /// What proved the offer.
        token: Token,
    },
    /// The seat was taken back, given away, or moved to another device.
    Lost {
        /// The token that proves nothing any more.
        token: Token,
        /// The stable reason, such as `revoked`.
        reason: String,
    },
    /// The server is starting, or busy: ask again later.
    Later {
        /// The message answered.
        number: Number,
        /// Milliseconds to wait at least.
        retry_ms: u64,
    },
}

/// What the shell must do, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Output {
    /// Send this: on the socket where it stands, otherwise as a request.
    Send {
        /// What to send.
        message: Message,
    },
    /// Open the socket.
    Connect,
    /// The work may go on: protected calls carry this lease and token from now on.
    Work {
        /// The lease and what proves it.
        held: Held,
    },
    /// The editor takes no more input. Recording goes on into the buffer of the device.
    ReadOnly,
    /// Unsaved edits become a draft, now.
    KeepDraft,
    /// Show the place in line.
    ShowPlace {
        /// Place in line, from 1.
        position: u32,
    },
    /// Ask the person whether they take the seat.
    AskOffer {
        /// Milliseconds they have.
        hold_ms: u64,
    },
    /// Say that the offer is over.
    OfferOver,
    /// Say why there is no seat.
    ShowRefusal {
        /// The stable code.
        code: String,
    },
    /// Say why the seat is gone.
    ShowLoss {
        /// The stable reason.
        reason: String,
    },
}

/// What the device says to the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Message {
    /// Asks for a seat; sent again with the same number until it is answered.
    Acquire {
        /// Which request this is.
        number: Number,
    },
    /// Takes the offered seat.
    Accept {
        /// Which message this is.
        number: Number,
        /// The offered lease and what proves the offer.
        held: Held,
    },
    /// Waits no more.
    GiveUp {
        /// The place in line.
        ticket: TicketId,
    },
    /// Lets the offered seat go.
    Decline {
        /// The offered lease and what proves the offer.
        held: Held,
    },
    /// A sign of life on the socket.
    Beat {
        /// Which message this is.
        number: Number,
        /// The lease and what proves it.
        held: Held,
    },
    /// A sign of life that keeps the place in line.
    BeatWaiting {
        /// Which message this is.
        number: Number,
        /// The place in line.
        ticket: TicketId,
        /// Whether the page is seen, so that a seat can be taken without asking.
        attentive: bool,
    },
    /// A sign of life as a request, where no socket stands.
    Renew {
        /// Which message this is.
        number: Number,
        /// The lease and what proves it.
        held: Held,
    },
    /// The first word on a new socket: who speaks.
    Hello {
        /// The lease, if there is one.
        held: Option<Held>,
    },
    /// The person goes away on purpose.
    Park {
        /// The lease and what proves it.
        held: Held,
    },
    /// The device goes to sleep.
    Sleep {
        /// The lease and what proves it.
        held: Held,
    },
    /// The page ends; a page that is loaded again takes the seat up again.
    Bye {
        /// The lease, if there is one.
        held: Option<Held>,
    },
    /// Gives the seat back.
    Release {
        /// The lease and what proves it.
        held: Held,
    },
}
