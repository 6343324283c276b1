//! The networks that listen to voices: made from the checkpoints their packages carry, and read.

use std::path::PathBuf;

use super::disk::{Fingerprint, Folder};
use super::{Imported, Kind, Known, ModelStore, ModelStoreError, StoreError, Verified, compare, missing};
use crate::speech::model::checkpoint;

impl ModelStore {
    /// Reads the weights of a speaker encoder; the bytes returned are those that were verified.
    ///
    /// Errors: [`ModelStoreError::Missing`], [`ModelStoreError::Damaged`], [`ModelStoreError::OtherKind`].
    pub fn read_speaker(&self, id: &str) -> Result<Vec<u8>, ModelStoreError> {
        self.read_tensors(id, Kind::Speaker)
    }

    /// Reads the weights of the segmentation; the bytes returned are those that were verified.
    ///
    /// Errors: [`ModelStoreError::Missing`], [`ModelStoreError::Damaged`], [`ModelStoreError::OtherKind`].
    pub fn read_segmentation(&self, id: &str) -> Result<Vec<u8>, ModelStoreError> {
        self.read_tensors(id, Kind::Segmentation)
    }

    /// Makes the weights from their fetched checkpoint, unless they are there and whole.
    ///
    /// Errors: nothing has changed on the disk after any of them.
    pub(super) fn import_checkpoint(&self, known: &Known) -> Result<Imported, ModelStoreError> {
        match self.verify(known) {
            Ok(verified) => return Ok(Imported::AlreadyThere(verified)),
            Err(ModelStoreError::Missing { .. } | ModelStoreError::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
        let entry = self.manifest.model(&known.id).ok_or_else(|| missing(known))?;
        let source = self.manifest.source(entry);
        let source = source.and_then(|source| Some((source.checkpoint.as_ref()?, source.network?)));
        let (source, network) = source.ok_or_else(|| missing(known))?;
        let checkpoint = self.read_source(&known.id, source)?;
        let refused = |source| ModelStoreError::Refused { path: PathBuf::from(&entry.file), source };
        let weights = checkpoint::import(&checkpoint, network).map_err(refused)?;
        let made = compare(known, Fingerprint::of(&weights))?;
        let folder = Folder::lock(&self.dir)?;
        let io = |error| StoreError::io(&known.path, error).into();
        let path = folder.install(&entry.file, |out| out.write_all(&weights).map_err(io), |_| Ok(()))?;
        Ok(Imported::Made(Verified { path, ..made }))
    }
}
