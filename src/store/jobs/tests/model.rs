//! The queue told as simply as possible: a list in memory. Whatever happens, the database must agree with it.

use std::cmp::Reverse;

use super::*;

/// Something that happens to the queue; numbers choose among what is there.
#[derive(Debug, Clone)]
pub enum Step {
    Enqueue { person: usize, priority: Priority },
    Claim,
    Renew { lease: usize, advance: bool },
    Keep { lease: usize },
    Finish { lease: usize },
    BackOff { lease: usize },
    Hinder { lease: usize },
    Release { lease: usize },
    Fail { lease: usize },
    Drop { lease: usize },
    Cancel { job: usize },
    Retry { job: usize },
    Restart,
    Pass { seconds: i64 },
}

pub fn step() -> impl Strategy<Value = Step> {
    let priority =
        prop_oneof![1 => Just(Priority::Low), 4 => Just(Priority::Normal), 1 => Just(Priority::High)];
    let some = 0..1_000_usize;
    prop_oneof![
        6 => (0..3_usize, priority).prop_map(|(person, priority)| Step::Enqueue { person, priority }),
        8 => Just(Step::Claim),
        3 => (some.clone(), any::<bool>()).prop_map(|(lease, advance)| Step::Renew { lease, advance }),
        2 => some.clone().prop_map(|lease| Step::Keep { lease }),
        2 => some.clone().prop_map(|lease| Step::Finish { lease }),
        3 => some.clone().prop_map(|lease| Step::BackOff { lease }),
        1 => some.clone().prop_map(|lease| Step::Hinder { lease }),
        2 => some.clone().prop_map(|lease| Step::Release { lease }),
        1 => some.clone().prop_map(|lease| Step::Fail { lease }),
        1 => some.clone().prop_map(|lease| Step::Drop { lease }),
        2 => some.clone().prop_map(|job| Step::Cancel { job }),
        2 => some.prop_map(|job| Step::Retry { job }),
        1 => Just(Step::Restart),
        5 => (1..2_500_i64).prop_map(|seconds| Step::Pass { seconds }),
    ]
}

#[derive(Debug, Clone)]
struct Entry {
    id: Id,
    person: usize,
    priority: i64,
    state: State,
    queued_at: UnixMs,
    not_before: UnixMs,
    started_at: Option<UnixMs>,
    lease_until: UnixMs,
    token: i64,
    attempts: u32,
    cancel: bool,
    settled_ms: u64,
}

#[derive(Default)]
struct Model {
    now: UnixMs,
    jobs: Vec<Entry>,
    leases: Vec<Lease>,
}

impl Model {
    fn claimable(&self, job: &Entry) -> bool {
        match job.state {
            State::Waiting => job.not_before <= self.now,
            State::Running => job.lease_until <= self.now,
            State::Done | State::DoneWithGaps | State::Failed | State::Cancelled => false,
        }
    }

    /// Turns that the job's user has taken or takes before it.
    fn rank(&self, job: &Entry) -> usize {
        let counts = |other: &&Entry| {
            let taking = other.state == State::Running && other.lease_until > self.now;
            let taken = other.state != State::Waiting
                && other.started_at.is_some_and(|start| start > self.now.minus(60 * MINUTE));
            let before = other.state == State::Waiting
                && other.not_before <= self.now
                && other.priority >= job.priority
                && (other.queued_at, other.id) < (job.queued_at, job.id);
            other.id != job.id && other.person == job.person && (taking || taken || before)
        };
        self.jobs.iter().filter(counts).count()
    }

    fn line(&self) -> Vec<usize> {
        let mut line: Vec<usize> =
            (0..self.jobs.len()).filter(|index| self.claimable(&self.jobs[*index])).collect();
        line.sort_by_key(|index| {
            let job = &self.jobs[*index];
            (Reverse(job.priority), self.rank(job), job.queued_at, job.id)
        });
        line
    }

    fn claim(&mut self) -> Option<Lease> {
        let now = self.now;
        for job in &mut self.jobs {
            if job.state == State::Running && job.cancel && job.lease_until <= now {
                job.state = State::Cancelled;
            }
        }
        while let Some(index) = self.line().first().copied() {
            let job = &mut self.jobs[index];
            job.attempts += u32::from(job.state == State::Running);
            if job.attempts >= ATTEMPTS_MAX {
                job.state = State::Failed;
                continue;
            }
            job.state = State::Running;
            job.token += 1;
            job.lease_until = now.plus(MINUTE);
            job.started_at = job.started_at.or(Some(now));
            let lease = Lease { job: job.id, token: job.token };
            self.leases.push(lease);
            return Some(lease);
        }
        None
    }

    fn held(&mut self, lease: Lease) -> Option<&mut Entry> {
        let held =
            |job: &&mut Entry| job.id == lease.job && job.token == lease.token && job.state == State::Running;
        self.jobs.iter_mut().find(held)
    }

    /// Renews a lease and returns up to where the job is settled then.
    fn renew(&mut self, lease: Lease, advance: bool) -> u64 {
        let until = self.now.plus(MINUTE);
        let Some(job) = self.held(lease) else { return 0 };
        job.lease_until = until;
        job.settled_ms += u64::from(advance);
        job.attempts = if advance { 0 } else { job.attempts };
        job.settled_ms
    }

    fn wait(&mut self, lease: Lease, not_before: UnixMs) {
        if let Some(job) = self.held(lease) {
            job.not_before = not_before;
            job.state = if job.cancel { State::Cancelled } else { State::Waiting };
        }
    }

    fn end(&mut self, lease: Lease, state: State) {
        if let Some(job) = self.held(lease) {
            job.state = state;
        }
    }
}

/// Lets the same steps happen to both and compares them after each.
pub async fn compare(steps: &[Step]) {
    let desk = Desk::open(3).await;
    let mut model = Model { now: at(0), ..Model::default() };
    for step in steps {
        take(&desk, &mut model, step).await;
        for expected in &model.jobs {
            let job = desk.job(expected.id).await;
            let found = (job.state, job.attempts, job.settled_ms);
            assert_eq!(found, (expected.state, expected.attempts, expected.settled_ms), "{step:?}");
        }
        let line = desk.store.line(model.now).await.expect("answers");
        let found: Vec<_> = line.waiting.iter().map(|waiting| waiting.job).collect();
        let expected: Vec<_> = model.line().iter().map(|index| model.jobs[*index].id).collect();
        assert_eq!(found, expected, "{step:?}");
    }
}

async fn take(desk: &Desk, model: &mut Model, step: &Step) {
    match *step {
        Step::Enqueue { person, priority } => enqueue(desk, model, person, priority).await,
        Step::Claim => {
            let expected = model.claim();
            assert_eq!(desk.claim(model.now).await.map(|claimed| claimed.lease), expected);
        }
        Step::Cancel { job } => cancel(desk, model, job).await,
        Step::Retry { job } => retry(desk, model, job).await,
        Step::Restart => {
            let now = model.now;
            for job in &mut model.jobs {
                job.lease_until = job.lease_until.min(now);
            }
            desk.store.free_leases("node", now).await.expect("answers");
        }
        Step::Pass { seconds } => model.now = model.now.plus(Duration::from_secs(seconds.unsigned_abs())),
        Step::Renew { lease, .. }
        | Step::Keep { lease }
        | Step::Finish { lease }
        | Step::BackOff { lease }
        | Step::Hinder { lease }
        | Step::Release { lease }
        | Step::Fail { lease }
        | Step::Drop { lease } => {
            if !model.leases.is_empty() {
                let lease = model.leases[lease % model.leases.len()];
                with_lease(desk, model, lease, step).await;
            }
        }
    }
}

async fn enqueue(desk: &Desk, model: &mut Model, person: usize, priority: Priority) {
    let new = NewJob { priority, ..desk.bring(person, None).await };
    let id = desk.queue(&new, model.now).await;
    model.jobs.push(Entry {
        id,
        person,
        priority: priority.rank(),
        state: State::Waiting,
        queued_at: model.now,
        not_before: model.now,
        started_at: None,
        lease_until: UnixMs::default(),
        token: 0,
        attempts: 0,
        cancel: false,
        settled_ms: 0,
    });
}

async fn cancel(desk: &Desk, model: &mut Model, job: usize) {
    if model.jobs.is_empty() {
        return;
    }
    let index = job % model.jobs.len();
    let job = &mut model.jobs[index];
    let expected = match job.state {
        State::Waiting => Cancelled::AtOnce,
        State::Running => Cancelled::Asked,
        State::Done | State::DoneWithGaps | State::Failed | State::Cancelled => Cancelled::TooLate,
    };
    match expected {
        Cancelled::AtOnce => (job.state, job.cancel) = (State::Cancelled, true),
        Cancelled::Asked => job.cancel = true,
        Cancelled::TooLate => {}
    }
    let found = desk.store.cancel_job(job.id, &Actor::server(), model.now).await;
    assert_eq!(found.expect("answers"), expected);
}

async fn retry(desk: &Desk, model: &mut Model, job: usize) {
    if model.jobs.is_empty() {
        return;
    }
    let (now, index) = (model.now, job % model.jobs.len());
    let job = &mut model.jobs[index];
    let expected = matches!(job.state, State::Failed | State::Cancelled);
    if expected {
        (job.state, job.attempts, job.cancel) = (State::Waiting, 0, false);
        (job.not_before, job.queued_at) = (now, now);
    }
    let found = desk.store.retry_job(job.id, &Actor::server(), now).await;
    assert_eq!(found.expect("answers"), expected);
}

async fn with_lease(desk: &Desk, model: &mut Model, lease: Lease, step: &Step) {
    let (store, now) = (&desk.store, model.now);
    let expected = match model.held(lease) {
        None => Hold::Lost,
        Some(job) if job.cancel => Hold::CancelAsked,
        Some(_) => Hold::Held,
    };
    let is_held = expected != Hold::Lost;
    // Whoever gives a job back hears only whether that was still theirs to do.
    let given_back = if is_held { Hold::Held } else { Hold::Lost };
    let (found, expected) = match *step {
        Step::Renew { advance, .. } => {
            let reached = Reached { settled_ms: model.renew(lease, advance), expected_ms: None };
            (store.renew_lease(lease, reached, MINUTE, now).await, expected)
        }
        Step::Keep { .. } => {
            if let Some(job) = model.held(lease) {
                job.attempts = 0;
            }
            (store.keep_window(lease, seat(), &question("a"), &outcome(1)).await, expected)
        }
        Step::Finish { .. } => {
            let settled_ms = model.held(lease).map_or(0, |job| job.settled_ms);
            if let Some(job) = model.held(lease) {
                (job.state, job.attempts) = (State::Done, 0);
            }
            let transcript = Transcript { duration_ms: settled_ms, ..Transcript::default() };
            assert_eq!(desk.finish(lease, &transcript, now).await.is_some(), is_held);
            return;
        }
        Step::BackOff { .. } => {
            if let Some(job) = model.held(lease) {
                // Cancelled instead of waiting, it had no setback.
                let is_last = job.attempts + 1 >= ATTEMPTS_MAX;
                job.attempts += u32::from(is_last || !job.cancel);
                let attempts = job.attempts;
                match attempts >= ATTEMPTS_MAX {
                    true => model.end(lease, State::Failed),
                    false => model.wait(lease, now.plus(backoff(attempts))),
                }
            }
            let (down, failed) = (Hindrance::EngineDown, Failure::EngineFailed);
            let found = store.back_off_job(lease, down, failed, now).await;
            (found, given_back)
        }
        Step::Hinder { .. } => {
            model.wait(lease, now.plus(MINUTE));
            (store.hinder_job(lease, Hindrance::ModelMissing, now.plus(MINUTE), now).await, given_back)
        }
        Step::Release { .. } => {
            model.wait(lease, now);
            (store.release_job(lease, now).await, given_back)
        }
        Step::Fail { .. } => {
            model.end(lease, State::Failed);
            (store.fail_job(lease, Failure::Damaged, None, now).await, given_back)
        }
        Step::Drop { .. } => {
            model.end(lease, State::Cancelled);
            (store.drop_job(lease, now).await, given_back)
        }
        _ => return,
    };
    assert_eq!(found.expect("the database answers"), expected, "{step:?}");
}
