//! Who may have a seat: licence, rules, and the decision with its evidence.

use serde::{Deserialize, Serialize};

use super::reservation::ReservationId;
use super::{Class, Holder, PoolId, Refusal};
use crate::clock::UnixMs;

/// What the licence allows today; computed from the files by the shell.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Licence {
    /// The pools it names.
    pub pools: Vec<Licensed>,
    /// Why nothing new may be granted; none if it may.
    pub bar: Option<Bar>,
}

/// What the licence allows of one pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Licensed {
    /// The pool.
    pub pool: PoolId,
    /// N: how many seats.
    pub seats: u32,
    /// What a disaster allows.
    pub burst: Option<BurstTerms>,
}

/// What a disaster allows: the seats times `times`, for `days` days of a fiscal year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BurstTerms {
    /// How many times the seats; 2 doubles them.
    pub times: u32,
    /// On how many JST days of a fiscal year.
    pub days: u32,
}

/// Why the licence lets nothing new begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "bar")]
pub enum Bar {
    /// There is none.
    None,
    /// It begins later.
    NotStarted {
        /// The file.
        file: String,
        /// Its first moment.
        from: UnixMs,
    },
    /// It is over, its days of grace too.
    Ended {
        /// The file.
        file: String,
        /// Its last moment.
        to: UnixMs,
    },
    /// The server is another one than the file is for.
    HostUnbound {
        /// How many parts match.
        matched: u32,
        /// How many have to.
        needed: u32,
    },
}

/// Whom a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// Everyone.
    Everyone,
    /// One person or room.
    Holder(Holder),
    /// A department (所属).
    Department(String),
    /// A group of the directory.
    Group(String),
}

/// What a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// They may not use this kind of seat.
    Exclude,
    /// 上限: together they may use so many.
    Quota(u32),
    /// 確保枠: so many are kept for them, and lent while they do not need them.
    Guarantee(u32),
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name, shown as evidence.
    pub id: String,
    /// For which seats.
    pub pool: PoolId,
    /// About whom.
    pub who: Who,
    /// What it says.
    pub what: What,
}

/// The rules of the office.
///
/// Range: at most [`RULES_MAX`] rules.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rules {
    /// The rules; where several speak, exclusion wins, and each quota counts.
    pub list: Vec<Rule>,
    /// Whom a refused person may ask, such as 情報担当(内線1234).
    pub contact: String,
}

/// How many rules there may be.
pub const RULES_MAX: usize = 4_000;

/// One thing that was looked at, and what it said; `explain` prints the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "looked_at")]
pub enum Evidence {
    /// Whether they have a seat already.
    SameHolder {
        /// They do.
        found: bool,
    },
    /// The licence.
    Licence {
        /// It lets new work begin.
        allows: bool,
    },
    /// An exclusion that is about them.
    Excluded {
        /// The rule.
        rule: String,
    },
    /// A quota that counts them.
    Quota {
        /// The rule.
        rule: String,
        /// How many of it are in use.
        used: u32,
        /// How many there may be.
        max: u32,
    },
    /// The line.
    Line {
        /// How many wait who could be served now.
        ahead: u32,
    },
    /// A reservation that is theirs.
    OwnReservation {
        /// Which.
        reservation: ReservationId,
        /// How many of its seats are not taken.
        left: u32,
    },
    /// A guarantee that is theirs.
    OwnGuarantee {
        /// The rule.
        rule: String,
        /// How many of its seats are not taken.
        left: u32,
    },
    /// The seats.
    Seats {
        /// In use, held offers and lent seats included.
        live: u32,
        /// How many there are, an open burst included.
        capacity: u32,
        /// How many are kept for others.
        held: u32,
    },
    /// Seats that can be taken at once.
    Takeable {
        /// How many: lapsed or closed, parked, and idle after their warning.
        seats: u32,
    },
}

/// Which seat was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeatFrom {
    /// A free one.
    Free,
    /// One kept for them.
    Kept,
    /// One kept for others, lent.
    Lent,
}

/// What a decision comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// They have one already.
    Has,
    /// They get one.
    Grant(SeatFrom),
    /// They wait.
    Queue,
    /// They do not.
    Deny(Box<Refusal>),
}

/// A decision and everything it rests on, in the order it was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What it comes to.
    pub verdict: Verdict,
    /// Why.
    pub evidence: Vec<Evidence>,
}

/// How urgent somebody's wait is after a while: one class up for each aging period.
pub fn aged(class: Class, periods: u64) -> Class {
    let raised = class as u64 + periods;
    match raised {
        0 => Class::Batch,
        1 => Class::Normal,
        2 => Class::Assembly,
        _ => Class::Disaster,
    }
}
