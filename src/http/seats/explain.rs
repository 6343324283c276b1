//! 判定の説明: what somebody would be answered now, and everything the answer rests on; nothing is changed.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::super::Shared;
use super::super::auth::{Caller, Query};
use super::super::error::{Code, Problem};
use super::pool;
use crate::seats::policy::{Decision, Evidence, SeatFrom, Verdict};
use crate::seats::{
    Acquire, Class, Device, DeviceId, DeviceKind, JobId, MeetingId, Mode, Refusal, RequestId, Use,
};
use crate::store::Id;
use crate::store::users::Role;

/// Who would ask, and what for.
#[derive(Deserialize, IntoParams)]
pub struct ExplainQuery {
    /// Who
    user: Id,
    /// Which kind of seat; `standard` if absent
    pool: Option<String>,
    /// `edit`, `record` or `recognise`; edit if absent
    #[serde(rename = "use")]
    used_for: Option<String>,
    /// The meeting it is about, for its reservation
    meeting: Option<Uuid>,
}

/// What somebody would be answered.
#[derive(Debug, Serialize, ToSchema)]
pub struct Explanation {
    /// `has`, `grant`, `queue` or `deny`
    verdict: &'static str,
    /// The same for a person
    sentence: String,
    /// 所属
    department: String,
    /// The departments above it, which rules may name as groups
    groups: Vec<String>,
    /// How urgent their work is
    class: &'static str,
    /// What was looked at, in this order, each as a sentence
    evidence: Vec<String>,
    /// The same for programs
    #[schema(value_type = Vec<Object>)]
    facts: serde_json::Value,
}

/// Tells what would be decided for somebody now, and why.
#[utoipa::path(get, path = "/v1/seats/explain", tag = "seats", params(ExplainQuery),
    responses((status = 200, body = Explanation), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn explain(
    State(app): State<Shared>,
    caller: Caller,
    Query(query): Query<ExplainQuery>,
) -> Result<Json<Explanation>, Problem> {
    caller.require(&[Role::Administrator])?;
    let applicant = app.store.applicant(query.user).await?.ok_or(Code::NotFound)?;
    let about = query.meeting.unwrap_or_else(Uuid::nil);
    let used_for = match query.used_for.as_deref() {
        None | Some("edit") => Use::Edit(MeetingId(about)),
        Some("record") => Use::Record(MeetingId(about)),
        Some("recognise") => Use::Recognise(JobId(about)),
        Some(_) => return Err(Problem::new(Code::Invalid).about("use")),
    };
    let (department, groups, class) =
        (applicant.department.clone(), applicant.groups.clone(), applicant.class);
    let acquire = Acquire {
        request_id: RequestId(Uuid::now_v7()),
        pool: pool(&app, query.pool.as_deref())?,
        applicant,
        device: Device { id: DeviceId(Uuid::nil()), kind: DeviceKind::Browser, name: String::new() },
        used_for,
        mode: Mode::Wait,
    };
    let (decision, full) = app.seats.look(|pools, now| {
        let counts = pools.counts(&acquire.pool);
        let full = Refusal::NoFreeSeat { used: counts.live, seats: counts.capacity, eta: None };
        (pools.explain(&acquire, now), full)
    });
    Ok(Json(Explanation {
        verdict: word(&decision.verdict),
        sentence: verdict(&decision, &full),
        department,
        groups,
        class: class_label(class),
        evidence: decision.evidence.iter().map(evidence).collect(),
        facts: serde_json::json!(decision.evidence),
    }))
}

const fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Has => "has",
        Verdict::Grant(_) => "grant",
        Verdict::Queue => "queue",
        Verdict::Deny(_) => "deny",
    }
}

const fn class_label(class: Class) -> &'static str {
    match class {
        Class::Batch => "一括処理",
        Class::Normal => "通常",
        Class::Assembly => "議会・本会議",
        Class::Disaster => "災害",
    }
}

fn verdict(decision: &Decision, full: &Refusal) -> String {
    match &decision.verdict {
        Verdict::Has => "すでに席を利用中です。同じ席を続けて使えます。".into(),
        Verdict::Grant(SeatFrom::Free) => "空いている席を利用できます。".into(),
        Verdict::Grant(SeatFrom::Kept) => "予約または確保枠の席を利用できます。".into(),
        Verdict::Grant(SeatFrom::Lent) => "確保されている席を、返却の時刻まで借りて利用できます。".into(),
        Verdict::Queue => format!("順番待ちになります。{}", full.japanese()),
        Verdict::Deny(refusal) => format!("利用できません。{}", refusal.japanese()),
    }
}

fn evidence(evidence: &Evidence) -> String {
    match evidence {
        Evidence::SameHolder { found: true } => "本人の席: すでに利用中です。".into(),
        Evidence::SameHolder { found: false } => "本人の席: ありません。".into(),
        Evidence::Licence { allows: true } => "ライセンス: 新しく開始できます。".into(),
        Evidence::Licence { allows: false } => "ライセンス: 新しく開始できません。".into(),
        Evidence::Excluded { rule } => format!("規則「{rule}」: 利用対象外です。"),
        Evidence::Quota { rule, used, max } => {
            format!("規則「{rule}」: 上限{max}席のうち{used}席を利用中です。")
        }
        Evidence::Line { ahead: 0 } => "順番待ち: 先に案内する人はいません。".into(),
        Evidence::Line { ahead } => format!("順番待ち: 先に案内する人を含めて{ahead}人が待っています。"),
        Evidence::OwnReservation { left, .. } => format!("自分の会議の予約: 残り{left}席です。"),
        Evidence::OwnGuarantee { rule, left } => format!("確保枠「{rule}」: 残り{left}席です。"),
        Evidence::Seats { live, capacity, held } => {
            format!(
                "席: {capacity}席中{live}席が利用中、ほかの予約や確保枠のために{held}席を確保しています。"
            )
        }
        Evidence::Takeable { seats } => {
            format!("返却を待たずに渡せる席(切断、離席、操作なし): {seats}席です。")
        }
    }
}
