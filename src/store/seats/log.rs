//! The tables of the seats: events in a chain, the live tokens, a snapshot, and a few marks.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::clock::UnixMs;
use crate::seats::restart::{Checkpoint, Trust};
use crate::seats::{Epoch, Event, LeaseId, Pools, State, Token};
use crate::store::audit::{Misfit, Verdict, hex};
use crate::store::dialect::{Database, Row, Tx, values};
use crate::store::{Store, StoreError};

/// What stands before the first row.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Rows read at a time.
const PAGE: i64 = 5_000;
/// The mark that says how far the calendar has come.
const DATE: &str = "date";
/// The mark that keeps remaining times over a crash.
const CHECKPOINT: &str = "checkpoint";
/// The mark of a database that was restored from a copy.
const RESTORED: &str = "restored";

/// The end of the chain: the number and hash of its last row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tail {
    pub seq: u64,
    pub hash: String,
}

/// What a start finds.
#[derive(Debug)]
pub(super) struct Found {
    pub state: State,
    pub tail: Tail,
    pub checkpoint: Option<Checkpoint>,
    pub date: Option<UnixMs>,
    pub trust: Trust,
}

/// A token that was given, or a lease that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Proof {
    pub lease: LeaseId,
    pub token: Option<Token>,
}

fn word(event: &Event) -> Result<(String, String), StoreError> {
    let damaged = |error: serde_json::Error| StoreError::Damaged { what: format!("an event: {error}") };
    let body = serde_json::to_value(event).map_err(damaged)?;
    let kind = body["what"]["kind"].as_str().unwrap_or_default().to_owned();
    Ok((kind, body.to_string()))
}

fn chained(seq: u64, previous: &str, body: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(previous.as_bytes());
    hasher.update(seq.to_be_bytes());
    hasher.update(body.as_bytes());
    hex(&hasher.finalize())
}

impl Tx {
    /// Checks that nobody has taken over the seats since.
    ///
    /// Errors: [`StoreError::Busy`] for a server that was deposed.
    pub(super) async fn lead_seats(&mut self, epoch: Epoch) -> Result<(), StoreError> {
        let sql = self.either(
            "SELECT epoch FROM seat_leader WHERE id = 1",
            "SELECT epoch FROM seat_leader WHERE id = 1 FOR SHARE",
        );
        let row = self.row(sql, &[]).await?;
        let known = row.map(|row| row.count(0)).transpose()?;
        if known == Some(u64::from(epoch.number())) {
            return Ok(());
        }
        Err(StoreError::Busy { path: "seats".into() })
    }

    /// Begins a higher epoch than any before; true once committed.
    pub(super) async fn begin_epoch(&mut self, at_least: Epoch, now: UnixMs) -> Result<Epoch, StoreError> {
        let sql = self.either(
            "SELECT epoch FROM seat_leader WHERE id = 1",
            "SELECT epoch FROM seat_leader WHERE id = 1 FOR UPDATE",
        );
        let row = self.row(sql, &[]).await?;
        let known = row.map(|row| row.count(0)).transpose()?.unwrap_or(0);
        let number = (known + 1).max(u64::from(at_least.number()));
        let epoch = u32::try_from(number).ok().filter(|number| *number <= Epoch::MAX.number());
        let epoch =
            Epoch::new(epoch.ok_or(StoreError::Damaged { what: "no epoch of seats is left".into() })?);
        self.run(
            "INSERT INTO seat_leader (id, epoch, started_at) VALUES (1, $1, $2) \
             ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, started_at = excluded.started_at",
            values![epoch.number(), now],
        )
        .await?;
        Ok(epoch)
    }

    /// Appends events, and returns the chain's new end.
    pub(super) async fn append_seat_events<'a>(
        &mut self,
        tail: &Tail,
        events: impl Iterator<Item = &'a Event>,
    ) -> Result<Tail, StoreError> {
        let mut tail = tail.clone();
        for event in events {
            let (kind, body) = word(event)?;
            let seq = tail.seq + 1;
            let hash = chained(seq, &tail.hash, &body);
            let holder = event.cause.holder.map(|holder| serde_json::json!(holder).to_string());
            self.run(
                "INSERT INTO seat_event (seq, epoch, engine_ms, office_at, kind, pool, lease, holder, department, \
                 body, previous, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
                values![
                    seq,
                    event.epoch.number(),
                    event.at.ms(),
                    event.office,
                    kind,
                    event.cause.pool.as_ref().map(|pool| pool.0.as_str()),
                    event.cause.lease.map(LeaseId::number),
                    holder,
                    event.cause.department.as_deref(),
                    body,
                    &tail.hash,
                    &hash
                ],
            )
            .await?;
            tail = Tail { seq, hash };
        }
        Ok(tail)
    }

    /// Keeps the tokens that prove live leases.
    pub(super) async fn keep_proofs(&mut self, proofs: &[Proof]) -> Result<(), StoreError> {
        for proof in proofs {
            match proof.token {
                Some(token) => {
                    let sql = "INSERT INTO seat_lease (lease, token) VALUES ($1, $2) \
                               ON CONFLICT (lease) DO UPDATE SET token = excluded.token";
                    self.run(sql, values![proof.lease.number(), token.number()]).await?;
                }
                None => {
                    self.run("DELETE FROM seat_lease WHERE lease = $1", values![proof.lease.number()])
                        .await?;
                }
            }
        }
        Ok(())
    }

    /// Makes the table of proofs what the state says: at a start, whatever was in it.
    pub(super) async fn reset_proofs(&mut self, pools: &Pools) -> Result<(), StoreError> {
        self.run("DELETE FROM seat_lease", &[]).await?;
        let state = pools.state();
        let leases = state.pools.values().flat_map(|pool| pool.leases.values());
        let proofs: Vec<Proof> =
            leases.map(|lease| Proof { lease: lease.id, token: Some(lease.token) }).collect();
        self.keep_proofs(&proofs).await
    }

    async fn mark(&mut self, name: &str, value: Option<String>) -> Result<(), StoreError> {
        let Some(value) = value else {
            self.run("DELETE FROM seat_meta WHERE name = $1", values![name]).await?;
            return Ok(());
        };
        let sql = "INSERT INTO seat_meta (name, value) VALUES ($1, $2) \
                   ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        self.run(sql, values![name, value]).await.map(drop)
    }

    /// Keeps how far the calendar has come.
    pub(super) async fn mark_date(&mut self, date: UnixMs) -> Result<(), StoreError> {
        self.mark(DATE, Some(date.ms().to_string())).await
    }

    /// Keeps the remaining times while leases are unconfirmed, or that all are known again.
    pub(super) async fn mark_checkpoint(&mut self, checkpoint: Option<Checkpoint>) -> Result<(), StoreError> {
        self.mark(CHECKPOINT, checkpoint.map(|checkpoint| serde_json::json!(checkpoint).to_string())).await
    }

    /// Says that this database was restored from a copy: holders may know more than it.
    pub(in crate::store) async fn mark_restored(&mut self) -> Result<(), StoreError> {
        self.mark(RESTORED, Some("1".into())).await
    }

    /// Says that the recovery after a restored copy has begun in the log.
    pub(super) async fn unmark_restored(&mut self) -> Result<(), StoreError> {
        self.mark(RESTORED, None).await
    }

    /// Keeps the state after row `seq`, unless a later one is kept.
    pub(super) async fn keep_snapshot(&mut self, seq: u64, state: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO seat_snapshot (id, seq, state) VALUES (1, $1, $2) \
                   ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, state = excluded.state \
                   WHERE seat_snapshot.seq <= excluded.seq";
        self.run(sql, values![seq, state]).await.map(drop)
    }
}

/// Writes a state as a snapshot keeps it.
pub(super) fn written(state: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(state)
        .map_err(|error| StoreError::Damaged { what: format!("the state of the seats: {error}") })
}

/// Reads all that a start needs: the snapshot, and every event after it.
pub(super) async fn find(database: &Database) -> Result<Found, StoreError> {
    let mark = |name: &'static str| async move {
        let row = database.row("SELECT value FROM seat_meta WHERE name = $1", values![name]).await?;
        row.map(|row| row.text(0)).transpose()
    };
    let snapshot = database.row("SELECT seq, state FROM seat_snapshot WHERE id = 1", &[]).await?;
    let (mut seq, mut state) = match snapshot {
        Some(row) => (row.count(0)?, row.json::<State>(1)?),
        None => (0, State::default()),
    };
    loop {
        let sql = "SELECT body FROM seat_event WHERE seq > $1 ORDER BY seq LIMIT $2";
        let rows = database.rows(sql, values![seq, PAGE]).await?;
        let events = rows.iter().map(|row| row.json::<Event>(0)).collect::<Result<Vec<_>, _>>()?;
        if events.is_empty() {
            break;
        }
        seq += events.len() as u64;
        state = Pools::replay(state, &events);
    }
    let last = database.row("SELECT seq, hash FROM seat_event ORDER BY seq DESC LIMIT 1", &[]).await?;
    let tail = match last {
        Some(row) => Tail { seq: row.count(0)?, hash: row.text(1)? },
        None => Tail { seq: 0, hash: GENESIS.into() },
    };
    if tail.seq != seq {
        return Err(StoreError::Damaged { what: format!("the events of the seats: {seq} of {}", tail.seq) });
    }
    let checkpoint = mark(CHECKPOINT).await?.and_then(|text| serde_json::from_str(&text).ok());
    let date = mark(DATE).await?.and_then(|text| text.parse().ok()).map(UnixMs::from_ms);
    let trust = if mark(RESTORED).await?.is_some() { Trust::MayBeOld } else { Trust::Current };
    Ok(Found { state, tail, checkpoint, date, trust })
}

impl Store {
    /// Returns the events of seats between two moments of the calendar, at most `limit`, after row `after`.
    pub async fn seat_events(
        &self,
        (from, to): (UnixMs, UnixMs),
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, Event)>, StoreError> {
        let sql = "SELECT seq, body FROM seat_event WHERE office_at >= $1 AND office_at < $2 AND seq > $3 \
                   ORDER BY seq LIMIT $4";
        let rows = self.database.rows(sql, values![from, to, after, limit]).await?;
        rows.iter().map(|row| Ok((row.count(0)?, row.json(1)?))).collect()
    }

    /// Recomputes every hash of the log of seats.
    ///
    /// Errors: the database does not answer; a broken chain is no error but a [`Verdict`].
    pub async fn seat_verify(&self) -> Result<Verdict, StoreError> {
        let mut tail = Tail { seq: 0, hash: GENESIS.to_owned() };
        loop {
            let sql = "SELECT seq, body, previous, hash FROM seat_event WHERE seq > $1 ORDER BY seq LIMIT $2";
            let rows = self.database.rows(sql, values![tail.seq, PAGE]).await?;
            if rows.is_empty() {
                return Ok(Verdict::Whole { lines: tail.seq, last: tail.hash });
            }
            for row in &rows {
                tail = match link(&tail, row)? {
                    Ok(tail) => tail,
                    Err(reason) => return Ok(Verdict::Broken { seq: tail.seq + 1, reason }),
                };
            }
        }
    }
}

fn link(tail: &Tail, row: &Row) -> Result<Result<Tail, Misfit>, StoreError> {
    let (seq, body, previous, hash) = (row.count(0)?, row.text(1)?, row.text(2)?, row.text(3)?);
    if seq != tail.seq + 1 {
        return Ok(Err(Misfit::Missing));
    }
    if previous != tail.hash {
        return Ok(Err(Misfit::Previous));
    }
    if chained(seq, &previous, &body) != hash {
        return Ok(Err(Misfit::Changed));
    }
    Ok(Ok(Tail { seq, hash }))
}
