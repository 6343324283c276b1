//! Who may call what: every operation of the API document, by every kind of person, on every kind of meeting.
//!
//! A new operation is one line in `fixtures/roles.table`; a new kind of right is one row of [`CLASSES`].

use std::collections::BTreeSet;
use std::time::Duration;

use gijiroku::http::access::{self, Standing};
use gijiroku::http::limits::{Rate, Rates};
use gijiroku::http::{Settings, openapi, secret};
use gijiroku::store::Id;
use gijiroku::store::audit::Actor;
use gijiroku::store::meetings::{Member, NewMeeting, Sensitivity, Viewer};
use gijiroku::store::sessions::{Scope, Token};
use gijiroku::store::users::{NewUser, Role};
use reqwest::Method;
use serde_json::Value;

use crate::office::{Office, Person};

const TABLE: &str = include_str!("../fixtures/roles.table");

/// Everybody, in the order of the columns of [`CLASSES`]. 総務課 is the department of the meeting and its owner.
const PEOPLE: [&str; 12] = [
    "owner",
    "member who may edit",
    "member who may read",
    "colleague of the department",
    "staff of another department",
    "administrator of the department",
    "administrator of another department",
    "administrator",
    "auditor",
    "the owner's token that may read",
    "an administrator's token that may read",
    "nobody",
];

/// What a class means: + allowed, A sign in first (401), F forbidden (403), N does not exist for them (404).
///
/// Three signs are a 公開, a 庁内限り and a 関係者限り meeting.
#[rustfmt::skip]
const CLASSES: [(&str, [&str; 12]); 17] = [
    //                       owner  edit   read   colleag other  head   o.head admin  auditor token  a.token nobody
    ("public",               ["+",   "+",   "+",   "+",   "+",   "+",   "+",   "+",   "+",   "+",   "+",   "+"]),
    ("any-user",             ["+",   "+",   "+",   "+",   "+",   "+",   "+",   "+",   "+",   "+",   "+",   "A"]),
    ("browser",              ["+",   "+",   "+",   "+",   "+",   "+",   "+",   "+",   "+",   "F",   "F",   "A"]),
    ("creators",             ["+",   "+",   "+",   "+",   "+",   "+",   "+",   "+",   "F",   "F",   "F",   "A"]),
    ("administrator",        ["F",   "F",   "F",   "F",   "F",   "F",   "F",   "+",   "F",   "F",   "F",   "A"]),
    ("auditors",             ["F",   "F",   "F",   "F",   "F",   "F",   "F",   "+",   "+",   "F",   "F",   "A"]),
    ("seat-reports",         ["F",   "F",   "F",   "F",   "F",   "+",   "+",   "+",   "+",   "F",   "F",   "A"]),
    ("people-managers",      ["F",   "F",   "F",   "F",   "F",   "+",   "+",   "+",   "F",   "F",   "F",   "A"]),
    ("people-of-department", ["F",   "F",   "F",   "F",   "F",   "+",   "F",   "+",   "F",   "F",   "F",   "A"]),
    ("thing-read",           ["+",   "+",   "+",   "+",   "+",   "+",   "+",   "+",   "+",   "+",   "+",   "A"]),
    ("thing-write",          ["+",   "+",   "+",   "+",   "+",   "+",   "+",   "+",   "+",   "F",   "F",   "A"]),
    ("meeting-known",        ["+++", "+++", "+++", "++N", "+NN", "+++", "+NN", "+++", "+++", "+++", "+++", "AAA"]),
    ("meeting-read",         ["+++", "+++", "+++", "++N", "+NN", "++F", "+NN", "++F", "+FF", "+++", "++F", "AAA"]),
    ("meeting-own",          ["+++", "+++", "+++", "++N", "+NN", "++F", "+NN", "++F", "+FF", "FFF", "FFF", "AAA"]),
    ("meeting-edit",         ["+++", "+++", "FFF", "FFN", "FNN", "++F", "FNN", "FFF", "FFF", "FFF", "FFF", "AAA"]),
    ("meeting-manage",       ["+++", "FFF", "FFF", "FFN", "FNN", "++F", "FNN", "FFF", "FFF", "FFF", "FFF", "AAA"]),
    ("meeting-administer",   ["+++", "FFF", "FFF", "FFN", "FNN", "+++", "FNN", "+++", "FFF", "FFF", "FFF", "AAA"]),
];

/// A line of the table.
#[derive(Debug)]
struct Line {
    method: Method,
    path: &'static str,
    query: &'static str,
    class: &'static str,
    expected: &'static [&'static str; 12],
    body: &'static str,
}

impl Line {
    fn parse(text: &'static str) -> Self {
        let mut words = text.split_whitespace();
        let mut word = || words.next().unwrap_or_else(|| panic!("a line lacks a word: {text}"));
        let (method, path, class) = (word(), word(), word());
        let body = text.split_once(&format!(" {class}")).map_or("", |(_, body)| body.trim());
        let row = CLASSES.iter().find(|(name, _)| *name == class);
        let (class, expected) = row.unwrap_or_else(|| panic!("no class is called {class}: {text}"));
        let method = method.parse().expect("methods are tokens");
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        Self { method, path, query, class, expected, body }
    }

    fn all() -> Vec<Self> {
        let lines = TABLE.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(Self::parse).collect()
    }

    fn key(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn is_about_meeting(&self) -> bool {
        self.class.starts_with("meeting-")
    }

    /// Tells whether the path names something that does not exist.
    fn is_about_nothing(&self) -> bool {
        let known = self.is_about_meeting() || self.class == "people-of-department";
        let braces = self.path.matches('{').count();
        braces > usize::from(known && self.path.contains("{id}"))
    }
}

fn operations() -> BTreeSet<String> {
    let document: Value = serde_json::from_str(&openapi::document()).expect("the document is JSON");
    let paths = document["paths"].as_object().expect("the document has paths");
    let methods = ["get", "put", "post", "delete", "patch", "head", "options"];
    let of_path = |(path, item): (&String, &Value)| {
        let item = item.as_object().expect("a path has operations").clone();
        let path = path.clone();
        let names = item.into_iter().map(|(method, _)| method);
        let known = names.filter(|method| methods.contains(&method.as_str()));
        known.map(move |method| format!("{} {path}", method.to_uppercase())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

#[test]
fn every_operation_of_the_document_has_its_line_and_no_line_is_left_over() {
    let lines: Vec<String> = Line::all().iter().map(Line::key).collect();
    let table: BTreeSet<String> = lines.iter().cloned().collect();
    assert_eq!(table.len(), lines.len(), "a line stands twice");
    let operations = operations();
    let missing: Vec<_> = operations.difference(&table).collect();
    let unknown: Vec<_> = table.difference(&operations).collect();
    assert!(missing.is_empty(), "no line in tests/fixtures/roles.table: {missing:#?}");
    assert!(unknown.is_empty(), "no operation of the document: {unknown:#?}");
}

/// An office with one of each.
struct Cast {
    office: Office,
    people: Vec<Person>,
    department: Id,
    subject: Id,
    shared: Vec<Id>,
}

impl Cast {
    async fn assemble() -> Self {
        let rate = Rate::new(1_000_000, 1_000_000);
        let rates = Rates { address: rate, login: rate, account: rate, seat: rate, seat_calls: rate };
        let office = Office::open_with(Settings { rates, ..Settings::default() }).await;
        let administrator = office.administrator().await;
        let department = administrator.department();
        let other = office.department("税務課").await;
        let mut people = Vec::new();
        for (login, role, department) in [
            ("owner", Role::Staff, department),
            ("editor", Role::Staff, other),
            ("reader", Role::Staff, other),
            ("colleague", Role::Staff, department),
            ("stranger", Role::Staff, other),
            ("head", Role::DepartmentAdministrator, department),
            ("other-head", Role::DepartmentAdministrator, other),
        ] {
            people.push(office.person(login, role, department).await);
        }
        let auditor = office.person("auditor", Role::Auditor, other).await;
        let token = reading_token(&office, &people[0]).await;
        let administrators_token = reading_token(&office, &administrator).await;
        people.extend([administrator, auditor, token, administrators_token, office.stranger()]);
        let subject = NewUser {
            login: "subject".to_owned(),
            name: "職員".to_owned(),
            department,
            role: Role::Staff,
            password: None,
            password_expired: true,
            room: false,
        };
        let subject = office.store.add_user(&subject, &Actor::server(), office.now()).await;
        let subject = subject.expect("the login is free").id;
        let mut cast = Self { office, people, department, subject, shared: Vec::new() };
        for sensitivity in Sensitivity::ALL {
            let meeting = cast.meeting(sensitivity).await;
            cast.shared.push(meeting);
        }
        cast
    }

    async fn meeting(&self, sensitivity: Sensitivity) -> Id {
        let new = NewMeeting {
            title: "定例会".to_owned(),
            department: self.department,
            owner: self.people[0].id(),
            sensitivity,
            held_on: String::new(),
            template: None,
            sample: false,
        };
        let (store, server, now) = (&self.office.store, Actor::server(), self.office.now());
        let id = store.add_meeting(&new, &server, now).await.expect("a meeting can be made").id;
        let member = |index: usize, can_edit| Member { user: self.people[index].id(), can_edit };
        let members = [member(1, true), member(2, false)];
        store.set_members(id, &members, &server, now).await.expect("members can be set");
        id
    }

    /// Sends a line's request as a person; returns the sign of what came back.
    async fn ask(&self, line: &Line, person: usize, subject: Id) -> char {
        let unknown = Id::new().to_string();
        let mut path = line.path.replacen("{id}", &subject.to_string(), 1);
        while let (Some(start), Some(end)) = (path.find('{'), path.find('}')) {
            path.replace_range(start..=end, &unknown);
        }
        path = format!("{path}?{}", line.query).replace("$person", &self.subject.to_string());
        let soon = self.office.now().plus(Duration::from_secs(3600)).ms().to_string();
        let body = line.body.replace("$department", &self.department.to_string());
        let body = body.replace("$person", &self.subject.to_string()).replace("$soon", &soon);
        let body = body.replace("$unique", &Id::new().to_string());
        let mut request = self.people[person].request(line.method.clone(), &path);
        let is_typed =
            body.split_once(' ').is_some_and(|(kind, _)| !kind.contains('"') && kind.contains('/'));
        if let (true, Some((kind, text))) = (is_typed, body.split_once(' ')) {
            request = request.header("content-type", kind).body(text.to_owned());
        } else if line.method != Method::GET {
            let body = if body.is_empty() { "{}".to_owned() } else { body };
            request = request.header("content-type", "application/json").body(body);
        }
        let request = request.header("tus-resumable", "1.0.0");
        let response = request.send().await.expect("the server answers");
        let status = response.status();
        if status.is_success() {
            // Not read: some of these answers never end.
            return '+';
        }
        if line.method == Method::HEAD {
            return match status.as_u16() {
                401 => 'A',
                403 => 'F',
                404 => 'N',
                500.. => '!',
                _ => '+',
            };
        }
        let problem: Value = response.json().await.unwrap_or(Value::Null);
        match (status.as_u16(), problem["code"].as_str()) {
            (500.., _) | (_, None) => '!',
            (401, Some("sign_in_needed")) => 'A',
            // The caller may, but no licence of these tests has extra seats.
            (403, Some("burst_unavailable")) => '+',
            (403, _) => 'F',
            (404, Some("not_found")) => 'N',
            (_, Some(_)) => '+',
        }
    }
}

async fn reading_token(office: &Office, person: &Person) -> Person {
    let secret = format!("gjr_{}", secret::random());
    let now = office.now();
    let token = Token::new("a", vec![Scope::Read], Some(now.plus(Duration::from_secs(3600))), now);
    let digest = secret::digest(&secret);
    let made = office.store.add_token(person.id(), &token, &digest, 20, &Actor::server(), now).await;
    assert!(made.expect("tokens can be made"));
    person.with_token(&secret)
}

#[tokio::test]
async fn everybody_may_do_what_the_table_says_and_nothing_else() {
    let cast = Cast::assemble().await;
    let mut wrong = Vec::new();
    for line in Line::all() {
        for (person, expected) in line.expected.iter().enumerate() {
            for (column, expected) in expected.chars().enumerate() {
                let harmless = line.method == Method::GET || expected != '+';
                let subject = match line.class {
                    "people-of-department" => cast.subject,
                    class if class.starts_with("meeting-") && harmless => cast.shared[column],
                    class if class.starts_with("meeting-") => cast.meeting(Sensitivity::ALL[column]).await,
                    _ => Id::new(),
                };
                let found = cast.ask(&line, person, subject).await;
                let may_be_missing = expected == '+' && found == 'N' && line.is_about_nothing();
                if found != expected && !may_be_missing {
                    let (key, person) = (line.key(), PEOPLE[person]);
                    wrong.push(format!(
                        "{key} · {person} · column {column}: {expected} expected, {found} found"
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// The rule stands twice, once for one meeting in Rust and once for lists in SQL: both must say the same.
#[tokio::test]
async fn lists_and_search_find_what_the_rules_let_a_person_find_and_nothing_else() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    let (store, server, now) = (&office.store, Actor::server(), office.now());
    let departments = [administrator.department(), office.department("税務課").await];
    let mut people = Vec::new();
    for (number, role) in Role::ALL.into_iter().enumerate() {
        people.push(office.person(&format!("person-{number}"), role, departments[0]).await);
    }
    let mut meetings = Vec::new();
    for department in departments {
        for sensitivity in Sensitivity::ALL {
            for owner in [administrator.id()].into_iter().chain(people.iter().map(Person::id)) {
                let (title, held_on) = ("定例会".to_owned(), String::new());
                let new = NewMeeting {
                    title,
                    department,
                    owner,
                    sensitivity,
                    held_on,
                    template: None,
                    sample: false,
                };
                let meeting = store.add_meeting(&new, &server, now).await.expect("it is kept");
                let member = Member { user: people[meetings.len() % people.len()].id(), can_edit: false };
                let members = if meetings.len() % 3 == 0 { vec![member] } else { Vec::new() };
                store.set_members(meeting.id, &members, &server, now).await.expect("they are kept");
                meetings.push((meeting, members));
            }
        }
    }
    for person in &people {
        let user = person.user.as_ref().expect("the person is signed in");
        let viewer = Viewer { user: user.id, department: user.department, role: user.role };
        let listed = store.meetings(viewer, None, 200).await.expect("the database answers");
        let found = store.search(viewer, "定例会", 200).await.expect("the database answers");
        for (meeting, members) in &meetings {
            let member = members.iter().find(|member| member.user == user.id);
            let standing = access::standing(user, meeting, member);
            let is_listed = listed.iter().any(|listed| listed.id == meeting.id);
            let is_found = found.iter().any(|hit| hit.meeting == meeting.id);
            assert_eq!(is_listed, standing >= Standing::Known, "{:?} {meeting:?}", user.role);
            assert_eq!(is_found, standing >= Standing::Read, "{:?} {meeting:?}", user.role);
        }
    }
}
