//! Devices that hear: found by name, opened, and emptied without ever making the sound system wait.
//!
//! The sound system calls us on its own thread. What runs there takes no lock, asks for no memory and writes to no disk:
//! it mixes to mono and puts samples into a ring that another thread empties. A full ring loses what comes, counted.

use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use cpal::traits::{DeviceTrait as _, HostTrait as _, StreamTrait as _};
use cpal::{BufferSize, ErrorKind, HostId, I24, SampleFormat, SizedSample, StreamConfig};
use rtrb::{Consumer, Producer, RingBuffer};

use crate::audio::frames::{RATE_HZ_MAX, RATE_HZ_MIN};
use crate::audio::timeline::Delivery;
use crate::clock::Mono;

/// Sound that may wait for the disk.
const RING_SECONDS: usize = 20;
/// Calls of the sound system that may wait. Source: the smallest usual buffer, 5 ms, for as long as the ring holds.
const DELIVERIES_MAX: usize = 4_096;
/// Calls of the sound system a second that are asked for: captions wait for no more than that.
const CALLS_PER_SECOND: u32 = 20;
/// How long a sound system may take to open a device.
const OPEN_WITHIN: Duration = Duration::from_secs(5);

/// A device that hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name for `--device`.
    pub name: String,
    /// Its name for people.
    pub description: String,
    /// What is taken without `--device`.
    pub is_usual: bool,
}

/// An open device.
pub struct Ear {
    stream: cpal::Stream,
    heard: Heard,
    /// Samples per second.
    pub rate_hz: u32,
    /// The device's own name.
    pub name: String,
}

/// The end of the ring from which the sound is taken.
struct Heard {
    samples: Consumer<i16>,
    deliveries: Consumer<Delivery>,
    state: Arc<State>,
}

/// What the threads of the sound system tell.
#[derive(Debug, Default)]
struct State {
    breaks: AtomicU32,
    gone: AtomicBool,
}

/// Our end of the ring on the sound system's thread.
struct Taker {
    samples: Producer<i16>,
    deliveries: Producer<Delivery>,
    state: Arc<State>,
    channels: usize,
    lost: u64,
}

/// Returns every device that hears, of every sound system that answers.
pub fn list() -> Vec<Listed> {
    let mut found = Vec::new();
    let usual = usual().ok().and_then(|device| device.id().ok());
    for id in cpal::available_hosts() {
        let Ok(host) = cpal::host_from_id(id) else { continue };
        let Ok(devices) = host.devices() else { continue };
        for device in devices.filter(hears) {
            let Ok(id) = device.id() else { continue };
            let description = describe(&device);
            found.push(Listed { is_usual: usual.as_ref() == Some(&id), name: id.to_string(), description });
        }
    }
    found
}

/// Opens a device: the named one, else the one the system uses; at `rate_hz`, if it has to be that.
///
/// Errors: there is none of that name now, or it cannot be heard.
pub fn open(wanted: Option<&str>, rate_hz: Option<u32>) -> anyhow::Result<Ear> {
    let device = match wanted {
        Some(name) => named(name)?,
        None => usual()?,
    };
    let name = device.id().map_or_else(|_| describe(&device), |id| id.to_string());
    let (mut config, format) = config(&device, rate_hz)?;
    let ear = match begin(&device, &config, format) {
        // Some devices choose their buffer themselves.
        Err(error) if error.kind() == ErrorKind::UnsupportedConfig => {
            config.buffer_size = BufferSize::Default;
            begin(&device, &config, format)
        }
        other => other,
    };
    let mut ear = ear.with_context(|| format!("マイク {name} を開けません"))?;
    ear.stream.play().with_context(|| format!("マイク {name} を始められません"))?;
    ear.name = name;
    Ok(ear)
}

impl Ear {
    /// Takes the next delivery with its samples, if one waits.
    pub fn next(&mut self, samples: &mut Vec<i16>) -> Option<Delivery> {
        let delivery = self.heard.deliveries.pop().ok()?;
        samples.clear();
        // Samples are put into the ring before the delivery that tells of them.
        let chunk = self.heard.samples.read_chunk(delivery.samples as usize).ok()?;
        samples.extend(chunk);
        Some(delivery)
    }

    /// Tells whether the device went away.
    pub fn is_gone(&self) -> bool {
        self.heard.state.gone.load(Ordering::Relaxed)
    }
}

fn hears(device: &cpal::Device) -> bool {
    device.supports_input()
}

fn describe(device: &cpal::Device) -> String {
    let text = device.description().map(|description| description.name().to_owned()).unwrap_or_default();
    text.lines().collect::<Vec<_>>().join(", ")
}

fn usual() -> anyhow::Result<cpal::Device> {
    cpal::default_host().default_input_device().context("マイクがありません")
}

/// Finds a device by `system:name`, or by its name alone in any system.
fn named(name: &str) -> anyhow::Result<cpal::Device> {
    let (host, rest) = match name.split_once(':') {
        Some((host, rest)) => match HostId::from_str(host) {
            Ok(host) => (Some(host), rest),
            Err(_) => (None, name),
        },
        None => (None, name),
    };
    let hosts = host.map_or_else(cpal::available_hosts, |host| vec![host]);
    for id in hosts {
        let Ok(host) = cpal::host_from_id(id) else { continue };
        let fits = |device: &cpal::Device| {
            device.id().is_ok_and(|id| id.id() == rest) || describe(device).as_str() == rest
        };
        if let Some(device) = host.devices().ok().and_then(|mut all| all.find(|one| hears(one) && fits(one)))
        {
            return Ok(device);
        }
        // What a user's own settings define is not always listed.
        if rest == "default"
            && let Some(device) = host.default_input_device()
        {
            return Ok(device);
        }
    }
    anyhow::bail!("マイク「{name}」が見つかりません (gijiroku capture --list で一覧を見られます)")
}

/// Chooses 16 bits where the device has them, at its own rate.
fn config(device: &cpal::Device, rate_hz: Option<u32>) -> anyhow::Result<(StreamConfig, SampleFormat)> {
    let own = device.default_input_config().context("マイクの形式を読めません")?;
    let rate_hz = rate_hz.unwrap_or(own.sample_rate()).clamp(RATE_HZ_MIN, RATE_HZ_MAX);
    let channels = own.channels();
    let has_16_bits = || {
        let fits = |range: &cpal::SupportedStreamConfigRange| {
            let is_right = range.sample_format() == SampleFormat::I16 && range.channels() == channels;
            is_right && range.contains_rate(rate_hz)
        };
        device.supported_input_configs().is_ok_and(|mut ranges| ranges.any(|range| fits(&range)))
    };
    let format = if has_16_bits() { SampleFormat::I16 } else { own.sample_format() };
    let buffer_size = BufferSize::Fixed(rate_hz / CALLS_PER_SECOND);
    Ok((StreamConfig { channels, sample_rate: rate_hz, buffer_size }, format))
}

fn begin(device: &cpal::Device, config: &StreamConfig, format: SampleFormat) -> Result<Ear, cpal::Error> {
    match format {
        SampleFormat::I16 => begin_as(device, config, |sample: i16| i32::from(sample)),
        SampleFormat::F32 => begin_as(device, config, |sample: f32| (sample * 32_768.0).round() as i32),
        SampleFormat::F64 => begin_as(device, config, |sample: f64| (sample * 32_768.0).round() as i32),
        SampleFormat::I32 => begin_as(device, config, |sample: i32| sample >> 16),
        SampleFormat::I24 => begin_as(device, config, |sample: I24| sample.inner() >> 8),
        SampleFormat::I8 => begin_as(device, config, |sample: i8| i32::from(sample) << 8),
        SampleFormat::U8 => begin_as(device, config, |sample: u8| (i32::from(sample) - 128) << 8),
        SampleFormat::U16 => begin_as(device, config, |sample: u16| i32::from(sample) - 32_768),
        // The library may learn further ones; no microphone has them.
        _ => Err(cpal::Error::with_message(ErrorKind::UnsupportedConfig, format!("format {format}"))),
    }
}

fn begin_as<T: SizedSample + Send + 'static>(
    device: &cpal::Device,
    config: &StreamConfig,
    widen: fn(T) -> i32,
) -> Result<Ear, cpal::Error> {
    let (mut taker, heard) = ring(usize::from(config.channels), config.sample_rate);
    let state = Arc::clone(&heard.state);
    let stream = device.build_input_stream(
        *config,
        move |data: &[T], _: &cpal::InputCallbackInfo| taker.take(Mono::now(), data, widen),
        move |error| state.hear(error.kind()),
        Some(OPEN_WITHIN),
    )?;
    Ok(Ear { stream, heard, rate_hz: config.sample_rate, name: String::new() })
}

/// Makes both ends of a ring.
fn ring(channels: usize, rate_hz: u32) -> (Taker, Heard) {
    let (samples, heard) = RingBuffer::new(RING_SECONDS * rate_hz as usize);
    let (deliveries, told) = RingBuffer::new(DELIVERIES_MAX);
    let state = Arc::new(State::default());
    let taker = Taker { samples, deliveries, state: Arc::clone(&state), channels: channels.max(1), lost: 0 };
    (taker, Heard { samples: heard, deliveries: told, state })
}

impl State {
    /// Takes what the sound system complains about; runs on one of its threads.
    fn hear(&self, kind: ErrorKind) {
        match kind {
            ErrorKind::Xrun => drop(self.breaks.fetch_add(1, Ordering::Relaxed)),
            // The stream goes on.
            ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied | ErrorKind::DeviceBusy => {}
            // The library may learn further ones: a stream of unknown state is opened anew.
            _ => self.gone.store(true, Ordering::Relaxed),
        }
    }
}

impl Taker {
    /// Puts what the sound system gave into the ring, mixed to mono. Runs on its thread: no lock, no memory, no disk.
    fn take<T: Copy>(&mut self, at: Mono, data: &[T], widen: fn(T) -> i32) {
        let frames = data.len() / self.channels;
        if frames == 0 {
            return;
        }
        if self.deliveries.is_full() {
            self.lost += frames as u64;
            return;
        }
        let Ok(chunk) = self.samples.write_chunk_uninit(frames) else {
            self.lost += frames as u64;
            return;
        };
        let channels = self.channels as i32;
        chunk.fill_from_iter(data.chunks_exact(self.channels).map(|frame| {
            let sum: i32 = frame.iter().map(|sample| widen(*sample).clamp(-32_768, 32_767)).sum();
            (sum / channels) as i16
        }));
        let broke = self.state.breaks.swap(0, Ordering::Relaxed) > 0;
        let delivery = Delivery { at, samples: frames as u64, lost: std::mem::take(&mut self.lost), broke };
        // There is room: it was looked at above, and nobody else puts anything in.
        self.deliveries.push(delivery).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(heard: &mut Heard) -> Vec<i16> {
        let waiting = heard.samples.slots();
        heard.samples.read_chunk(waiting).expect("they wait").into_iter().collect()
    }

    fn told(heard: &mut Heard) -> Vec<Delivery> {
        std::iter::from_fn(|| heard.deliveries.pop().ok()).collect()
    }

    #[test]
    fn channels_are_mixed_and_loud_ones_do_not_wrap() {
        let (mut taker, mut heard) = ring(2, 8_000);
        taker.take(Mono::from_ms(1), &[100_i16, 200, -5, 5, 32_767, 32_767, -32_768, -32_768], i32::from);
        assert_eq!(samples(&mut heard), [150, 0, 32_767, -32_768]);
        let delivery = Delivery { at: Mono::from_ms(1), samples: 4, lost: 0, broke: false };
        assert_eq!(told(&mut heard), [delivery]);
    }

    #[test]
    fn what_a_full_ring_cannot_take_is_counted_and_told_with_the_next() {
        let (mut taker, mut heard) = ring(1, 100);
        let block = [7_i16; 1_500];
        for at in 1..=3 {
            taker.take(Mono::from_ms(at), &block, i32::from);
        }
        assert_eq!(samples(&mut heard).len(), 1_500);
        taker.take(Mono::from_ms(4), &block, i32::from);
        let told = told(&mut heard);
        assert_eq!(told.iter().map(|told| told.lost).collect::<Vec<_>>(), [0, 3_000]);
    }

    #[test]
    fn a_break_is_told_with_the_sound_behind_it_and_once() {
        let (mut taker, mut heard) = ring(1, 100);
        heard.state.hear(ErrorKind::Xrun);
        taker.take(Mono::from_ms(1), &[0_i16], i32::from);
        taker.take(Mono::from_ms(2), &[0_i16], i32::from);
        assert_eq!(told(&mut heard).iter().map(|told| told.broke).collect::<Vec<_>>(), [true, false]);
        assert!(!heard.state.gone.load(Ordering::Relaxed));
        heard.state.hear(ErrorKind::StreamInvalidated);
        assert!(heard.state.gone.load(Ordering::Relaxed));
    }
}
