use super::*;
use crate::speech::schedule::{Due, Urgency};
use crate::speech::{Answer, Backend, Effort, Language, Recognition};

/// Answers with the number of samples as its language, one at a time.
#[derive(Default)]
struct Counter(Option<Answer>);

impl Recognizer for Counter {
    fn has_room(&self, _: &Request) -> bool {
        self.is_idle()
    }

    fn join(&mut self, id: u64, request: Request) -> Result<(), RecognizeError> {
        let language = request.samples.len().to_string();
        self.0 = Some((id, Ok(Recognition { language, pieces: vec![], passes: 1 })));
        Ok(())
    }

    fn leave(&mut self, id: u64) -> bool {
        self.0.take_if(|(own, _)| *own == id).is_some()
    }

    fn is_idle(&self) -> bool {
        self.0.is_none()
    }

    fn advance(&mut self) -> Vec<Answer> {
        self.0.take().into_iter().collect()
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
        threads: 2,
    })
}

fn recognize(id: u64, samples: usize) -> Frame {
    let effort = Effort { beam: 1, temperature: 0.0, audio_ctx: 64, tokens_max: 8 };
    let samples = vec![0.0; samples];
    let request = Request { samples, language: Language::Ja, prompt: vec![], effort, due: Due::BATCH };
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
        let recognizers = (0..hello.threads).map(|_| Counter::default()).collect();
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
        Ok((String::new(), vec![Counter::default()]))
    });
    assert!(matches!(end, End::Garbled(FrameError::Kind(77))));
}

fn request(urgency: Urgency) -> Request {
    let Frame::Recognize(_, request) = recognize(0, 100) else { unreachable!("it is made there") };
    Request { due: Due { urgency, by_ms: 0 }, ..request }
}

#[test]
fn a_final_is_taken_before_batch_work_that_came_earlier() {
    let desk = Desk::new(4);
    for (id, urgency) in [(1, Urgency::Batch), (2, Urgency::Final), (3, Urgency::Partial)] {
        assert!(desk.put(id, request(urgency)));
    }
    let order: Vec<u64> = std::iter::from_fn(|| desk.take(false, |_| true)).map(|(id, _)| id).collect();
    assert_eq!(order, [2, 3, 1]);
}

#[test]
fn a_cancelled_window_is_taken_from_the_desk_or_sent_away_from_its_recogniser() {
    let desk = Desk::new(4);
    assert!(desk.put(1, request(Urgency::Partial)) && desk.put(2, request(Urgency::Partial)));
    assert!(desk.take(false, |_| true).is_some_and(|(id, _)| id == 1));
    assert!(!desk.cancel(1), "it is at work: its recogniser is told");
    assert_eq!(desk.unwanted(), [1]);
    assert!(desk.cancel(2), "it waited here: it is answered at once");
    desk.done(1);
    assert_eq!((desk.unwanted(), desk.take(false, |_| true).is_none()), (vec![], true));
}

#[test]
fn a_full_desk_takes_no_more() {
    let desk = Desk::new(1);
    assert!(desk.put(1, request(Urgency::Batch)));
    assert!(!desk.put(2, request(Urgency::Batch)));
}
