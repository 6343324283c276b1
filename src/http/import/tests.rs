use super::*;

const HEADER: &str = "利用者名,氏名,部署,役割,発令日,状態\r\n";
/// 2026-03-25 12:00 in Japan.
const NOW: UnixMs = UnixMs::from_ms(1_774_407_600_000);

/// An office of 総務課 and 税務課: admin, head (総務課), sato (総務課), tax (税務課), and gone, who left.
struct Desk {
    present: Present,
}

fn user(login: &str, department: Id, role: Role) -> User {
    User {
        id: Id::new(),
        login: login.to_owned(),
        name: format!("氏名 {login}"),
        department,
        role,
        password_expired: false,
        locked_until: None,
        disabled_at: None,
        room: false,
    }
}

impl Desk {
    fn new() -> Self {
        let department =
            |name: &str| Department { id: Id::new(), name: name.to_owned(), parent: None, closed_at: None };
        let (general, tax) = (department("総務課"), department("税務課"));
        let closed = Department { closed_at: Some(NOW), ..department("廃止課") };
        let gone = User { disabled_at: Some(NOW), ..user("gone", general.id, Role::Staff) };
        let users = vec![
            user("admin", general.id, Role::Administrator),
            user("head", general.id, Role::DepartmentAdministrator),
            user("sato", general.id, Role::Staff),
            user("tax", tax.id, Role::Staff),
            gone,
        ];
        Self { present: Present { departments: vec![general, tax, closed], users } }
    }

    fn user(&self, login: &str) -> &User {
        self.present.users.iter().find(|user| user.login == login).expect("the desk has the login")
    }

    fn department(&self, name: &str) -> Id {
        self.present.departments.iter().find(|found| found.name == name).expect("the desk has it").id
    }

    fn bytes(&self, by: &str, bytes: &[u8]) -> Result<Outcome, Faults> {
        let terms = Terms { caller: self.user(by), departments: Unknown::Refused, now: NOW };
        plan(bytes, &self.present, terms)
    }

    /// Plans these lines below the usual headings.
    fn lines(&self, by: &str, lines: &str) -> Result<Outcome, Faults> {
        self.bytes(by, format!("{HEADER}{lines}").as_bytes())
    }

    /// Returns what is wrong with these lines.
    fn faults(&self, by: &str, lines: &str) -> Vec<String> {
        let faults = self.lines(by, lines).expect_err("the lines have faults");
        faults.told.into_iter().map(|problem| problem.message).collect()
    }
}

fn counts(outcome: &Outcome) -> [usize; 4] {
    [outcome.created, outcome.changed, outcome.scheduled, outcome.closed]
}

#[test]
fn each_line_does_what_it_says() {
    let desk = Desk::new();
    let table = [
        ("new,新 人,総務課,職員,,", [1, 0, 0, 0]),
        ("New ,新 人,総務課,職員,,在職", [1, 0, 0, 0]),
        ("new,新 人,総務課,職員,2026-04-01,", [1, 0, 0, 0]),
        ("sato,氏名 sato,総務課,職員,,", [0, 0, 0, 0]),
        ("sato,改 姓,総務課,職員,,", [0, 1, 0, 0]),
        ("sato,氏名 sato,税務課,職員,,", [0, 1, 0, 0]),
        ("sato,氏名 sato,税務課,職員,2026-03-25,", [0, 1, 0, 0]),
        ("sato,氏名 sato,税務課,職員,2026-03-26,", [0, 0, 1, 0]),
        ("sato,氏名 sato,総務課,部署管理者,2026/4/1,在職", [0, 0, 1, 0]),
        ("sato,改 姓,税務課,職員,2026-04-01,", [0, 1, 1, 0]),
        ("sato,氏名 sato,総務課,職員,2026-04-01,", [0, 0, 0, 0]),
        ("sato,,,,,退職", [0, 0, 0, 1]),
        ("sato,,,,2026-04-01,退職", [0, 0, 1, 0]),
        ("gone,,,,,退職", [0, 0, 0, 0]),
        ("gone,氏名 gone,総務課,職員,,", [0, 0, 0, 0]),
        ("gone,氏名 gone,総務課,職員,,在職", [0, 1, 0, 0]),
        ("\r\n,,,,,\r\n", [0, 0, 0, 0]),
    ];
    for (line, expected) in table {
        let outcome = desk.lines("admin", line).unwrap_or_else(|faults| panic!("{line}: {:?}", faults.told));
        assert_eq!(counts(&outcome), expected, "{line}");
    }
}

#[test]
fn each_fault_is_told_with_its_line() {
    let desk = Desk::new();
    let table = [
        ("a b,名,総務課,職員,,", "2行目：利用者名「a b」は使えません。"),
        ("new,,総務課,職員,,", "2行目：氏名は1文字から"),
        ("new,名,無い課,職員,,", "2行目：部署「無い課」は登録されていません。"),
        ("new,名,廃止課,職員,,", "2行目：部署「廃止課」は廃止されています。"),
        ("new,名,総務課,部長,,", "2行目：役割「部長」は使えません。"),
        ("new,名,総務課,職員,4月1日,", "2行目：発令日「4月1日」を日付として読めません。"),
        ("new,名,総務課,職員,2026-02-30,", "2行目：発令日「2026-02-30」を日付として読めません。"),
        ("sato,名,税務課,職員,2029-04-01,", "2行目：発令日は2年先までにしてください。"),
        ("sato,名,総務課,職員,,休職", "2行目：状態「休職」は使えません。"),
        ("nobody,,,,,退職", "2行目：利用者名「nobody」は登録されていません。"),
        ("admin,,,,,退職", "2行目：自分自身は退職にできません。"),
        ("admin,名,総務課,職員,,", "2行目：自分自身の役割は変更できません。"),
        ("new,\"名,総務課,職員,,", "2行目：引用符「\"」が閉じていません。"),
    ];
    for (line, expected) in table {
        let faults = desk.faults("admin", line);
        assert!(faults.len() == 1 && faults[0].starts_with(expected), "{line}: {faults:?}");
    }
}

#[test]
fn all_faults_are_told_at_once_and_a_person_who_stands_twice_is_one() {
    let desk = Desk::new();
    let faults =
        desk.faults("admin", "sato,名,総務課,職員\r\nnew,名,無い課,職員\r\nSATO,名,税務課,職員\r\nx,,,");
    let lines: Vec<_> = faults.iter().map(|fault| fault.split('行').next().unwrap_or_default()).collect();
    assert_eq!(lines, ["3", "4", "5"]);
    assert!(faults[1].contains("利用者名「sato」は2行目にもあります。"));
}

#[test]
fn no_more_than_a_thousand_faults_are_told_but_all_are_counted() {
    let faults = Desk::new().lines("admin", &"?,,,\r\n".repeat(1_500)).expect_err("every line is wrong");
    assert_eq!((faults.told.len(), faults.count), (1_000, 1_500));
}

#[test]
fn a_list_of_too_many_lines_or_without_its_headings_is_refused_whole() {
    let desk = Desk::new();
    let faults = desk.faults("admin", &"\r\n".repeat(LINES_MAX + 5));
    assert!(faults.len() == 1 && faults[0].contains("20000行まで"), "{faults:?}");
    let faults = desk.bytes("admin", "利用者名,氏名,役割\r\n".as_bytes()).expect_err("a column lacks");
    assert_eq!(faults.told[0].message, "1行目：見出しに列「部署」がありません。");
    assert!(desk.bytes("admin", b"").is_err());
}

#[test]
fn cp932_and_utf8_with_and_without_a_mark_are_read_alike() {
    let desk = Desk::new();
    let text = format!("{HEADER}new,髙﨑 ①,総務課,職員,,\r\n");
    let (cp932, ..) = encoding_rs::SHIFT_JIS.encode(&text);
    for bytes in [text.as_bytes(), format!("\u{feff}{text}").as_bytes(), &cp932] {
        let outcome = desk.bytes("admin", bytes).expect("the list has no fault");
        let [Step::Create(new)] = &outcome.plan.steps[..] else { panic!("one account is made") };
        assert_eq!(new.name, "髙﨑 ①");
    }
    let damaged = [HEADER.as_bytes(), b"new,\xff\xff,x,x\r\n"].concat();
    let faults = desk.bytes("admin", &damaged).expect_err("it is no text");
    assert_eq!(
        (faults.told[0].line, faults.count),
        (1, 1),
        "a list in no known writing is refused as a whole"
    );
}

#[test]
fn a_day_begins_at_midnight_in_japan() {
    assert_eq!(midnight("2026-04-01"), Some(UnixMs::from_ms(1_774_969_200_000)));
    assert_eq!(midnight("2026/4/1"), midnight("2026-04-01"));
}

#[test]
fn the_administrator_of_a_department_reaches_no_other() {
    let desk = Desk::new();
    assert_eq!(counts(&desk.lines("head", "new,名,総務課,職員,,").expect("it is the own")), [1, 0, 0, 0]);
    assert_eq!(counts(&desk.lines("head", "sato,,,,,退職").expect("it is the own")), [0, 0, 0, 1]);
    for line in [
        "new,名,税務課,職員,,",
        "new,名,総務課,管理者,,",
        "new,名,総務課,監査者,,",
        "sato,名,税務課,職員,,",
        "sato,名,税務課,職員,2026-04-01,",
        "tax,名,総務課,職員,,",
        "tax,,,,,退職",
        "admin,,,,,退職",
        "admin,名,総務課,職員,,",
    ] {
        let faults = desk.faults("head", line);
        assert!(faults.len() == 1 && faults[0].contains("権限がありません"), "{line}: {faults:?}");
    }
}

#[test]
fn departments_are_made_only_when_asked_for_and_only_by_the_administrator() {
    let desk = Desk::new();
    let bytes = format!("{HEADER}a,名,新設課,職員,,\r\nb,名,新設課,職員,,\r\n");
    let planned = |by: &str, departments| {
        plan(bytes.as_bytes(), &desk.present, Terms { caller: desk.user(by), departments, now: NOW })
    };
    let outcome = planned("admin", Unknown::Made).expect("the administrator may");
    assert_eq!((outcome.plan.departments.len(), outcome.created), (1, 2));
    assert!(planned("admin", Unknown::Refused).is_err());
    assert!(planned("head", Unknown::Made).is_err());
}

#[test]
fn what_was_written_is_read_back_and_changes_nothing() {
    let mut desk = Desk::new();
    desk.present.users[2].name = "=HYPERLINK(\"x\")".to_owned();
    for charset in [Charset::Utf8Bom, Charset::Cp932] {
        let file = export(&desk.present.users, &desk.present.departments, charset);
        assert!(file.unmapped.is_empty());
        let outcome = desk.bytes("admin", &file.bytes).expect("an own file has no fault");
        assert_eq!((counts(&outcome), outcome.plan.steps.len()), ([0, 0, 0, 0], 0));
    }
    let file = export(&desk.present.users, &desk.present.departments, Charset::Utf8Bom);
    let text = String::from_utf8(file.bytes).expect("it is UTF-8");
    assert!(text.starts_with("\u{feff}利用者名,氏名,部署,役割,発令日,状態,会議室\r\n"));
    assert!(text.contains("sato,\"'=HYPERLINK(\"\"x\"\")\",総務課,職員,,在職,\r\n"));
    assert_eq!(desk.department("総務課"), desk.user("sato").department);
}

#[test]
fn what_deserves_a_look_is_told_without_stopping_anything() {
    let desk = Desk::new();
    let warned = |lines: &str| desk.lines("admin", lines).expect("no fault").warnings.len();
    assert_eq!(warned("new,名,総務課,職員,2026-04-01,"), 1);
    assert_eq!(warned("gone,氏名 gone,総務課,職員,,"), 1);
    let bytes = "利用者名,氏名,部署,役割,内線\r\nsato,氏名 sato,総務課,職員,123\r\n";
    assert_eq!(desk.bytes("admin", bytes.as_bytes()).expect("no fault").warnings[0].line, 1);
}

proptest::proptest! {
    #[test]
    fn no_file_makes_the_planner_fall(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
        let desk = Desk::new();
        desk.bytes("admin", &bytes).ok();
        desk.bytes("admin", &[HEADER.as_bytes(), &bytes].concat()).ok();
    }

    #[test]
    fn a_department_administrator_never_plans_for_another_department(
        logins in proptest::collection::vec("(admin|head|sato|tax|gone|new[0-9])", 1..6),
        department in "(総務課|税務課|廃止課|無い課)",
        role in "(職員|部署管理者|管理者|監査者)",
        state in "(|在職|退職)",
    ) {
        let desk = Desk::new();
        let lines: String = logins.iter().map(|login| format!("{login},名,{department},{role},,{state}\r\n")).collect();
        if let Ok(outcome) = desk.lines("head", &lines) {
            let own = desk.department("総務課");
            for step in outcome.plan.steps {
                let (department, role) = match step {
                    Step::Create(new) => (new.department, new.role),
                    Step::Change(user) => (user.department, user.role),
                    Step::Schedule { .. } => continue,
                };
                proptest::prop_assert_eq!(department, own);
                proptest::prop_assert!(matches!(role, Role::Staff | Role::DepartmentAdministrator));
            }
        }
    }
}
