//! The documents people work on now, kept in memory: the database stays the truth, its revision is asked each time.

use std::sync::Arc;

use moka::sync::Cache;

use super::Document;
use crate::store::Id;

/// Documents kept: an office has some dozens open at a time, each of some megabytes.
const DOCUMENTS_MAX: u64 = 64;

/// Recently used documents.
#[derive(Debug, Clone)]
pub struct Documents(Arc<Cache<Id, Document>>);

impl Default for Documents {
    fn default() -> Self {
        Self(Arc::new(Cache::new(DOCUMENTS_MAX)))
    }
}

impl Documents {
    /// Returns the document at this revision, or an earlier one to go on from.
    pub(super) fn near(&self, meeting: Id, revision: u64) -> Option<Document> {
        self.0.get(&meeting).filter(|document| document.revision <= revision)
    }

    /// Keeps a document, unless a later one is kept already.
    pub(super) fn keep(&self, meeting: Id, document: &Document) {
        if self.0.get(&meeting).is_none_or(|kept| kept.revision < document.revision) {
            self.0.insert(meeting, document.clone());
        }
    }

    /// Forgets a meeting, as after an erasure.
    pub fn forget(&self, meeting: Id) {
        self.0.invalidate(&meeting);
    }
}
