//! A voice is taken: from a sample that the person gives, or from a meeting that people have corrected.

use std::io::Cursor;

use axum::Json;
use axum::extract::State;
use axum::extract::multipart::{Multipart, MultipartRejection};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::consent::WORDING;
use super::ear::{Ear, ear};
use super::{known, own};
use crate::audio::reader::MonoReader;
use crate::http::access::{self, Standing};
use crate::http::auth::{Body, Caller, Path};
use crate::http::error::voices::VoiceRefusal;
use crate::http::error::{Code, Problem};
use crate::http::session::checked_name;
use crate::http::{App, Shared, heavy};
use crate::minutes::voices::clean_stretches;
use crate::minutes::{Minutes, SpeakerId};
use crate::speech::enrol::{self, EXCERPT_MS_MAX, SAMPLE_MS_MAX, SPEECH_MS_MIN, SampleFault};
use crate::speech::voiceprint::{Piece, Voiceprint};
use crate::store::Id;
use crate::store::blobs::BlobKey;
use crate::store::recordings::open_audio;
use crate::store::sessions::Scope;
use crate::store::users::Role;
use crate::store::voices::{Consent, ConsentWay, Enrolled, NewVoice, Voice};

/// Longest text field of a form.
const FIELD_BYTES_MAX: usize = 1_024;

/// Whose voice it is, and that the person agreed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct Agreed {
    /// The account of the person; the caller's if neither account nor name is given.
    user: Option<Id>,
    /// 氏名 of a person without an account.
    name: Option<String>,
    /// The version of the words that the person agreed to.
    wording: String,
    /// `in_person` for one's own voice; `paper` if a signed paper is kept.
    #[schema(value_type = Option<String>)]
    way: Option<ConsentWay>,
}

/// A form with a sample: about 20 s, read aloud by one person.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form in the document of the API")]
pub struct SampleForm {
    /// The account of the person; the caller's if neither account nor name is given.
    user: Option<Id>,
    /// 氏名 of a person without an account.
    name: Option<String>,
    /// The version of the words that the person agreed to.
    wording: String,
    /// `in_person` for one's own voice; `paper` if a signed paper is kept.
    way: Option<String>,
    /// The sample, in any format that a recording may have.
    file: Vec<u8>,
}

/// A speaker of a corrected meeting.
#[derive(Deserialize, ToSchema)]
pub struct FromMeeting {
    /// The meeting.
    meeting: Id,
    /// The speaker in its minutes.
    speaker: SpeakerId,
    /// Whose voice it is, and that the person agreed.
    #[serde(flatten)]
    agreed: Agreed,
}

/// Remembers a person's voice from a sample.
#[utoipa::path(post, path = "/v1/departments/{id}/voices", tag = "voices", params(("id" = Id, Path)),
    request_body(content = SampleForm, content_type = "multipart/form-data"),
    responses((status = 201, body = Voice), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 413, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)))]
pub async fn enrol(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    form: Result<Multipart, MultipartRejection>,
) -> Result<(StatusCode, Json<Voice>), Problem> {
    caller.require_scope(Scope::Write)?;
    known(&app, &caller, id).await?;
    let (agreed, file) = read(form?).await?;
    let person = person(&app, &caller, id, agreed).await?;
    require_on(&app, id).await?;
    let ear = ear(&app).await?;
    let model = ear.model;
    let piece = heavy::apart(move || hear(&ear, file)).await??;
    remember(&app, &caller, (id, person), (model, piece)).await
}

/// Takes a voice anew from a sample, with the person's consent of today: what was learned before is forgotten.
#[utoipa::path(post, path = "/v1/voices/{id}/sample", tag = "voices", params(("id" = Id, Path)),
    request_body(content = SampleForm, content_type = "multipart/form-data"),
    responses((status = 200, body = Voice), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 413, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)))]
pub async fn renew(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Json<Voice>, Problem> {
    caller.require_scope(Scope::Write)?;
    let voice = own(&app, &caller, id).await?;
    let (mut agreed, file) = read(form?).await?;
    (agreed.user, agreed.name) = (voice.user, Some(voice.name.clone()));
    let person = person(&app, &caller, voice.department, agreed).await?;
    let ear = ear(&app).await?;
    let piece = heavy::apart(move || hear(&ear, file)).await??;
    let now = (&caller.actor, app.now());
    if !app.store.learn_voice(id, piece, Some(&person.consent), now).await? {
        return Err(VoiceRefusal::Off.into());
    }
    app.store.voice(id).await?.map(Json).ok_or_else(|| Code::NotFound.into())
}

/// Remembers a person's voice from a meeting whose minutes were corrected: only clean stretches of this one speaker.
#[utoipa::path(post, path = "/v1/departments/{id}/voices/from-meeting", tag = "voices", request_body = FromMeeting,
    params(("id" = Id, Path)),
    responses((status = 201, body = Voice), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub async fn enrol_from_meeting(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Body(input): Body<FromMeeting>,
) -> Result<(StatusCode, Json<Voice>), Problem> {
    caller.require_scope(Scope::Write)?;
    known(&app, &caller, id).await?;
    let (meeting, _) = caller.meeting(&app, input.meeting, Standing::Edit).await?;
    if meeting.department != id {
        return Err(Problem::new(Code::Invalid).about("meeting: この部署の会議ではありません"));
    }
    let document = app.store.document(meeting.id).await?.ok_or(Code::NoMinutes)?;
    let speaker = document.minutes.speaker(input.speaker);
    let speaker = speaker.ok_or_else(|| Problem::new(Code::Invalid).about("speaker"))?;
    let mut agreed = input.agreed;
    if agreed.user.is_none() && agreed.name.is_none() {
        agreed.name = Some(speaker.name.clone());
    }
    let person = person(&app, &caller, id, agreed).await?;
    require_on(&app, id).await?;
    let ear = ear(&app).await?;
    let model = ear.model;
    let wanted = vec![input.speaker];
    let heard = hear_speakers(&app, &ear, meeting.id, (&document.minutes, wanted)).await?;
    let piece = heard.into_iter().next().flatten();
    let piece = piece.filter(|piece| piece.speech_ms >= SPEECH_MS_MIN);
    let short = VoiceRefusal::Sample(SampleFault::TooShort { speech_ms: 0 });
    remember(&app, &caller, (id, person), (model, piece.ok_or(short)?)).await
}

/// Hears speakers of a meeting, each in up to a minute of clean stretches; nothing for one with too little of them.
pub(super) async fn hear_speakers(
    app: &App,
    ear: &std::sync::Arc<Ear>,
    meeting: Id,
    (minutes, speakers): (&Minutes, Vec<SpeakerId>),
) -> Result<Vec<Option<Piece>>, Problem> {
    // Minutes tell the times of the recording that they were first made from.
    let first = app.store.transcripts(meeting).await?.pop().ok_or(Code::NoRecording)?;
    let recording = app.store.recording(first.recording).await?.ok_or(Code::NoRecording)?;
    if recording.erased_at.is_some() {
        return Err(Code::AudioErased.into());
    }
    let key: BlobKey = recording.blob.parse()?;
    let audio = app.blobs.fetch(&key, app.staging.folder()).await?;
    let (ear, minutes) = (std::sync::Arc::clone(ear), minutes.clone());
    let work = move || {
        let wanted: Vec<_> =
            speakers.iter().map(|speaker| clean_stretches(&minutes, *speaker, EXCERPT_MS_MAX)).collect();
        let file = open_audio(audio.path())?;
        let unread = |_| Problem::from(VoiceRefusal::NoSound);
        let mut reader = MonoReader::open(Box::new(file)).map_err(unread)?;
        enrol::speakers(&mut reader, &wanted, &ear.network).map_err(unread)
    };
    heavy::apart(work).await?
}

/// A person who agreed.
struct Person {
    user: Option<Id>,
    name: String,
    consent: Consent,
}

/// Passes a person whose voice the caller may have remembered.
async fn person(app: &App, caller: &Caller, department: Id, agreed: Agreed) -> Result<Person, Problem> {
    if agreed.wording != WORDING {
        return Err(VoiceRefusal::OtherWording.into());
    }
    if caller.user.role == Role::Auditor {
        return Err(Code::NotAllowed.into());
    }
    let way = agreed.way.unwrap_or(ConsentWay::InPerson);
    let is_nobody_else = agreed.user.is_none() && agreed.name.is_none();
    let user = if is_nobody_else { Some(caller.user.id) } else { agreed.user };
    let may = match way {
        ConsentWay::InPerson => user == Some(caller.user.id) && caller.user.department == department,
        ConsentWay::Paper => access::may_manage_people(&caller.user, department),
    };
    if !may {
        return Err(Code::NotAllowed.into());
    }
    let name = match user {
        Some(user) => {
            let user = app.store.user(user).await?.filter(|user| user.disabled_at.is_none());
            user.ok_or_else(|| Problem::new(Code::Invalid).about("user"))?.name
        }
        None => checked_name(&agreed.name.unwrap_or_default())?,
    };
    let consent = Consent { wording: agreed.wording, way, recorded_by: caller.user.id, at: app.now() };
    Ok(Person { user, name, consent })
}

/// Refuses early what would be refused after hearing, too.
async fn require_on(app: &App, department: Id) -> Result<(), Problem> {
    let rules = app.store.voice_rules(department).await?;
    if rules.enabled { Ok(()) } else { Err(VoiceRefusal::Off.into()) }
}

async fn remember(
    app: &App,
    caller: &Caller,
    (department, person): (Id, Person),
    (model, piece): (&str, Piece),
) -> Result<(StatusCode, Json<Voice>), Problem> {
    let print = Voiceprint::new(piece);
    let Person { user, name, consent } = person;
    let new = NewVoice { department, user, name: &name, consent, model, print: &print };
    match app.store.add_voice(&new, &caller.actor, app.now()).await? {
        Enrolled::Done(voice) => Ok((StatusCode::CREATED, Json(voice))),
        Enrolled::Off => Err(VoiceRefusal::Off.into()),
        Enrolled::Full => Err(VoiceRefusal::Full.into()),
    }
}

/// Decodes a sample and judges it.
fn hear(ear: &Ear, file: Vec<u8>) -> Result<Piece, Problem> {
    let unread = |_| Problem::from(VoiceRefusal::NoSound);
    let mut reader = MonoReader::open(Box::new(Cursor::new(file))).map_err(unread)?;
    let mut samples = Vec::new();
    while (samples.len() as u64) < SAMPLE_MS_MAX * 16 && reader.read(&mut samples).map_err(unread)? {}
    let heard = enrol::sample(&samples, &ear.detector, &ear.network);
    heard.map_err(|fault| VoiceRefusal::Sample(fault).into())
}

/// Reads a form: who, and the sample.
async fn read(mut form: Multipart) -> Result<(Agreed, Vec<u8>), Problem> {
    let invalid = |what: &str| Problem::new(Code::Invalid).about(what);
    let (mut agreed, mut file) = (Agreed::default(), None);
    while let Some(field) = form.next_field().await.map_err(unreadable)? {
        let name = field.name().unwrap_or_default().to_owned();
        let bytes = field.bytes().await.map_err(unreadable)?;
        if name == "file" {
            file = Some(bytes.to_vec());
            continue;
        }
        if bytes.len() > FIELD_BYTES_MAX {
            return Err(invalid(&name));
        }
        let text = String::from_utf8(bytes.to_vec()).map_err(|_| invalid(&name))?;
        match name.as_str() {
            "user" => agreed.user = Some(text.parse().map_err(|_| invalid("user"))?),
            "name" => agreed.name = Some(text),
            "wording" => agreed.wording = text,
            "way" => {
                let way = serde_json::from_value(serde_json::Value::String(text));
                agreed.way = Some(way.map_err(|_| invalid("way"))?);
            }
            _ => return Err(invalid(&name)),
        }
    }
    Ok((agreed, file.ok_or_else(|| invalid("file"))?))
}

fn unreadable(error: axum::extract::multipart::MultipartError) -> Problem {
    let is_long = error.status() == StatusCode::PAYLOAD_TOO_LARGE;
    if is_long { Code::TooLarge.into() } else { Code::Malformed.into() }
}
