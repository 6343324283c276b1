//! Text work on the minutes: rules propose, people look and take; find and replace; what is written in two ways.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::Standing;
use super::auth::{Body, Caller, Path};
use super::error::{Code, Problem};
use super::minutes::{Attempt, EditAnswer, carry_out, checked_request};
use super::seated::Seat;
use super::words::in_force;
use super::{Shared, heavy};
use crate::minutes::clean::{self, Level};
use crate::minutes::consistency::{self, Finding};
use crate::minutes::dictionary::{self, Entry};
use crate::minutes::edit::bounds::OPS_MAX;
use crate::minutes::notation::{self, Choices, Digits, Years};
use crate::minutes::proposal::{Proposal, Rule, accept, count_by_rule};
use crate::minutes::punctuation::{self, Marks};
use crate::minutes::replace::{self, Folding, Hit, QUERY_CHARS_MAX};
use crate::minutes::{Minutes, dictionary::protected};
use crate::store::Id;
use crate::store::minutes::{Cause, Document};
use crate::store::sessions::Scope;

/// Most proposals in one answer, and most that are taken at once: as many as one edit holds.
const PROPOSALS_MAX: usize = OPS_MAX;
/// Longest text that is put in the place of another, in characters.
const REPLACEMENT_CHARS_MAX: usize = 200;

/// Which rules look at the minutes.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(tag = "pass", rename_all = "snake_case", deny_unknown_fields)]
pub enum Pass {
    /// ケバ取り and light 整文
    Clean {
        /// How far; ケバ取り if absent.
        #[serde(default)]
        level: Level,
        /// The rules that are on; those of the level if absent.
        rules: Option<BTreeSet<Rule>>,
    },
    /// 句読点
    Punctuation {
        /// 「、。」 or 「，。」.
        #[serde(default)]
        marks: Marks,
        /// The rules that are on; every one of this pass if absent.
        rules: Option<BTreeSet<Rule>>,
    },
    /// 公用文の表記
    Notation {
        /// How wide digits are.
        #[serde(default)]
        digits: Digits,
        /// How years are written.
        #[serde(default)]
        years: Years,
        /// The rules that are on; every one of this pass if absent.
        rules: Option<BTreeSet<Rule>>,
    },
    /// 単語登録による置換
    Dictionary,
}

impl Pass {
    fn propose(self, minutes: &Minutes, words: &[Entry]) -> Vec<Proposal> {
        let words: Vec<&Entry> = words.iter().collect();
        let free = protected(&words);
        match self {
            Self::Clean { level, rules } => {
                clean::propose(minutes, &free, &rules.unwrap_or_else(|| level.rules()))
            }
            Self::Punctuation { marks, rules } => {
                let rules = rules.unwrap_or_else(|| punctuation::RULES.into());
                punctuation::propose(minutes, &free, marks, &rules)
            }
            Self::Notation { digits, years, rules } => {
                let rules = rules.unwrap_or_else(|| notation::RULES.into());
                notation::propose(minutes, &free, &Choices { digits, years, rules })
            }
            Self::Dictionary => dictionary::propose(minutes, &words),
        }
    }
}

/// How often a rule would change something.
#[derive(Serialize, ToSchema)]
pub struct RuleCount {
    /// The rule.
    rule: Rule,
    /// The words on screen.
    label: &'static str,
    /// How often.
    count: usize,
}

/// What rules propose.
#[derive(Serialize, ToSchema)]
pub struct ProposalsAnswer {
    /// The revision they are made for.
    revision: u64,
    /// Counts by rule, in the order of the screen; proposals past the first 10,000 are counted too.
    rules: Vec<RuleCount>,
    /// How many there are.
    count: usize,
    /// The first 10,000, in the order of the document.
    proposals: Vec<Proposal>,
}

impl ProposalsAnswer {
    fn of(revision: u64, mut proposals: Vec<Proposal>) -> Self {
        let counts = count_by_rule(&proposals);
        let rules = counts.into_iter().map(|(rule, count)| RuleCount { rule, label: rule.label(), count });
        let (rules, count) = (rules.collect(), proposals.len());
        proposals.truncate(PROPOSALS_MAX);
        Self { revision, rules, count, proposals }
    }
}

/// Proposals that a person took.
#[derive(Deserialize, ToSchema)]
pub struct AcceptInput {
    /// The revision they were made for.
    base_revision: u64,
    /// Names the attempt, 1 to 64 characters: sent twice, it is carried out once.
    request_id: String,
    /// Those that were taken, at most 10,000.
    proposals: Vec<Proposal>,
}

/// What is looked for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FindInput {
    /// The text, 1 to 200 characters.
    query: String,
    /// What counts as the same character.
    #[serde(default)]
    folding: Folding,
    /// What shall stand there instead, at most 200 characters; nothing is proposed if absent.
    replace_with: Option<String>,
}

/// What was found.
#[derive(Serialize, ToSchema)]
pub struct FindAnswer {
    /// The revision it was found in.
    revision: u64,
    /// How many places there are.
    count: usize,
    /// The first 10,000 places, in the order of the document.
    hits: Vec<Hit>,
    /// What would put the other text there, one for each of these places that is not so yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    proposals: Option<Vec<Proposal>>,
}

/// What is written in two ways.
#[derive(Serialize, ToSchema)]
pub struct ConsistencyAnswer {
    /// The revision that was looked through.
    revision: u64,
    /// For a person to look at.
    findings: Vec<ToldFinding>,
}

/// A finding with its words on screen.
#[derive(Serialize, ToSchema)]
pub struct ToldFinding {
    /// What kind of finding it is, on screen.
    label: &'static str,
    /// The finding.
    #[serde(flatten)]
    finding: Finding,
}

/// Lets rules look at the minutes as they are now; nothing is changed.
#[utoipa::path(post, path = "/v1/meetings/{id}/proposals", tag = "text", request_body = Pass,
    params(("id" = Id, Path)),
    responses((status = 200, body = ProposalsAnswer), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 422, body = Problem)))]
pub async fn propose(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Body(pass): Body<Pass>,
) -> Result<Json<ProposalsAnswer>, Problem> {
    let (document, words) = looked_at(&app, &caller, id).await?;
    let minutes = document.minutes;
    let proposals = heavy::apart(move || pass.propose(&minutes, &words)).await?;
    Ok(Json(ProposalsAnswer::of(document.revision, proposals)))
}

/// Returns the minutes as they are now and the words that hold for them.
async fn looked_at(app: &Shared, caller: &Caller, id: Id) -> Result<(Document, Vec<Entry>), Problem> {
    caller.require_scope(Scope::Read)?;
    let (meeting, _) = caller.meeting(app, id, Standing::Read).await?;
    let document = app.store.document(id).await?.ok_or(Code::NoMinutes)?;
    Ok((document, in_force(app, &meeting).await?))
}

/// Takes proposals over: an edit like every other, that is rebased, undone and refused alike.
#[utoipa::path(post, path = "/v1/meetings/{id}/proposals/accept", tag = "text", request_body = AcceptInput,
    params(("id" = Id, Path)),
    responses((status = 200, body = EditAnswer), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn take(
    State(app): State<Shared>,
    caller: Caller,
    seat: Seat,
    Path(id): Path<Id>,
    Body(input): Body<AcceptInput>,
) -> Result<Json<EditAnswer>, Problem> {
    caller.require_scope(Scope::Write)?;
    caller.meeting(&app, id, Standing::Edit).await?;
    let request = checked_request(&input.request_id)?;
    if input.proposals.is_empty() || input.proposals.len() > PROPOSALS_MAX {
        return Err(Problem::new(Code::Invalid).about(format!("proposals: 1 件から {PROPOSALS_MAX} 件まで")));
    }
    let proposals = input.proposals;
    let ops = heavy::apart(move || accept(&proposals)).await?;
    let attempt = Attempt { request, base: input.base_revision, ops: &ops, cause: Cause::Edit };
    carry_out(&app, (&caller, &seat), id, attempt).await.map(Json)
}

/// Finds a text in the minutes as they are now; with another text, proposes to put that in its place.
#[utoipa::path(post, path = "/v1/meetings/{id}/find", tag = "text", request_body = FindInput,
    params(("id" = Id, Path)),
    responses((status = 200, body = FindAnswer), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 422, body = Problem)))]
pub async fn find(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Body(input): Body<FindInput>,
) -> Result<Json<FindAnswer>, Problem> {
    caller.require_scope(Scope::Read)?;
    caller.meeting(&app, id, Standing::Read).await?;
    if !(1..=QUERY_CHARS_MAX).contains(&input.query.chars().count()) {
        return Err(
            Problem::new(Code::Invalid).about(format!("query: 1 文字から {QUERY_CHARS_MAX} 文字まで"))
        );
    }
    let with = input.replace_with;
    if with.as_ref().is_some_and(|with| with.chars().count() > REPLACEMENT_CHARS_MAX) {
        let told = format!("replace_with: {REPLACEMENT_CHARS_MAX} 文字まで");
        return Err(Problem::new(Code::Invalid).about(told));
    }
    let document = app.store.document(id).await?.ok_or(Code::NoMinutes)?;
    let (revision, minutes) = (document.revision, document.minutes);
    let found = heavy::apart(move || replace::find(&minutes, &input.query, input.folding)).await?;
    let (mut hits, count) = (found.hits, found.count);
    hits.truncate(PROPOSALS_MAX);
    let proposals = with.map(|with| replace::propose(&hits, &with));
    Ok(Json(FindAnswer { revision, count, hits, proposals }))
}

/// Looks for what is written in two ways: 異体字, widths of digits, style, commas, names of speakers, near words.
#[utoipa::path(get, path = "/v1/meetings/{id}/consistency", tag = "text", params(("id" = Id, Path)),
    responses((status = 200, body = ConsistencyAnswer), (status = 403, body = Problem),
        (status = 404, body = Problem)))]
pub async fn consistency(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Json<ConsistencyAnswer>, Problem> {
    let (document, words) = looked_at(&app, &caller, id).await?;
    let minutes = document.minutes;
    let look = move || {
        let words: Vec<&str> = words.iter().map(|entry| entry.written.as_str()).collect();
        consistency::check(&minutes, &words)
    };
    let told = |finding: Finding| ToldFinding { label: finding.kind.label(), finding };
    let findings = heavy::apart(look).await?.into_iter().map(told).collect();
    Ok(Json(ConsistencyAnswer { revision: document.revision, findings }))
}
