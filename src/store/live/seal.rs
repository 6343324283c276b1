//! What was recorded live becomes an ordinary recording: once, whatever breaks off in between.
//!
//! One microphone becomes a mono file with the very samples it sent. Several become the channels of one file, each
//! from the moment on at which it was switched on; where their rates differ, all are brought to 16 kHz. Where the clock of
//! one was found to err, a sample is repeated or left out now and then, so that all keep the server's time.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::drift::Steady;
use super::event::Phase;
use super::journal::Reader;
use super::room::{Room, base, offset_ms};
use super::several::{Heard, is_one_a_person};
use super::stream::Stream;
use super::{Live, WAV, staging};
use crate::audio::frames::Frame;
use crate::audio::resample::Resampler;
use crate::audio::{SAMPLE_RATE_HZ, rf64};
use crate::clock::UnixMs;
use crate::speech::diarize::Wanted;
use crate::store::audit::{Actor, Entry, hex};
use crate::store::blobs::{BlobKey, Blobs, Sealed};
use crate::store::dialect::values;
use crate::store::jobs::{self, NewJob, Priority};
use crate::store::recordings::NewRecording;
use crate::store::uploads::{Recorded, SealError};
use crate::store::{Id, StoreError};

/// What kind of file it becomes.
const MIME: &str = "audio/wav";
/// How long a microphone that is connected, but has not said its end, is waited for.
const SILENCE_MAX: Duration = Duration::from_secs(10 * 60);
/// How long one is waited for whose line is gone, after a person has ended the meeting: a line that broke for a moment is
/// there again by then, and people wait for the recording.
const GONE_MAX: Duration = Duration::from_secs(15);
/// Frames written at a time: a quarter of a second at the usual rate.
const PIECE_FRAMES: usize = 12_000;

/// What is sealed together.
struct Part {
    /// The recording comes from this: the live meeting, or the further part of one microphone.
    upload: Id,
    /// Whether the live meeting is sealed with it.
    is_whole: bool,
    streams: Vec<Arc<Stream>>,
}

/// Returns what can be sealed now. Who keeps silent for a long time, or is gone, is waited for no longer: what comes later
/// becomes a further recording.
fn due(room: &Room, now: UnixMs) -> Vec<Part> {
    let streams = room.streams();
    let silence = now.since(room.heard_at());
    let is_due = |stream: &Arc<Stream>| silence >= SILENCE_MAX || is_done(stream);
    let is_gone = |stream: &Arc<Stream>| silence >= GONE_MAX && !stream.progress().connected;
    match room.phase() {
        Phase::Recording | Phase::Paused => Vec::new(),
        Phase::Ended if streams.iter().all(|stream| is_due(stream) || is_gone(stream)) => {
            vec![Part { upload: room.kind.id, is_whole: true, streams }]
        }
        Phase::Ended => Vec::new(),
        Phase::Sealed => {
            let part = |stream: Arc<Stream>| {
                let upload = stream.origin.id;
                Part { upload, is_whole: false, streams: vec![stream] }
            };
            streams.into_iter().filter(is_due).map(part).collect()
        }
    }
}

/// Tells whether a microphone has sent all it has.
fn is_done(stream: &Arc<Stream>) -> bool {
    let progress = stream.progress();
    match progress.end {
        Some(end) => progress.durable >= end,
        // It was switched on and never heard anything.
        None => !progress.connected && progress.written == stream.origin.first_sample,
    }
}

impl Live {
    /// Makes ordinary recordings of a live meeting that has ended, as soon as its microphones have sent everything: one
    /// of all together, one of each further part that came after it. Doing it again after any interruption finds what
    /// was done.
    ///
    /// Errors: see [`SealError`]; the sound stays in its journals and can be sealed later.
    pub async fn seal(
        &self,
        room: &Arc<Room>,
        blobs: &Blobs,
        now: UnixMs,
    ) -> Result<Vec<Recorded>, SealError> {
        // Nobody writes any more, and nobody adds a microphone meanwhile.
        let _one = self.0.changing.lock().await;
        let mut recorded = Vec::new();
        room.waits(now);
        for part in due(room, now) {
            let mut pens = Vec::new();
            for stream in &part.streams {
                pens.push(stream.take_pen().await?);
            }
            recorded.extend(self.seal_part(room, &part, blobs, now).await?);
            for stream in &part.streams {
                if let Some(end) = stream.progress().end.filter(|_| !is_done(stream)) {
                    room.is_cut_short(stream.origin.microphone, end);
                }
                room.forget_stream(stream.origin.id);
                let path = stream.path().to_owned();
                staging::on_disk(move || staging::remove(&path)).await?;
            }
        }
        Ok(recorded)
    }

    async fn seal_part(
        &self,
        room: &Arc<Room>,
        part: &Part,
        blobs: &Blobs,
        now: UnixMs,
    ) -> Result<Option<Recorded>, SealError> {
        let known = self.0.store.recorded(part.upload).await?;
        let sealed = match known {
            Some(_) => None,
            None => self.seal_sound(part, blobs).await?,
        };
        let recorded = self.record(room, part, sealed, now).await?;
        if part.is_whole {
            room.set_phase(Phase::Sealed, now);
        }
        Ok(known.or(recorded))
    }

    /// Tells how the speakers of a part are told apart: by the microphone if there was one a person, else by their voices.
    async fn speakers(&self, room: &Room, part: &Part) -> Result<Wanted, StoreError> {
        let now = part.streams.iter().filter_map(|stream| stream.heard_when());
        let sealed = self.0.store.live_streams(room.kind.id, true).await?;
        let before = sealed.iter().filter_map(|(origin, end, at)| Heard::of(origin, (*end)?, *at));
        let all: Vec<Heard> = now.chain(before).collect();
        Ok(if is_one_a_person(&all) { Wanted::Channels } else { Wanted::Auto })
    }

    /// Writes the sound of a part into the store of audio; nothing if nobody ever spoke into it.
    async fn seal_sound(&self, part: &Part, blobs: &Blobs) -> Result<Option<(BlobKey, Sealed)>, SealError> {
        let heard: Vec<_> = part.streams.iter().filter(|stream| stream.length_ms() > 0).cloned().collect();
        if heard.is_empty() {
            return Ok(None);
        }
        let path = self.0.folder.join(format!("{}.{WAV}", part.upload));
        let to = path.clone();
        staging::on_disk(move || write_file(&heard, &to)).await?;
        let key: BlobKey = format!("audio/{}", part.upload).parse()?;
        let sealed = blobs.seal(&path, &key, None).await?;
        Ok(Some((key, sealed)))
    }

    /// Writes down in one transaction what a part has become.
    async fn record(
        &self,
        room: &Room,
        part: &Part,
        sealed: Option<(BlobKey, Sealed)>,
        now: UnixMs,
    ) -> Result<Option<Recorded>, StoreError> {
        let (meeting, user, actor) = (room.kind.meeting, room.kind.user, Actor::server());
        let speakers = self.speakers(room, part).await?;
        let mut tx = self.0.store.write().await?;
        let mut recorded = None;
        if let Some((key, sealed)) = sealed {
            let new = NewRecording {
                meeting: Some(meeting),
                user,
                upload: Some(part.upload),
                blob: key.to_string(),
                bytes: sealed.bytes,
                sha256: hex(&sealed.sha256),
                file_name: "会議室の録音.wav".to_owned(),
                mime: MIME.to_owned(),
            };
            let recording = tx.add_recording(&new, now).await?;
            let settings = jobs::Settings { speakers, ..jobs::Settings::default() };
            let job =
                NewJob { meeting: Some(meeting), recording, user, settings, priority: Priority::Normal };
            let job = tx.enqueue(&job, &actor, now).await?;
            let drift_ppm: Vec<_> = part.streams.iter().map(|stream| stream.drift_ppm()).collect();
            let detail = serde_json::json!({
                "live": room.kind.id, "bytes": new.bytes, "sha256": new.sha256, "drift_ppm": drift_ppm,
            });
            tx.audit(Entry::done(&actor, now, "recording.create", recording).on(meeting).with(detail))
                .await?;
            recorded =
                Some(Recorded { meeting: Some(meeting), recording, job: Some(job), sha256: new.sha256 });
        }
        for stream in &part.streams {
            let (id, written) = (stream.origin.id, stream.progress().written);
            if written == stream.origin.first_sample {
                // Who comes again begins at the same place: the name of the part is free for it.
                tx.run("DELETE FROM live_streams WHERE id = $1", values![id]).await?;
                continue;
            }
            let sql = "UPDATE live_streams SET sealed = 1, samples_end = $2 WHERE id = $1";
            tx.run(sql, values![id, written]).await?;
        }
        if part.is_whole {
            tx.run("UPDATE lives SET phase = 'sealed' WHERE id = $1", values![room.kind.id]).await?;
        }
        tx.commit().await?;
        Ok(recorded)
    }
}

/// Writes streams as the channels of one file, and brings it onto the disk.
#[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
fn write_file(streams: &[Arc<Stream>], path: &Path) -> Result<(), StoreError> {
    let io = |error| StoreError::io(path, error);
    let first = streams.first().map_or(SAMPLE_RATE_HZ, |stream| stream.origin.rate_hz);
    let is_one_rate = streams.iter().all(|stream| stream.origin.rate_hz == first);
    let rate_hz = if is_one_rate { first } else { SAMPLE_RATE_HZ };
    let base = base(streams);
    let mut channels = Vec::new();
    for stream in streams {
        // A single microphone has nothing to agree with: its samples are left as they came.
        let drift_ppm = if streams.len() > 1 { stream.drift_ppm().unwrap_or(0) } else { 0 };
        channels.push(Channel::open(stream, rate_hz, offset_ms(stream, base), drift_ppm)?);
    }
    // The length stands in the head: it is known, for nobody writes any more.
    let frames = channels.iter().map(|channel| channel.frames).max().unwrap_or(0);
    staging::remove(path)?;
    let file = File::create_new(path).map_err(io)?;
    let mut file = BufWriter::with_capacity(256 << 10, file);
    let count = u16::try_from(channels.len()).unwrap_or(u16::MAX);
    file.write_all(&rf64::head(count, rate_hz, frames)).map_err(io)?;
    let mut left = frames;
    let mut bytes = Vec::new();
    while left > 0 {
        let piece = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_FRAMES);
        for channel in &mut channels {
            channel.fill(piece)?;
        }
        bytes.clear();
        for at in 0..piece {
            bytes.extend(channels.iter().flat_map(|channel| channel.ready[at].to_le_bytes()));
        }
        file.write_all(&bytes).map_err(io)?;
        channels.iter_mut().for_each(|channel| drop(channel.ready.drain(..piece)));
        left -= piece as u64;
    }
    let file = file.into_inner().map_err(|error| io(error.into_error()))?;
    file.sync_all().map_err(io)
}

/// One channel on its way into the file.
struct Channel {
    reader: Reader,
    resampler: Option<(Resampler, Vec<f32>)>,
    steady: Steady,
    /// Samples it gives in all, its silence before the beginning included.
    frames: u64,
    /// Silence that is still to come before its beginning.
    silence: u64,
    ready: Vec<i16>,
    path: PathBuf,
    is_over: bool,
}

impl Channel {
    fn open(stream: &Stream, rate_hz: u32, offset_ms: u64, drift_ppm: i64) -> Result<Self, StoreError> {
        let unusable = |_| StoreError::Damaged { what: format!("{} Hz", stream.origin.rate_hz) };
        let own = stream.origin.rate_hz;
        let resampler = if own == rate_hz { None } else { Some(Resampler::new(own).map_err(unusable)?) };
        let steady = Steady::new(drift_ppm, stream.length_ms());
        let silence = (offset_ms + steady.later_ms).saturating_mul(u64::from(rate_hz)) / 1_000;
        let samples = steady.length(stream.progress().written - stream.origin.first_sample);
        let samples =
            if resampler.is_some() { crate::audio::resample::output_len(samples, own) } else { samples };
        Ok(Self {
            reader: stream.read()?,
            resampler: resampler.map(|resampler| (resampler, Vec::new())),
            steady,
            frames: silence + samples,
            silence,
            ready: Vec::new(),
            path: stream.path().to_owned(),
            is_over: false,
        })
    }

    /// Makes at least so many samples ready: behind the end there is silence.
    fn fill(&mut self, samples: usize) -> Result<(), StoreError> {
        while self.ready.len() < samples {
            if self.silence > 0 {
                let missing =
                    (samples - self.ready.len()).min(usize::try_from(self.silence).unwrap_or(usize::MAX));
                self.ready.resize(self.ready.len() + missing, 0);
                self.silence -= missing as u64;
                continue;
            }
            match self.next()? {
                Some(frame) => self.take(&frame.samples),
                None if self.is_over => self.ready.resize(samples, 0),
                None => self.end(),
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Frame>, StoreError> {
        if self.is_over {
            return Ok(None);
        }
        self.reader.next_frame().inspect_err(|_| {
            tracing::error!(path = %self.path.display(), "a journal cannot be read");
        })
    }

    fn take(&mut self, samples: &[i16]) {
        let samples = self.steady.take(samples);
        match &mut self.resampler {
            None => self.ready.extend(&samples),
            Some((resampler, out)) => {
                let samples: Vec<f32> = samples.iter().map(|sample| f32::from(*sample) / 32_768.0).collect();
                resampler.push(&samples, out);
                self.ready.extend(out.drain(..).map(to_s16));
            }
        }
    }

    fn end(&mut self) {
        self.is_over = true;
        if let Some((resampler, out)) = &mut self.resampler {
            resampler.finish(out);
            self.ready.extend(out.drain(..).map(to_s16));
        }
    }
}

/// Full scale is 32,768, as in the decoders; a cast saturates.
fn to_s16(sample: f32) -> i16 {
    (sample * 32_768.0).round() as i16
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests look at files, as the world does")]
mod tests {
    use super::*;
    use crate::store::live::CaptionWish;
    use crate::store::live::event::Status;
    use crate::store::live::history::History;
    use crate::store::live::room::Kind;
    use crate::store::live::stream::Origin;

    const BEGAN: UnixMs = UnixMs::from_ms(1_790_000_000_000);

    /// Makes a microphone that was switched on so long after the first, and heard a second of one sample.
    async fn heard(folder: &Path, (number, rate_hz): (u32, u32), after_ms: u64, sample: i16) -> Arc<Stream> {
        let (id, microphone) = (Id::new(), Id::new());
        let origin = Origin { id, number, microphone, rate_hz, first_sample: 0 };
        let stream = Arc::new(Stream::new(origin, folder.join(id.to_string()), None, None));
        let mut pen = stream.take_pen().await.expect("it is free");
        let samples = vec![sample; rate_hz as usize];
        let frame = Frame { number: 0, first_sample: 0, hole_before: false, samples };
        pen.take(frame, BEGAN.plus(Duration::from_millis(after_ms + 1_000))).await.expect("there is room");
        stream
    }

    fn written(folder: &Path, streams: &[Arc<Stream>]) -> (u32, Vec<i16>) {
        let path = folder.join("file.wav");
        write_file(streams, &path).expect("there is room");
        let bytes = std::fs::read(&path).expect("it is there");
        let rate_hz = u32::from_le_bytes([bytes[24], bytes[25], bytes[26], bytes[27]]);
        (rate_hz, bytes[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
    }

    #[tokio::test]
    async fn two_microphones_become_two_channels_each_from_its_own_moment_on() {
        let folder = tempfile::tempdir().expect("there is room");
        let first = heard(folder.path(), (0, 8_000), 0, 100).await;
        let second = heard(folder.path(), (1, 8_000), 500, 200).await;
        let (rate_hz, samples) = written(folder.path(), &[first, second]);
        assert_eq!((rate_hz, samples.len()), (8_000, 2 * 12_000));
        let at = |ms: usize| (samples[16 * ms], samples[16 * ms + 1]);
        assert_eq!(
            [at(0), at(499), at(500), at(999), at(1_000), at(1_499)],
            [(100, 0), (100, 0), (100, 200), (100, 200), (0, 200), (0, 200)]
        );
    }

    #[tokio::test]
    async fn microphones_of_two_rates_meet_at_16_khz() {
        let folder = tempfile::tempdir().expect("there is room");
        let first = heard(folder.path(), (0, 8_000), 0, 1_000).await;
        let second = heard(folder.path(), (1, 48_000), 0, 2_000).await;
        let (rate_hz, samples) = written(folder.path(), &[first, second]);
        assert_eq!((rate_hz, samples.len()), (16_000, 2 * 16_000));
        let (left, right) = (samples[16_000], samples[16_001]);
        assert!((left - 1_000).abs() < 20 && (right - 2_000).abs() < 20, "{left} {right}");
    }

    #[tokio::test]
    async fn one_microphone_becomes_the_very_samples_it_sent() {
        let folder = tempfile::tempdir().expect("there is room");
        let only = heard(folder.path(), (0, 44_100), 0, -7).await;
        assert_eq!(written(folder.path(), &[only]), (44_100, vec![-7; 44_100]));
    }

    /// Makes a meeting that a person has ended just now, with a microphone that owes half of its sound.
    async fn ended(folder: &Path, connected: bool) -> Room {
        let wish = CaptionWish::default();
        let (id, meeting, user, room) = (Id::new(), Id::new(), Id::new(), String::new());
        let kind = Kind { id, meeting, user, room, wish, began_at: BEGAN, is_door: false };
        let history = History::new(1, Vec::new(), Vec::new(), Status::default());
        let room = Room::new(kind, Phase::Recording, None, history, 100);
        let stream = heard(folder, (0, 8_000), 0, 5).await;
        stream.set_end(16_000);
        stream.connected(connected);
        room.add_stream(stream);
        room.set_phase(Phase::Ended, BEGAN);
        room
    }

    #[tokio::test]
    async fn a_microphone_whose_line_is_gone_is_waited_for_seconds_and_one_that_is_there_minutes() {
        let folder = tempfile::tempdir().expect("there is room");
        let after = |seconds: u64| BEGAN.plus(Duration::from_secs(seconds));
        let (gone, there) = (ended(folder.path(), false).await, ended(folder.path(), true).await);
        let counts = |seconds| (due(&gone, after(seconds)).len(), due(&there, after(seconds)).len());
        assert_eq!([counts(14), counts(15), counts(599), counts(600)], [(0, 0), (1, 0), (1, 0), (1, 1)]);
        // It has come back, and was heard: now it is waited for like any other.
        gone.streams()[0].connected(true);
        gone.hears(after(20));
        assert!(due(&gone, after(100)).is_empty());
    }

    #[tokio::test]
    async fn after_a_new_start_a_microphone_has_time_to_come_back() {
        let folder = tempfile::tempdir().expect("there is room");
        let room = ended(folder.path(), false).await;
        room.ended_before(BEGAN);
        let start = BEGAN.plus(Duration::from_secs(7_200));
        room.waits(start);
        assert!(due(&room, start.plus(Duration::from_secs(14))).is_empty());
        room.waits(start.plus(Duration::from_secs(14)));
        assert_eq!(due(&room, start.plus(Duration::from_secs(15))).len(), 1);
    }
}
