//! What the installed licences amount to on a day: how many seats, whether new ones are given, what to tell people.
//!
//! **Grace without counting twice.** A file that is over still counts for its `grace_days`, but only as part of what was
//! in force on its last day: the next year's file takes its place and is never added to it.

#[cfg(test)]
mod tests;

use super::day::Day;
use super::host::{HostHash, UNBOUND_DAYS};
use super::{Kind, Licence, LicenceId};

/// The kind of seats that everybody has without a licence.
pub const EVALUATION_FEATURE: &str = "standard";
/// Seats without a licence. They have no last day.
pub const EVALUATION_SEATS: u32 = 5;
/// How long before the end people are told, in days: first, again, at last.
pub const NOTICE_DAYS: [u32; 3] = [60, 30, 7];

/// A file that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// What it says.
    pub licence: Licence,
    /// The first day on which its host was found changed; none while the host fits.
    pub unbound_since: Option<Day>,
}

/// Whether a file counts, and why not otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It counts.
    Counts,
    /// It is over, and counts until the end of its grace.
    InGrace {
        /// The last day with new seats.
        until: Day,
    },
    /// Its first day is yet to come.
    NotStarted {
        /// Its first day.
        from: Day,
    },
    /// It is over.
    Ended {
        /// Its last day.
        last: Day,
    },
    /// Another file stands in its place.
    Replaced {
        /// That file.
        by: LicenceId,
    },
    /// The host changed, and the time to ask for a new file is over.
    HostUnbound(Match),
}

/// How much of a host is as a licence says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// Hashes that fit.
    pub matched: u8,
    /// Hashes that must fit.
    pub k: u8,
    /// Hashes of one host.
    pub n: u8,
}

/// One file today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStanding {
    /// The file.
    pub id: LicenceId,
    /// Its number.
    pub seq: u32,
    /// Whether it counts.
    pub status: Status,
    /// How much of the host fits; none if it is bound to no host.
    pub host: Option<Match>,
}

/// Why no new seat of a kind is given. What is in use goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantRefusal {
    /// No file ever had seats of this kind.
    None,
    /// Files with such seats begin later.
    NotStarted {
        /// The first day.
        from: Day,
    },
    /// Files with such seats are over.
    Ended {
        /// The last day.
        last: Day,
    },
    /// The host changed too long ago.
    HostUnbound(Match),
}

impl GrantRefusal {
    /// Returns the stable word for the wire.
    pub const fn code(self) -> &'static str {
        match self {
            Self::None => "licence_none",
            Self::NotStarted { .. } => "licence_not_started",
            Self::Ended { .. } => "licence_ended",
            Self::HostUnbound(_) => "host_unbound",
        }
    }

    /// Says what a clerk reads.
    pub fn sentence(self) -> String {
        const GOES_ON: &str = "利用中の作業は続けられます。";
        match self {
            Self::None => {
                format!("この席の種類のライセンスがありません。{GOES_ON}管理者に連絡してください。")
            }
            Self::NotStarted { from } => {
                format!("ライセンスの開始日({})より前のため新しく開始できません。{GOES_ON}", from.in_words())
            }
            Self::Ended { last } => {
                format!("ライセンスの期限({})が過ぎたため新しく開始できません。{GOES_ON}", last.in_words())
            }
            Self::HostUnbound(host) => format!(
                "サーバの構成が変わったため新しく開始できません({}項目のうち一致{}、必要{})。{GOES_ON}\
                 管理者が再発行を申請する必要があります。",
                host.n, host.matched, host.k
            ),
        }
    }
}

/// Extra seats for disasters, as all files together allow them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BurstTerms {
    /// Seats beside the usual ones while it is open.
    pub seats: u32,
    /// On how many days a year it may be open: the fewest that any of the files allows.
    pub days: u32,
}

/// Seats of one kind today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolStanding {
    /// The kind.
    pub feature: String,
    /// How many; 0 when no file counts.
    pub seats: u32,
    /// Extra seats for disasters.
    pub burst: Option<BurstTerms>,
    /// Why no new ones are given, if none are.
    pub refusal: Option<GrantRefusal>,
}

/// What people should be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// A licence ends and no other one takes its place in full.
    EndsSoon {
        /// Its last day.
        last: Day,
        /// How many days are left; 0 on the last day.
        days_left: u32,
        /// Which of the notices it is: 60, 30 or 7.
        stage: u32,
    },
    /// A licence is over, and new seats are given for a few days more.
    InGrace {
        /// Its last day.
        last: Day,
        /// The last day with new seats.
        until: Day,
    },
    /// The host is not the one that the licence names.
    HostChanged {
        /// How much of it fits.
        host: Match,
        /// Days of full service left.
        days_left: u32,
    },
}

impl Notice {
    /// Says what happened and what to do.
    pub fn sentence(self) -> String {
        match self {
            Self::EndsSoon { last, days_left: 0, .. } => {
                format!("ライセンスの期限は本日({})です。更新の手続をしてください。", last.in_words())
            }
            Self::EndsSoon { last, days_left, .. } => format!(
                "ライセンスの期限は{}です(残り{days_left}日)。更新の手続をしてください。",
                last.in_words()
            ),
            Self::InGrace { last, until } => format!(
                "ライセンスの期限({})が過ぎました。{}までは新しく開始できます。更新の手続をしてください。",
                last.in_words(),
                until.in_words()
            ),
            Self::HostChanged { host, days_left } => format!(
                "サーバの構成が変わりました({}項目のうち一致{}、必要{})。再発行の申請が必要です(残り{days_left}日)。",
                host.n, host.matched, host.k
            ),
        }
    }
}

/// What the installed licences amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// 評価用 or 契約.
    pub kind: Kind,
    /// Whose licences they are; none without a licence.
    pub customer: Option<String>,
    /// Seats by kind, in the order of their names.
    pub pools: Vec<PoolStanding>,
    /// Every file and whether it counts, in the order of their numbers.
    pub files: Vec<FileStanding>,
    /// What people should be told.
    pub notices: Vec<Notice>,
}

impl Standing {
    /// Returns the seats of one kind.
    pub fn pool(&self, feature: &str) -> Option<&PoolStanding> {
        self.pools.iter().find(|pool| pool.feature == feature)
    }

    /// Tells whether new seats of a kind may be given.
    ///
    /// Errors: why not.
    pub fn may_grant(&self, feature: &str) -> Result<(), GrantRefusal> {
        self.pool(feature).map_or(Err(GrantRefusal::None), |pool| pool.refusal.map_or(Ok(()), Err))
    }
}

/// Returns what the installed licences amount to on a day, on this host.
pub fn standing(today: Day, installed: &[Installed], host: &[HostHash]) -> Standing {
    let mut files: Vec<File<'_>> =
        installed.iter().map(|file| File::look(file, installed, host, today)).collect();
    files.sort_by(|left, right| {
        (left.licence.seq, &left.licence.id).cmp(&(right.licence.seq, &right.licence.id))
    });
    let mut features: Vec<&str> = Vec::new();
    for pool in files.iter().flat_map(|file| &file.licence.pools) {
        features.push(&pool.feature);
    }
    // Whoever installs the first file early keeps what everybody has until it begins.
    let is_evaluation = files.iter().all(|file| file.licence.first() > today);
    if is_evaluation {
        features.push(EVALUATION_FEATURE);
    }
    features.sort_unstable();
    features.dedup();
    let mut pools: Vec<PoolStanding> = features.iter().map(|feature| pool(&files, feature, today)).collect();
    if let Some(pool) = pools.iter_mut().find(|pool| is_evaluation && pool.feature == EVALUATION_FEATURE) {
        (pool.seats, pool.refusal) = (EVALUATION_SEATS, None);
    }
    Standing {
        kind: kind(&files, today),
        customer: files.last().map(|file| file.licence.customer.clone()),
        pools,
        notices: notices(&files, &features, today),
        files: files.iter().map(File::standing).collect(),
    }
}

/// Decides by the files that count; where none does, by all that have begun: a contract that ended is no trial.
fn kind(files: &[File<'_>], today: Day) -> Kind {
    let begun = || files.iter().filter(|file| file.licence.first() <= today);
    let has_living = begun().any(File::is_alive);
    let mut deciding = begun().filter(|file| !has_living || file.is_alive());
    if deciding.any(|file| file.licence.kind == Kind::Contract) { Kind::Contract } else { Kind::Evaluation }
}

/// Returns how many seats of a kind the licences give on a day, on a host that fits all of them.
pub fn seats_on(day: Day, installed: &[Installed], feature: &str) -> u32 {
    let files: Vec<File<'_>> = installed.iter().map(|file| File::bare(file, installed, day)).collect();
    total(&files, feature, day).0
}

/// A file with what today makes of it.
struct File<'a> {
    licence: &'a Licence,
    status: Status,
    host: Option<Match>,
    /// Days of full service left to a host that does not fit.
    unbound_days_left: Option<u32>,
}

impl<'a> File<'a> {
    /// Looks at a file's days only.
    fn bare(file: &'a Installed, installed: &[Installed], today: Day) -> Self {
        let licence = &file.licence;
        let newer =
            installed.iter().map(|other| &other.licence).filter(|other| other.replaces(licence, today));
        let status = if let Some(other) = newer.max_by_key(|other| other.seq) {
            Status::Replaced { by: other.id.clone() }
        } else if today < licence.first() {
            Status::NotStarted { from: licence.first() }
        } else if today <= licence.last() {
            Status::Counts
        } else if today <= licence.grace_until() {
            Status::InGrace { until: licence.grace_until() }
        } else {
            Status::Ended { last: licence.last() }
        };
        Self { licence, status, host: None, unbound_days_left: None }
    }

    /// Looks at a file's days and its host.
    fn look(file: &'a Installed, installed: &[Installed], host: &[HostHash], today: Day) -> Self {
        let mut looked = Self::bare(file, installed, today);
        let Some(bind) = &file.licence.bind else { return looked };
        let found = Match { matched: bind.matched(host), k: bind.k, n: bind.n };
        looked.host = Some(found);
        if bind.fits(host) {
            return looked;
        }
        // A host that was never seen to differ begins its days now; a clock that went back gives none beyond the 30.
        let since = file.unbound_since.map_or(0, |since| u32::try_from(since.days_until(today)).unwrap_or(0));
        let days_left = UNBOUND_DAYS.saturating_sub(since);
        looked.unbound_days_left = Some(days_left);
        if days_left == 0 && matches!(looked.status, Status::Counts | Status::InGrace { .. }) {
            looked.status = Status::HostUnbound(found);
        }
        looked
    }

    fn standing(&self) -> FileStanding {
        let (id, seq) = (self.licence.id.clone(), self.licence.seq);
        FileStanding { id, seq, status: self.status.clone(), host: self.host }
    }

    /// Tells whether the file may be counted today, be it as part of a day before.
    const fn is_alive(&self) -> bool {
        matches!(self.status, Status::Counts | Status::InGrace { .. })
    }
}

/// Returns the seats of a kind today, and the extra ones.
///
/// Each file in grace is counted with those that were in force on its last day; the largest sum is it, so that no sum
/// is ever larger than what was in force at one time.
fn total(files: &[File<'_>], feature: &str, today: Day) -> (u32, Option<BurstTerms>) {
    let in_grace = files.iter().filter(|file| matches!(file.status, Status::InGrace { .. }));
    let days = std::iter::once(today).chain(in_grace.map(|file| file.licence.last()));
    let sum = |day: Day| {
        let in_force = files
            .iter()
            .filter(|file| file.is_alive() && file.licence.first() <= day && day <= file.licence.last());
        let terms: Vec<_> = in_force.filter_map(|file| file.licence.pool(feature)).collect();
        let seats = terms.iter().fold(0_u32, |sum, pool| sum.saturating_add(pool.seats));
        let bursts = terms.iter().filter_map(|pool| pool.burst.map(|burst| (pool.seats, burst)));
        let burst = bursts.fold(None, |sum: Option<BurstTerms>, (seats, burst)| {
            let extra = seats.saturating_mul(burst.x.saturating_sub(1));
            let (before, days) = sum.map_or((0, burst.days), |sum| (sum.seats, sum.days.min(burst.days)));
            Some(BurstTerms { seats: before.saturating_add(extra), days })
        });
        (seats, burst)
    };
    days.map(sum).max_by_key(|(seats, _)| *seats).unwrap_or((0, None))
}

fn pool(files: &[File<'_>], feature: &str, today: Day) -> PoolStanding {
    let (seats, burst) = total(files, feature, today);
    let refusal = (seats == 0).then(|| refusal(files, feature));
    PoolStanding { feature: feature.to_owned(), seats, burst, refusal }
}

/// Says why there are no seats: what the office can change first comes first.
fn refusal(files: &[File<'_>], feature: &str) -> GrantRefusal {
    let with = || files.iter().filter(|file| file.licence.pool(feature).is_some());
    let unbound = with().find_map(|file| {
        let Status::HostUnbound(host) = file.status else { return None };
        Some(GrantRefusal::HostUnbound(host))
    });
    let from = with().filter_map(|file| {
        let Status::NotStarted { from } = file.status else { return None };
        Some(from)
    });
    let last = with().map(|file| file.licence.last()).max();
    unbound
        .or_else(|| from.min().map(|from| GrantRefusal::NotStarted { from }))
        .or_else(|| last.map(|last| GrantRefusal::Ended { last }))
        .unwrap_or(GrantRefusal::None)
}

fn notices(files: &[File<'_>], features: &[&str], today: Day) -> Vec<Notice> {
    let mut notices = Vec::new();
    let hosts = files.iter().filter(|file| file.is_alive() || matches!(file.status, Status::HostUnbound(_)));
    let changed = hosts.filter_map(|file| Some((file.unbound_days_left?, file.host?)));
    if let Some((days_left, host)) = changed.min_by_key(|(days_left, _)| *days_left) {
        notices.push(Notice::HostChanged { host, days_left });
    }
    if let Some(notice) = grace_notice(files, features, today) {
        notices.push(notice);
    }
    let lasts = files.iter().filter(|file| file.status == Status::Counts).map(|file| file.licence.last());
    let ends = lasts.filter(|last| features.iter().any(|feature| shrinks(files, feature, *last))).min();
    let left = ends.and_then(|last| Some((last, u32::try_from(today.days_until(last)).ok()?)));
    if let Some((last, days_left)) = left
        && let Some(stage) = NOTICE_DAYS.iter().rev().find(|stage| days_left <= **stage)
    {
        notices.push(Notice::EndsSoon { last, days_left, stage: *stage });
    }
    notices
}

/// Tells about the grace only if it makes a difference: a file that the next one followed in full is no news.
fn grace_notice(files: &[File<'_>], features: &[&str], today: Day) -> Option<Notice> {
    let is_short = |feature: &&str| total(files, feature, today).0 > valid(files, feature, today);
    features.iter().find(|feature| is_short(feature))?;
    let in_grace = files.iter().filter_map(|file| {
        let Status::InGrace { until } = file.status else { return None };
        Some((until, file.licence.last()))
    });
    in_grace.min().map(|(until, last)| Notice::InGrace { last, until })
}

/// Tells whether there are fewer seats of a kind on the day after `last` than on it, with all that is installed now.
fn shrinks(files: &[File<'_>], feature: &str, last: Day) -> bool {
    valid(files, feature, last.plus(1)) < valid(files, feature, last)
}

/// Counts the seats of a kind on a day, today or later, without any grace.
fn valid(files: &[File<'_>], feature: &str, day: Day) -> u32 {
    let is_replaced = |licence: &Licence| files.iter().any(|other| other.licence.replaces(licence, day));
    let in_force = files
        .iter()
        .filter(|file| !matches!(file.status, Status::HostUnbound(_)))
        .map(|file| file.licence)
        .filter(|licence| licence.first() <= day && day <= licence.last() && !is_replaced(licence));
    in_force.filter_map(|licence| licence.pool(feature)).fold(0, |sum, pool| sum.saturating_add(pool.seats))
}
