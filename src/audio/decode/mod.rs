//! Bytes of any container or codec become blocks of sound. The only files that name the decoding library.
//!
//! - **In**: a [`Source`], whole, cut off, damaged or hostile.
//! - **Out**: [`Block`]s at the recording's own rate, in order and without a lost moment: what cannot be read or
//!   was never recorded is silence of the same length, and is listed in [`Decoder::losses`].
//! - **Never**: opens a file, holds more than a few packets, panics, or goes on for ever.
//!
//! ```text
//! Source ─sniff─► refused by name
//!    └─► demuxer, seekable ──no sound──► demuxer, forward only ──no sound──► DecodeError
//!                 └────────┬────────────────────┘
//!   packet ─► on time? ─no─► silence        packet ─► decoder ─damaged─► silence
//!                 └─yes───────────────────────────────────┴─► Block ≤ 1 s
//! ```

mod caf;
mod error;
mod feed;
mod losses;
mod media;
mod mp4;
mod open;
mod pending;
mod plan;
mod resync;
mod riff;
mod sniff;
mod source;
mod timeline;

pub use error::DecodeError;
pub use losses::Loss;
pub use media::media_type;
pub use source::Source;

use symphonia::core::codecs::audio::AudioDecoder;
use symphonia::core::packet::Packet;

use feed::{Event, Feed};
use losses::{Losses, is_short, media_time};
use open::{Failure, SoundTrack, guarded};
use pending::Pending;
use plan::Plan;
use sniff::Family;
use source::{Access, Recording, View};
use timeline::{Arrival, Timeline};

use super::{Block, MediaTime};

/// Most channels a recording may have; mixing desks record 64.
const CHANNELS_MAX: u16 = 64;
/// Longest recording that is decoded unless another limit is set; ten times that fits into a small file made to hurt.
const LONGEST: MediaTime = MediaTime::from_ms(24 * 3_600_000);
/// Most empty packets in a row; a header can promise billions of them.
const EMPTY_RUN_MAX: u32 = 10_000;
/// Silence for one unreadable packet is never longer than this. Units: microseconds.
const PACKET_US_MAX: i64 = 1_000_000;

/// Turns a recording into blocks of sound, one call at a time.
///
/// Shape: blocks in order, each at most one second; rate and channels may change from one to the next.
pub struct Decoder {
    feed: Feed,
    codec: Box<dyn AudioDecoder>,
    track: SoundTrack,
    timeline: Timeline,
    /// What was looked at to judge the packet before it.
    peeked: Option<Event>,
    sound: Pending,
    losses: Losses,
    /// Where the sound is to end, by an edit list.
    end_us: Option<i64>,
    /// Length of the last good packet, for damaged ones that do not say theirs.
    usual_us: i64,
    longest: MediaTime,
    /// Whether the next hole is due to damage.
    torn: bool,
    /// Packets in a row that held nothing.
    empty_run: u32,
    heard: bool,
    ended: bool,
}

impl Decoder {
    /// Recognises a recording and decodes up to its first sound.
    ///
    /// Errors: every variant of [`DecodeError`] except `TooLong`; the recording has sound if there is none.
    pub fn open(source: Box<dyn Source>) -> Result<Self, DecodeError> {
        let recording = Recording::new(source).map_err(DecodeError::Read)?;
        let family = sniff::recognise(&recording)?;
        let plan = match family {
            Family::Wave => riff::inspect(&recording)?,
            Family::IsoMp4 => mp4::inspect(&recording)?,
            Family::Caf => caf::inspect(&recording)?,
            Family::Matroska | Family::Other => Plan::whole(&recording),
        };
        let seekable = Self::attempt(&recording, family, &plan, Access::Seekable);
        let Err(refusal) = seekable else { return seekable };
        if !refusal.may_be_missing_end() {
            return Err(refusal);
        }
        // A cut-off upload: whatever jumps to the missing end fails, reading on towards it does not.
        Self::attempt(&recording, family, &plan, Access::ForwardOnly).map_err(|_| refusal)
    }

    /// Decodes at most so much from now on, instead of 24 hours.
    pub fn limit(&mut self, longest: MediaTime) {
        self.longest = longest;
    }

    /// Returns the length the container announces; an estimate where it announces none.
    pub fn expected(&self) -> Option<MediaTime> {
        self.track.expected_us.map(media_time)
    }

    /// Returns what was missing or unreadable up to here, in order.
    pub fn losses(&self) -> &[Loss] {
        self.losses.listed()
    }

    /// Returns how many packets could not be decoded up to here.
    pub fn damaged_packets(&self) -> u64 {
        self.losses.damaged_packets()
    }

    /// Decodes the next block; nothing at the end.
    ///
    /// Errors: [`DecodeError::Read`] if the source fails, [`DecodeError::TooLong`] at the limit,
    /// [`DecodeError::AbsurdHeader`] if rate or channels become impossible. No block follows an error.
    pub fn next_block(&mut self) -> Result<Option<Block>, DecodeError> {
        loop {
            if let Some(block) = self.sound.next_block() {
                return Ok(Some(block));
            }
            if self.ended {
                return Ok(None);
            }
            self.step().inspect_err(|_| self.ended = true)?;
        }
    }

    fn attempt(
        recording: &Recording,
        family: Family,
        plan: &Plan,
        access: Access,
    ) -> Result<Self, DecodeError> {
        let view = View::new(recording, plan.pieces.clone(), access);
        let opened = open::open(view, plan.unusable.as_ref())
            .map_err(|error| recording.take_fault().map_or(error, DecodeError::Read))?;
        let mut decoder = Self {
            feed: Feed::new(recording, opened.demuxer, opened.track.id, family),
            codec: opened.codec,
            timeline: Timeline::new(opened.track.rate_hz, 0),
            track: opened.track,
            peeked: None,
            sound: Pending::default(),
            losses: Losses::default(),
            end_us: None,
            usual_us: 0,
            longest: LONGEST,
            torn: false,
            empty_run: 0,
            heard: false,
            ended: false,
        };
        decoder.follow(plan);
        decoder.reach_first_sound()?;
        Ok(decoder)
    }

    /// Applies what the plan knows better than the demuxer.
    fn follow(&mut self, plan: &Plan) {
        let (edit, rate_hz) = (plan.edit(self.track.id), self.track.rate_hz);
        let skipped = u128::from(edit.start_us.unsigned_abs()) * u128::from(rate_hz);
        let skipped = u64::try_from((skipped + 500_000) / 1_000_000).unwrap_or(u64::MAX);
        self.track.delay_frames = skipped.max(self.track.delay_frames);
        self.timeline = Timeline::new(rate_hz, edit.lead_us.saturating_sub(edit.start_us));
        self.end_us = edit.end_us;
        self.track.expected_us = edit.end_us.or(plan.promised_us).or(self.track.expected_us);
    }

    fn reach_first_sound(&mut self) -> Result<(), DecodeError> {
        while !self.heard && !self.ended {
            self.step()?;
        }
        if self.heard { Ok(()) } else { Err(DecodeError::NoSound { damaged: self.losses.damaged_packets() }) }
    }

    /// Takes the next packet to its place in time.
    fn step(&mut self) -> Result<(), DecodeError> {
        let event = self.peeked.take().map_or_else(|| self.feed.next(), Ok)?;
        match event {
            Event::Packet(packet) => {
                self.place(&packet)?;
                self.decode(&packet)
            }
            Event::Stream { track, codec, torn } => {
                self.torn |= torn;
                // Behind a damaged place the encoder's delay is long past.
                let delay_frames = if torn { self.track.delay_frames } else { track.delay_frames };
                let (expected_us, promised) = (self.track.expected_us, self.track.promised);
                self.track = SoundTrack { expected_us, promised, delay_frames, ..track };
                self.codec = codec;
                Ok(())
            }
            Event::End { torn } => self.end(torn),
        }
    }

    /// Fills what is missing before a packet, as far as its stamp can be believed.
    fn place(&mut self, packet: &Packet) -> Result<(), DecodeError> {
        let Some(stamp_us) = self.stamp_us(packet) else { return Ok(()) };
        match self.timeline.arrival(stamp_us) {
            Arrival::OnTime => {}
            Arrival::Hole(hole_us) => self.fill_hole(hole_us)?,
            Arrival::Doubtful(hole_us) => {
                if self.next_continues(stamp_us)? {
                    self.fill_hole(hole_us)?;
                }
            }
            Arrival::OtherClock => {
                if self.next_continues(stamp_us)? {
                    self.timeline.adopt(stamp_us);
                }
            }
        }
        self.torn = false;
        Ok(())
    }

    fn stamp_us(&self, packet: &Packet) -> Option<i64> {
        open::stamp_us(self.track.time_base?, packet.pts)
    }

    /// Tells whether the packet behind the current one agrees with its stamp.
    fn next_continues(&mut self, stamp_us: i64) -> Result<bool, DecodeError> {
        let event = self.peeked.take().map_or_else(|| self.feed.next(), Ok)?;
        let next_us = match &event {
            Event::Packet(packet) => self.stamp_us(packet),
            Event::Stream { .. } | Event::End { .. } => None,
        };
        self.peeked = Some(event);
        Ok(next_us.is_some_and(|next_us| timeline::continues(stamp_us, next_us)))
    }

    fn decode(&mut self, packet: &Packet) -> Result<(), DecodeError> {
        self.empty_run = if packet.data.is_empty() { self.empty_run + 1 } else { 0 };
        if self.empty_run > EMPTY_RUN_MAX {
            return Err(DecodeError::AbsurdHeader {
                field: "empty packets",
                value: u64::from(self.empty_run),
            });
        }
        match guarded(|| self.codec.decode(packet).map(|sound| self.sound.replace(&sound))) {
            Ok(()) => self.accept(),
            Err(failure) if failure.is_unsupported() && !self.heard => Err(DecodeError::UnsupportedCodec {
                codec: open::codec_name(self.codec.codec_params().codec),
            }),
            Err(failure) => self.mark_damaged(packet, &failure),
        }
    }

    /// Checks what the decoder made of a packet and moves on by its length.
    fn accept(&mut self) -> Result<(), DecodeError> {
        open::check_rate(self.sound.rate_hz)?;
        open::check_channels(usize::from(self.sound.channels))?;
        self.track.rate_hz = self.sound.rate_hz;
        self.track.channels = self.sound.channels;
        self.track.delay_frames -= self.sound.skip(self.track.delay_frames);
        if let Some(end_us) = self.end_us {
            self.sound.shorten(self.timeline.frames_until(end_us, self.track.rate_hz));
        }
        let frames = self.sound.frames();
        self.heard |= frames > 0;
        let start_us = self.timeline.now_us();
        self.advance(frames)?;
        self.usual_us = self.timeline.now_us() - start_us;
        Ok(())
    }

    /// Puts silence in place of a packet that cannot be decoded.
    fn mark_damaged(&mut self, packet: &Packet, failure: &Failure) -> Result<(), DecodeError> {
        self.sound.clear();
        match failure {
            Failure::Said(_) => self.codec.reset(),
            Failure::Panicked => {
                let parameters = self.codec.codec_params().clone();
                self.codec = open::make_decoder(&parameters).map_err(Failure::damage)?;
            }
        }
        let says_us = self.track.time_base.and_then(|base| open::duration_us(base, packet.dur));
        let length_us = says_us.filter(|&length_us| length_us > 0).unwrap_or(self.usual_us);
        let start_us = self.timeline.now_us();
        self.add_silence(length_us.min(PACKET_US_MAX))?;
        self.losses.add_damage(start_us, self.timeline.now_us());
        Ok(())
    }

    fn fill_hole(&mut self, hole_us: i64) -> Result<(), DecodeError> {
        let start_us = self.timeline.now_us();
        self.add_silence(hole_us)?;
        self.timeline.note_filled(hole_us);
        if self.torn {
            self.losses.add_damage(start_us, self.timeline.now_us());
        } else {
            self.losses.add_hole(start_us, self.timeline.now_us());
        }
        Ok(())
    }

    fn add_silence(&mut self, length_us: i64) -> Result<(), DecodeError> {
        let end_us = self.end_us.unwrap_or(i64::MAX).min(self.timeline.now_us().saturating_add(length_us));
        let frames = self.timeline.frames_until(end_us, self.track.rate_hz);
        self.sound.add_silence(frames, self.track.rate_hz, self.track.channels);
        self.advance(frames)
    }

    fn advance(&mut self, frames: u64) -> Result<(), DecodeError> {
        self.timeline.advance(frames, self.track.rate_hz);
        let longest_us = i64::try_from(self.longest.ms()).unwrap_or(i64::MAX).saturating_mul(1_000);
        if self.timeline.now_us() > longest_us {
            return Err(DecodeError::TooLong { longest: self.longest });
        }
        Ok(())
    }

    fn end(&mut self, torn: bool) -> Result<(), DecodeError> {
        let now_us = self.timeline.now_us();
        let promised_us = self.track.expected_us.filter(|_| self.track.promised);
        // An end that comes too early may be a damaged length that sends the demuxer behind everything else.
        if !torn && promised_us.is_some_and(|promised_us| is_short(now_us, promised_us)) {
            self.peeked = Some(self.feed.cross()?);
            return Ok(());
        }
        self.ended = true;
        self.losses.close(now_us, promised_us, torn && !self.track.open_ended);
        Ok(())
    }
}
