//! What is said over a page's socket.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock::UnixMs;
use crate::seats::event::{Pushed, Warning};
use crate::seats::refusal::Lost;
use crate::seats::{LeaseId, LeaseState, Refusal, Token};

/// What a page says.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", tag = "say")]
pub enum Said {
    /// Which seat the page works on, if it has one, and where.
    Hello {
        /// The lease.
        lease: Option<LeaseId>,
        /// Its token.
        token: Option<Token>,
        /// The terminal.
        device: Uuid,
    },
    /// A sign of life that is to be answered.
    Beat {
        /// Its number, to tell answers apart.
        n: u64,
    },
    /// The person did something.
    Activity,
    /// The page is visible and was used, while it waits.
    Attentive,
    /// The device is about to fall asleep.
    Sleep,
    /// The page is being closed.
    Bye,
}

/// An answer to a beat.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Beaten {
    /// The beat's number.
    pub n: u64,
    /// How long the seat is theirs without another sign of life.
    pub ttl_ms: u64,
    /// Where it stands.
    pub state: LeaseState,
}

/// Writes that a seat is not the page's any more, or that something cannot be done.
pub fn refused(refusal: &Refusal, n: Option<u64>) -> Value {
    let facts = json!(refusal);
    let (code, sentence, sentence_en) = (refusal.code(), refusal.japanese(), refusal.english());
    json!({ "push": "refused", "n": n, "code": code, "sentence": sentence, "sentence_en": sentence_en, "facts": facts })
}

/// Writes a push, with a sentence for a person.
pub fn pushed(what: &Pushed, office: UnixMs) -> Value {
    let mut message = json!(what);
    if let (Some(message), Some(sentence)) = (message.as_object_mut(), sentence(what, office)) {
        message.insert("sentence".to_owned(), json!(sentence));
    }
    message
}

fn sentence(what: &Pushed, office: UnixMs) -> Option<String> {
    Some(match what {
        Pushed::Offer { accepted: true, .. } => "席が空きました。利用を開始しました。".to_owned(),
        Pushed::Offer { accepted: false, .. } => Refusal::SeatLost { why: Lost::NotAccepted }.japanese(),
        Pushed::Warn { of: Some(Warning::Idle), in_ms, .. } => {
            format!("操作がありません。{}以内に操作がなければ、待っている方に席を渡します。", minutes(*in_ms))
        }
        Pushed::Warn { of: Some(Warning::Lent), in_ms, .. } => {
            format!("貸出の期限です。{}後に席を返却します。編集内容は保存されます。", minutes(*in_ms))
        }
        Pushed::Warn { of: None, name: Some(name), .. } => {
            format!("{name}さんが席を待っています。席をゆずることができます。")
        }
        Pushed::Warn { of: None, name: None, .. } => {
            "席を待っている方がいます。席をゆずることができます。".to_owned()
        }
        Pushed::Revoked { reason, .. } => {
            Refusal::SeatLost { why: Lost::Ended { reason: reason.clone(), office } }.japanese()
        }
        Pushed::Moved { .. } => Refusal::SeatLost { why: Lost::Moved }.japanese(),
        Pushed::Reservation { freed: true, .. } => {
            "予約された席は、利用が始まらなかったため空きました。".to_owned()
        }
        Pushed::Reservation { freed: false, .. } => {
            "前の会議が延びているため、予約の席がまだ空いていません。".to_owned()
        }
        Pushed::Resume { .. } | Pushed::Queue => return None,
    })
}

fn minutes(ms: Option<u64>) -> String {
    format!("{}分", ms.unwrap_or_default().div_ceil(60_000))
}
