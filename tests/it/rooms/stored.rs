//! A live meeting as the store remembers it: part of the story that both databases tell.

use std::time::Duration;

use gijiroku::audio::frames::Frame;
use gijiroku::clock::UnixMs;
use gijiroku::store::audit::Actor;
use gijiroku::store::blobs::{self, Blobs};
use gijiroku::store::live::event::{Line, Phase};
use gijiroku::store::live::{Begun, CaptionWish, Connected, Live, NewLive};
use gijiroku::store::{Id, Store};

fn at(seconds: i64) -> UnixMs {
    UnixMs::from_ms(1_790_000_000_000 + seconds * 1000)
}

/// Tells the story; what was observed, each with its name.
pub async fn tell(store: &Store, (user, actor): (Id, &Actor), meeting: Id) -> Vec<(&'static str, String)> {
    let folder = tempfile::tempdir().expect("there is room");
    let audio = blobs::Settings::Local { folder: folder.path().join("audio") };
    let blobs = Blobs::open(audio).await.expect("a fresh folder can hold audio");
    let journals = folder.path().join("live");
    let live = Live::open(store, &journals).await.expect("a fresh folder can hold journals");
    let wish = CaptionWish { no_store: false, link: true, delay_s: 3 };
    let code = Some(format!("code-{meeting}"));
    let new = NewLive { id: Id::new(), meeting, user, room: "第一会議室".to_owned(), wish, code };
    let mut seen = Vec::new();
    let Ok(Begun::New(room)) = live.begin(&new, actor, at(200)).await else { panic!("it begins") };
    let again = live.begin(&new, actor, at(201)).await;
    seen.push(("begun again", format!("{:?}", again.map(|begun| matches!(begun, Begun::Known(_))))));
    let microphone = Id::new();
    let Ok(Connected::Stream(stream)) = live.connect(&room, microphone, (Some(0), 16_000)).await else {
        panic!("it connects")
    };
    let mut pen = stream.take_pen().await.expect("it is free");
    let frame = Frame { number: 0, first_sample: 0, hole_before: false, samples: vec![7; 16_000] };
    seen.push(("frame", format!("{:?}", pen.take(frame, at(210)).await)));
    seen.push(("durable", format!("{:?}", pen.sync().await)));
    drop(pen);
    let (text, speaker, heard) = ("水道慮金。".to_owned(), None, None);
    let line = Line { line: room.new_line(), stream: 0, start_ms: 0, end_ms: 900, text, speaker, heard };
    seen.push(("shown", format!("{:?}", live.show(&room, line).await)));
    let corrected = live.correct(&room, (1, "水道料金。".to_owned()), actor, at(211)).await;
    seen.push(("corrected", format!("{corrected:?}")));
    let note = live.note(&room, ("agenda", "議題1".to_owned()), actor, at(212)).await;
    seen.push(("note", format!("{note:?}")));
    seen.push(("link", format!("{:?}", live.set_code(&room, None, actor, at(213)).await)));
    seen.push(("paused", format!("{:?}", live.set_phase(&room, Phase::Paused, actor, at(214)).await)));
    seen.push(("tidied", format!("{:?}", live.tidy(at(215)).await)));
    // Another start finds it as it was.
    let live = Live::open(store, &journals).await.expect("the folder is as it was");
    let room = live.find(room.kind.id, at(216)).await.expect("the database answers").expect("it is there");
    seen.push(("found again", format!("{:?} {:?}", room.phase(), room.snapshot())));
    let stream = room.streams().into_iter().next().expect("the microphone is known");
    seen.push(("its sound", format!("{:?}", stream.progress().durable)));
    seen.push(("kept", format!("{:?}", live.keep_stream(&stream, Some(16_000)).await)));
    seen.push(("ended", format!("{:?}", live.set_phase(&room, Phase::Ended, actor, at(217)).await)));
    let recorded = live.seal(&room, &blobs, at(217).plus(Duration::from_secs(1))).await;
    let recorded = recorded.expect("there is room");
    seen.push(("sealed", format!("{recorded:?}")));
    for recorded in recorded {
        seen.push(("carried", format!("{:?}", store.carried(recorded.recording).await)));
    }
    seen
}
