//! Who may do what: the only place that decides it. Pure.
//!
//! | | own or member (edit) | member (read) | 公開 | 庁内限り, own department | otherwise |
//! |---|---|---|---|---|---|
//! | 職員 | edit (owner: manage) | read | read | read | nothing |
//! | 部署の管理者 | the same | read | read | manage | nothing; own department's 関係者限り: known |
//! | 管理者 | the same | read | read | known | known |
//! | 監査者 | read | read | read | known | known |
//!
//! *Known*: title, dates, owner and size, never what was said; enough to hand a meeting over or set its retention.

use crate::store::Id;
use crate::store::meetings::{Meeting, Member, Sensitivity};
use crate::store::users::{Role, User};

/// What a person may do with a meeting; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It does not exist for them.
    Nothing,
    /// They know that it exists, not what was said.
    Known,
    /// Read, play and export.
    Read,
    /// Edit, upload, recognise again.
    Edit,
    /// Change members, sensitivity and retention, delete.
    Manage,
}

/// Tells what a person may do with a meeting.
pub fn standing(user: &User, meeting: &Meeting, member: Option<&Member>) -> Standing {
    let own_department = user.department == meeting.department;
    let belonging = match member {
        Some(member) if member.can_edit => Standing::Edit,
        Some(_) => Standing::Read,
        None => Standing::Nothing,
    };
    let owning = if user.id == meeting.owner { Standing::Manage } else { Standing::Nothing };
    let open = match meeting.sensitivity {
        Sensitivity::Public => Standing::Read,
        Sensitivity::Internal if own_department => Standing::Read,
        Sensitivity::Internal | Sensitivity::Restricted => Standing::Nothing,
    };
    let office = match user.role {
        Role::Staff => Standing::Nothing,
        Role::DepartmentAdministrator if !own_department => Standing::Nothing,
        Role::DepartmentAdministrator if meeting.sensitivity == Sensitivity::Restricted => Standing::Known,
        Role::DepartmentAdministrator => Standing::Manage,
        Role::Administrator | Role::Auditor => Standing::Known,
    };
    let standing = belonging.max(owning).max(open).max(office);
    // An auditor looks and never touches.
    if user.role == Role::Auditor { standing.min(Standing::Read) } else { standing }
}

/// Tells whether a person may change what is known of a meeting (title, owner, retention) without reading it.
pub fn may_administer(user: &User, meeting: &Meeting, standing: Standing) -> bool {
    standing == Standing::Manage
        || user.role == Role::Administrator
        || (user.role == Role::DepartmentAdministrator && user.department == meeting.department)
}

/// Tells whether a person may see whose voices a department remembers, beside their own.
pub fn may_see_voices(user: &User, department: Id) -> bool {
    may_manage_people(user, department) || user.role == Role::Auditor
}

/// Tells whether a role administrates anything at all.
pub const fn administrates(user: &User) -> bool {
    match user.role {
        Role::Administrator | Role::DepartmentAdministrator => true,
        Role::Staff | Role::Auditor => false,
    }
}

/// Tells whether a person may see and change accounts of a department.
pub fn may_manage_people(user: &User, department: Id) -> bool {
    match user.role {
        Role::Administrator => true,
        Role::DepartmentAdministrator => user.department == department,
        Role::Staff | Role::Auditor => false,
    }
}

/// Returns the one department whose people a person may see; none if they may see all.
///
/// Range: for people whose role administrates, as [`may_manage_people`] says.
pub const fn people_reach(user: &User) -> Option<crate::store::Id> {
    match user.role {
        Role::Administrator => None,
        Role::DepartmentAdministrator | Role::Staff | Role::Auditor => Some(user.department),
    }
}

/// Tells whether a person may see templates and words of a department, or of the whole office if there is none.
pub fn may_see_shared(user: &User, department: Option<Id>) -> bool {
    let anywhere = matches!(user.role, Role::Administrator | Role::Auditor);
    department.is_none_or(|department| anywhere || user.department == department)
}

/// Tells whether a person may make, change and take away templates and groups of words of a department, or of the
/// whole office if there is none.
pub fn may_keep_shared(user: &User, department: Option<Id>) -> bool {
    match user.role {
        Role::Administrator => true,
        Role::DepartmentAdministrator => department == Some(user.department),
        Role::Staff | Role::Auditor => false,
    }
}

/// Tells whether a person may register words in a group of a department: colleagues share one list, since several
/// people write one record.
pub fn may_register_words(user: &User, department: Option<Id>) -> bool {
    may_keep_shared(user, department) || (user.role == Role::Staff && department == Some(user.department))
}

/// Tells whether a person may have a seat: an auditor looks and never records or edits.
pub fn may_sit(user: &User) -> bool {
    user.role != Role::Auditor
}

/// Tells whether a person may see and free the seats of a department.
///
/// Range: departments by their names, as leases remember them from the day they began.
pub fn may_free_seat(user: &User, own_department: &str, department: &str) -> bool {
    match user.role {
        Role::Administrator => true,
        Role::DepartmentAdministrator => !department.is_empty() && own_department == department,
        Role::Staff | Role::Auditor => false,
    }
}

/// Tells whether a person may read reports about the seats: of the whole office or of their own department.
pub const fn reads_seat_reports(user: &User) -> bool {
    match user.role {
        Role::Administrator | Role::DepartmentAdministrator | Role::Auditor => true,
        Role::Staff => false,
    }
}

/// Tells whether a person may give a role: nobody gives more than they have.
pub fn may_grant(user: &User, role: Role) -> bool {
    match user.role {
        Role::Administrator => true,
        Role::DepartmentAdministrator => matches!(role, Role::Staff | Role::DepartmentAdministrator),
        Role::Staff | Role::Auditor => false,
    }
}

/// Tells whether a person may read the audit log.
pub fn may_audit(user: &User) -> bool {
    matches!(user.role, Role::Administrator | Role::Auditor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixMs;

    fn user(role: Role, department: Id) -> User {
        User {
            id: Id::new(),
            login: "yamada".to_owned(),
            name: "山田".to_owned(),
            department,
            role,
            password_expired: false,
            locked_until: None,
            disabled_at: None,
            room: false,
        }
    }

    fn meeting(sensitivity: Sensitivity, department: Id) -> Meeting {
        Meeting {
            id: Id::new(),
            title: "定例会".to_owned(),
            department,
            owner: Id::new(),
            sensitivity,
            state: "drafting".to_owned(),
            held_on: String::new(),
            template: None,
            created_at: UnixMs::default(),
            updated_at: UnixMs::default(),
            deleted_at: None,
            audio_until: None,
            minutes_until: None,
            legal_hold: false,
            sample: false,
        }
    }

    /// For each role: 公開, 庁内限り and 関係者限り of the own department, then the same of another.
    #[test]
    fn a_role_alone_gives_what_the_table_says() {
        use Standing::{Known, Manage, Nothing, Read};
        let table = [
            (Role::Staff, [Read, Read, Nothing, Read, Nothing, Nothing]),
            (Role::DepartmentAdministrator, [Manage, Manage, Known, Read, Nothing, Nothing]),
            (Role::Administrator, [Read, Read, Known, Read, Known, Known]),
            (Role::Auditor, [Read, Read, Known, Read, Known, Known]),
        ];
        let (own, other) = (Id::new(), Id::new());
        for (role, expected) in table {
            let user = user(role, own);
            let meetings = [own, other].into_iter().flat_map(|department| {
                Sensitivity::ALL.into_iter().map(move |sensitivity| meeting(sensitivity, department))
            });
            let found: Vec<_> = meetings.map(|meeting| standing(&user, &meeting, None)).collect();
            assert_eq!(found, expected, "{role:?}");
        }
    }

    #[test]
    fn an_owner_manages_and_a_member_does_what_membership_says() {
        let department = Id::new();
        let user = user(Role::Staff, Id::new());
        let mut meeting = meeting(Sensitivity::Restricted, department);
        let member = |can_edit| Member { user: user.id, can_edit };
        assert_eq!(standing(&user, &meeting, Some(&member(false))), Standing::Read);
        assert_eq!(standing(&user, &meeting, Some(&member(true))), Standing::Edit);
        meeting.owner = user.id;
        assert_eq!(standing(&user, &meeting, None), Standing::Manage);
    }

    #[test]
    fn an_auditor_never_edits_even_as_a_member() {
        let user = user(Role::Auditor, Id::new());
        let mut meeting = meeting(Sensitivity::Public, Id::new());
        meeting.owner = user.id;
        assert_eq!(
            standing(&user, &meeting, Some(&Member { user: user.id, can_edit: true })),
            Standing::Read
        );
    }

    #[test]
    fn words_are_registered_by_colleagues_and_kept_by_administrators() {
        let (own, other) = (Some(Id::new()), Some(Id::new()));
        let rights = |role| {
            let user = user(role, own.expect("there is one"));
            [own, other, None].map(|department| {
                let of = [may_see_shared, may_register_words, may_keep_shared];
                of.map(|may| u8::from(may(&user, department))).into_iter().sum::<u8>()
            })
        };
        assert_eq!(rights(Role::Staff), [2, 0, 1]);
        assert_eq!(rights(Role::DepartmentAdministrator), [3, 0, 1]);
        assert_eq!(rights(Role::Administrator), [3, 3, 3]);
        assert_eq!(rights(Role::Auditor), [1, 1, 1]);
    }

    #[test]
    fn nobody_gives_more_than_they_have() {
        let department = user(Role::DepartmentAdministrator, Id::new());
        assert!(!may_grant(&department, Role::Administrator));
        assert!(!may_grant(&department, Role::Auditor));
        assert!(may_grant(&department, Role::Staff));
        assert!(!may_grant(&user(Role::Staff, Id::new()), Role::Staff));
    }
}
