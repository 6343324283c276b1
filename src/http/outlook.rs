//! When a job will begin and end, as far as anybody can honestly say, and how that is told. Pure.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::clock::UnixMs;
use crate::store::Id;
use crate::store::jobs::{Hindrance, Job, Line, State, Working};

/// Below this a running job's own speed is noise; the last jobs' is taken.
const OWN_SPEED_MS_MIN: u64 = 20_000;

/// What can be said about a job that has not ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outlook {
    /// Its place in the line, the first being 1.
    pub place: Option<usize>,
    /// When it begins.
    pub starts_at: Option<UnixMs>,
    /// When it ends.
    pub ends_at: Option<UnixMs>,
}

/// Tells what can be said about a job: nothing is guessed where a length or a speed is unknown.
///
/// As many workers are counted as work now, at least one; each takes the next in line when it is free.
pub fn outlook(line: &Line, job: Id, now: UnixMs) -> Outlook {
    if let Some(working) = line.working.iter().find(|working| working.job == job) {
        return Outlook { place: None, starts_at: None, ends_at: end_of(working, line, now) };
    }
    let place = line.place(job);
    let Some(index) = place.map(|place| place - 1) else { return Outlook::default() };
    let mut free: Vec<_> = line.working.iter().map(|working| end_of(working, line, now)).collect();
    if free.is_empty() {
        free.push(Some(now));
    }
    for ahead in &line.waiting[..index] {
        let Some(worker) = next_free(&mut free) else { return Outlook { place, ..Outlook::default() } };
        *worker = later(*worker, ahead.remaining_ms, line.speed_ms);
    }
    let Some(worker) = next_free(&mut free) else { return Outlook { place, ..Outlook::default() } };
    let ends_at = later(*worker, line.waiting[index].remaining_ms, line.speed_ms);
    Outlook { place, starts_at: *worker, ends_at }
}

/// Returns the worker that is free first; none if that cannot be said because one's end is unknown.
fn next_free(free: &mut [Option<UnixMs>]) -> Option<&mut Option<UnixMs>> {
    if free.contains(&None) {
        return None;
    }
    free.iter_mut().min_by_key(|end| **end)
}

fn end_of(working: &Working, line: &Line, now: UnixMs) -> Option<UnixMs> {
    let took_ms = u64::try_from(now.since(working.claimed_at).as_millis()).unwrap_or(u64::MAX).max(1);
    let own = (working.advanced_ms >= OWN_SPEED_MS_MIN).then(|| working.advanced_ms * 1000 / took_ms);
    later(Some(now), working.remaining_ms, own.or(line.speed_ms))
}

fn later(from: Option<UnixMs>, sound_ms: Option<u64>, speed_ms: Option<u64>) -> Option<UnixMs> {
    let (from, sound_ms, speed_ms) = (from?, sound_ms?, speed_ms.filter(|speed| *speed > 0)?);
    Some(from.plus(std::time::Duration::from_millis(sound_ms.saturating_mul(1000) / speed_ms)))
}

/// Returns how much of a job is done, 0 to 100; none while its length is unknown.
pub fn percent(job: &Job) -> Option<u64> {
    match job.state {
        State::Done | State::DoneWithGaps => Some(100),
        State::Waiting | State::Running | State::Failed | State::Cancelled => {
            let expected_ms = job.expected_ms.filter(|ms| *ms > 0)?;
            // What is not finished is never shown as whole.
            Some((job.settled_ms.saturating_mul(100) / expected_ms).min(99))
        }
    }
}

/// Says in Japanese where a job stands.
pub fn sentence(job: &Job, outlook: &Outlook, now: UnixMs, zone: &TimeZone) -> String {
    let at = |when: UnixMs| clock_time(when, now, zone);
    match job.state {
        State::Waiting => waiting(job, outlook, &at),
        State::Running if job.cancel_asked => "取消しています".to_owned(),
        State::Running => {
            let percent = percent(job).map(|percent| format!(" {percent}%")).unwrap_or_default();
            let end = outlook.ends_at.map(|end| format!("({}頃完了)", at(end))).unwrap_or_default();
            format!("処理中{percent}{end}")
        }
        State::Done => "完了".to_owned(),
        State::DoneWithGaps => "一部未認識".to_owned(),
        State::Failed => "失敗(録音は保存済み)".to_owned(),
        State::Cancelled => "取消済み".to_owned(),
    }
}

fn waiting(job: &Job, outlook: &Outlook, at: &dyn Fn(UnixMs) -> String) -> String {
    let Some(place) = outlook.place else {
        // Who waits for a seat looks again every few seconds: that is no time to tell.
        if job.hindrance == Some(Hindrance::SeatNeeded) {
            return format!("待機中({})", short(Hindrance::SeatNeeded));
        }
        let reason = job.hindrance.map(|hindrance| format!("{}・", short(hindrance))).unwrap_or_default();
        return format!("待機中({reason}{}頃に再開)", at(job.not_before));
    };
    match outlook.starts_at {
        Some(start) => format!("待機中({place}番目・{}頃開始)", at(start)),
        None => format!("待機中({place}番目)"),
    }
}

const fn short(hindrance: Hindrance) -> &'static str {
    match hindrance {
        Hindrance::EngineDown => "認識エンジンの復旧待ち",
        Hindrance::StorageFull => "サーバーの空き容量待ち",
        Hindrance::ModelMissing => "認識モデルの準備待ち",
        Hindrance::AudioUnreachable => "録音の保存先の復旧待ち",
        Hindrance::DatabaseDown => "データベースの復旧待ち",
        Hindrance::SeatNeeded => "席の空き待ち",
        Hindrance::SeatRefused => "席の利用不可",
    }
}

/// Writes a time as `14:35`, with the day if that is another one.
fn clock_time(when: UnixMs, now: UnixMs, zone: &TimeZone) -> String {
    let zoned = |at: UnixMs| Timestamp::from_millisecond(at.ms()).unwrap_or_default().to_zoned(zone.clone());
    let (then, today) = (zoned(when), zoned(now));
    let time = format!("{}:{:02}", then.hour(), then.minute());
    if then.date() == today.date() { time } else { format!("{}月{}日 {time}", then.month(), then.day()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::jobs::{Settings, Waiting};

    const MINUTE_MS: i64 = 60_000;

    fn at(minutes: i64) -> UnixMs {
        UnixMs::from_ms(minutes * MINUTE_MS)
    }

    fn minutes(count: i64) -> Option<u64> {
        u64::try_from(count * MINUTE_MS).ok()
    }

    fn job(state: State) -> Job {
        Job {
            id: Id::new(),
            meeting: None,
            recording: Id::new(),
            user: Id::new(),
            settings: Settings::default(),
            state,
            attempts: 0,
            not_before: at(0),
            hindrance: None,
            cancel_asked: false,
            settled_ms: 42_900,
            expected_ms: Some(100_000),
            failure: None,
            failure_detail: None,
            created_at: at(0),
            started_at: None,
            finished_at: None,
        }
    }

    /// One job of which 10 minutes are left, begun at 0 with 20 minutes done by minute 10; then 30 and 60 minutes.
    fn line(speed_ms: Option<u64>) -> Line {
        let working = Working {
            job: Id::new(),
            remaining_ms: minutes(10),
            advanced_ms: minutes(20).expect("positive"),
            claimed_at: at(0),
        };
        let waiting = [30, 60].map(|length| Waiting { job: Id::new(), remaining_ms: minutes(length) });
        Line { working: vec![working], waiting: waiting.to_vec(), speed_ms }
    }

    #[test]
    fn a_running_job_ends_by_its_own_speed_and_those_behind_it_by_the_last_jobs_speed() {
        let line = line(Some(3_000));
        let ends = |index: usize| outlook(&line, line.waiting[index].job, at(10));
        assert_eq!(outlook(&line, line.working[0].job, at(10)).ends_at, Some(at(15)));
        assert_eq!(ends(0), Outlook { place: Some(1), starts_at: Some(at(15)), ends_at: Some(at(25)) });
        assert_eq!(ends(1), Outlook { place: Some(2), starts_at: Some(at(25)), ends_at: Some(at(45)) });
    }

    #[test]
    fn two_workers_share_the_line() {
        let mut line = line(Some(3_000));
        line.working.push(Working { remaining_ms: minutes(40), ..line.working[0] });
        let last = outlook(&line, line.waiting[1].job, at(10));
        assert_eq!(last.starts_at, Some(at(25)));
    }

    #[test]
    fn what_is_unknown_is_not_guessed() {
        let mut line = line(None);
        let first = line.waiting[0].job;
        assert_eq!(outlook(&line, first, at(10)).starts_at, Some(at(15)));
        assert_eq!(outlook(&line, first, at(10)).ends_at, None);
        line.speed_ms = Some(3_000);
        line.waiting[0].remaining_ms = None;
        let second = outlook(&line, line.waiting[1].job, at(10));
        assert_eq!(second, Outlook { place: Some(2), starts_at: None, ends_at: None });
        assert_eq!(outlook(&line, Id::new(), at(10)), Outlook::default());
    }

    #[test]
    fn the_sentences_are_those_of_the_product() {
        let zone = TimeZone::UTC;
        let told = |job: &Job, outlook: Outlook| sentence(job, &outlook, at(0), &zone);
        let running = job(State::Running);
        let ends_at = Some(at(14 * 60 + 35));
        assert_eq!(told(&running, Outlook { ends_at, ..Outlook::default() }), "処理中 42%(14:35頃完了)");
        assert_eq!(told(&Job { expected_ms: None, ..running }, Outlook::default()), "処理中");
        let waiting = job(State::Waiting);
        let third = Outlook { place: Some(3), starts_at: Some(at(14 * 60 + 20)), ends_at: None };
        assert_eq!(told(&waiting, third), "待機中(3番目・14:20頃開始)");
        assert_eq!(told(&waiting, Outlook { starts_at: None, ..third }), "待機中(3番目)");
        let tomorrow = Outlook { starts_at: Some(at(33 * 60 + 5)), ..third };
        assert_eq!(told(&waiting, tomorrow), "待機中(3番目・1月2日 9:05頃開始)");
        let hindrance = Some(Hindrance::ModelMissing);
        let hindered = Job { hindrance, not_before: at(61), ..waiting };
        assert_eq!(told(&hindered, Outlook::default()), "待機中(認識モデルの準備待ち・1:01頃に再開)");
        let rest = [State::Done, State::DoneWithGaps, State::Failed, State::Cancelled];
        let told: Vec<_> = rest.map(|state| told(&job(state), Outlook::default())).into();
        assert_eq!(told, ["完了", "一部未認識", "失敗(録音は保存済み)", "取消済み"]);
    }

    #[test]
    fn what_is_not_finished_is_never_shown_as_whole() {
        let running = Job { settled_ms: 100_000, ..job(State::Running) };
        assert_eq!(percent(&running), Some(99));
        assert_eq!(percent(&job(State::Done)), Some(100));
    }
}
