//! A list of people becomes a plan: what each line does, or what is wrong with it. Pure.
//!
//! Shape: columns 利用者名, 氏名, 部署, 役割, and as needed 発令日 (a day in Japan), 状態 (在職 or 退職) and 会議室 (○ for
//! a meeting room's account).

use std::collections::HashMap;

use super::access;
use super::session::{checked_login, checked_name};
use crate::clock::UnixMs;
use crate::minutes::csv::{Charset, Exported, Row, decoded, rows, unguarded};
use crate::minutes::dictionary::{Day, LineProblem};
use crate::store::Id;
use crate::store::transfers::{Move, Plan, Present, Step};
use crate::store::users::{Department, NewUser, Role, User};

/// Most lines of a list.
pub const LINES_MAX: usize = 20_000;
/// Longest list.
pub const BYTES_MAX: usize = 10 << 20;
/// Most faults, and most warnings, that are told.
const TOLD_MAX: usize = 1_000;
/// Farthest 発令日.
const AHEAD_MS_MAX: i64 = 2 * 366 * 24 * 3600 * 1000;
/// Hours between UTC and Japan, which has no summer time.
const JAPAN: i8 = 9;

const COLUMNS: [&str; 7] = ["利用者名", "氏名", "部署", "役割", "発令日", "状態", "会議室"];
/// What stands in the last column of a meeting room's account.
const ROOM: &str = "○";
/// So many of the columns must be there.
const NEEDED: usize = 4;

/// What a list is read with.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// Who brings it.
    pub caller: &'a User,
    /// Whether departments that nobody knows are made.
    pub departments: Unknown,
    /// The time.
    pub now: UnixMs,
}

/// What becomes of a department that nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// It is made.
    Made,
    /// The line is refused.
    Refused,
}

/// What a list does.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The steps.
    pub plan: Plan,
    /// How many accounts are made.
    pub created: usize,
    /// How many are changed now.
    pub changed: usize,
    /// How many changes wait for their day.
    pub scheduled: usize,
    /// How many are closed now.
    pub closed: usize,
    /// What is done, but worth a look.
    ///
    /// Range: the first 1,000.
    pub warnings: Vec<LineProblem>,
}

/// What is wrong with a list; nothing of it was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    /// Line by line, in their order.
    ///
    /// Range: the first 1,000.
    pub told: Vec<LineProblem>,
    /// How many there are.
    pub count: usize,
}

impl Faults {
    fn add(&mut self, line: usize, message: &str) {
        self.count += 1;
        tell(&mut self.told, line, message);
    }
}

impl Outcome {
    fn warn(&mut self, line: usize, message: &str) {
        tell(&mut self.warnings, line, message);
    }
}

fn tell(list: &mut Vec<LineProblem>, line: usize, message: &str) {
    if list.len() < TOLD_MAX {
        list.push(LineProblem { line, message: format!("{line}行目：{message}") });
    }
}

/// A line that says what it should.
#[derive(Debug)]
struct Wish {
    line: usize,
    login: String,
    effective_at: Option<UnixMs>,
    state: State,
    name: String,
    department: String,
    role: String,
    room: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unsaid,
    Present,
    Gone,
}

/// Returns the word for a role in lists.
pub const fn role_label(role: Role) -> &'static str {
    match role {
        Role::Staff => "職員",
        Role::DepartmentAdministrator => "部署管理者",
        Role::Administrator => "管理者",
        Role::Auditor => "監査者",
    }
}

/// Plans a list.
///
/// Errors: every fault of the file at once.
pub fn plan(bytes: &[u8], present: &Present, terms: Terms<'_>) -> Result<Outcome, Faults> {
    let mut faults = Faults::default();
    let mut outcome = Outcome::default();
    let wishes = match wishes(bytes, &mut faults, &mut outcome) {
        Ok(wishes) => wishes,
        Err((line, message)) => {
            faults.add(line, &message);
            return Err(faults);
        }
    };
    let mut planner = Planner::new(present, terms, outcome);
    for wish in wishes {
        if let Err(message) = planner.take(&wish) {
            faults.add(wish.line, &message);
        }
    }
    faults.told.sort_by_key(|problem| problem.line);
    if faults.count > 0 { Err(faults) } else { Ok(planner.outcome) }
}

/// Reads the lines; a line that cannot be one is a fault, a file that cannot be a list the only one.
fn wishes(bytes: &[u8], faults: &mut Faults, outcome: &mut Outcome) -> Result<Vec<Wish>, (usize, String)> {
    let text = decoded(bytes).map_err(|no_text| {
        (no_text.line, "UTF-8 または CP932 (シフトJIS) で保存してください。".to_owned())
    })?;
    // The row of headings comes first.
    let rows = rows(&text, LINES_MAX + 1);
    if rows.len() > LINES_MAX + 1 {
        return Err((LINES_MAX + 2, format!("{LINES_MAX}行までです。ファイルを分けてください。")));
    }
    let mut rows = rows.into_iter();
    let header = rows.next().map(|row| row.cells).unwrap_or_default();
    let column = |name: &str| header.iter().position(|cell| cell.trim() == name);
    let columns = COLUMNS.map(column);
    let lacking = COLUMNS.iter().zip(columns).take(NEEDED).find(|(_, column)| column.is_none());
    if let Some((name, _)) = lacking {
        return Err((1, format!("見出しに列「{name}」がありません。")));
    }
    for unknown in
        header.iter().map(|cell| cell.trim()).filter(|cell| !cell.is_empty() && !COLUMNS.contains(cell))
    {
        outcome.warn(1, &format!("列「{}」は使いません。", shortened(unknown)));
    }
    let mut wishes = Vec::new();
    let mut seen: HashMap<String, usize> = HashMap::new();
    for row in rows.filter(|row| !row.is_blank()) {
        match wish(&row, &columns) {
            Err(message) => faults.add(row.line, &message),
            Ok(wish) => match seen.insert(wish.login.clone(), wish.line) {
                Some(first) => {
                    faults.add(wish.line, &format!("利用者名「{}」は{first}行目にもあります。", wish.login));
                }
                None => wishes.push(wish),
            },
        }
    }
    Ok(wishes)
}

fn wish(row: &Row, columns: &[Option<usize>; 7]) -> Result<Wish, String> {
    if row.is_open {
        return Err("引用符「\"」が閉じていません。".to_owned());
    }
    let cell = |index: usize| {
        let cell = columns[index].and_then(|at| row.cells.get(at)).map_or("", |cell| cell.trim());
        unguarded(cell).to_owned()
    };
    let login = cell(0);
    let login = checked_login(&login).map_err(|_| {
        format!("利用者名「{}」は使えません。半角英数字と . _ - @ で100文字までです。", shortened(&login))
    })?;
    let state = match cell(5).as_str() {
        "" => State::Unsaid,
        "在職" => State::Present,
        "退職" => State::Gone,
        other => return Err(format!("状態「{}」は使えません。在職か退職にしてください。", shortened(other))),
    };
    let effective_at = match cell(4).as_str() {
        "" => None,
        text => Some(midnight(text).ok_or_else(|| {
            format!("発令日「{}」を日付として読めません。2026-04-01 の形にしてください。", shortened(text))
        })?),
    };
    let room = match (columns[6], cell(6).as_str()) {
        (None, _) => None,
        (Some(_), "") => Some(false),
        (Some(_), ROOM) => Some(true),
        (Some(_), other) => {
            let other = shortened(other);
            return Err(format!(
                "会議室「{other}」は使えません。会議室の端末は{ROOM}、ほかは空にしてください。"
            ));
        }
    };
    let (name, department, role) = (cell(1), cell(2), cell(3));
    Ok(Wish { line: row.line, login, effective_at, state, name, department, role, room })
}

/// Returns the first moment of a day in Japan.
fn midnight(text: &str) -> Option<UnixMs> {
    let day: jiff::civil::Date = String::from(Day::parse(text).ok()?).parse().ok()?;
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(JAPAN));
    Some(UnixMs::from_ms(day.to_zoned(zone).ok()?.timestamp().as_millisecond()))
}

fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    let short: String = text.chars().filter(|ch| !ch.is_control()).take(CHARS_MAX).collect();
    if text.chars().count() > CHARS_MAX { short + "…" } else { short }
}

struct Planner<'a> {
    terms: Terms<'a>,
    users: HashMap<&'a str, &'a User>,
    departments: HashMap<String, Department>,
    outcome: Outcome,
}

impl<'a> Planner<'a> {
    fn new(present: &'a Present, terms: Terms<'a>, outcome: Outcome) -> Self {
        let named = |department: &Department| (department.name.clone(), department.clone());
        Self {
            terms,
            users: present.users.iter().map(|user| (user.login.as_str(), user)).collect(),
            departments: present.departments.iter().map(named).collect(),
            outcome,
        }
    }

    fn take(&mut self, wish: &Wish) -> Result<(), String> {
        let known = self.users.get(wish.login.as_str()).copied();
        let later = wish.effective_at.filter(|at| *at > self.terms.now);
        if later.is_some_and(|at| at.ms() - self.terms.now.ms() > AHEAD_MS_MAX) {
            return Err("発令日は2年先までにしてください。".to_owned());
        }
        if let Some(user) = known {
            self.may_touch(user)?;
        }
        match (wish.state, known) {
            (State::Gone, None) => Err(format!("利用者名「{}」は登録されていません。", wish.login)),
            (State::Gone, Some(user)) => self.leave(user, later, wish.line),
            (State::Unsaid | State::Present, None) => self.join(wish, later),
            (State::Unsaid | State::Present, Some(user)) => self.stay(wish, user, later),
        }
    }

    fn may_touch(&self, user: &User) -> Result<(), String> {
        let caller = self.terms.caller;
        if access::may_manage_people(caller, user.department) && access::may_grant(caller, user.role) {
            return Ok(());
        }
        Err(format!("利用者「{}」を変更する権限がありません。", user.login))
    }

    fn leave(&mut self, user: &User, later: Option<UnixMs>, line: usize) -> Result<(), String> {
        if user.id == self.terms.caller.id {
            return Err("自分自身は退職にできません。".to_owned());
        }
        if user.disabled_at.is_some() {
            return Ok(());
        }
        match later {
            Some(effective_at) => {
                self.outcome.scheduled += 1;
                let step = Step::Schedule { user: user.id, change: Move::Leave, effective_at };
                self.outcome.plan.steps.push(step);
            }
            None => {
                self.outcome.closed += 1;
                let closed = User { disabled_at: Some(self.terms.now), ..user.clone() };
                self.outcome.plan.steps.push(Step::Change(closed));
                if user.role == Role::Administrator {
                    self.outcome.warn(line, &format!("管理者「{}」を停止します。", user.login));
                }
            }
        }
        Ok(())
    }

    fn join(&mut self, wish: &Wish, later: Option<UnixMs>) -> Result<(), String> {
        let (name, role) = (name(&wish.name)?, self.role(&wish.role)?);
        let department = self.department(&wish.department)?;
        if later.is_some() {
            let told = "発令日より前ですが、登録します。パスワード設定用のリンクを渡すまで使えません。";
            self.outcome.warn(wish.line, told);
        }
        let login = wish.login.clone();
        let room = wish.room.unwrap_or_default();
        let new = NewUser { login, name, department, role, password: None, password_expired: true, room };
        self.outcome.created += 1;
        self.outcome.plan.steps.push(Step::Create(new));
        Ok(())
    }

    fn stay(&mut self, wish: &Wish, user: &User, later: Option<UnixMs>) -> Result<(), String> {
        let (name, role) = (name(&wish.name)?, self.role(&wish.role)?);
        let department = self.department(&wish.department)?;
        if user.id == self.terms.caller.id && role != user.role {
            return Err("自分自身の役割は変更できません。".to_owned());
        }
        let mut now = User { name, room: wish.room.unwrap_or(user.room), ..user.clone() };
        if user.disabled_at.is_some() {
            match wish.state {
                State::Present => now.disabled_at = None,
                State::Unsaid | State::Gone => {
                    let told = format!(
                        "「{}」は停止中のままです。再開するには状態を在職にしてください。",
                        user.login
                    );
                    self.outcome.warn(wish.line, &told);
                }
            }
        }
        let moves = department != user.department || role != user.role;
        match later {
            None => (now.department, now.role) = (department, role),
            Some(effective_at) if moves => {
                self.outcome.scheduled += 1;
                let change = Move::To { department, role };
                self.outcome.plan.steps.push(Step::Schedule { user: user.id, change, effective_at });
            }
            Some(_) => {}
        }
        if now != *user {
            self.outcome.changed += 1;
            self.outcome.plan.steps.push(Step::Change(now));
        }
        Ok(())
    }

    fn role(&self, label: &str) -> Result<Role, String> {
        let role = Role::ALL.into_iter().find(|role| role_label(*role) == label).ok_or_else(|| {
            let label = shortened(label);
            format!("役割「{label}」は使えません。職員、部署管理者、管理者、監査者のどれかにしてください。")
        })?;
        if access::may_grant(self.terms.caller, role) {
            return Ok(role);
        }
        Err(format!("役割「{label}」を与える権限がありません。"))
    }

    fn department(&mut self, name: &str) -> Result<Id, String> {
        let name = checked_name(name).map_err(|_| "部署は1文字から100文字までにしてください。".to_owned())?;
        let caller = self.terms.caller;
        let found = match self.departments.get(&name) {
            Some(department) if department.closed_at.is_some() => {
                return Err(format!("部署「{name}」は廃止されています。"));
            }
            Some(department) => Some(department.id),
            None => None,
        };
        match found {
            Some(id) if access::may_manage_people(caller, id) => Ok(id),
            Some(_) => Err(format!("部署「{name}」の利用者を扱う権限がありません。")),
            None if self.terms.departments == Unknown::Made && caller.role == Role::Administrator => {
                let made = Department { id: Id::new(), name: name.clone(), parent: None, closed_at: None };
                let id = made.id;
                self.outcome.plan.departments.push(made.clone());
                self.departments.insert(name, made);
                Ok(id)
            }
            None => Err(format!("部署「{name}」は登録されていません。")),
        }
    }
}

fn name(name: &str) -> Result<String, String> {
    checked_name(name).map_err(|_| "氏名は1文字から100文字までにしてください。".to_owned())
}

/// Writes the list of people that [`plan`] reads back and that then changes nothing.
pub fn export(users: &[User], departments: &[Department], charset: Charset) -> Exported {
    let names: HashMap<Id, &str> =
        departments.iter().map(|department| (department.id, department.name.as_str())).collect();
    let cells = |user: &User| {
        let department = names.get(&user.department).copied().unwrap_or_default();
        let state = if user.disabled_at.is_some() { "退職" } else { "在職" };
        let room = if user.room { ROOM } else { "" };
        [&user.login, &user.name, department, role_label(user.role), "", state, room].map(str::to_owned)
    };
    Exported::of(std::iter::once(COLUMNS.map(str::to_owned)).chain(users.iter().map(cells)), charset)
}

#[cfg(test)]
mod tests;
