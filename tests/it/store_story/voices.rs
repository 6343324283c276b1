//! The part of the story about voices.

use gijiroku::speech::voice::Embedding;
use gijiroku::speech::voiceprint::{Origin, Piece, Voiceprint};
use gijiroku::store::voices::{Consent, ConsentWay, NewVoice, VOICE_MODEL, VoiceRules};
use gijiroku::store::{Id, Store};

use super::{DAY, Observed, People, at};

/// Tells what becomes of voices; `meeting` is one that was there.
pub(super) async fn tell(store: &Store, people: &People, meeting: Id, seen: &mut Observed) {
    let (department, late) = (people.admin.department, at(400).plus(366 * DAY));
    seen.note("off at first", store.voice_rules(department).await);
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    store.keep_voice_keys_in(folder.path()).expect("a fresh folder can hold keys");
    let consent = Consent {
        wording: "1".to_owned(),
        way: ConsentWay::Paper,
        recorded_by: people.admin.id,
        at: at(400),
    };
    let voice = Embedding::new(&[1.0; 256]).expect("it is a direction");
    let piece = Piece { origin: Origin::Sample, speech_ms: 20_000, voice };
    let print = Voiceprint::new(piece.clone());
    let new = |name: &'static str, user| {
        let consent = consent.clone();
        NewVoice { department, user, name, consent, model: VOICE_MODEL, print: &print }
    };
    seen.note("refused", store.add_voice(&new("佐藤 花子", None), &people.actor, at(400)).await);
    let rules = VoiceRules { enabled: true, learning: true, keep_days: 365 };
    seen.note("on", store.set_voice_rules(department, rules, &people.actor, at(400)).await);
    let enrolled = store.add_voice(&new("佐藤 花子", Some(people.staff.id)), &people.actor, at(400)).await;
    seen.note("enrolled", &enrolled);
    let twice = store.add_voice(&new("佐藤花子", None), &people.actor, at(401)).await;
    seen.note("twice", twice.map_err(|error| error.to_string()));
    seen.note("another", store.add_voice(&new("鈴木 一郎", None), &people.actor, at(402)).await);
    let listed = store.voices(department).await.expect("the database answers");
    seen.note("listed", &listed);
    let first = listed[0].id;
    seen.note("one", store.voice(first).await);
    let opened = store.voiceprints(department, VOICE_MODEL, at(403)).await;
    seen.note("opened", opened.map(|found| found.len()).map_err(|error| error.to_string()));
    let other = store.voiceprints(department, "another", at(403)).await;
    seen.note("of another network", other.map(|found| found.len()).map_err(|error| error.to_string()));
    let learned = Piece { origin: Origin::Meeting, ..piece.clone() };
    seen.note("learned", store.learn_voice(first, learned, None, (&people.actor, at(404))).await);
    seen.note("renewed", store.learn_voice(first, piece, Some(&consent), (&people.actor, at(405))).await);
    seen.note("compared", store.voices_compared(Id::LAST, &[first], 1, at(406)).await);
    seen.note("used", store.voice(first).await);
    seen.note("lesson", store.next_lesson().await);
    seen.note("lesson done", store.lesson_done(meeting, at(406)).await);
    seen.note("done twice", store.lesson_done(meeting, at(407)).await);
    let erased = store.erase_voice(first, &people.actor, at(407)).await;
    seen.note("erased", erased.map(|found| found.map(|found| (found.because, found.erased_at))));
    seen.note("erased twice", store.erase_voice(first, &people.actor, at(408)).await);
    seen.note("due", store.erase_due_voices(late).await);
    seen.note("nothing due", store.erase_due_voices(late).await);
    seen.note("keys", store.destroy_voice_keys(late).await);
    let proofs = store.voice_erasures(department).await.expect("the database answers");
    seen.note("proofs", proofs.iter().map(|proof| (proof.because, proof.erased_at)).collect::<Vec<_>>());
}
