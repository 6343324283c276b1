//! Windows on their way through the decoder: they join, go step by step together, and leave.

use super::decoder::{Decoder, Feed, Past, Row, Work};
use super::encoder::Heard;
use super::kernels::Scratch;
use super::rules::{PREVIOUS_TOKENS_MAX, Rules};
use super::search::{Branch, Hypothesis, Plan, Search};
use super::team::Team;

/// Tokens in front of the text besides earlier text: four marks.
const MARKS: usize = 4;

/// What is asked of one window.
#[derive(Debug, Clone)]
pub struct Task {
    /// Token of the language; nothing = the one heard.
    pub language: Option<u32>,
    /// Earlier text.
    pub previous: Vec<u32>,
    /// How to search.
    pub plan: Plan,
}

/// What came of one window.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Token of the language used.
    pub language: u32,
    /// The best text.
    pub text: Hypothesis,
    /// Probability that nobody speaks, by the model.
    pub no_speech: f32,
}

/// What the rows fed last are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The start mark alone: its logits name the language.
    Language,
    /// The whole prompt: logits behind the start mark and behind the last token.
    Prompt,
    /// One token per open hypothesis.
    Text,
    /// Nothing more to feed.
    Ended,
}

/// One window between joining and leaving.
pub struct Window {
    heard: Heard,
    task: Task,
    stage: Stage,
    language: u32,
    no_speech: f32,
    search: Search,
    pasts: Vec<Past>,
    spare: Vec<Past>,
    rows: Vec<Row>,
}

impl Window {
    /// Joins with a window whose sound has been heard.
    ///
    /// Range: where prompt and text together would pass the decoder's positions, the text is cut off earlier.
    pub fn new(heard: Heard, mut task: Task, rules: &Rules, decoder: &Decoder) -> Self {
        let before = task.previous.len().min(PREVIOUS_TOKENS_MAX) + MARKS;
        task.plan.tokens_max = task.plan.tokens_max.min(decoder.positions() - before);
        let capacity = before + task.plan.tokens_max;
        let mut window = Self {
            heard,
            stage: Stage::Language,
            language: 0,
            no_speech: 0.0,
            search: Search::new(task.plan),
            pasts: vec![decoder.past(capacity)],
            spare: Vec::new(),
            rows: Vec::new(),
            task,
        };
        match window.task.language {
            Some(language) => window.prompt(language, rules),
            None => window.rows.push(Row { past: 0, token: rules.specials().sot, logits: true }),
        }
        window
    }

    /// Tells whether its text is complete.
    pub fn has_ended(&self) -> bool {
        self.stage == Stage::Ended
    }

    /// Leaves with the result.
    pub fn finish(self) -> (Heard, Outcome) {
        (self.heard, Outcome { language: self.language, text: self.search.best(), no_speech: self.no_speech })
    }

    fn feed(&mut self) -> Feed<'_> {
        Feed { heard: &self.heard, pasts: &mut self.pasts, rows: &self.rows }
    }

    fn prompt(&mut self, language: u32, rules: &Rules) {
        let tokens = rules.prompt(language, &self.task.previous);
        let (sot, last) = (rules.specials().sot, tokens.len() - 1);
        let wanted = |(index, &token): (usize, &u32)| token == sot || index == last;
        let row = |entry: (usize, &u32)| Row { past: 0, token: *entry.1, logits: wanted(entry) };
        self.rows = tokens.iter().enumerate().map(row).collect();
        self.language = language;
        self.stage = Stage::Prompt;
    }

    /// Takes the logits of its rows and prepares the next ones.
    fn advance(&mut self, rules: &Rules, logits: &mut [f32]) {
        match self.stage {
            Stage::Language => {
                self.pasts[0].clear();
                self.prompt(rules.language(logits), rules);
            }
            Stage::Prompt => {
                let (start, last) = logits.split_at_mut(logits.len() / 2);
                self.no_speech = rules.no_speech(start);
                self.write(rules, last);
            }
            Stage::Text => self.write(rules, logits),
            Stage::Ended => {}
        }
    }

    fn write(&mut self, rules: &Rules, logits: &mut [f32]) {
        let branches = self.search.advance(rules, logits);
        self.stage = if branches.is_empty() { Stage::Ended } else { Stage::Text };
        self.fork(&branches);
        let row = |(past, branch): (usize, &Branch)| Row { past, token: branch.token, logits: true };
        self.rows = branches.iter().enumerate().map(row).collect();
    }

    /// Gives each branch the past of its parent: the first child takes it, the others copy what differs.
    fn fork(&mut self, branches: &[Branch]) {
        let mut old: Vec<Option<Past>> = self.pasts.drain(..).map(Some).collect();
        let mut heirs: Vec<Option<usize>> = vec![None; old.len()];
        let mut next: Vec<Option<Past>> = Vec::with_capacity(branches.len());
        for (child, branch) in branches.iter().enumerate() {
            heirs[branch.parent].get_or_insert(child);
            next.push(old[branch.parent].take());
        }
        self.spare.extend(old.into_iter().flatten());
        for (child, branch) in branches.iter().enumerate() {
            if next[child].is_none() {
                let heir = heirs[branch.parent].and_then(|heir| next[heir].as_ref());
                let parent = heir.expect("the first child holds its parent's past");
                next[child] = Some(copy_of(parent, self.spare.pop()));
            }
        }
        self.pasts = next.into_iter().flatten().collect();
    }
}

/// Copies a past, into a spare one if there is one.
fn copy_of(parent: &Past, spare: Option<Past>) -> Past {
    match spare {
        Some(mut spare) => {
            spare.follow(parent);
            spare
        }
        None => parent.clone(),
    }
}

/// Takes all windows one step further, a share of them on each thread; `works` has one entry a thread.
pub fn step_shared(
    windows: &mut [&mut Window],
    decoder: &Decoder,
    rules: &Rules,
    works: &mut [Work],
    team: &mut Team,
) {
    let share = windows.len().div_ceil(team.threads()).max(1);
    team.share(windows.chunks_mut(share).zip(works), |(windows, work), scratch| {
        step(windows, decoder, rules, work, scratch);
    });
}

/// Takes windows one step further on this thread.
fn step(
    windows: &mut [&mut Window],
    decoder: &Decoder,
    rules: &Rules,
    work: &mut Work,
    scratch: &mut Scratch,
) {
    let mut feeds: Vec<Feed<'_>> = windows.iter_mut().map(|window| window.feed()).collect();
    decoder.step(&mut feeds, work, scratch);
    let width = decoder.vocabulary();
    let mut logits = &mut work.logits[..];
    for window in windows {
        let wanted = window.rows.iter().filter(|row| row.logits).count();
        let (own, rest) = std::mem::take(&mut logits).split_at_mut(wanted * width);
        logits = rest;
        window.advance(rules, own);
    }
}
