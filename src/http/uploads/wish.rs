//! What somebody wishes to become of a recording: an existing meeting or a new one, and how it is recognised.

use serde::de::DeserializeOwned;

use super::super::Shared;
use super::super::access::Standing;
use super::super::auth::Caller;
use super::super::error::{Code, Problem};
use super::super::meetings::{self, MeetingInput, TITLE_CHARS_MAX};
use super::super::templates;
use super::super::tus::Metadata;
use crate::store::Id;
use crate::store::jobs::Settings;
use crate::store::uploads::Plan;

/// A meeting's title if neither it nor the file has a name.
const NO_TITLE: &str = "無題の会議";

/// A wish that may be fulfilled.
pub(crate) struct Wish {
    /// The meeting that is there; none to make one.
    pub(crate) meeting: Option<Id>,
    /// What becomes of the recording.
    pub(crate) plan: Plan,
    /// What the file is called.
    pub(super) file_name: String,
    /// What kind of file it is said to be.
    pub(super) mime: String,
}

/// Reads a wish and checks that the caller may have it.
///
/// Errors: [`Code::Invalid`] with the field; [`Code::NotFound`], [`Code::NotAllowed`] about the meeting.
pub(crate) async fn wished(app: &Shared, caller: &Caller, said: &Metadata) -> Result<Wish, Problem> {
    let file_name = said.file_name().map(|name| name.as_str().to_owned()).unwrap_or_default();
    let mime = said.media_type().map(|kind| kind.as_str().to_owned()).unwrap_or_default();
    let default = Settings::default();
    let settings = Settings {
        preset: word(said, "preset")?.unwrap_or(default.preset),
        language: word(said, "language")?.unwrap_or(default.language),
        speakers: word(said, "speakers")?.unwrap_or(default.speakers),
        only_speakers: false,
        stretch: None,
    };
    let meeting: Option<Id> = word(said, "meeting")?;
    let new = match meeting {
        Some(meeting) => {
            let (found, _) = caller.meeting(app, meeting, Standing::Edit).await?;
            if found.deleted_at.is_some() {
                return Err(Code::NotFound.into());
            }
            None
        }
        None => {
            let template = word(said, "template")?;
            let input = MeetingInput {
                title: title(app, caller, said, template, &file_name).await?,
                department: word(said, "department")?,
                sensitivity: word(said, "sensitivity")?,
                held_on: said.value("held_on").unwrap_or_default().to_owned(),
                template,
            };
            Some(meetings::checked_new(app, caller, input).await?)
        }
    };
    let plan = match new {
        Some(new) => Plan {
            title: new.title,
            department: new.department,
            sensitivity: new.sensitivity,
            held_on: new.held_on,
            template: new.template,
            settings,
        },
        // Never used: the meeting is there.
        None => Plan {
            title: String::new(),
            department: caller.user.department,
            sensitivity: crate::store::meetings::Sensitivity::Restricted,
            held_on: String::new(),
            template: None,
            settings,
        },
    };
    Ok(Wish { meeting, plan, file_name, mime })
}

/// Reads a stable word, or a name; an empty value is as good as none.
fn word<T: DeserializeOwned>(said: &Metadata, key: &str) -> Result<Option<T>, Problem> {
    let Some(value) = said.value(key).filter(|value| !value.is_empty()) else { return Ok(None) };
    let read = serde_json::from_value(serde_json::Value::String(value.to_owned()));
    read.map(Some).map_err(|_| Problem::new(Code::Invalid).about(key))
}

/// Returns the title wished for; else the template's; else the file's name without its ending.
async fn title(
    app: &Shared,
    caller: &Caller,
    said: &Metadata,
    template: Option<Id>,
    file_name: &str,
) -> Result<String, Problem> {
    let wished = said.value("title").map(str::trim).filter(|title| !title.is_empty());
    if let Some(title) = wished {
        return Ok(title.to_owned());
    }
    if let Some(template) = template {
        let held_on = said.value("held_on").unwrap_or_default();
        let title = templates::title(app, caller, template, String::new(), held_on).await?;
        if !title.trim().is_empty() {
            return Ok(title);
        }
    }
    let stem = file_name.rsplit_once('.').map_or(file_name, |(stem, _)| stem).trim();
    Ok(if stem.is_empty() { NO_TITLE.to_owned() } else { stem.chars().take(TITLE_CHARS_MAX).collect() })
}
