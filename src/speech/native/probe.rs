//! The parts of the engine one at a time: for measuring a machine and for tests, not for recognising.

use std::sync::Arc;

use super::decoder::{Feed, Row, Work};
use super::encoder::{Heard, Hearing};
use super::mel::Mel;
use super::search::Plan;
use super::session::{self, Task, Window};
use super::team::Team;
use super::{Native, Shared};

/// One worker's threads and buffers, with every part within reach.
pub struct Probe {
    shared: Arc<Shared>,
    team: Team,
    works: Vec<Work>,
}

/// Windows whose texts are being written; see [`Probe::texts`].
pub struct Texts {
    windows: Vec<Window>,
}

impl Texts {
    /// Tells whether every text still goes on.
    pub fn all_go_on(&self) -> bool {
        self.windows.iter().all(|window| !window.has_ended())
    }
}

impl Native {
    /// Makes a probe with its own threads.
    pub fn probe(&self, threads: usize) -> Probe {
        let team = Team::new(threads);
        let works = (0..team.threads()).map(|_| Work::default()).collect();
        Probe { shared: Arc::clone(&self.shared), team, works }
    }
}

impl Probe {
    /// Returns what the encoder is fed: `audio_ctx` positions of two frames each.
    pub fn frames(&self, samples: &[f32], audio_ctx: usize) -> Mel {
        self.shared.front.frames(samples, 2 * audio_ctx)
    }

    /// Runs the encoder, the decoder's keys and values included.
    pub fn hear(&mut self, mel: &Mel) -> Heard {
        let mut hearing = Hearing::new(mel.clone());
        loop {
            if let Some(heard) = self.shared.encoder.advance(&mut hearing, &mut self.team) {
                return heard;
            }
        }
    }

    /// Returns the encoder's states, one row per position.
    pub fn states(&mut self, mel: &Mel) -> Vec<f32> {
        self.shared.encoder.encode(mel.clone(), &mut self.team)
    }

    /// Returns a row of logits behind each of `tokens`, read one at a time.
    pub fn logits(&mut self, heard: &Heard, tokens: &[u32]) -> Vec<Vec<f32>> {
        let decoder = &self.shared.decoder;
        let mut pasts = [decoder.past(tokens.len())];
        let mut read = |token: &u32| {
            let rows = [Row { past: 0, token: *token, logits: true }];
            let mut feeds = [Feed { heard, pasts: &mut pasts, rows: &rows }];
            decoder.step(&mut feeds, &mut self.works[0], self.team.scratch());
            self.works[0].logits.clone()
        };
        tokens.iter().map(&mut read).collect()
    }

    /// Begins `windows` texts over one sound, each with its own copy of it, searched with `hypotheses` at once.
    pub fn texts(&self, heard: &Heard, windows: usize, hypotheses: usize) -> Texts {
        let shared = &self.shared;
        let language = shared.rules.specials().language("ja");
        let plan = Plan { beam: hypotheses, temperature: 0.0, tokens_max: 200, end: 0, seed: 1 };
        let window = |_| {
            let heard = Heard { layers: heard.layers.clone() };
            let task = Task { language, previous: Vec::new(), plan };
            Window::new(heard, task, &shared.rules, &shared.decoder)
        };
        Texts { windows: (0..windows).map(window).collect() }
    }

    /// Takes every text one token further, as a worker does.
    pub fn write(&mut self, texts: &mut Texts) {
        let mut windows: Vec<&mut Window> = texts.windows.iter_mut().collect();
        let Shared { decoder, rules, .. } = &*self.shared;
        session::step_shared(&mut windows, decoder, rules, &mut self.works, &mut self.team);
    }
}
