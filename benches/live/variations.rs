//! The same meeting in worse rooms, by arithmetic alone; written as WAV for whoever else is to hear it.

use std::path::Path;

use serde_json::{Value, json};

use crate::{Bench, RATE, text};

/// Uniform numbers in [-1, 1). Source: a linear congruential generator, multiplier and increment of Knuth's MMIX.
struct Random(u64);

impl Random {
    fn number(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

fn power(sound: &[f32]) -> f32 {
    let loud: Vec<f32> = sound.iter().map(|sample| sample * sample).filter(|power| *power > 1e-6).collect();
    loud.iter().sum::<f32>() / loud.len().max(1) as f32
}

/// Air-conditioning: brown and white noise, and the hum of the mains, so far below the speech.
fn noisy(sound: &[f32], below_db: f32) -> Vec<f32> {
    let mut random = Random(11);
    let mut brown = 0.0;
    let noise: Vec<f32> = (0..sound.len())
        .map(|index| {
            brown = 0.98 * brown + 0.2 * random.number();
            let hum = (index as f32 * 50.0 * std::f32::consts::TAU / RATE as f32).sin();
            brown + 0.3 * random.number() + 0.2 * hum
        })
        .collect();
    let gain = (power(sound) / power(&noise) / 10_f32.powf(below_db / 10.0)).sqrt();
    sound.iter().zip(&noise).map(|(sample, noise)| (sample + gain * noise).clamp(-1.0, 1.0)).collect()
}

/// A hard room: echoes that decay within half a second, each from another wall.
fn echoing(sound: &[f32]) -> Vec<f32> {
    let mut random = Random(5);
    let mut out = sound.to_vec();
    for echo in 1..40 {
        let delay = (echo * RATE / 80).saturating_add_signed((random.number() * 90.0) as isize);
        let gain = 0.35 * (-(echo as f32) / 9.0).exp() * random.number().signum();
        for (sample, earlier) in out[delay..].iter_mut().zip(sound) {
            *sample += gain * earlier;
        }
    }
    let loudest = out.iter().fold(1.0_f32, |most, sample| most.max(sample.abs()));
    out.iter().map(|sample| sample / loudest).collect()
}

/// Quiet, as from the far end of a table: a quarter of the level.
fn far(sound: &[f32]) -> Vec<f32> {
    noisy(&echoing(sound).iter().map(|sample| sample * 0.25).collect::<Vec<f32>>(), 20.0)
}

/// Writes the first recording as it is and in three worse rooms into LIVE_OUT.
pub fn write(bench: Bench) -> Value {
    let folder = text("LIVE_OUT").expect("LIVE_OUT says where");
    let sound = &bench.sounds[0];
    let rooms = [
        ("clean", sound.clone()),
        ("noisy", noisy(sound, 15.0)),
        ("echoing", echoing(sound)),
        ("far", far(sound)),
    ];
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE as u32,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    for (name, sound) in &rooms {
        let path = Path::new(&folder).join(format!("live_{name}.wav"));
        let mut writer = hound::WavWriter::create(path, spec).expect("there is room");
        for sample in sound {
            writer.write_sample((sample * 32_767.0) as i16).expect("there is room");
        }
        writer.finalize().expect("there is room");
    }
    json!({"written": rooms.map(|(name, _)| name)})
}
