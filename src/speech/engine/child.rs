//! The child's side: reads frames, lets recognisers work, writes frames. No files, database or sockets.
//!
//! ```text
//! frames ─► desk: windows by urgency ─► recognisers, a thread each ─► frames
//! ```

use std::collections::HashMap;
use std::io::{Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::frame::{self, Frame, FrameError, Hello, PROTOCOL, Ready};
use crate::speech::schedule::Queue;
use crate::speech::{RecognizeError, Recognizer, Request};

/// Why the conversation is over.
#[derive(Debug)]
pub enum End {
    /// The parent said stop; every answer was sent.
    Stopped,
    /// The parent is gone, or the model cannot be used: exit at once, whatever still runs.
    Gone,
    /// The parent does not speak the protocol: exit with an error.
    Garbled(FrameError),
}

/// What was loaded: a line about what computes, and the recognisers, a thread each.
pub type Loaded<R> = (String, Vec<R>);

/// Talks with the parent until one of them ends it; `load` makes the recognisers a hello asks for.
pub fn serve<R, L>(mut input: impl Read, output: impl Write + Send + 'static, load: L) -> End
where
    R: Recognizer + 'static,
    L: FnOnce(&Hello) -> Result<Loaded<R>, String>,
{
    let output = Arc::new(Mutex::new(output));
    let hello = match frame::read(&mut input) {
        Ok(Some(Frame::Hello(hello))) => hello,
        Ok(Some(_)) | Ok(None) => return End::Gone,
        Err(error) => return End::Garbled(error),
    };
    let (backend, recognizers) = match checked(&hello).and_then(|()| load(&hello)) {
        Ok(loaded) => loaded,
        Err(reason) => {
            tell(&output, &Frame::Unfit(reason));
            return End::Gone;
        }
    };
    let desk = Arc::new(Desk::new(hello.windows_max()));
    let start = |recognizer| spawn(recognizer, Arc::clone(&desk), Arc::clone(&output));
    let workers: Vec<_> = recognizers.into_iter().map(start).collect();
    tell(&output, &Frame::Ready(Ready { protocol: PROTOCOL, backend }));
    let end = listen(&mut input, &output, &desk);
    desk.close();
    if matches!(end, End::Stopped) {
        for worker in workers {
            // A worker that panicked has said so on standard error; the parent sees its window unanswered.
            let _ = worker.join();
        }
    }
    end
}

fn checked(hello: &Hello) -> Result<(), String> {
    match hello.protocol {
        PROTOCOL => Ok(()),
        other => Err(format!("the parent speaks protocol {other}, this child {PROTOCOL}")),
    }
}

fn listen(input: &mut impl Read, output: &Mutex<impl Write>, desk: &Desk) -> End {
    loop {
        match frame::read(input) {
            Ok(Some(Frame::Recognize(id, request))) => {
                if !desk.put(id, request) {
                    let error = RecognizeError::BadRequest("more windows than slots".to_owned());
                    tell(output, &Frame::Failed(id, error));
                }
            }
            Ok(Some(Frame::Cancel(id))) => {
                if desk.cancel(id) {
                    tell(output, &Frame::Failed(id, RecognizeError::Cancelled));
                }
            }
            Ok(Some(Frame::Ping(id))) => tell(output, &Frame::Pong(id)),
            Ok(Some(Frame::Stop)) => return End::Stopped,
            Ok(Some(Frame::Hello(_) | Frame::Ready(_) | Frame::Unfit(_))) => return End::Gone,
            Ok(Some(Frame::Done(..) | Frame::Failed(..) | Frame::Pong(_))) => return End::Gone,
            Ok(None) => return End::Gone,
            Err(error) => return End::Garbled(error),
        }
    }
}

/// Where windows wait for a recogniser.
struct Desk {
    state: Mutex<Waiting>,
    changed: Condvar,
    windows_max: usize,
}

#[derive(Default)]
struct Waiting {
    queue: Queue<(u64, Request)>,
    /// Windows a recogniser has, and whether the parent still wants them.
    wanted: HashMap<u64, bool>,
    closed: bool,
}

impl Desk {
    fn new(windows_max: usize) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), windows_max }
    }

    fn state(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a window in; tells whether there was room.
    fn put(&self, id: u64, request: Request) -> bool {
        let mut state = self.state();
        let room = state.queue.len() < self.windows_max;
        if room {
            state.queue.push(request.due, (id, request));
            self.changed.notify_one();
        }
        room
    }

    /// Forgets a window; tells whether it was still waiting here. One at work leaves at the next step.
    fn cancel(&self, id: u64) -> bool {
        let mut state = self.state();
        if let Some(wanted) = state.wanted.get_mut(&id) {
            *wanted = false;
        }
        state.queue.take(|_, (waiting, _)| *waiting == id).is_some()
    }

    fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    /// Returns the most urgent window there is room for; waits for one if `idle`. `None` = nothing for now, or closed.
    fn take(&self, idle: bool, has_room: impl Fn(&Request) -> bool) -> Option<(u64, Request)> {
        let mut state = self.state();
        loop {
            if let Some((id, request)) = state.queue.take(|_, (_, request)| has_room(request)) {
                state.wanted.insert(id, true);
                return Some((id, request));
            }
            if !idle || state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Returns the windows at work that nobody wants any more.
    fn unwanted(&self) -> Vec<u64> {
        let state = self.state();
        state.wanted.iter().filter(|(_, wanted)| !**wanted).map(|(id, _)| *id).collect()
    }

    fn done(&self, id: u64) {
        self.state().wanted.remove(&id);
    }
}

#[expect(clippy::disallowed_methods, reason = "the engine child computes on threads of its own")]
fn spawn<R: Recognizer + 'static>(
    mut recognizer: R,
    desk: Arc<Desk>,
    output: Arc<Mutex<impl Write + Send + 'static>>,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let answer = |id: u64, frame: Frame| {
            desk.done(id);
            tell(&output, &frame);
        };
        loop {
            while let Some((id, request)) =
                desk.take(recognizer.is_idle(), |request| recognizer.has_room(request))
            {
                if let Err(error) = recognizer.join(id, request) {
                    answer(id, Frame::Failed(id, error));
                }
            }
            if recognizer.is_idle() {
                return;
            }
            for id in desk.unwanted().into_iter().filter(|id| recognizer.leave(*id)).collect::<Vec<_>>() {
                answer(id, Frame::Failed(id, RecognizeError::Cancelled));
            }
            for (id, result) in recognizer.advance() {
                let failed = |error| Frame::Failed(id, error);
                answer(id, result.map_or_else(failed, |found| Frame::Done(id, found)));
            }
        }
    })
}

/// Writes a frame; a parent that cannot read any more is gone, and its end of the input tells so too.
fn tell(output: &Mutex<impl Write>, frame: &Frame) {
    let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = frame::write(&mut *output, frame);
}

#[cfg(test)]
mod tests;
