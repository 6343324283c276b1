//! The program, its sample meeting, and sound made from it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use gijiroku::audio::reader::MonoReader;
use gijiroku::speech::transcript::Transcript;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_gijiroku");

/// Returns the path of a file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Returns the sample meeting.
pub fn sample_meeting() -> PathBuf {
    repository("tests/fixtures/audio/sample_meeting.ogg")
}

/// Decodes `seconds` of the sample meeting: 16 kHz mono.
pub fn meeting_sound(seconds: usize) -> Vec<f32> {
    let file = std::fs::File::open(sample_meeting()).expect("the sample meeting is in the repository");
    let mut reader = MonoReader::open(Box::new(file)).expect("the sample meeting can be read");
    let mut sound = Vec::new();
    while sound.len() < seconds * 16_000 && reader.read(&mut sound).expect("the sample meeting is complete") {
    }
    sound.truncate(seconds * 16_000);
    sound
}

/// Writes 16 kHz mono sound as a WAV file.
pub fn write_wav(path: &Path, sound: &[f32]) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).expect("there is room for the test's sound");
    for sample in sound {
        writer.write_sample((sample * 32_767.0) as i16).expect("there is room for the test's sound");
    }
    writer.finalize().expect("there is room for the test's sound");
}

/// Runs the program from the repository's root and waits for it.
pub fn gijiroku(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the program can be started")
}

/// Prepares a run of the program from the repository's root.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// Returns what a run told on standard error.
pub fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Reads a transcript the program wrote.
pub fn transcript(path: &Path) -> Transcript {
    let json = std::fs::read_to_string(path).expect("the program wrote its transcript");
    Transcript::from_json(&json).expect("what the program writes keeps its own format")
}

/// Returns a path as text.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("the test's paths are UTF-8")
}

/// Waits for something that happens outside of this process.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not within a minute: {what}");
}
