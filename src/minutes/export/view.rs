//! What a file shows: hidden words gone, names chosen, neighbours merged, dates written out.

use std::collections::{BTreeMap, BTreeSet};

use super::options::{Options, item_label};
use super::{Warning, dates, file_name, sentences};
use crate::minutes::{Block, Gap, Header, HeaderField, Item, Mark, Minutes, Speaker, SpeakerId, Utterance};

/// Most characters that merging puts into one utterance.
const MERGED_CHARACTERS_MAX: usize = 10_000;

/// Most names that a warning lists.
const NAMES_LISTED_MAX: usize = 100;

/// What a file shows.
pub(super) struct View {
    /// The meeting's name; empty if it has none.
    pub(super) title: String,
    /// The chosen fields of the header that are not empty, in their order.
    pub(super) rows: Vec<Row>,
    /// What a template may ask for by the name of a field; empty where it was not chosen.
    pub(super) fields: Vec<Row>,
    /// What is read.
    pub(super) pieces: Vec<Piece>,
    /// Decisions, issues and to-dos.
    pub(super) items: Vec<ItemRow>,
    /// How many utterances are hidden.
    pub(super) hidden_count: usize,
    warnings: Vec<Warning>,
}

/// A field of the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) label: &'static str,
    pub(super) value: String,
}

/// One piece of what is read.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    Heading { level: u8, text: String },
    Speech(Speech),
    Gap { text: String },
}

/// What one person said, perhaps over several utterances.
#[derive(Debug, PartialEq)]
pub(super) struct Speech {
    speaker: Option<SpeakerId>,
    /// What the speaker is called; empty if unknown.
    pub(super) label: String,
    /// What stands before the words outside of tables: the label, or that nobody knows who spoke.
    pub(super) head: String,
    /// 役職; empty in a published copy.
    pub(super) role: String,
    pub(super) start_ms: u64,
    pub(super) end_ms: u64,
    /// The text, one paragraph a line; empty where only marks are left, as 【聴取不能】.
    pub(super) text: String,
    pub(super) marks: BTreeSet<Mark>,
    /// The lowest of what was merged.
    pub(super) confidence: f32,
}

impl Speech {
    /// Returns the paragraphs, at least one; the marks stand behind the last.
    pub(super) fn paragraphs(&self) -> Vec<String> {
        let mut paragraphs: Vec<String> = self.text.lines().map(str::to_owned).collect();
        match paragraphs.last_mut() {
            Some(last) => last.push_str(&self.marked()),
            None => paragraphs.push(self.marked()),
        }
        paragraphs
    }

    /// Returns the marks as 【決定】【重要】.
    pub(super) fn marked(&self) -> String {
        self.marks.iter().map(|mark| format!("【{}】", mark.label())).collect()
    }
}

/// A decision, an issue or a to-do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ItemRow {
    pub(super) kind: &'static str,
    pub(super) text: String,
    pub(super) assignee: String,
    pub(super) due: String,
    pub(super) done: bool,
}

impl View {
    pub(super) fn new(minutes: &Minutes, options: &Options) -> Self {
        let names = Names::new(minutes, options.public_names);
        let fields = fields(&minutes.header, options);
        let mut view = Self {
            title: clean(minutes.header.get(&HeaderField::Title).map_or("", String::as_str)),
            rows: rows(&fields, options),
            fields: fields.into_iter().map(|(_, row)| row).collect(),
            pieces: pieces(minutes, options, &names),
            items: Vec::new(),
            hidden_count: minutes.utterances().filter(|utterance| utterance.hidden.is_some()).count(),
            warnings: Vec::new(),
        };
        if options.items {
            let hidden: BTreeSet<_> = minutes
                .utterances()
                .filter(|spoken| spoken.hidden.is_some())
                .map(|spoken| spoken.id)
                .collect();
            let shown = minutes.items.iter().filter(|item| !hidden.contains(&item.source));
            view.items = shown.map(|item| item_row(item, options, &names)).collect();
        }
        if options.public_names {
            view.warnings = names.left_in(&view, minutes);
        }
        view
    }

    /// Returns what a person should know about names.
    pub(super) fn warnings(&self) -> Vec<Warning> {
        self.warnings.clone()
    }

    /// Returns what stands at the top of the page.
    pub(super) fn headline(&self) -> String {
        let named = ["議事録", "会議録", "議事要旨", "会議概要", "発言要旨"]
            .iter()
            .any(|kind| self.title.ends_with(kind));
        match (self.title.as_str(), named) {
            ("", _) => "議事録".to_owned(),
            (title, true) => title.to_owned(),
            (title, false) => format!("{title}　議事録"),
        }
    }
}

/// What speakers are called.
pub(super) struct Names<'a> {
    speakers: BTreeMap<SpeakerId, &'a Speaker>,
    public: bool,
}

impl<'a> Names<'a> {
    pub(super) fn new(minutes: &'a Minutes, public: bool) -> Self {
        Self { speakers: minutes.speakers.iter().map(|speaker| (speaker.id, speaker)).collect(), public }
    }

    /// Returns what a speaker is called; nothing for somebody unknown.
    pub(super) fn label(&self, speaker: Option<SpeakerId>) -> String {
        self.known(speaker).map_or_else(String::new, |speaker| one_line(self.called(speaker)))
    }

    fn called<'s>(&self, speaker: &'s Speaker) -> &'s str {
        match (self.public, speaker.public_name.trim(), speaker.role.trim()) {
            (false, _, _) | (true, "", "") => &speaker.name,
            (true, "", role) => role,
            (true, public_name, _) => public_name,
        }
    }

    fn role(&self, speaker: Option<SpeakerId>) -> String {
        // 会長職務代理者 beside 委員 would tell who it was.
        if self.public {
            return String::new();
        }
        self.known(speaker).map_or_else(String::new, |speaker| one_line(&speaker.role))
    }

    fn known(&self, speaker: Option<SpeakerId>) -> Option<&Speaker> {
        speaker.and_then(|id| self.speakers.get(&id).copied())
    }

    /// Returns the name a published copy has for a person named in a field.
    fn published(&self, person: &str) -> String {
        let same = |speaker: &&&Speaker| self.public && speaker.name.trim() == person.trim();
        let found = self.speakers.values().find(same);
        found.map_or_else(|| one_line(person), |speaker| one_line(self.called(speaker)))
    }

    /// Returns the names that a published copy still shows.
    fn left_in(&self, view: &View, minutes: &Minutes) -> Vec<Warning> {
        let spoke: BTreeSet<SpeakerId> = minutes
            .utterances()
            .filter(|said| said.hidden.is_none())
            .filter_map(|said| said.speaker)
            .collect();
        let (replaced, shown): (Vec<&Speaker>, Vec<&Speaker>) =
            self.speakers.values().copied().partition(|speaker| self.called(speaker) != speaker.name);
        let mut warnings = Vec::new();
        let names: Vec<String> = shown
            .iter()
            .filter(|speaker| spoke.contains(&speaker.id) && !speaker.name.trim().is_empty())
            .map(|speaker| one_line(&speaker.name))
            .take(NAMES_LISTED_MAX)
            .collect();
        if !names.is_empty() {
            warnings.push(Warning::NamesShown { names });
        }
        let (mut count, mut names) = (0, Vec::new());
        for speaker in replaced.iter().filter(|speaker| speaker.name.trim().chars().count() >= 2) {
            let found: usize = view.texts().map(|text| text.matches(speaker.name.trim()).count()).sum();
            count += found;
            if found > 0 && names.len() < NAMES_LISTED_MAX {
                names.push(one_line(&speaker.name));
            }
        }
        if count > 0 {
            warnings.push(Warning::NamesInText { count, names });
        }
        warnings
    }
}

impl View {
    /// Walks over every text that people wrote or said.
    fn texts(&self) -> impl Iterator<Item = &str> {
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Heading { text, .. } | Piece::Gap { text } => text.as_str(),
            Piece::Speech(speech) => speech.text.as_str(),
        });
        let rows = self.rows.iter().map(|row| row.value.as_str());
        let items = self.items.iter().flat_map(|item| [item.text.as_str(), item.assignee.as_str()]);
        rows.chain(pieces).chain(items)
    }
}

fn fields(header: &Header, options: &Options) -> Vec<(HeaderField, Row)> {
    let written = |field: HeaderField| {
        let chosen = options.header.contains(&field);
        let stored = header.get(&field).filter(|_| chosen).map_or("", String::as_str);
        let value = match field {
            HeaderField::HeldOn => dates::date(stored, options.era),
            HeaderField::StartsAt | HeaderField::EndsAt => dates::time(stored, options.clock),
            _ => stored.to_owned(),
        };
        (field, Row { label: field.label(), value: clean(&value) })
    };
    HeaderField::ALL.into_iter().map(written).collect()
}

/// Returns the rows that are shown; day, start and end stand together where the first of them is chosen.
fn rows(fields: &[(HeaderField, Row)], options: &Options) -> Vec<Row> {
    const HELD: [HeaderField; 3] = [HeaderField::HeldOn, HeaderField::StartsAt, HeaderField::EndsAt];
    let value = |field: HeaderField| {
        let found = fields.iter().find(|(known, _)| *known == field);
        found.map_or("", |(_, row)| row.value.as_str())
    };
    let (mut rows, mut done): (Vec<Row>, BTreeSet<HeaderField>) = Default::default();
    for field in &options.header {
        if !done.insert(*field) {
            continue;
        }
        let row = if HELD.contains(field) {
            done.extend(HELD);
            let [day, starts, ends] = HELD.map(value);
            Row { label: "開催日時", value: dates::held(day, starts, ends) }
        } else {
            Row { label: field.label(), value: value(*field).to_owned() }
        };
        if !row.value.is_empty() {
            rows.push(row);
        }
    }
    rows
}

fn pieces(minutes: &Minutes, options: &Options, names: &Names) -> Vec<Piece> {
    let (mut pieces, mut divided) = (Vec::new(), true);
    for block in &minutes.blocks {
        match block.as_ref() {
            Block::Heading(heading) => {
                divided = true;
                let text = one_line(&heading.text);
                if options.headings && !text.is_empty() {
                    pieces.push(Piece::Heading { level: heading.level.clamp(1, 3), text });
                }
            }
            Block::Gap(gap) => {
                divided = true;
                pieces.push(Piece::Gap { text: gap_text(gap) });
            }
            Block::Utterance(utterance) if utterance.hidden.is_some() => {}
            Block::Utterance(utterance) => {
                let Some(speech) = speech(utterance, options, names) else { continue };
                match pieces.last_mut() {
                    Some(Piece::Speech(before)) if !divided && options.merge && belongs(before, &speech) => {
                        merge(before, speech);
                    }
                    _ => pieces.push(Piece::Speech(speech)),
                }
                divided = false;
            }
        }
    }
    name_heads(&mut pieces);
    if options.break_sentences {
        for piece in &mut pieces {
            if let Piece::Speech(speech) = piece {
                let lines: Vec<&str> = speech.text.lines().flat_map(sentences::sentences).collect();
                speech.text = lines.join("\n");
            }
        }
    }
    pieces
}

/// Says who spoke, or that nobody knows: without it the words would seem to be those of the speaker before. Where nobody
/// is known at all there is nothing to confuse.
fn name_heads(pieces: &mut [Piece]) {
    let known = pieces.iter().any(|piece| matches!(piece, Piece::Speech(speech) if !speech.label.is_empty()));
    for piece in pieces {
        if let Piece::Speech(speech) = piece {
            let unknown = if known { "（話者不明）" } else { "" };
            speech.head = if speech.label.is_empty() { unknown.to_owned() } else { speech.label.clone() };
        }
    }
}

fn speech(utterance: &Utterance, options: &Options, names: &Names) -> Option<Speech> {
    let text = clean(&utterance.text);
    let marks = if options.marks { utterance.marks.clone() } else { BTreeSet::new() };
    if text.is_empty() && marks.is_empty() {
        return None;
    }
    Some(Speech {
        speaker: utterance.speaker,
        label: names.label(utterance.speaker),
        head: String::new(),
        role: names.role(utterance.speaker),
        start_ms: utterance.start_ms,
        end_ms: utterance.end_ms,
        text,
        marks,
        confidence: utterance.confidence,
    })
}

/// Returns whether an utterance goes on where another ended: two people nobody named are not one person.
fn belongs(before: &Speech, next: &Speech) -> bool {
    let length = before.text.chars().count() + next.text.chars().count();
    before.speaker.is_some() && before.speaker == next.speaker && length <= MERGED_CHARACTERS_MAX
}

fn merge(before: &mut Speech, next: Speech) {
    sentences::join(&mut before.text, &next.text);
    before.end_ms = before.end_ms.max(next.end_ms);
    before.marks.extend(next.marks);
    before.confidence = before.confidence.min(next.confidence);
}

fn gap_text(gap: &Gap) -> String {
    format!("（未認識 {}～{}）", dates::place(gap.start_ms), dates::place(gap.end_ms))
}

fn item_row(item: &Item, options: &Options, names: &Names) -> ItemRow {
    ItemRow {
        kind: item_label(item.kind),
        text: clean(&item.text),
        assignee: names.published(&item.assignee),
        due: one_line(&dates::date(&item.due, options.era)),
        done: item.done,
    }
}

/// Takes out what no file may hold and the eye does not see; lines stay lines, none of them empty.
fn clean(text: &str) -> String {
    let seen = text.replace("\r\n", "\n").replace('\r', "\n");
    let seen: String = seen
        .chars()
        .map(|character| if character == '\t' { ' ' } else { character })
        .filter(|&character| character == '\n' || !(character.is_control() || is_never_text(character)))
        .collect();
    let lines: Vec<&str> = seen.lines().map(str::trim_end).filter(|line| !line.trim().is_empty()).collect();
    lines.join("\n").trim().to_owned()
}

fn is_never_text(character: char) -> bool {
    // A variation of a character is asked for by joiners too, so those stay; marks of direction do not.
    let joins = matches!(character, '\u{200c}' | '\u{200d}');
    matches!(character, '\u{fffe}' | '\u{ffff}') || (file_name::is_unseen(character) && !joins)
}

/// Returns a text that must not be divided into lines.
pub(super) fn one_line(text: &str) -> String {
    clean(text).replace('\n', " ")
}
