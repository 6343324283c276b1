//! A sound server of one's own: loudspeakers without a wall, whose monitors are microphones that hear every sample.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::{NamedTempFile, TempDir};

use crate::support::text;

/// The rate of every device.
pub const RATE_HZ: u32 = 48_000;

/// A running sound server; killed when it is dropped.
pub struct Pulse {
    server: Child,
    folder: TempDir,
}

impl Pulse {
    /// Starts one with the loudspeaker `room`.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("temporary folders can be made");
        let socket = socket(folder.path());
        let module = format!("module-native-protocol-unix socket={} auth-anonymous=1", text(&socket));
        let server = Command::new("pulseaudio")
            .args(["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "-L", &module])
            .args(["-L", &sink("room")])
            .env("HOME", folder.path())
            .env("XDG_RUNTIME_DIR", folder.path())
            .stderr(Stdio::null())
            .spawn()
            .expect("pulseaudio is installed (apt-get install pulseaudio pulseaudio-utils)");
        let pulse = Self { server, folder };
        for _ in 0..500 {
            if socket.exists() && pulse.control(&["info"]).status.success() {
                return pulse;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the sound server does not answer");
    }

    /// Returns what a client is told.
    pub fn address(&self) -> String {
        format!("unix:{}", text(&socket(self.folder.path())))
    }

    /// Plays a file to its end.
    pub fn play(&self, device: &str, file: &NamedTempFile) {
        assert!(self.begin_to_play(device, file).wait().expect("it plays").success());
    }

    /// Begins to play a file.
    pub fn begin_to_play(&self, device: &str, file: &NamedTempFile) -> Child {
        let mut command = Command::new("paplay");
        // With its usual two seconds, this player drops a piece of the sound when the loudspeaker begins.
        command.args([&format!("--device={device}"), "--latency-msec=500", text(file.path())]);
        command.env("PULSE_SERVER", self.address()).env("HOME", self.folder.path());
        command.spawn().expect("paplay is installed (apt-get install pulseaudio-utils)")
    }

    /// Plugs a further loudspeaker in.
    pub fn plug(&self, name: &str) {
        let sink = sink(name);
        let mut arguments = vec!["load-module"];
        arguments.extend(sink.split(' '));
        assert!(self.control(&arguments).status.success());
    }

    /// Takes a loudspeaker away.
    pub fn unplug(&self, name: &str) {
        let listed = self.control(&["list", "short", "modules"]);
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let module =
            listed.lines().find(|line| line.contains(&format!("sink_name={name} "))).expect("it is there");
        let number = module.split('\t').next().expect("it has a number").to_owned();
        assert!(self.control(&["unload-module", &number]).status.success());
    }

    fn control(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("pactl");
        command.args(arguments).env("PULSE_SERVER", self.address()).env("HOME", self.folder.path());
        command.output().expect("pactl is installed (apt-get install pulseaudio-utils)")
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("native")
}

fn sink(name: &str) -> String {
    format!("module-null-sink sink_name={name} rate={RATE_HZ} format=s16le channels=1 channel_map=mono")
}

/// Writes sound as a file that can be played, with a little silence on both sides: a loudspeaker needs a moment.
pub fn wav(sound: &[i16]) -> NamedTempFile {
    let file = tempfile::Builder::new().suffix(".wav").tempfile().expect("temporary files can be made");
    let format = hound::SampleFormat::Int;
    let spec =
        hound::WavSpec { channels: 1, sample_rate: RATE_HZ, bits_per_sample: 16, sample_format: format };
    let mut writer = hound::WavWriter::create(file.path(), spec).expect("there is room");
    let quiet = [0_i16; RATE_HZ as usize / 3];
    [&quiet, sound, &quiet]
        .concat()
        .iter()
        .for_each(|sample| writer.write_sample(*sample).expect("there is room"));
    writer.finalize().expect("there is room");
    file
}
