//! The packets of the sound track, across chained streams and damaged places.

use symphonia::core::codecs::audio::AudioDecoder;
use symphonia::core::errors::Error;
use symphonia::core::formats::FormatReader;
use symphonia::core::packet::Packet;

use super::DecodeError;
use super::open::{self, Failure, Opened, SoundTrack, guarded};
use super::resync::Crossing;
use super::sniff::Family;
use super::source::{Access, Recording, View};

/// Most restarts of the track list, one for each link of a chained Ogg.
const RESTARTS_MAX: u32 = 1_000;
/// Failures in a row after which a demuxer is no longer asked for the packet behind.
const FAILURES_MAX: u32 = 16;

/// What comes next.
pub(super) enum Event {
    /// A packet of the sound track.
    Packet(Packet),
    /// The sound goes on with a new decoder; `torn` if something before it is lost.
    Stream { track: SoundTrack, codec: Box<dyn AudioDecoder>, torn: bool },
    /// Nothing more; `torn` if the container broke off.
    End { torn: bool },
}

/// A demuxer and the ways around its failures.
pub(super) struct Feed {
    recording: Recording,
    demuxer: Box<dyn FormatReader>,
    track: u32,
    crossing: Option<Crossing>,
    /// The last packet's stamp in the container's own ticks.
    last_ticks: i64,
    restarts: u32,
}

impl Feed {
    /// Takes an opened recording.
    pub(super) fn new(
        recording: &Recording,
        demuxer: Box<dyn FormatReader>,
        track: u32,
        family: Family,
    ) -> Self {
        let crossing = match family {
            Family::Matroska => Some(Crossing::default()),
            Family::Wave | Family::IsoMp4 | Family::Caf | Family::Other => None,
        };
        Self { recording: recording.clone(), demuxer, track, crossing, last_ticks: i64::MIN, restarts: 0 }
    }

    /// Returns what comes next.
    ///
    /// Errors: [`DecodeError::Read`] if the source fails; too many or unusable chained streams.
    pub(super) fn next(&mut self) -> Result<Event, DecodeError> {
        let mut failures = 0;
        loop {
            match guarded(|| self.demuxer.next_packet()) {
                Ok(Some(packet)) if packet.track_id == self.track => {
                    self.last_ticks = self.last_ticks.max(packet.pts.get());
                    return Ok(Event::Packet(packet));
                }
                // Pictures, texts and the other sound tracks.
                Ok(Some(_)) => {}
                Ok(None) => return Ok(Event::End { torn: false }),
                Err(Failure::Said(Error::ResetRequired)) => return self.restart(),
                Err(failure) => {
                    failures += 1;
                    self.check_source()?;
                    if self.crossing.is_some() || failure.is_final() || failures > FAILURES_MAX {
                        return self.cross();
                    }
                }
            }
        }
    }

    /// Goes on behind a damaged place, if the container allows to find one.
    pub(super) fn cross(&mut self) -> Result<Event, DecodeError> {
        let Some(crossing) = &mut self.crossing else { return Ok(Event::End { torn: true }) };
        while let Some(pieces) = crossing.next(&self.recording, self.last_ticks).map_err(DecodeError::Read)? {
            let view = View::new(&self.recording, pieces, Access::ForwardOnly);
            if let Ok(Opened { demuxer, codec, track }) = open::open(view, None) {
                self.demuxer = demuxer;
                self.track = track.id;
                return Ok(Event::Stream { track, codec, torn: true });
            }
        }
        self.check_source()?;
        Ok(Event::End { torn: true })
    }

    /// Follows a container that begins anew: another link of a chained Ogg.
    fn restart(&mut self) -> Result<Event, DecodeError> {
        self.restarts += 1;
        if self.restarts > RESTARTS_MAX {
            return Err(DecodeError::AbsurdHeader {
                field: "chained streams",
                value: u64::from(self.restarts),
            });
        }
        let (track, codec) = open::choose_track(self.demuxer.as_ref(), None)?;
        self.track = track.id;
        self.last_ticks = i64::MIN;
        Ok(Event::Stream { track, codec, torn: false })
    }

    fn check_source(&self) -> Result<(), DecodeError> {
        self.recording.take_fault().map_or(Ok(()), |fault| Err(DecodeError::Read(fault)))
    }
}
