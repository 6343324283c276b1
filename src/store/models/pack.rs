//! The high-accuracy pack of speakers: files an administrator lays into a folder, remembered by their sha256.

use std::path::PathBuf;

use super::disk::Fingerprint;
use super::manifest::{LocalFile, LocalPack};
use super::{Imported, ModelStore, ModelStoreError, Verified, missing_file};

impl ModelStore {
    /// Returns the folder of the speaker pack if it was imported and every file of it is whole.
    pub fn speaker_pack(&self) -> Option<PathBuf> {
        let pack = self.manifest.packs.first()?;
        let known = self.local.packs.iter().find(|local| local.id == pack.id)?;
        let folder = self.dir.join(&pack.folder);
        let is_whole = |name: &String| {
            let file = known.files.iter().find(|file| file.name == *name);
            let found = Fingerprint::of_file(&folder.join(name)).ok().flatten();
            file.zip(found).is_some_and(|(file, found)| file.sha256 == found.sha256)
        };
        let whole = pack.files.iter().all(is_whole);
        if !whole {
            tracing::error!("a file of the speaker pack is not the one that was imported; it is not used");
        }
        whole.then_some(folder)
    }

    /// Hashes the files of a pack that were laid into its folder and remembers them; `None` if no pack is called so.
    ///
    /// Errors: [`ModelStoreError::Missing`] with the first file that is not there.
    pub fn import_pack(&mut self, id: &str) -> Result<Option<Imported>, ModelStoreError> {
        let Some(pack) = self.manifest.packs.iter().find(|pack| pack.id == id).cloned() else {
            return Ok(None);
        };
        let folder = self.dir.join(&pack.folder);
        let (mut files, mut bytes) = (Vec::new(), 0);
        for name in &pack.files {
            let path = folder.join(name);
            let found = Fingerprint::of_file(&path)?.ok_or_else(|| missing_file(id, &path, &pack.remedy))?;
            bytes += found.bytes;
            files.push(LocalFile { name: name.clone(), sha256: found.sha256 });
        }
        let sha256 =
            Fingerprint::of(files.iter().map(|file| file.sha256.as_str()).collect::<String>().as_bytes());
        let verified = Verified { id: id.to_owned(), path: folder, sha256: sha256.sha256, bytes };
        let entry = LocalPack { id: id.to_owned(), files };
        if self.local.packs.contains(&entry) {
            return Ok(Some(Imported::AlreadyThere(verified)));
        }
        self.change_local(|local| {
            local.packs.retain(|known| known.id != entry.id);
            local.packs.push(entry);
        })?;
        Ok(Some(Imported::Recorded(verified)))
    }
}
