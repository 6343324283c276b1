//! What people saw from outside, and what follows from it for certain.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gijiroku::clock::Mono;

/// A seat as a person was told of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seat {
    /// The lease.
    pub lease: String,
    /// What proves it.
    pub token: i64,
}

/// A call, from before it was sent until its answer was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Before it was sent, the first time if it had to be repeated.
    pub began: Mono,
    /// When the answer was read.
    pub ended: Mono,
}

/// What people saw.
#[derive(Default)]
pub struct Book(Mutex<Pages>);

#[derive(Default)]
struct Pages {
    grants: Vec<(Seat, Call)>,
    accepted: Vec<(u64, Seat, Call)>,
    seated: BTreeSet<u64>,
    lost: Vec<String>,
}

/// What follows from it.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// Seats that were given.
    pub grants: usize,
    /// Protected calls that were accepted.
    pub accepted: usize,
    /// Most people of whom it is certain that they had a seat at one moment.
    pub at_once_max: usize,
    /// Tokens that are not above one that somebody had read before the seat was asked for.
    pub tokens_back: usize,
    /// Seats that were refused to whoever had been given them.
    pub lost: Vec<String>,
}

impl Book {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that somebody was given a seat.
    pub fn granted(&self, who: u64, seat: &Seat, call: Call) {
        let mut pages = self.pages();
        pages.grants.push((seat.clone(), call));
        pages.seated.insert(who);
    }

    /// Notes that protected work of somebody was accepted.
    pub fn accepted(&self, who: u64, seat: &Seat, call: Call) {
        self.pages().accepted.push((who, seat.clone(), call));
    }

    /// Notes that somebody begins to give their seat back.
    pub fn returning(&self, who: u64) {
        self.pages().seated.remove(&who);
    }

    /// Notes that somebody's seat was refused although they showed life all the time.
    pub fn lost(&self, what: String) {
        self.pages().lost.push(what);
    }

    /// Returns how many know of a seat of theirs now.
    pub fn seated(&self) -> usize {
        self.pages().seated.len()
    }

    /// Draws the conclusions.
    pub fn found(&self) -> Found {
        let pages = self.pages();
        Found {
            grants: pages.grants.len(),
            accepted: pages.accepted.len(),
            at_once_max: at_once_max(&pages),
            tokens_back: tokens_back(&pages.grants),
            lost: pages.lost.clone(),
        }
    }
}

/// Counts who had a seat at one moment, for certain.
///
/// A token never changes while a lease lives and never comes again after it. So whoever read a token and had work under
/// it accepted later had the seat from the reading until that work was sent, whatever happened in between.
fn at_once_max(pages: &Pages) -> usize {
    let mut spans: BTreeMap<(u64, &Seat), (Mono, Mono)> = BTreeMap::new();
    let told: BTreeMap<&Seat, Mono> = pages.grants.iter().map(|(seat, call)| (seat, call.ended)).collect();
    for (who, seat, call) in &pages.accepted {
        let from = told.get(seat).copied().unwrap_or(call.ended);
        let span = spans.entry((*who, seat)).or_insert((from, call.began));
        *span = (span.0.min(call.ended), span.1.max(call.began));
    }
    let mut edges: Vec<(Mono, i32)> = spans
        .values()
        .filter(|(from, to)| from < to)
        .flat_map(|(from, to)| [(*from, 1), (*to, -1)])
        .collect();
    // At the same moment whoever leaves goes first.
    edges.sort_unstable();
    let mut now = 0;
    let counts = edges.iter().map(|(_, step)| {
        now += step;
        now
    });
    usize::try_from(counts.max().unwrap_or(0)).unwrap_or(0)
}

/// Counts grants whose token is not above every token read before the grant was asked for.
fn tokens_back(grants: &[(Seat, Call)]) -> usize {
    let mut by_end: Vec<_> = grants.iter().collect();
    by_end.sort_by_key(|(_, call)| call.ended);
    let mut by_begin = by_end.clone();
    by_begin.sort_by_key(|(_, call)| call.began);
    let (mut highest, mut read, mut back) = (i64::MIN, 0, 0);
    for (seat, call) in by_begin {
        while let Some((before, _)) = by_end.get(read).filter(|(_, before)| before.ended < call.began) {
            highest = highest.max(before.token);
            read += 1;
        }
        back += usize::from(seat.token <= highest);
    }
    let tokens: BTreeSet<i64> = grants.iter().map(|(seat, _)| seat.token).collect();
    back + grants.len() - tokens.len()
}

fn seat(token: i64) -> Seat {
    Seat { lease: format!("{token}"), token }
}

fn call(began: u64, ended: u64) -> Call {
    Call { began: Mono::from_ms(began), ended: Mono::from_ms(ended) }
}

#[test]
fn the_book_sees_a_seat_that_is_given_twice() {
    let book = Book::default();
    for who in 0..3 {
        let from = who * 10;
        book.granted(who, &seat(who as i64), call(from, from + 5));
        book.accepted(who, &seat(who as i64), call(50, 60));
    }
    let found = book.found();
    assert_eq!((found.at_once_max, found.tokens_back), (3, 0));
}

#[test]
fn the_book_does_not_count_people_who_followed_each_other() {
    let book = Book::default();
    for who in 0..3 {
        let from = who * 100;
        book.granted(who, &seat(who as i64), call(from, from + 5));
        book.accepted(who, &seat(who as i64), call(from + 90, from + 120));
    }
    assert_eq!(book.found().at_once_max, 1);
}

#[test]
fn the_book_sees_a_token_that_comes_again_or_falls_back() {
    let book = Book::default();
    book.granted(1, &seat(7), call(0, 5));
    book.granted(2, &seat(6), call(10, 15));
    assert_eq!(book.found().tokens_back, 1);
    let book = Book::default();
    book.granted(1, &seat(7), call(0, 20));
    book.granted(2, &seat(6), call(10, 15));
    assert_eq!(book.found().tokens_back, 0, "of two at the same time nobody knows which was first");
    book.granted(3, &seat(6), call(12, 25));
    assert_eq!(book.found().tokens_back, 1);
}
