//! Every recording format we promise to read: whole, cut off, and damaged.

use std::fs;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gijiroku::audio::decode::{DecodeError, Loss};
use gijiroku::audio::reader::{AudioReport, MonoReader};
use gijiroku::audio::wav;

/// Samples of the reference speech; all fixtures hold the same four seconds.
const REFERENCE_SAMPLES: usize = 64_000;

/// A fixture and how far it may be from the reference.
struct Fixture {
    name: &'static str,
    /// How much later than the reference the sound is. Units: milliseconds.
    ///
    /// Zero wherever the container tells the encoder's delay; raw AAC and fragments without an edit list do not.
    late_ms: f64,
    /// How much longer than the reference. Units: milliseconds.
    longer_ms: f64,
    /// Lowest correlation with the reference: 8 kHz recordings and low bit rates lose a part of it.
    alike: f64,
}

const fn fixture(name: &'static str, late_ms: f64, longer_ms: f64, alike: f64) -> Fixture {
    Fixture { name, late_ms, longer_ms, alike }
}

const FIXTURES: [Fixture; 26] = [
    fixture("reference.wav", 0.0, 0.0, 0.999),
    fixture("s24_8k.wav", 0.0, 0.0, 0.97),
    fixture("float_8k.wav", 0.0, 0.0, 0.97),
    fixture("mulaw_8k.wav", 0.0, 0.0, 0.97),
    fixture("alaw_8k.wav", 0.0, 0.0, 0.97),
    fixture("ima_8k.wav", 0.0, 82.0, 0.97),
    fixture("ms_11k_stereo.wav", 0.0, 39.0, 0.97),
    fixture("aiff_8k.aiff", 0.0, 0.0, 0.97),
    fixture("caf_8k.caf", 0.0, 0.0, 0.97),
    fixture("cbr_44k_stereo.mp3", 0.0, 0.0, 0.97),
    fixture("vbr_16k.mp3", 0.0, 0.0, 0.97),
    fixture("adts_44k.aac", 23.2, 40.0, 0.97),
    fixture("index_last.m4a", 0.0, 0.0, 0.97),
    fixture("index_first.m4a", 0.0, 0.0, 0.97),
    fixture("fragmented.mp4", 23.2, 40.0, 0.97),
    fixture("alac_16k.m4a", 0.0, 0.0, 0.999),
    fixture("opus.mp4", 0.0, 0.0, 0.94),
    fixture("flac_22k.flac", 0.0, 0.0, 0.99),
    fixture("vorbis_44k_stereo.ogg", 0.0, 0.0, 0.97),
    fixture("vorbis_32k_six.ogg", 0.0, 0.0, 0.97),
    fixture("opus_48k.ogg", 0.0, 0.0, 0.94),
    fixture("opus_48k_stereo.webm", 0.0, 14.0, 0.94),
    fixture("live.webm", 0.0, 14.0, 0.94),
    fixture("film.mp4", 0.0, 0.0, 0.97),
    fixture("film.webm", 0.0, 14.0, 0.94),
    fixture("film.mkv", 23.2, 32.0, 0.97),
];

#[expect(clippy::disallowed_methods, reason = "a test reads its fixtures")]
fn bytes_of(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audio").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn reference() -> Vec<f32> {
    wav::read(bytes_of("reference.wav").as_slice()).expect("the reference is 16 kHz mono")
}

/// Notes what is wrong with one fixture, so that a test tells about all of them.
fn note(wrong: &mut Vec<String>, expectation: bool, what: String) {
    if !expectation {
        wrong.push(what);
    }
}

/// Everything a recording gives, and how it ended.
struct Heard {
    samples: Vec<f32>,
    report: AudioReport,
    end: Result<(), DecodeError>,
}

fn hear(bytes: Vec<u8>) -> Result<Heard, DecodeError> {
    let mut reader = MonoReader::open(Box::new(Cursor::new(bytes)))?;
    let mut samples = Vec::new();
    let end = loop {
        match reader.read(&mut samples) {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    Ok(Heard { report: reader.report(), samples, end })
}

/// Where `heard` is most like `reference`, within `lag_ms_max`: the lag in milliseconds and the correlation there.
fn best_match(reference: &[f32], heard: &[f32], lag_ms_max: usize) -> (f64, f64) {
    // 4 kHz hold the speech; a sixteenth of the work.
    let thin = |samples: &[f32]| -> Vec<f64> {
        samples.chunks_exact(4).map(|four| four.iter().map(|&sample| f64::from(sample)).sum()).collect()
    };
    let (reference, heard) = (thin(reference), thin(heard));
    let best = |lag: isize| (lag as f64 / 4.0, correlation(&reference, &heard, lag));
    let lag_max = (lag_ms_max * 4) as isize;
    (-lag_max..=lag_max).map(best).max_by(|left, right| left.1.total_cmp(&right.1)).expect("at least one lag")
}

fn correlation(reference: &[f64], heard: &[f64], lag: isize) -> f64 {
    let at = |index: usize| index.checked_add_signed(lag).and_then(|index| heard.get(index)).copied();
    let pairs = || reference.iter().enumerate().filter_map(|(index, &left)| Some((left, at(index)?)));
    let (mut both, mut left_power, mut right_power) = (0.0, 1e-12, 1e-12);
    for (left, right) in pairs() {
        both += left * right;
        left_power += left * left;
        right_power += right * right;
    }
    both / (left_power * right_power).sqrt()
}

#[test]
fn every_format_gives_the_same_four_seconds() {
    let (reference, mut wrong) = (reference(), Vec::new());
    for fixture in &FIXTURES {
        let name = fixture.name;
        let heard = hear(bytes_of(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        heard.end.unwrap_or_else(|error| panic!("{name}: {error}"));
        let longer_ms = (heard.samples.len() as f64 - REFERENCE_SAMPLES as f64) / 16.0;
        let (late_ms, alike) = best_match(&reference, &heard.samples, 60);
        note(
            &mut wrong,
            (longer_ms - fixture.longer_ms).abs() < 8.0,
            format!("{name}: {longer_ms} ms longer"),
        );
        note(&mut wrong, (late_ms - fixture.late_ms).abs() < 1.5, format!("{name}: {late_ms} ms late"));
        note(&mut wrong, alike > fixture.alike, format!("{name}: {alike} alike"));
        note(&mut wrong, heard.report.damaged_packets == 0, format!("{name}: {:?}", heard.report));
        note(&mut wrong, heard.report.losses.is_empty(), format!("{name}: {:?}", heard.report));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_recording_of_a_real_browser_has_its_speech_and_both_tones() {
    let heard = hear(bytes_of("browser.webm")).expect("a MediaRecorder file");
    // Recorded for five seconds; when exactly the browser's microphone begins is not ours to say.
    let (late_ms, alike) = best_match(&reference(), &heard.samples, 900);
    assert!(alike > 0.85, "{alike} alike, {late_ms} ms late");
    assert!((79_000..82_000).contains(&heard.samples.len()), "{}", heard.samples.len());
    assert_eq!(heard.report.losses, []);
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let refusal = |name: &str| hear(bytes_of(name)).err().map(|error| error.to_string()).unwrap_or_default();
    let cases = [
        ("refused_ac3.mkv", "the codec AC-3 is not supported"),
        ("refused_wma.wma", "the codec WMA or another in an ASF file is not supported"),
        ("refused_amr.amr", "the codec AMR is not supported"),
        ("refused_encrypted.mp4", "the recording is protected by common encryption (CENC)"),
        ("refused_silent_film.mp4", "the ISO Base Media File Format file has no sound track"),
    ];
    for (name, expected) in cases {
        assert_eq!(refusal(name), expected, "{name}");
    }
}

#[test]
fn what_is_no_recording_is_refused_by_name() {
    let texts: [&[u8]; 4] =
        [b"plain text\n", "\u{8b70}\u{4e8b}\u{9332}".as_bytes(), b"{\"json\": 1}", b"<svg></svg>"];
    for text in texts {
        assert!(matches!(hear(text.to_vec()), Err(DecodeError::NotAudio { looks_like: "a text" })));
    }
    let heads: [&[u8]; 4] =
        [b"\xFF\xD8\xFF\xE0\0\x10JFIF", b"PK\x03\x04", b"\x7FELF\x02\x01", b"\x89PNG\r\n"];
    for head in heads {
        let file = [head, &noise(50_000, 7)].concat();
        assert!(matches!(hear(file), Err(DecodeError::NotAudio { .. })), "{head:?}");
    }
    assert!(matches!(hear(Vec::new()), Err(DecodeError::Empty)));
    assert!(matches!(hear(vec![0; 100_000]), Err(DecodeError::NotAudio { .. })));
}

#[test]
fn noise_is_no_recording_and_is_refused_in_bounded_time() {
    for seed in 1..20 {
        let heard = hear(noise(300_000, seed));
        let gave = heard.as_ref().map_or(0, |heard| heard.samples.len());
        assert!(heard.is_err(), "seed {seed} gave {gave} samples");
    }
}

/// Bytes that look like nothing, always the same for one seed.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn a_recording_cut_at_60_percent_gives_what_is_there_and_says_what_is_missing() {
    // Their index stands at the end, or is the end: nothing can be read without it.
    let needs_its_end = ["index_last.m4a", "alac_16k.m4a", "opus.mp4", "film.mp4"];
    // Nothing in them says how long they should be.
    let promises_nothing = [
        "adts_44k.aac",
        "fragmented.mp4",
        "live.webm",
        "opus_48k.ogg",
        "vorbis_44k_stereo.ogg",
        "vorbis_32k_six.ogg",
    ];
    let (reference, mut wrong) = (reference(), Vec::new());
    for Fixture { name, alike: alike_whole, .. } in &FIXTURES {
        let mut bytes = bytes_of(name);
        bytes.truncate(bytes.len() * 6 / 10);
        let heard = match hear(bytes) {
            Err(DecodeError::Unfinished) if needs_its_end.contains(name) => continue,
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
            Ok(heard) => heard,
        };
        let (seconds, missing_ms) = (heard.samples.len() as f64 / 16_000.0, heard.report.missing_ms);
        let (_, alike) = best_match(&reference, &heard.samples, 60);
        note(&mut wrong, (0.9..3.0).contains(&seconds), format!("{name}: {seconds} s"));
        note(&mut wrong, alike > alike_whole - 0.05, format!("{name}: {alike} alike"));
        let sum_ms = seconds * 1000.0 + missing_ms as f64;
        let told = promises_nothing.contains(name) || (sum_ms - 4_000.0).abs() < 100.0;
        note(&mut wrong, told, format!("{name}: {seconds} s and {missing_ms} ms missing"));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_recording_damaged_in_the_middle_goes_on_behind_the_damage() {
    let (reference, mut wrong) = (reference(), Vec::new());
    for Fixture { name, late_ms, .. } in &FIXTURES {
        let mut bytes = bytes_of(name);
        let (start, len) = (bytes.len() / 2, 64);
        for (byte, noise) in bytes[start..start + len].iter_mut().zip(noise(len, 3)) {
            *byte ^= noise | 1;
        }
        let heard = hear(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        // The last second is behind the damage: there, and at its time. Frames of raw MP3 and AAC carry no time,
        // so what is lost of them is missing in the time behind.
        let from = 48_000;
        let (early_ms_max, alike_min) =
            if lost_frames_leave_no_trace(name) { (300.0, 0.6) } else { (110.0, 0.8) };
        let there = heard.samples.len().saturating_sub(from);
        note(&mut wrong, there >= 11_000, format!("{name}: only {there} samples behind the damage"));
        let behind = heard.samples.get(from..).unwrap_or_default();
        let (found_ms, alike) = best_match(&reference[from..], behind, 350);
        note(&mut wrong, alike > alike_min, format!("{name}: {alike} alike, {:?}", heard.report));
        let in_time = (-early_ms_max..110.0).contains(&(found_ms - late_ms));
        note(&mut wrong, in_time, format!("{name}: {found_ms} ms late, {:?}", heard.report));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn lost_frames_leave_no_trace(name: &str) -> bool {
    name.ends_with(".mp3") || name.ends_with(".aac")
}

#[test]
fn no_damage_makes_a_recording_panic_or_grow() {
    for Fixture { name, .. } in &FIXTURES {
        let whole = bytes_of(name);
        for seed in 0..40 {
            let mut bytes = whole.clone();
            // A few bytes of the header, or of everything: where the lengths are is where it hurts.
            let reach = if seed % 2 == 0 { bytes.len().min(600) } else { bytes.len() };
            for pair in noise(24, seed + 100).chunks_exact(3) {
                let at = (usize::from(pair[0]) << 8 | usize::from(pair[1])) * reach / 65_536;
                bytes[at] ^= pair[2];
            }
            if let Ok(heard) = hear(bytes) {
                // Silence for holes that a damaged clock claims may be long, but not without end.
                assert!(heard.samples.len() < 16_000 * 3_700, "{name} {seed}: {}", heard.samples.len());
            }
        }
    }
}

#[test]
fn headers_that_no_recording_can_have_are_refused_by_field() {
    let damaged = |at: usize, bytes: &[u8]| {
        let mut wave = bytes_of("reference.wav");
        wave[at..at + bytes.len()].copy_from_slice(bytes);
        hear(wave).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert_eq!(damaged(22, &[0, 0]), "the header says channels = 0");
    assert_eq!(damaged(22, &[0xFF, 0xFF]), "the header says channels = 65535");
    assert_eq!(damaged(24, &[0; 4]), "the header says sample rate = 0");
    assert_eq!(damaged(24, &4_000_000_000_u32.to_le_bytes()), "the header says sample rate = 4000000000");
    assert_eq!(damaged(32, &[0, 0]), "the header says bytes per frame = 0");
    assert_eq!(damaged(34, &[0, 0]), "the header says bits per sample = 0");
    assert_eq!(damaged(20, &[0x31, 0]), "the codec GSM 6.10 is not supported");
}

#[test]
fn a_wave_file_whose_header_was_never_finished_gives_all_its_sound() {
    let whole = hear(bytes_of("reference.wav")).expect("whole").samples;
    let sizes = [[0, 0], [u32::MAX, u32::MAX], [0x7FFF_FFFF, 0x7FFF_F000]];
    for [riff, data] in sizes {
        let mut wave = bytes_of("reference.wav");
        let at = wave.windows(4).position(|window| window == b"data").expect("a sound chunk") + 4;
        wave[4..8].copy_from_slice(&u32::to_le_bytes(riff));
        wave[at..at + 4].copy_from_slice(&u32::to_le_bytes(data));
        let heard = hear(wave).expect("the sound is there");
        assert_eq!(heard.samples, whole, "{riff:x} {data:x}");
        assert_eq!(heard.report.losses, []);
    }
}

#[test]
fn mp3_wrapped_into_a_wave_file_is_read_as_mp3() {
    let plain = hear(bytes_of("vbr_16k.mp3")).expect("MP3").samples;
    let format = [0x55_u16, 1, 16_000, 0, 4_000, 0, 1, 0].map(u16::to_le_bytes).concat();
    let mp3 = bytes_of("vbr_16k.mp3");
    let size = |bytes: usize| u32::try_from(bytes).expect("a small file").to_le_bytes();
    let wave = [
        b"RIFF",
        &size(mp3.len() + 36)[..],
        b"WAVEfmt ",
        &size(16),
        &format,
        b"data",
        &size(mp3.len()),
        &mp3,
    ];
    assert_eq!(hear(wave.concat()).expect("MP3 in WAVE").samples, plain);
}

#[test]
fn links_of_a_chained_recording_follow_each_other_at_their_own_rates() {
    let chained = [bytes_of("vorbis_44k_stereo.ogg"), bytes_of("vorbis_32k_six.ogg")].concat();
    let heard = hear(chained).expect("both links");
    let late_ms = (heard.samples.len() as f64 - 128_000.0) / 16.0;
    assert!(late_ms.abs() < 10.0, "{late_ms}");
    let (found_ms, alike) = best_match(&reference(), &heard.samples[64_000..], 60);
    assert!(alike > 0.95 && found_ms.abs() < 5.0, "{alike} alike, {found_ms} ms late");
}

#[test]
fn a_pause_in_a_recorders_clock_is_silence_of_that_length() {
    // The time of the fourth cluster and all behind is moved by a second.
    let mut webm = bytes_of("live.webm");
    let heads: Vec<_> =
        (0..webm.len() - 12).filter(|&at| webm[at..].starts_with(&[0x1F, 0x43, 0xB6, 0x75])).collect();
    assert!(heads.len() > 5, "{heads:?}");
    for &head in &heads[3..] {
        let at = (head..head + 20)
            .find(|&at| webm[at] == 0xE7 && webm[at + 1] == 0x82)
            .expect("two bytes of time");
        let ticks = u16::from_be_bytes([webm[at + 2], webm[at + 3]]) + 1_000;
        webm[at + 2..at + 4].copy_from_slice(&ticks.to_be_bytes());
    }
    let heard = hear(webm).expect("a recording");
    assert!((heard.samples.len() as f64 - 80_000.0).abs() < 500.0, "{}", heard.samples.len());
    assert!(matches!(heard.report.losses[..], [Loss::Hole { span }] if span.len_ms().abs_diff(1_000) < 20));
    let (found_ms, alike) = best_match(&reference()[40_000..], &heard.samples[56_000..], 60);
    assert!(alike > 0.9 && found_ms.abs() < 20.0, "{alike} alike, {found_ms} ms late");
}

/// A WAVE file of any length that exists only while it is read; its sound is a tone of 400 Hz.
struct EndlessWave {
    header: Vec<u8>,
    /// One wave of the tone.
    cycle: Vec<u8>,
    len: u64,
    pos: u64,
    /// The largest piece ever asked for.
    asked_max: Arc<AtomicUsize>,
}

impl EndlessWave {
    const RATE_HZ: u32 = 16_000;
    const CYCLE_SAMPLES: u16 = 40;

    fn of_hours(hours: u32) -> Self {
        let size = hours * 3_600 * Self::RATE_HZ * 2;
        let header = [
            b"RIFF".as_slice(),
            &(size + 36).to_le_bytes(),
            b"WAVEfmt \x10\0\0\0\x01\0\x01\0",
            &Self::RATE_HZ.to_le_bytes(),
            &(Self::RATE_HZ * 2).to_le_bytes(),
            b"\x02\0\x10\0data",
            &size.to_le_bytes(),
        ]
        .concat();
        let phase = |index: u16| f32::from(index) / f32::from(Self::CYCLE_SAMPLES) * std::f32::consts::TAU;
        let cycle =
            (0..Self::CYCLE_SAMPLES).flat_map(|index| ((phase(index).sin() * 8_000.0) as i16).to_le_bytes());
        let len = u64::from(size) + header.len() as u64;
        Self { header, cycle: cycle.collect(), len, pos: 0, asked_max: Arc::default() }
    }
}

impl Read for EndlessWave {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.asked_max.fetch_max(buffer.len(), Ordering::Relaxed);
        let header_len = self.header.len() as u64;
        let part = if self.pos < header_len {
            &self.header[self.pos as usize..]
        } else {
            &self.cycle[((self.pos - header_len) % self.cycle.len() as u64) as usize..]
        };
        // A short answer at the end of each wave would be slow: the rest is filled with whole ones.
        let left = usize::try_from(self.len.saturating_sub(self.pos)).unwrap_or(usize::MAX);
        let count = buffer.len().min(left);
        let source = part.iter().chain(self.cycle.iter().cycle());
        buffer[..count].iter_mut().zip(source).for_each(|(slot, &byte)| *slot = byte);
        self.pos += count as u64;
        Ok(count)
    }
}

impl Seek for EndlessWave {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.pos = match to {
            SeekFrom::Start(pos) => pos,
            SeekFrom::End(delta) => self.len.saturating_add_signed(delta),
            SeekFrom::Current(delta) => self.pos.saturating_add_signed(delta),
        };
        Ok(self.pos)
    }
}

#[test]
fn eight_hours_are_read_in_small_pieces() {
    let source = EndlessWave::of_hours(8);
    let asked_max = source.asked_max.clone();
    let mut reader = MonoReader::open(Box::new(source)).expect("a recording");
    assert_eq!(reader.expected().map(|expected| expected.ms()), Some(8 * 3_600_000));
    let (mut samples, mut total, mut largest) = (Vec::new(), 0, 0);
    while reader.read(&mut samples).expect("no end before the end") {
        largest = largest.max(samples.len());
        total += samples.len();
        samples.clear();
    }
    assert_eq!(total + samples.len(), 8 * 3_600 * 16_000);
    assert!(largest <= 2 * 16_000, "{largest} samples at once");
    assert!(samples.capacity() <= 4 * 16_000, "{} samples kept", samples.capacity());
    let asked_max = asked_max.load(Ordering::Relaxed);
    assert!(asked_max <= 1 << 20, "{asked_max} bytes at once");
    assert_eq!(reader.report().losses, []);
}

#[test]
fn a_source_that_fails_is_told_from_a_damaged_recording() {
    struct Failing(Cursor<Vec<u8>>);
    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if (60_000..100_000).contains(&self.0.position()) {
                return Err(std::io::Error::other("the disk is gone"));
            }
            self.0.read(buffer)
        }
    }
    impl Seek for Failing {
        fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
            self.0.seek(to)
        }
    }
    let mut reader =
        MonoReader::open(Box::new(Failing(Cursor::new(bytes_of("reference.wav"))))).expect("a beginning");
    let mut samples = Vec::new();
    let error = loop {
        match reader.read(&mut samples) {
            Ok(more) => assert!(more, "the end is behind the failure"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, DecodeError::Read(_)), "{error}");
    assert!(samples.len() > 10_000, "{}", samples.len());
    assert!(!reader.read(&mut samples).expect("ended"));
}
