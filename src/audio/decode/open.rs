//! From bytes to a demuxer, the sound track and its decoder.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known as codec_ids;
use symphonia::core::codecs::audio::{
    AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions, CODEC_ID_NULL_AUDIO,
};
use symphonia::core::codecs::registry::CodecRegistry;
use symphonia::core::common::Limit;
use symphonia::core::errors::{Error, Result as SymphoniaResult};
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::well_known as format_ids;
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::units::{Duration, TimeBase, Timestamp};

use super::plan::Unusable;
use super::source::View;
use super::{CHANNELS_MAX, DecodeError};
use crate::audio::resample::{RATE_HZ_MAX, RATE_HZ_MIN};

/// Largest tag and largest picture that are kept while opening; neither is used. Units: bytes.
const TAG_BYTES_MAX: usize = 64 * 1024;
/// Rate assumed until the first packet tells, where a header leaves it out; used for silence only.
const RATE_HZ_ASSUMED: u32 = 16_000;

static CODECS: LazyLock<CodecRegistry> = LazyLock::new(|| {
    let mut registry = CodecRegistry::new();
    symphonia::default::register_enabled_codecs(&mut registry);
    registry.register_audio_decoder::<symphonia_adapter_libopus::OpusDecoder>();
    registry
});

/// A demuxer with the sound track chosen.
pub(super) struct Opened {
    pub(super) demuxer: Box<dyn FormatReader>,
    pub(super) codec: Box<dyn AudioDecoder>,
    pub(super) track: SoundTrack,
}

/// What is known of the sound track before its first packet.
#[derive(Debug, Clone)]
pub(super) struct SoundTrack {
    pub(super) id: u32,
    pub(super) rate_hz: u32,
    pub(super) channels: u16,
    pub(super) time_base: Option<TimeBase>,
    /// Length by the header, good enough for a progress bar.
    pub(super) expected_us: Option<i64>,
    /// Whether that length is a promise, not an estimate from the bit rate.
    pub(super) promised: bool,
    /// Frames at the start that the encoder put there and the decoder does not remove by itself.
    pub(super) delay_frames: u64,
    /// Whether a live recording ends without a mark, so that running out of bytes is its proper end.
    pub(super) open_ended: bool,
}

/// Why a step of the library gave nothing.
pub(super) enum Failure {
    /// It said so; its state is good.
    Said(Error),
    /// It panicked; its state is not to be trusted.
    Panicked,
}

impl Failure {
    /// Tells whether asking again is useless: the bytes are at their end, or the state is lost.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Panicked | Self::Said(Error::IoError(_)))
    }

    /// Tells whether the library knows what it met and cannot do it.
    pub(super) fn is_unsupported(&self) -> bool {
        matches!(self, Self::Said(Error::Unsupported(_)))
    }

    pub(super) fn damage(self) -> DecodeError {
        let cause = match self {
            Self::Said(error) => error.to_string(),
            Self::Panicked => "the library gave up".to_owned(),
        };
        DecodeError::Damaged { cause }
    }
}

/// Runs a step of the library and turns a panic inside it into a failure.
///
/// Last resort: the library aims never to panic, but it reads hostile bytes, and an overflow that a test build notices
/// must not end a meeting. What panicked is dropped or made anew by the caller.
pub(super) fn guarded<T>(step: impl FnOnce() -> SymphoniaResult<T>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(step)) {
        Ok(result) => result.map_err(Failure::Said),
        Err(_) => Err(Failure::Panicked),
    }
}

/// Finds the container, the sound track and the decoder.
///
/// Errors: what is wrong with the container or, if no track can be decoded, with the first; `unusable` explains why
/// the container has none to offer.
pub(super) fn open(view: View, unusable: Option<&Unusable>) -> Result<Opened, DecodeError> {
    let demuxer = guarded(|| {
        let stream = MediaSourceStream::new(Box::new(view), MediaSourceStreamOptions::default());
        let limit = Limit::Maximum(TAG_BYTES_MAX);
        let tags = MetadataOptions::default().limit_tag_bytes(limit).limit_visual_bytes(limit);
        symphonia::default::get_probe().probe(&Hint::new(), stream, FormatOptions::default(), tags)
    })
    .map_err(Failure::damage)?;
    let (track, codec) = choose_track(demuxer.as_ref(), unusable)?;
    Ok(Opened { demuxer, codec, track })
}

/// Chooses the sound track: the container's default if it can be decoded, else the first that can.
pub(super) fn choose_track(
    demuxer: &dyn FormatReader,
    unusable: Option<&Unusable>,
) -> Result<(SoundTrack, Box<dyn AudioDecoder>), DecodeError> {
    let preferred = demuxer.default_track(TrackType::Audio).map(|track| track.id);
    let mut tracks: Vec<_> = demuxer.tracks().iter().filter_map(sound_parameters).collect();
    tracks.sort_by_key(|(track, _)| Some(track.id) != preferred);
    let mut refusal = match unusable {
        Some(Unusable::Encrypted(scheme)) => DecodeError::Encrypted { scheme },
        Some(Unusable::Codec(codec)) => DecodeError::UnsupportedCodec { codec: codec.clone() },
        None => DecodeError::NoAudioTrack { container: demuxer.format_info().long_name },
    };
    for (index, (track, parameters)) in tracks.into_iter().enumerate() {
        match decoder_of(parameters) {
            Ok(codec) => return Ok((describe(demuxer, track, parameters), codec)),
            Err(error) if index == 0 => refusal = error,
            Err(_) => {}
        }
    }
    Err(refusal)
}

/// Makes a decoder for a track's parameters.
///
/// The Opus decoder is not shown its header: it would drop the pre-skip anew whenever it is made anew, and reads the
/// wrong number from MP4.
pub(super) fn make_decoder(parameters: &AudioCodecParameters) -> Result<Box<dyn AudioDecoder>, Failure> {
    let mut parameters = parameters.clone();
    parameters.extra_data = parameters.extra_data.filter(|_| parameters.codec != codec_ids::CODEC_ID_OPUS);
    guarded(|| CODECS.make_audio_decoder(&parameters, &AudioDecoderOptions::default()))
}

/// Returns the parameters of a sound track, nothing for pictures and texts.
fn sound_parameters(track: &Track) -> Option<(&Track, &AudioCodecParameters)> {
    match &track.codec_params {
        Some(CodecParameters::Audio(parameters)) => Some((track, parameters)),
        _ => None,
    }
}

fn decoder_of(parameters: &AudioCodecParameters) -> Result<Box<dyn AudioDecoder>, DecodeError> {
    check_parameters(parameters)?;
    make_decoder(parameters).map_err(|failure| match failure {
        failure if failure.is_unsupported() => {
            DecodeError::UnsupportedCodec { codec: codec_name(parameters.codec) }
        }
        failure => failure.damage(),
    })
}

/// Refuses what no recording can be before memory is asked for.
fn check_parameters(parameters: &AudioCodecParameters) -> Result<(), DecodeError> {
    if let Some(rate_hz) = parameters.sample_rate {
        check_rate(rate_hz)?;
    }
    match &parameters.channels {
        Some(channels) => check_channels(channels.count()),
        None => Ok(()),
    }
}

/// Refuses a sample rate outside what the resampler takes.
pub(super) fn check_rate(rate_hz: u32) -> Result<(), DecodeError> {
    if (RATE_HZ_MIN..=RATE_HZ_MAX).contains(&rate_hz) {
        return Ok(());
    }
    Err(DecodeError::AbsurdHeader { field: "sample rate", value: u64::from(rate_hz) })
}

/// Refuses no channels, and more than any recorder has.
pub(super) fn check_channels(channels: usize) -> Result<(), DecodeError> {
    if (1..=usize::from(CHANNELS_MAX)).contains(&channels) {
        return Ok(());
    }
    Err(DecodeError::AbsurdHeader { field: "channels", value: channels as u64 })
}

fn describe(demuxer: &dyn FormatReader, track: &Track, parameters: &AudioCodecParameters) -> SoundTrack {
    let format = demuxer.format_info().format;
    let rate_hz = parameters.sample_rate.unwrap_or(RATE_HZ_ASSUMED);
    let channels = parameters.channels.as_ref().map_or(1, |channels| channels.count());
    let estimated = [format_ids::FORMAT_ID_MP1, format_ids::FORMAT_ID_MP2, format_ids::FORMAT_ID_MP3]
        .contains(&format)
        && track.delay.is_none()
        || format == format_ids::FORMAT_ID_ADTS;
    // Of the other containers that announce an encoder delay, only this one leaves it to the reader.
    let delay =
        if format == format_ids::FORMAT_ID_CAF { track.delay.unwrap_or(0) } else { pre_skip(parameters) };
    SoundTrack {
        id: track.id,
        rate_hz,
        channels: u16::try_from(channels).unwrap_or(CHANNELS_MAX),
        time_base: track.time_base,
        expected_us: expected_us(demuxer, track),
        promised: !estimated,
        delay_frames: u64::from(delay),
        open_ended: format != format_ids::FORMAT_ID_OGG,
    }
}

/// Returns the frames that an Opus header tells to drop.
///
/// Source: RFC 7845 §5.1, little-endian; the box dOps of MP4 holds the same fields as version 0, big-endian.
fn pre_skip(parameters: &AudioCodecParameters) -> u32 {
    let header = parameters.extra_data.as_deref().filter(|_| parameters.codec == codec_ids::CODEC_ID_OPUS);
    let Some((&version, number)) =
        header.and_then(|header| header.get(8).zip(header.get(10..)?.first_chunk()))
    else {
        return 0;
    };
    u32::from(if version == 0 { u16::from_be_bytes(*number) } else { u16::from_le_bytes(*number) })
}

fn expected_us(demuxer: &dyn FormatReader, track: &Track) -> Option<i64> {
    let media = demuxer.media_info();
    let by_track = track.time_base.zip(track.duration);
    let by_media = media.time_base.zip(media.duration);
    let (time_base, duration) = by_track.or(by_media)?;
    duration_us(time_base, duration).filter(|&length_us| length_us > 0)
}

/// Converts a span of the container's clock. Units: microseconds.
pub(super) fn duration_us(time_base: TimeBase, duration: Duration) -> Option<i64> {
    i64::try_from(time_base.calc_duration(duration)?.as_micros()).ok()
}

/// Converts a point of the container's clock. Units: microseconds.
pub(super) fn stamp_us(time_base: TimeBase, stamp: Timestamp) -> Option<i64> {
    i64::try_from(time_base.calc_time(stamp)?.as_micros()).ok()
}

/// Returns the usual name of a codec that the containers know and this product does not decode.
pub(super) fn codec_name(id: AudioCodecId) -> String {
    let names = [
        (codec_ids::CODEC_ID_AAC, "AAC of a kind other than LC, or with more than 2 channels"),
        (codec_ids::CODEC_ID_AC3, "AC-3"),
        (codec_ids::CODEC_ID_EAC3, "E-AC-3"),
        (codec_ids::CODEC_ID_AC4, "AC-4"),
        (codec_ids::CODEC_ID_DCA, "DTS"),
        (codec_ids::CODEC_ID_WMA, "WMA"),
        (codec_ids::CODEC_ID_SPEEX, "Speex"),
        (codec_ids::CODEC_ID_MUSEPACK, "Musepack"),
        (codec_ids::CODEC_ID_OPUS, "Opus with more than 2 channels"),
        (codec_ids::CODEC_ID_WAVPACK, "WavPack"),
        (codec_ids::CODEC_ID_MONKEYS_AUDIO, "Monkey's Audio"),
        (codec_ids::CODEC_ID_TRUEHD, "TrueHD"),
        (CODEC_ID_NULL_AUDIO, "of an unknown name"),
    ];
    let known = names.iter().find(|(known, _)| *known == id);
    known.map_or_else(|| format!("number {id}"), |(_, name)| (*name).to_owned())
}
