//! Work that takes longer than a request may hold the server's threads: a few pieces at a time, on threads of its own.

use tokio::sync::Semaphore;

use super::error::{Code, Problem};

/// Pieces worked on at a time: each may take seconds of a core and some hundred megabytes.
const PLACES_MAX: usize = 4;

static PLACES: Semaphore = Semaphore::const_new(PLACES_MAX);

/// Does a piece of work apart from the requests; who comes when all places are taken waits.
///
/// Errors: [`Code::Internal`] if the work panicked.
pub async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    let _place = PLACES.acquire().await.expect("the places are never closed");
    tokio::task::spawn_blocking(work).await.map_err(|_| Code::Internal.into())
}
