//! `gijiroku speakers`: who spoke when in a recording, without its words.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;

use super::{EXIT_FAILURE, EXIT_INPUT, EXIT_MODEL, files};
use crate::audio::MediaSpan;
use crate::audio::reader::MonoReader;
use crate::audio::vad::{Silero, Vad, VadSettings};
use crate::jobs::speakers::{Ear, Encoders, SPEAKER_MODEL};
use crate::speech::diarize::{Diarization, Wanted};
use crate::speech::naming::{self, Heard};
use crate::speech::score::turns::{NamedTurn, SpeakerTime, compare, from_rttm, to_rttm};
use crate::speech::voice::{Embedding, Voice};
use crate::store::models::ModelStore;

/// Name of the speech detector's weights in the manifest.
const VAD_MODEL: &str = "silero-v6";

/// Tells who spoke when in a recording.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The recording
    input: PathBuf,
    /// How many there are, 1 to 20; auto if unknown; channels if everybody had a microphone
    #[arg(long, value_name = "auto|N|channels", default_value_t = Wanted::Auto)]
    speakers: Wanted,
    /// Who truly spoke when, as RTTM: prints how much is wrong instead of the turns
    #[arg(long, value_name = "RTTM")]
    truth: Option<PathBuf>,
    /// Stretches of this recording in which known people speak, as RTTM: speakers are called by their names
    #[arg(long, value_name = "RTTM")]
    known: Option<PathBuf>,
    /// Folder of weights; models/weights, here or where the program was built, if absent
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// Print CPU seconds at the end
    #[arg(long, hide = true)]
    timings: bool,
}

/// Runs the sub-command and prints to standard output.
///
/// Errors: a file cannot be read.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let store = ModelStore::open(&files::weights_folder(args.models.as_deref()))?;
    let weights = match (store.read_vad(VAD_MODEL), store.read_speaker(SPEAKER_MODEL)) {
        (Ok(detector), Ok(voice)) => (detector, voice),
        (Err(error), _) | (_, Err(error)) => {
            eprintln!("gijiroku: {error}");
            return Ok(ExitCode::from(EXIT_MODEL));
        }
    };
    let detector = Arc::new(Silero::from_safetensors(&weights.0)?);
    let voice = Voice::load(&weights.1)?;
    let file = files::open(&args.input)?;
    let reader = match MonoReader::open(Box::new(file)) {
        Ok(reader) => reader,
        Err(error) => {
            eprintln!("gijiroku: {}: {error}", args.input.display());
            return Ok(ExitCode::from(EXIT_INPUT));
        }
    };
    let ear = Ear::of(args.speakers, &Encoders::of(&store), &detector);
    let known = turns_of(args.known.as_ref())?;
    let Some((found, people)) = heard(reader, detector, ear, &voice, &known)? else {
        eprintln!("gijiroku: 話者を区別できませんでした");
        return Ok(ExitCode::from(EXIT_FAILURE));
    };
    let turns = named(&found, &people);
    match &args.truth {
        None => print!("{}", to_rttm(&turns, &args.input.file_stem().unwrap_or_default().to_string_lossy())),
        Some(path) => {
            let truth = turns_of(Some(path))?;
            println!("{}", line(&compare(&truth, &turns)?, people_in(&turns), people_in(&truth)));
        }
    }
    if args.timings {
        files::tell_timings()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn turns_of(path: Option<&PathBuf>) -> anyhow::Result<Vec<NamedTurn>> {
    let Some(path) = path else { return Ok(Vec::new()) };
    from_rttm(&files::read_text(path)?).with_context(|| path.display().to_string())
}

/// Somebody whose voice is known.
struct Person {
    name: String,
    voice: Embedding,
}

/// Reads a recording to its end; keeps the sound of the stretches in which known people speak.
fn heard(
    mut reader: MonoReader,
    detector: Arc<Silero>,
    mut ear: Ear,
    voice: &Voice,
    known: &[NamedTurn],
) -> anyhow::Result<Option<(Diarization, Vec<Person>)>> {
    let mut vad = Vad::new(detector, VadSettings::default());
    let mut kept: Vec<Vec<f32>> = vec![Vec::new(); known.len()];
    let (mut samples, mut at, mut more) = (Vec::new(), 0_u64, true);
    while more {
        samples.clear();
        more = reader.read_beside(&mut samples, &mut |block| ear.hear_block(block))?;
        let probabilities = vad.push(&samples).probabilities;
        ear.hear(&samples, &probabilities);
        for (turn, kept) in known.iter().zip(&mut kept) {
            kept.extend_from_slice(part(&samples, at, turn.span));
        }
        at += samples.len() as u64;
    }
    let found = ear.tell(&vad.finish().probabilities);
    Ok(found.map(|found| (found, people(voice, known, &kept))))
}

/// Returns what of a stretch, whose first sample is the recording's number `first`, lies in a span.
fn part(samples: &[f32], first: u64, span: MediaSpan) -> &[f32] {
    let place = |sample: u64| (sample.saturating_sub(first) as usize).min(samples.len());
    &samples[place(span.samples().start)..place(span.samples().end)]
}

fn people(voice: &Voice, known: &[NamedTurn], sounds: &[Vec<f32>]) -> Vec<Person> {
    let mut names: Vec<&str> = known.iter().map(|turn| turn.speaker.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let person = |name: &str| {
        let own = known.iter().zip(sounds).filter(|(turn, _)| turn.speaker == name);
        let voices: Vec<Embedding> =
            own.flat_map(|(_, sound)| voice.embed(sound)).map(|(_, voice)| voice).collect();
        Some(Person { name: name.to_owned(), voice: Embedding::middle(&voices)? })
    };
    names.into_iter().filter_map(person).collect()
}

/// Calls the speakers by the names of known voices that are surely theirs, else by their numbers.
fn named(found: &Diarization, people: &[Person]) -> Vec<NamedTurn> {
    let heard = found.speakers.iter();
    let heard: Vec<Heard> =
        heard.map(|one| Heard { voice: one.voice.clone(), speech_ms: one.speech_ms }).collect();
    let known: Vec<Embedding> = people.iter().map(|person| person.voice.clone()).collect();
    let names = naming::name(&heard, &known);
    let name = |id: u16| {
        let index = found.speakers.iter().position(|speaker| speaker.id.0 == id);
        let own = names.iter().find(|named| Some(named.heard) == index);
        own.map_or_else(|| format!("話者{id}"), |named| people[named.known].name.clone())
    };
    let turn =
        |turn: &crate::speech::diarize::Turn| NamedTurn { span: turn.span, speaker: name(turn.speaker.0) };
    found.turns.iter().map(turn).collect()
}

fn people_in(turns: &[NamedTurn]) -> usize {
    let mut names: Vec<&str> = turns.iter().map(|turn| turn.speaker.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.len()
}

fn line(time: &SpeakerTime, found: usize, truth: usize) -> String {
    let percent = |ms: u64| 100.0 * ms as f64 / time.total_ms.max(1) as f64;
    format!(
        "DER {:.1} %  missed {:.1} %  false alarm {:.1} %  confused {:.1} %  speakers {found} of {truth}",
        100.0 * time.rate().unwrap_or(0.0),
        percent(time.missed_ms),
        percent(time.false_alarm_ms),
        percent(time.confused_ms),
    )
}
