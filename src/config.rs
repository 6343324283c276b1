//! Settings: defaults, one TOML file and the environment become one [`Config`]; the only reader of the environment.
//!
//! No file is needed: the defaults serve one machine, listen on it alone and reach nothing outside of it. A variable
//! `GIJIROKU__SECTION__KEY` wins over the file; a setting that is secret can lie in a file of its own, named by
//! `key_file` or `GIJIROKU__SECTION__KEY_FILE`.
//!
//! ```text
//! default ─► file ─► environment ─► secret files ─► Config ─► problems
//! ```

mod check;
mod machine;
mod reference;
mod sections;
mod values;

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests write and damage files, as the world does")]
mod tests;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use toml::{Spanned, Table, Value};
use zeroize::Zeroizing;

use crate::seats::licence::LicenceError;
use crate::seats::licence::keys::KeyRing;
use crate::store::blobs;

pub use check::{Problem, Weight};
pub use machine::Machine;
pub use reference::Shown;
pub use sections::{
    Accounts, Audio, Backup, Config, Data, Database, KEYS, Key, Licence, Log, Recognition, Retention, S3,
    Server, Sessions, Uploads,
};
pub use values::{AudioStore, Listen, LogFormat, SECRET_SHOWN_AS, Secret, Trying};

/// How the names of our variables begin.
const VARIABLE_PREFIX: &str = "GIJIROKU__";
/// The variable that names the file.
const FILE_VARIABLE: &str = "GIJIROKU_CONFIG";
/// The file that is read if none is named.
const FILE_USUAL: &str = "gijiroku.toml";
/// Largest file believed.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Largest secret believed.
const SECRET_BYTES_MAX: u64 = 16 << 10;
/// Most variables of ours.
const VARIABLES_MAX: usize = 1_000;

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The file says so.
    File,
    /// A variable says so.
    Environment,
    /// It was read from the file that `…_file` names.
    SecretFile,
}

/// The settings, and where each of them comes from.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    origins: BTreeMap<String, Origin>,
}

impl Loaded {
    /// Returns where a setting comes from.
    pub fn origin(&self, key: &Key) -> Origin {
        self.origins.get(&key.full_name()).copied().unwrap_or(Origin::Default)
    }
}

/// Why the settings cannot be used; none of them was.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that cannot be read: look at its path and its permissions.
    #[error("{} を読めません。場所と権限を確かめてください", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file that is no settings file: correct the line.
    #[error("{} の {line} 行目{}: {message}", path.display(), told_key(key))]
    Text {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The key on that line; empty if there is none.
        key: String,
        /// What is wrong; never a secret.
        message: String,
    },
    /// A section or key nobody knows: correct its name.
    #[error("{place}「{name}」という{kind}はありません。使えるのは次のものです: {allowed}")]
    Unknown {
        /// File and line, or the variable.
        place: String,
        /// 区分 or 項目.
        kind: &'static str,
        /// What was written.
        name: String,
        /// What may be written there.
        allowed: String,
    },
    /// A variable whose value does not fit: correct it.
    #[error("環境変数 {name}: {message}")]
    Variable {
        /// The variable.
        name: String,
        /// What is wrong; never a secret.
        message: String,
    },
    /// A secret and the file of it are both given: remove one.
    #[error("{key} と {key}_file の両方が設定されています。どちらか一方にしてください")]
    Twice {
        /// The secret's key.
        key: String,
    },
}

fn told_key(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("({key})") }
}

impl Config {
    /// Reads the environment, the file and the files of secrets.
    ///
    /// The file is `file`, else the one `GIJIROKU_CONFIG` names, else `gijiroku.toml` here if there is one.
    ///
    /// Errors: [`ConfigError`]; a named file must be there.
    pub fn load(file: Option<&Path>) -> Result<Loaded, ConfigError> {
        let variables = variables()?;
        let named = file.map(Path::to_owned).or_else(named_by_environment);
        let path = named.clone().unwrap_or_else(|| FILE_USUAL.into());
        let text = match read(&path, FILE_BYTES_MAX) {
            Ok(text) => Some(text),
            Err(error) if named.is_none() && error.kind() == ErrorKind::NotFound => None,
            Err(source) => return Err(ConfigError::File { path, source }),
        };
        let text = text.as_deref().map(|text| (path.as_path(), text));
        Self::combine(text, &variables, |path| read(path, SECRET_BYTES_MAX))
    }

    /// Returns where users' audio is kept, as the store takes it.
    ///
    /// What [`Config::check`] would stop the server for is passed on as it is.
    pub fn blobs(&self) -> blobs::Settings {
        let s3 = self.s3.clone();
        let secret_key = s3.secret_key.as_ref().map(Secret::reveal).unwrap_or_default();
        match self.audio.store {
            AudioStore::Local => blobs::Settings::Local { folder: self.data.folder.join("audio") },
            AudioStore::S3 => blobs::Settings::S3(blobs::S3Settings {
                endpoint: s3.endpoint.unwrap_or_default(),
                bucket: s3.bucket.unwrap_or_default(),
                region: s3.region,
                access_key: s3.access_key.unwrap_or_default(),
                secret_key: Zeroizing::new(secret_key.to_owned()),
                ca_certificate: s3.ca_certificate,
                allow_http: s3.allow_http,
                prefix: s3.prefix,
            }),
        }
    }

    /// Returns the keys whose licences are believed: the vendor's, and those of the settings.
    ///
    /// Errors: there are too many.
    pub fn licence_keys(&self) -> Result<KeyRing, LicenceError> {
        KeyRing::vendor().with(self.licence.extra_keys.iter().cloned())
    }

    /// Puts the layers together; reads nothing by itself.
    ///
    /// Errors: as [`Config::load`].
    fn combine(
        text: Option<(&Path, &str)>,
        variables: &[(String, String)],
        read: impl Fn(&Path) -> std::io::Result<String>,
    ) -> Result<Loaded, ConfigError> {
        let mut layers = Layers::default();
        if let Some((path, text)) = text {
            layers.add_file(path, text)?;
        }
        for (name, value) in variables {
            layers.add_variable(name, value)?;
        }
        layers.add_secrets(read)?;
        let config = layers.config().map_err(|error| ConfigError::Variable {
            name: VARIABLE_PREFIX.into(),
            message: error.message().into(),
        })?;
        Ok(Loaded { config, file: text.map(|(path, _)| path.to_owned()), origins: layers.origins })
    }
}

/// What has been said so far, as TOML; every step leaves it in a state that makes a [`Config`].
#[derive(Default)]
struct Layers {
    table: Table,
    origins: BTreeMap<String, Origin>,
}

type SpannedFile = BTreeMap<Spanned<String>, Spanned<Value>>;
type SpannedSection = BTreeMap<Spanned<String>, Value>;

impl Layers {
    fn config(&self) -> Result<Config, toml::de::Error> {
        Config::deserialize(Value::Table(self.table.clone()))
    }

    fn add_file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let refused = |error: toml::de::Error| refusal(path, text, &error);
        check_names(path, text)?;
        toml::from_str::<Config>(text).map_err(refused)?;
        self.table = toml::from_str(text).map_err(refused)?;
        for key in KEYS {
            if self.value(key.section, key.name).is_some() {
                self.origins.insert(key.full_name(), Origin::File);
            }
        }
        self.check_once()
    }

    fn add_variable(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        let key = key_of_variable(name)?;
        // The variable beats the file, whichever of the two forms of a secret each of them uses.
        let pair = [format!("{}_file", key.name), key.name.trim_end_matches("_file").to_owned()];
        for other in pair.iter().filter(|other| other.as_str() != key.name) {
            let full_name = format!("{}.{other}", key.section);
            if self.origins.get(&full_name) == Some(&Origin::File) {
                self.origins.remove(&full_name);
                self.section(key.section).remove(other);
            }
        }
        let mut first = None;
        for candidate in readings(value) {
            self.section(key.section).insert(key.name.into(), candidate);
            match self.config() {
                Ok(_) => {
                    self.origins.insert(key.full_name(), Origin::Environment);
                    return self.check_once();
                }
                Err(error) => first = first.or(Some(error.message().to_owned())),
            }
        }
        Err(ConfigError::Variable { name: name.into(), message: first.unwrap_or_default() })
    }

    /// Reads the files of secrets into their settings.
    fn add_secrets(&mut self, read: impl Fn(&Path) -> std::io::Result<String>) -> Result<(), ConfigError> {
        for (key, file_key) in secret_pairs() {
            let Some(path) = self.value(key.section, &file_key).and_then(Value::as_str) else { continue };
            let path = PathBuf::from(path);
            let secret = read(&path).map_err(|source| ConfigError::File { path, source })?;
            // A file made with an editor or echo ends with a line break that is no part of the secret.
            let secret = Value::String(secret.trim_end_matches(['\r', '\n']).to_owned());
            self.section(key.section).insert(key.name.into(), secret);
            self.origins.insert(key.full_name(), Origin::SecretFile);
        }
        Ok(())
    }

    fn check_once(&self) -> Result<(), ConfigError> {
        let is_set = |section: &str, name: &str| self.value(section, name).is_some();
        let mut pairs = secret_pairs();
        match pairs.find(|(key, file)| is_set(key.section, key.name) && is_set(key.section, file)) {
            Some((key, _)) => Err(ConfigError::Twice { key: key.full_name() }),
            None => Ok(()),
        }
    }

    fn value(&self, section: &str, name: &str) -> Option<&Value> {
        self.table.get(section)?.get(name)
    }

    fn section(&mut self, name: &str) -> &mut Table {
        let section = self.table.entry(name).or_insert_with(|| Value::Table(Table::new()));
        section.as_table_mut().expect("a section that is no table was refused with the file")
    }
}

/// Secrets, each with the name of the setting that can name a file of it.
fn secret_pairs() -> impl Iterator<Item = (&'static Key, String)> {
    KEYS.iter().filter_map(|key| {
        let file = format!("{}_file", key.name);
        let has_file = KEYS.iter().any(|other| other.section == key.section && other.name == file);
        has_file.then_some((key, file))
    })
}

/// What the text of a variable may mean: the first that the setting takes is it.
fn readings(value: &str) -> Vec<Value> {
    let mut readings = vec![Value::String(value.into())];
    readings.extend(value.trim().parse().ok().map(Value::Integer));
    readings.extend(value.trim().parse().ok().map(Value::Boolean));
    let parts = value.split(',').map(str::trim).filter(|part| !part.is_empty());
    readings.push(Value::Array(parts.map(|part| Value::String(part.into())).collect()));
    readings
}

fn key_of_variable(name: &str) -> Result<&'static Key, ConfigError> {
    let lower = name.strip_prefix(VARIABLE_PREFIX).unwrap_or(name).to_ascii_lowercase();
    let (section, key) = lower.split_once("__").unwrap_or((&lower, ""));
    known_key(&format!("環境変数 {name}: "), section, key)
}

/// Refuses names nobody knows, with the line they stand on.
fn check_names(path: &Path, text: &str) -> Result<(), ConfigError> {
    let refused = |error: toml::de::Error| refusal(path, text, &error);
    for (section, content) in toml::from_str::<SpannedFile>(text).map_err(refused)? {
        let place = |at: usize| format!("{} の {} 行目: ", path.display(), line_of(text, at));
        known_section(&place(section.span().start), section.get_ref())?;
        if !content.get_ref().is_table() {
            let (line, key) = (line_of(text, section.span().start), section.get_ref().clone());
            let message = format!("[{key}] の下に項目を書いてください");
            return Err(ConfigError::Text { path: path.into(), line, key, message });
        }
    }
    for (section, keys) in toml::from_str::<BTreeMap<String, SpannedSection>>(text).map_err(refused)? {
        for key in keys.keys() {
            let place = format!("{} の {} 行目: ", path.display(), line_of(text, key.span().start));
            known_key(&place, &section, key.get_ref())?;
        }
    }
    Ok(())
}

fn known_section(place: &str, section: &str) -> Result<(), ConfigError> {
    if KEYS.iter().any(|key| key.section == section) {
        return Ok(());
    }
    let mut allowed: Vec<&str> = KEYS.iter().map(|key| key.section).collect();
    allowed.dedup();
    Err(unknown(place, "区分", section, &allowed))
}

fn known_key(place: &str, section: &str, name: &str) -> Result<&'static Key, ConfigError> {
    known_section(place, section)?;
    let within: Vec<&Key> = KEYS.iter().filter(|key| key.section == section).collect();
    let allowed: Vec<&str> = within.iter().map(|key| key.name).collect();
    within
        .into_iter()
        .find(|key| key.name == name)
        .ok_or_else(|| unknown(place, "項目", &format!("{section}.{name}"), &allowed))
}

fn unknown(place: &str, kind: &'static str, name: &str, allowed: &[&str]) -> ConfigError {
    let name = name.chars().take(100).collect();
    ConfigError::Unknown { place: place.into(), kind, name, allowed: allowed.join(", ") }
}

/// Says what is wrong without the line itself, which may hold a secret.
fn refusal(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let at = error.span().map_or(0, |span| span.start);
    let line = line_of(text, at);
    let content = text.lines().nth(line - 1).unwrap_or_default();
    let key = content.split_once('=').map_or("", |(key, _)| key.trim()).to_owned();
    ConfigError::Text { path: path.into(), line, key, message: error.message().into() }
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
fn named_by_environment() -> Option<PathBuf> {
    std::env::var_os(FILE_VARIABLE).filter(|name| !name.is_empty()).map(PathBuf::from)
}

/// Returns a variable that is no setting: where a program without settings is told something.
#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// Returns our variables, sorted by name.
#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
fn variables() -> Result<Vec<(String, String)>, ConfigError> {
    let mut ours = Vec::new();
    for (name, value) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if !name.starts_with(VARIABLE_PREFIX) {
            continue;
        }
        let refused = |message: &str| ConfigError::Variable { name: name.clone(), message: message.into() };
        if ours.len() == VARIABLES_MAX {
            return Err(refused("変数が多すぎます"));
        }
        let value = value.into_string().map_err(|_| refused("値が UTF-8 の文字ではありません"))?;
        ours.push((name, value));
    }
    ours.sort();
    Ok(ours)
}

#[expect(clippy::disallowed_methods, reason = "the settings' file and the secrets' files are read here")]
fn read(path: &Path, bytes_max: u64) -> std::io::Result<String> {
    let mut text = String::new();
    let bytes = std::fs::File::open(path)?.take(bytes_max + 1).read_to_string(&mut text)? as u64;
    if bytes > bytes_max {
        let message = format!("{bytes_max} バイトを超えています");
        return Err(std::io::Error::new(ErrorKind::FileTooLarge, message));
    }
    Ok(text)
}
