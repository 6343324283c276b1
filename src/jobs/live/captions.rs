//! The thread that listens to every room: journals in, captions out, one engine between them. Blocking.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle as Runtime;
use tokio_util::sync::CancellationToken;

use super::ear::Ear;
use super::voices::Voices;
use super::{Allowed, Settings};
use crate::clock::{Mono, UnixMs};
use crate::jobs::recognise::{Setback, Tools, Workshop};
use crate::minutes::dictionary::Day;
use crate::speech::engine::Health;
use crate::speech::live::{Ask, AskId, CaptionEvent, LiveSettings, Output, Trouble};
use crate::speech::schedule::house::{Admission, BatchLeave, Engine, Next, Refusal, RoomId, Ticket};
use crate::speech::schedule::{House, Level};
use crate::speech::{Language, Recognition as Heard};
use crate::store::Store;
use crate::store::live::event::{Event, Line, Phase, Recognition, Tentative};
use crate::store::live::{Live, Room, Stream};

/// How often it is looked for new rooms, seats and words.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long is waited for an answer before the journals are read again.
const BREATH: Duration = Duration::from_millis(20);
/// The pause before a recogniser that does not work is looked at again.
const TOOLS_PAUSE: Duration = Duration::from_secs(5);

/// Listens to every room.
pub(super) struct Captions {
    store: Store,
    live: Live,
    workshop: Workshop,
    allowed: Allowed,
    runtime: Runtime,
    tools: Option<Tools>,
    house: House,
    ears: BTreeMap<RoomId, Ear>,
    /// Whoever tells whose sentences are; nobody if that is not wished.
    voices: Option<Voices>,
    /// Questions at the engine.
    flying: BTreeMap<u64, Ticket>,
    names: u64,
    looked_at: Option<Mono>,
    tried_at: Option<Mono>,
    /// Why there are no captions in any room.
    trouble: Option<Recognition>,
}

impl Captions {
    pub fn new(store: Store, settings: &Settings, allowed: Allowed, runtime: Runtime) -> Self {
        Self {
            store,
            live: settings.live.clone(),
            workshop: settings.workshop.clone(),
            allowed,
            voices: settings.speakers.then(|| Voices::new(runtime.clone())),
            runtime,
            tools: None,
            house: House::new(Engine { slots: 1, yields: true }),
            ears: BTreeMap::new(),
            flying: BTreeMap::new(),
            names: 0,
            looked_at: None,
            tried_at: None,
            trouble: None,
        }
    }

    /// Listens until `stop`.
    pub fn run(&mut self, stop: &CancellationToken, clock: fn() -> Mono) {
        while !stop.is_cancelled() {
            let now = clock();
            if self.looked_at.is_none_or(|at| now.since(at) >= LOOK_EVERY) {
                self.looked_at = Some(now);
                self.look(now, clock);
            }
            if self.ears.is_empty() || self.tools.is_none() {
                self.observe(now);
                self.rest();
                continue;
            }
            self.hear(now);
            self.carry_out(clock);
            self.submit(clock());
            self.receive(clock);
            self.observe(clock());
        }
    }

    /// Waits for something to do.
    fn rest(&self) {
        self.runtime.block_on(async {
            let news = self.live.news();
            tokio::time::timeout(LOOK_EVERY, news).await.ok();
        });
    }

    /// Opens and closes ears as rooms, seats and the engine want it.
    fn look(&mut self, now: Mono, clock: fn() -> Mono) {
        let rooms = self.live.rooms();
        let wanted: Vec<(Arc<Room>, Arc<Stream>)> = rooms
            .iter()
            .filter(|room| room.phase().is_open())
            .flat_map(|room| room.streams().into_iter().map(|stream| (Arc::clone(room), stream)))
            .filter(|(_, stream)| !stream.progress().is_told)
            .collect();
        if !wanted.is_empty() || !self.ears.is_empty() {
            self.look_at_engine(now, clock);
        }
        self.close_ears();
        for (room, stream) in &wanted {
            self.open_ear(room, stream, now);
        }
        self.renew_words();
        for room in rooms.iter().filter(|room| room.phase() == Phase::Recording) {
            self.tell_state(room);
        }
        if let Some(voices) = &mut self.voices {
            voices.keep(|id| rooms.iter().any(|room| room.kind.id == *id && room.phase() != Phase::Sealed));
        }
    }

    /// Sees to it that there is an engine, and that the house knows whether it works.
    fn look_at_engine(&mut self, now: Mono, clock: fn() -> Mono) {
        let health = self.tools.as_ref().map(|tools| tools.engine.health());
        if let Some(health) = &health {
            self.store.pulse().engine(health.clone());
        }
        if matches!(health, Some(Health::Up | Health::Starting)) {
            self.house.engine_works(true);
            self.trouble = (health == Some(Health::Starting)).then_some(Recognition::Starting);
            return;
        }
        if self.tried_at.is_some_and(|at| now.since(at) < TOOLS_PAUSE) {
            return;
        }
        self.tried_at = Some(now);
        self.lose_questions(now);
        self.house.engine_works(false);
        match self.workshop.tools(self.tools.take(), clock) {
            Ok(tools) => {
                if self.ears.is_empty() {
                    self.house = House::new(Engine::of(tools.backend, self.workshop.threads));
                }
                self.house.engine_works(true);
                self.tools = Some(tools);
                self.trouble = Some(Recognition::Starting);
            }
            Err(setback) => {
                self.trouble = Some(match setback {
                    Setback::Hindered(_) => Recognition::ModelMissing,
                    Setback::Hopeless { .. } | Setback::Again { .. } | Setback::Stopped => {
                        Recognition::EngineDown
                    }
                });
            }
        }
    }

    /// The engine that had them is gone: sessions keep the sound and ask again.
    fn lose_questions(&mut self, now: Mono) {
        for (_, ticket) in std::mem::take(&mut self.flying) {
            self.answer(ticket, Err(Trouble::Away), now);
        }
    }

    fn open_ear(&mut self, room: &Arc<Room>, stream: &Arc<Stream>, now: Mono) {
        let is_open = self.ears.values().any(|ear| ear.stream.origin.id == stream.origin.id);
        if is_open || self.allowed.get(room.kind.id).is_err() {
            return;
        }
        let Some(tools) = &self.tools else { return };
        let id = RoomId(self.names + 1);
        match self.house.open(id, now) {
            Admission::Captions => {}
            Admission::RecordingOnly(Refusal::Full { .. } | Refusal::EngineAway) => return,
        }
        let settings = LiveSettings::of(tools.backend, Language::Ja);
        match Ear::open((room, stream), Arc::clone(&tools.detector), settings) {
            Ok(mut ear) => {
                ear.session.set_level(self.house.level());
                self.names += 1;
                self.ears.insert(id, ear);
            }
            // A microphone that never said anything has no journal yet.
            Err(_) => drop(self.house.close(id)),
        }
    }

    /// Closes the ears of rooms that have lost their seat, and of microphones that are done.
    fn close_ears(&mut self) {
        let is_done = |ear: &Ear| {
            let has_seat = self.allowed.get(ear.room.kind.id).is_ok() || !ear.room.phase().is_open();
            let is_gone = ear.room.kind.is_door && !ear.room.phase().is_open();
            ear.session.is_over() || is_gone || !has_seat
        };
        let done: Vec<RoomId> = self.ears.iter().filter(|(_, ear)| is_done(ear)).map(|(id, _)| *id).collect();
        for id in done {
            self.close_ear(id);
        }
    }

    fn close_ear(&mut self, id: RoomId) {
        let Some(ear) = self.ears.remove(&id) else { return };
        if let Some(voices) = &mut self.voices {
            voices.close(id);
        }
        if ear.session.is_over() {
            ear.stream.is_told();
        }
        for ticket in self.house.close(id) {
            self.cancel(ticket);
        }
    }

    /// Loads the office's words where they changed.
    fn renew_words(&mut self) {
        let Some(tools) = &mut self.tools else { return };
        for ear in self.ears.values_mut() {
            let words = ear.room.words();
            if ear.words == Some(words) {
                continue;
            }
            ear.words = Some(words);
            let today = Day::in_japan(UnixMs::now());
            let text = self.runtime.block_on(self.store.vocabulary_of_meeting(ear.room.kind.meeting, today));
            let text = text.unwrap_or_else(|error| {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "the words of a live meeting cannot be looked up");
                String::new()
            });
            if let Ok((vocabulary, prompt)) = tools.words(&text) {
                ear.session.set_vocabulary(prompt, Arc::new(vocabulary));
            }
        }
    }

    fn tell_state(&self, room: &Arc<Room>) {
        let ears = || self.ears.values().filter(|ear| ear.room.kind.id == room.kind.id);
        let lag_ms = ears().map(|ear| ear.lag_ms).max().unwrap_or(0);
        let recognition = match (self.trouble, self.allowed.get(room.kind.id)) {
            (_, Err(why)) => why,
            (Some(trouble), Ok(())) => trouble,
            (None, Ok(())) if ears().next().is_some() || room.streams().is_empty() => Recognition::Running,
            (None, Ok(())) => Recognition::NoRoom,
        };
        room.is_recognised(recognition, lag_ms, word(self.house.level()));
    }

    fn hear(&mut self, now: Mono) {
        let mut broken = Vec::new();
        for (id, ear) in &mut self.ears {
            if let Err(error) = ear.hear(now) {
                let error: &dyn std::error::Error = &error;
                tracing::error!(live = %ear.room.kind.id, error, "a journal cannot be read; the recording goes on");
                broken.push(*id);
            }
        }
        for id in broken {
            self.close_ear(id);
        }
    }

    /// Does what the sessions want.
    fn carry_out(&mut self, clock: fn() -> Mono) {
        let now = clock();
        for id in self.ears.keys().copied().collect::<Vec<_>>() {
            while let Some(output) = self.ears.get_mut(&id).and_then(|ear| ear.session.poll(now)) {
                if let Output::Recognise(ask) = &output {
                    self.hear_voice(id, ask, clock);
                }
                self.carry_out_one(id, output, now);
            }
        }
    }

    /// Hears whose sentence it is while its text is written, as long as that makes no caption late.
    fn hear_voice(&mut self, id: RoomId, ask: &Ask, clock: fn() -> Mono) {
        self.take_voices();
        let (Some(voices), Some(ear)) = (&mut self.voices, self.ears.get(&id)) else { return };
        let voice = self.tools.as_ref().and_then(Tools::voice);
        let is_wanted = !ear.room.kind.is_door && ear.own_speaker().is_none();
        if let Some(voice) = voice.filter(|_| is_wanted && self.house.is_at_ease(clock())) {
            voices.listen(id, ask, &voice, clock);
        }
    }

    /// Tells whose sentence it is: one microphone a person if there are several, else by the voice.
    fn speaker(&mut self, id: RoomId, start_ms: u64) -> Option<u16> {
        self.take_voices();
        let (Some(voices), Some(ear)) = (&mut self.voices, self.ears.get(&id)) else { return None };
        let by_voice = voices.speaker(ear.room.kind.id, id, start_ms).map(|speaker| speaker.0);
        ear.own_speaker().or(by_voice).filter(|_| !ear.room.kind.is_door)
    }

    /// Takes the voices that were heard meanwhile, and counts what that took among the costs of a room.
    fn take_voices(&mut self) {
        let Some(voices) = &mut self.voices else { return };
        let threads = f64::from(self.workshop.threads.max(1));
        for effort in voices.take() {
            // The engine counts all its threads as one.
            self.house.heard_voice(effort.took.div_f64(threads), effort.sound_ms as f64 / 1_000.0);
        }
    }

    fn carry_out_one(&mut self, id: RoomId, output: Output, now: Mono) {
        match output {
            Output::Recognise(ask) => {
                if let Some(dropped) = self.house.ask(id, ask) {
                    self.tell_session(id, dropped, Err(Trouble::Dropped), now);
                }
            }
            Output::Cancel(ask) => {
                if let Some(ticket) = self.house.cancel(id, ask) {
                    self.cancel(ticket);
                }
            }
            Output::Caption(event) => self.show(id, event),
            // The house has said so: it is told with the state.
            Output::Degraded(_) => {}
            Output::Lag { ms } => {
                if let Some(ear) = self.ears.get_mut(&id) {
                    ear.lag_ms = ms;
                }
            }
        }
    }

    fn show(&mut self, id: RoomId, event: CaptionEvent) {
        let speaker = event.as_final().and_then(|text| self.speaker(id, text.start_ms));
        let Some(ear) = self.ears.get_mut(&id) else { return };
        let (line, stream) = (ear.line(event.utterance()), ear.stream.origin.number);
        let offset_ms = ear.room.offset_ms(&ear.stream);
        match event {
            CaptionEvent::Tentative(tentative) => {
                let (start_ms, end_ms) = (offset_ms + tentative.start_ms, offset_ms + tentative.end_ms);
                let (committed, tail) = (tentative.committed, tentative.tail);
                ear.room.tell(Event::Tentative(Tentative {
                    line,
                    stream,
                    start_ms,
                    end_ms,
                    committed,
                    tail,
                }));
            }
            CaptionEvent::Final(text) if !text.text().is_empty() => {
                let (start_ms, end_ms) = (offset_ms + text.start_ms, offset_ms + text.end_ms);
                let (text, heard) = (text.text(), None);
                let line = Line { line, stream, start_ms, end_ms, text, speaker, heard };
                if let Err(error) = self.runtime.block_on(self.live.show(&ear.room, line)) {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(error, "a caption could not be kept; it was shown");
                }
            }
            // Nothing was understood: the recording has it, and the text comes after the meeting.
            CaptionEvent::Final(_) | CaptionEvent::Withdrawn { .. } => {
                ear.room.tell(Event::Withdrawn { line });
            }
        }
    }

    fn submit(&mut self, now: Mono) {
        while let Some(next) = self.house.next(now) {
            match next {
                Next::Dropped(id, ask) => self.tell_session(id, ask, Err(Trouble::Dropped), now),
                Next::Submit(ticket, request) => {
                    let asked = self.tools.as_mut().map(|tools| tools.engine.try_submit(ticket.0, request));
                    match asked {
                        Some(Ok(())) => drop(self.flying.insert(ticket.0, ticket)),
                        Some(Err((error, _))) => self.answer(ticket, Err(Trouble::from(&error)), now),
                        None => self.answer(ticket, Err(Trouble::Away), now),
                    }
                }
            }
        }
    }

    /// Takes the answers that come within a breath.
    fn receive(&mut self, clock: fn() -> Mono) {
        let mut patience = BREATH;
        while let Some((id, answer)) = self.tools.as_mut().and_then(|tools| tools.engine.receive(patience)) {
            patience = Duration::ZERO;
            if let Some(ticket) = self.flying.remove(&id) {
                self.answer(ticket, answer.map_err(|error| Trouble::from(&error)), clock());
            }
        }
    }

    fn answer(&mut self, ticket: Ticket, answer: Result<Heard, Trouble>, now: Mono) {
        if let Some((id, ask)) = self.house.answered(ticket, answer.is_ok(), now) {
            self.tell_session(id, ask, answer, now);
        }
    }

    fn tell_session(&mut self, id: RoomId, ask: AskId, answer: Result<Heard, Trouble>, now: Mono) {
        if let Some(ear) = self.ears.get_mut(&id) {
            ear.session.answered(ask, answer, now);
        }
    }

    fn cancel(&self, ticket: Ticket) {
        if let Some(tools) = &self.tools {
            tools.engine.cancel(ticket.0);
        }
    }

    fn observe(&mut self, now: Mono) {
        if let Some(level) = self.house.observe(now) {
            tracing::info!(
                level = word(level),
                rooms = self.house.rooms(),
                "what captions leave out has changed"
            );
            for ear in self.ears.values_mut() {
                ear.session.set_level(level);
            }
        }
        self.workshop.bench.let_recordings_wait(self.house.batch() == BatchLeave::Waits);
    }
}

impl Drop for Captions {
    fn drop(&mut self) {
        self.workshop.bench.let_recordings_wait(false);
    }
}

/// Returns the word for how much is left out, as it is told.
const fn word(level: Level) -> &'static str {
    match level {
        Level::Full => "full",
        Level::NoGuessesInPauses => "no_guesses_in_pauses",
        Level::SlowPartials => "slow_partials",
        Level::RarePartials => "rare_partials",
        Level::FinalsOnly => "finals_only",
        Level::QuickFinals => "quick_finals",
        Level::BatchPaused => "batch_paused",
        Level::Delayed => "delayed",
    }
}
