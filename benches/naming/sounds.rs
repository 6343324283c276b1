//! One sound as other rooms and microphones would give it.

/// What is done to sound.
pub type Variation = fn(&[f32]) -> Vec<f32>;

/// Every variation, with its name.
pub const VARIATIONS: [(&str, Variation); 6] = [
    ("as it is", <[f32]>::to_vec),
    ("noise 20 dB below", |sound| noisy(sound, 20.0)),
    ("noise 10 dB below", |sound| noisy(sound, 10.0)),
    ("telephone", telephone),
    ("30 dB quieter", |sound| sound.iter().map(|sample| sample * 0.0316).collect()),
    ("hall", hall),
];

/// Adds noise so many decibels below the speech: white and rumbling in equal parts.
fn noisy(sound: &[f32], below_db: f32) -> Vec<f32> {
    let power = sound.iter().map(|sample| sample * sample).sum::<f32>() / sound.len().max(1) as f32;
    let level = (power * 10_f32.powf(-below_db / 10.0)).sqrt();
    let mut state = 7_u64;
    let mut white = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Uniform over a range whose root mean square is 1.
        ((state >> 40) as f32 / 8_388_608.0 - 1.0) * 3_f32.sqrt()
    };
    let mut rumble = 0.0;
    sound
        .iter()
        .map(|sample| {
            let hiss = white();
            rumble = 0.98 * rumble + 0.2 * hiss;
            sample + level * (0.7 * hiss + 0.7 * rumble)
        })
        .collect()
}

/// Leaves what a telephone carries: 300 to 3,400 Hz.
fn telephone(sound: &[f32]) -> Vec<f32> {
    let step = |cutoff_hz: f32| {
        let turn = std::f32::consts::TAU * cutoff_hz / 16_000.0;
        turn / (turn + 1.0)
    };
    let mut out = sound.to_vec();
    for _ in 0..2 {
        let (mut low, mut high) = (0.0, 0.0);
        for sample in &mut out {
            low += step(3_400.0) * (*sample - low);
            high += step(300.0) * (low - high);
            *sample = low - high;
        }
    }
    out
}

/// Adds the echoes of a hall: a second of them, falling by 60 dB.
fn hall(sound: &[f32]) -> Vec<f32> {
    const ECHOES: [(usize, f32); 8] = [
        (419, 0.45),
        (811, 0.38),
        (1_327, 0.32),
        (2_113, 0.25),
        (3_407, 0.18),
        (5_501, 0.11),
        (8_807, 0.05),
        (14_303, 0.02),
    ];
    let echo = |at: usize| -> f32 {
        ECHOES.iter().map(|(late, gain)| at.checked_sub(*late).map_or(0.0, |at| gain * sound[at])).sum()
    };
    (0..sound.len()).map(|at| sound[at] + echo(at)).collect()
}
