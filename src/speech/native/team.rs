//! The threads of one worker: they share the parts of one piece of work and rest in between.

use std::sync::{Mutex, PoisonError};

use super::kernels::Scratch;

/// Most threads one worker may use.
pub const THREADS_MAX: usize = 64;

/// A fixed number of threads, each with its own buffers.
///
/// Range: the parts are independent, so results do not depend on the number of threads. Threads live for one
/// [`Team::share`] (about 30 µs to start one); with a single thread none is ever started.
pub struct Team {
    scratches: Vec<Scratch>,
}

impl Team {
    /// Makes a team of 1 to [`THREADS_MAX`].
    pub fn new(threads: usize) -> Self {
        Self { scratches: (0..threads.clamp(1, THREADS_MAX)).map(|_| Scratch::new()).collect() }
    }

    /// Returns the number of threads.
    pub fn threads(&self) -> usize {
        self.scratches.len()
    }

    /// Returns the buffers of the calling thread, for work that is not shared.
    pub fn scratch(&mut self) -> &mut Scratch {
        &mut self.scratches[0]
    }

    /// Does `work` once for every part; who is free takes the next part.
    #[expect(clippy::disallowed_methods, reason = "the engine computes on threads of its own")]
    pub fn share<P: Send>(
        &mut self,
        parts: impl IntoIterator<Item = P>,
        work: impl Fn(P, &mut Scratch) + Sync,
    ) {
        let parts: Vec<P> = parts.into_iter().collect();
        let helpers = self.scratches.len().min(parts.len()).saturating_sub(1);
        let queue = Mutex::new(parts.into_iter());
        let drain = |scratch: &mut Scratch| {
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some(part) = next else { break };
                work(part, scratch);
            }
        };
        let Some((own, others)) = self.scratches.split_first_mut() else { return };
        std::thread::scope(|scope| {
            for scratch in others.iter_mut().take(helpers) {
                scope.spawn(|| drain(scratch));
            }
            drain(own);
        });
    }
}
