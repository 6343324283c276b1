//! The child's side: reads frames, recognises on a thread a slot, writes frames. No files, database or sockets.

use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::frame::{self, Frame, FrameError, Hello, PROTOCOL, Ready};
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

/// What was loaded: a line about what computes, and one recogniser a slot.
pub type Loaded<R> = (String, Vec<R>);

type Queue = Arc<Mutex<Receiver<(u64, Request)>>>;

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
    let (tasks, queue) = sync_channel(hello.slots());
    let queue = Arc::new(Mutex::new(queue));
    let workers: Vec<_> = recognizers
        .into_iter()
        .map(|recognizer| spawn(recognizer, Arc::clone(&queue), Arc::clone(&output), hello.backend.batch()))
        .collect();
    tell(&output, &Frame::Ready(Ready { protocol: PROTOCOL, backend }));
    let end = listen(&mut input, &output, &tasks);
    drop(tasks);
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

fn listen(input: &mut impl Read, output: &Arc<Mutex<impl Write>>, tasks: &SyncSender<(u64, Request)>) -> End {
    loop {
        match frame::read(input) {
            Ok(Some(Frame::Recognize(id, request))) => {
                if let Err(TrySendError::Full(_)) = tasks.try_send((id, request)) {
                    let error = RecognizeError::BadRequest("more windows than slots".to_owned());
                    tell(output, &Frame::Failed(id, error));
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

#[expect(clippy::disallowed_methods, reason = "the engine child computes on one thread a slot")]
fn spawn<R: Recognizer + 'static>(
    mut recognizer: R,
    queue: Queue,
    output: Arc<Mutex<impl Write + Send + 'static>>,
    batch: u16,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        loop {
            let (ids, requests) = take(&queue, usize::from(batch));
            if ids.is_empty() {
                return;
            }
            for (id, answer) in ids.into_iter().zip(recognizer.recognize_batch(&requests)) {
                let answer =
                    answer.map_or_else(|error| Frame::Failed(id, error), |found| Frame::Done(id, found));
                tell(&output, &answer);
            }
        }
    })
}

/// Waits for a window and takes what else is there, up to `batch`; nothing once the parent said stop.
fn take(queue: &Queue, batch: usize) -> (Vec<u64>, Vec<Request>) {
    // The lock is held while waiting: workers take turns, and the one that waits longest is next.
    let queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    let first = queue.recv().ok();
    let more = std::iter::from_fn(|| queue.try_recv().ok());
    first.into_iter().chain(more.take(batch - 1)).unzip()
}

/// Writes a frame; a parent that cannot read any more is gone, and its end of the input tells so too.
fn tell(output: &Arc<Mutex<impl Write>>, frame: &Frame) {
    let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = frame::write(&mut *output, frame);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::{Backend, Effort, Language, Recognition};

    /// Answers with the number of samples as its language.
    struct Counter;

    impl Recognizer for Counter {
        fn recognize(&mut self, request: &Request) -> Result<Recognition, RecognizeError> {
            Ok(Recognition { language: request.samples.len().to_string(), pieces: vec![], passes: 1 })
        }
    }

    /// A pipe end that both sides of a test can hold.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no test panics while writing").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn hello() -> Frame {
        Frame::Hello(Hello {
            protocol: PROTOCOL,
            model: "m.bin".into(),
            sha256: String::new(),
            backend: Backend::Whisper,
            workers: 2,
        })
    }

    fn recognize(id: u64, samples: usize) -> Frame {
        let effort = Effort { beam: 1, temperature: 0.0, audio_ctx: 64, tokens_max: 8 };
        let request = Request { samples: vec![0.0; samples], language: Language::Ja, prompt: vec![], effort };
        Frame::Recognize(id, request)
    }

    /// Plays a parent's frames to a child and returns how it ended and what it said.
    fn play(frames: &[Frame], loaded: Result<(), String>) -> (End, Vec<Frame>) {
        let mut input = Vec::new();
        for frame in frames {
            frame::write(&mut input, frame).expect("memory is never full");
        }
        let output = Shared::default();
        let load = |hello: &Hello| {
            let recognizers = (0..hello.workers).map(|_| Counter).collect();
            loaded.map(|()| ("scripted".to_owned(), recognizers))
        };
        let end = serve(input.as_slice(), output.clone(), load);
        let said = output.0.lock().expect("every worker is done").clone();
        let mut said = said.as_slice();
        let mut frames = Vec::new();
        while let Some(frame) = frame::read(&mut said).expect("a child writes whole frames") {
            frames.push(frame);
        }
        (end, frames)
    }

    #[test]
    fn a_stop_is_obeyed_after_every_window_is_answered() {
        let (end, mut said) = play(&[hello(), recognize(4, 100), recognize(5, 200), Frame::Stop], Ok(()));
        assert!(matches!(end, End::Stopped));
        assert!(matches!(said.remove(0), Frame::Ready(_)));
        let mut answers: Vec<(u64, String)> = said
            .into_iter()
            .map(|frame| match frame {
                Frame::Done(id, recognition) => (id, recognition.language),
                other => panic!("unexpected {other:?}"),
            })
            .collect();
        answers.sort();
        assert_eq!(answers, [(4, "100".to_owned()), (5, "200".to_owned())]);
    }

    #[test]
    fn a_model_that_cannot_be_loaded_is_said_and_nothing_else() {
        let (end, said) = play(&[hello(), recognize(4, 100)], Err("wrong sha256".to_owned()));
        assert!(matches!(end, End::Gone));
        assert_eq!(said, [Frame::Unfit("wrong sha256".to_owned())]);
    }

    #[test]
    fn a_ping_is_answered_while_windows_wait() {
        let (_, said) = play(&[hello(), Frame::Ping(9), Frame::Stop], Ok(()));
        assert!(said.contains(&Frame::Pong(9)));
    }

    #[test]
    fn a_parent_that_is_gone_ends_the_child_at_once() {
        let (end, _) = play(&[hello()], Ok(()));
        assert!(matches!(end, End::Gone));
    }

    #[test]
    fn garbage_ends_the_child_with_an_error() {
        let end = serve([9, 0, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0, 0].as_slice(), Vec::new(), |_| {
            Ok((String::new(), vec![Counter]))
        });
        assert!(matches!(end, End::Garbled(FrameError::Kind(77))));
    }
}
