//! Once an hour: the seats learn what the licence files amount to today. A day that ends stops nothing under way.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::UnixMs;
use crate::store::Store;
use crate::store::licences::LicenceSite;
use crate::store::seats::Seats;

/// How often.
const EVERY: Duration = Duration::from_secs(3600);

/// Looks at the files until the server stops; the start has looked already.
pub async fn run(
    store: Store,
    seats: Seats,
    site: LicenceSite,
    clock: fn() -> UnixMs,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stop.cancelled() => return,
        }
        if let Err(error) = store.apply_licence(&site, &seats, clock()).await {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "the licence could not be looked at; it is in an hour");
        }
    }
}
