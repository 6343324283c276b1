//! How minutes become final: which step may follow which, and when the text may be edited.
//!
//! ```text
//! 作成中 ─► 確認依頼中 ─► 修正中 ─► 決裁待ち ─► 確定 ─► 公開
//!    ▲  └──────│───────────│──────────▲ │        │       │
//!    └─ 差戻し ┴───────────│── 差戻し ──┘        │       │
//!                          ▲──────── 確定解除 ───┴───────┘
//! ```
//!
//! Two ways shorten the path: minutes that nobody else has to check go from 作成中 to 決裁待ち, and what was changed
//! in 修正中 may be sent round once more.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most characters of a reason.
pub const REASON_CHARS_MAX: usize = 1_000;

/// How far minutes have come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = MinutesState)]
pub enum State {
    /// 作成中
    #[default]
    Drafting,
    /// 確認依頼中: speakers and members read and comment.
    InReview,
    /// 修正中: their comments are worked in.
    Revising,
    /// 決裁待ち
    AwaitingApproval,
    /// 確定: text, header and attachments are frozen.
    Final,
    /// 公開
    Published,
}

impl State {
    /// Every state, in the order of the path.
    pub const ALL: [Self; 6] = [
        Self::Drafting,
        Self::InReview,
        Self::Revising,
        Self::AwaitingApproval,
        Self::Final,
        Self::Published,
    ];

    /// Returns the word on screen.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Drafting => "作成中",
            Self::InReview => "確認依頼中",
            Self::Revising => "修正中",
            Self::AwaitingApproval => "決裁待ち",
            Self::Final => "確定",
            Self::Published => "公開",
        }
    }

    /// Tells whether the minutes may be edited: never while somebody reads them to agree to them.
    pub const fn may_edit(self) -> bool {
        matches!(self, Self::Drafting | Self::Revising)
    }
}

/// What somebody does to move minutes on or back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// 確認依頼
    RequestReview,
    /// 修正開始: the comments are in.
    Revise,
    /// 決裁依頼
    RequestApproval,
    /// 差戻し
    SendBack {
        /// Why.
        reason: String,
    },
    /// 確定
    Finalise,
    /// 公開
    Publish,
    /// 確定解除
    Reopen {
        /// Why.
        reason: String,
    },
}

impl Action {
    /// Returns the word on the button.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::RequestReview => "確認依頼",
            Self::Revise => "修正開始",
            Self::RequestApproval => "決裁依頼",
            Self::SendBack { .. } => "差戻し",
            Self::Finalise => "確定",
            Self::Publish => "公開",
            Self::Reopen { .. } => "確定解除",
        }
    }

    fn reason(&self) -> Option<&str> {
        match self {
            Self::SendBack { reason } | Self::Reopen { reason } => Some(reason),
            Self::RequestReview | Self::Revise | Self::RequestApproval | Self::Finalise | Self::Publish => {
                None
            }
        }
    }
}

/// Why a step is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkflowError {
    /// The step does not follow on this state: load the state anew.
    #[error("{action} does not follow on {state:?}")]
    NotFromHere {
        /// The state the minutes are in.
        state: State,
        /// The word of the step.
        action: &'static str,
    },
    /// The step needs a reason: ask for one.
    #[error("a reason is missing")]
    ReasonMissing,
    /// The reason is too long: ask for a shorter one.
    #[error("reason of {chars} characters is longer than {REASON_CHARS_MAX}")]
    ReasonTooLong {
        /// How long it is.
        chars: usize,
    },
}

/// Returns the state that a step leads to.
///
/// Errors: see [`WorkflowError`]; whether the person may take the step is for the caller to know.
pub fn step(state: State, action: &Action) -> Result<State, WorkflowError> {
    let next = next(state, action).ok_or(WorkflowError::NotFromHere { state, action: action.label() })?;
    if let Some(reason) = action.reason() {
        check_reason(reason)?;
    }
    Ok(next)
}

fn next(state: State, action: &Action) -> Option<State> {
    match (action, state) {
        (Action::RequestReview, State::Drafting | State::Revising) => Some(State::InReview),
        (Action::Revise, State::InReview) => Some(State::Revising),
        (Action::RequestApproval, State::Drafting | State::Revising) => Some(State::AwaitingApproval),
        (Action::SendBack { .. }, State::InReview | State::AwaitingApproval) => Some(State::Drafting),
        (Action::Finalise, State::AwaitingApproval) => Some(State::Final),
        (Action::Publish, State::Final) => Some(State::Published),
        (Action::Reopen { .. }, State::Final | State::Published) => Some(State::Revising),
        _ => None,
    }
}

fn check_reason(reason: &str) -> Result<(), WorkflowError> {
    if reason.trim().is_empty() {
        return Err(WorkflowError::ReasonMissing);
    }
    let chars = reason.chars().count();
    if chars > REASON_CHARS_MAX {
        return Err(WorkflowError::ReasonTooLong { chars });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions() -> [Action; 7] {
        let reason = || String::from("数字の誤りがあるため");
        [
            Action::RequestReview,
            Action::Revise,
            Action::RequestApproval,
            Action::SendBack { reason: reason() },
            Action::Finalise,
            Action::Publish,
            Action::Reopen { reason: reason() },
        ]
    }

    #[test]
    fn every_step_from_every_state_leads_where_the_table_says() {
        use State::{
            AwaitingApproval as A, Drafting as D, Final as F, InReview as I, Published as P, Revising as R,
        };
        // Columns: 確認依頼, 修正開始, 決裁依頼, 差戻し, 確定, 公開, 確定解除.
        let table = [
            (D, [Some(I), None, Some(A), None, None, None, None]),
            (I, [None, Some(R), None, Some(D), None, None, None]),
            (R, [Some(I), None, Some(A), None, None, None, None]),
            (A, [None, None, None, Some(D), Some(F), None, None]),
            (F, [None, None, None, None, None, Some(P), Some(R)]),
            (P, [None, None, None, None, None, None, Some(R)]),
        ];
        for (state, row) in table {
            for (action, expected) in actions().iter().zip(row) {
                assert_eq!(step(state, action).ok(), expected, "{} in {}", action.label(), state.label());
            }
        }
        assert_eq!(table.map(|(state, _)| state), State::ALL);
    }

    #[test]
    fn the_text_may_be_edited_while_it_is_written_and_revised_only() {
        let open: Vec<State> = State::ALL.into_iter().filter(|state| state.may_edit()).collect();
        assert_eq!(open, [State::Drafting, State::Revising]);
    }

    #[test]
    fn final_minutes_are_not_reopened_without_a_reason() {
        let reopen = |reason: &str| step(State::Final, &Action::Reopen { reason: reason.into() });
        assert_eq!(reopen(" 　\n"), Err(WorkflowError::ReasonMissing));
        let long = "あ".repeat(REASON_CHARS_MAX + 1);
        assert_eq!(reopen(&long), Err(WorkflowError::ReasonTooLong { chars: REASON_CHARS_MAX + 1 }));
        assert_eq!(reopen(&"あ".repeat(REASON_CHARS_MAX)), Ok(State::Revising));
    }

    #[test]
    fn a_step_that_does_not_follow_is_told_with_its_word() {
        let error = step(State::Drafting, &Action::Publish).expect_err("nothing is final yet");
        assert_eq!(error, WorkflowError::NotFromHere { state: State::Drafting, action: "公開" });
    }
}
