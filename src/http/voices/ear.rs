//! The networks that hear a sample: read on first need, then shared.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use crate::audio::vad::Silero;
use crate::http::error::Problem;
use crate::http::error::voices::VoiceRefusal;
use crate::http::{App, heavy};
use crate::speech::voice::Voice;
use crate::store::models::ModelStore;
use crate::store::voices::VOICE_MODEL;

/// Name of the speech detector's weights in the manifest.
const VAD_MODEL: &str = "silero-v6";

/// What hears a sample.
pub struct Ear {
    /// Finds where somebody speaks.
    pub detector: Silero,
    /// Hears whose voice it is.
    pub network: Voice,
    /// Name of that network: voices of another one cannot be compared.
    pub model: &'static str,
}

/// Where the networks come from, and the networks once they were needed.
#[derive(Default)]
pub struct Ears {
    folder: Option<PathBuf>,
    ear: OnceLock<Arc<Ear>>,
}

impl Ears {
    /// Takes the folder of weights.
    pub fn in_folder(folder: PathBuf) -> Self {
        Self { folder: Some(folder), ear: OnceLock::new() }
    }
}

/// Returns the networks.
///
/// Errors: [`VoiceRefusal::NoNetwork`] if the weights are missing or damaged.
pub(super) async fn ear(app: &App) -> Result<Arc<Ear>, Problem> {
    if let Some(ear) = app.ears.ear.get() {
        return Ok(Arc::clone(ear));
    }
    let folder = app.ears.folder.clone().ok_or(VoiceRefusal::NoNetwork)?;
    let ear = heavy::apart(move || read(&folder)).await?.map_err(|error| {
        tracing::error!(error, "the network that hears voices cannot be used");
        Problem::from(VoiceRefusal::NoNetwork)
    })?;
    // Of two that read it at once, the first one's stays.
    Ok(Arc::clone(app.ears.ear.get_or_init(|| Arc::new(ear))))
}

fn read(folder: &std::path::Path) -> Result<Ear, String> {
    let models = ModelStore::open(folder).map_err(|error| error.to_string())?;
    let detector = models.read_vad(VAD_MODEL).map_err(|error| error.to_string())?;
    let network = models.read_speaker(VOICE_MODEL).map_err(|error| error.to_string())?;
    Ok(Ear {
        detector: Silero::from_safetensors(&detector).map_err(|error| error.to_string())?,
        network: Voice::load(&network).map_err(|error| error.to_string())?,
        model: VOICE_MODEL,
    })
}
