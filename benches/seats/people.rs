//! People of an office, made in its folder before a load: each with a token for a program.

use std::path::Path;
use std::time::Duration;

use gijiroku::clock::UnixMs;
use gijiroku::http::secret;
use gijiroku::store::audit::Actor;
use gijiroku::store::sessions::{Scope, Token};
use gijiroku::store::users::{NewUser, Role};
use gijiroku::store::{Id, Location, Store, folder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{setting, text};

/// Somebody, with what proves it, and the seat they have if they have one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Person {
    /// The account.
    pub id: Id,
    /// The token's secret.
    pub secret: String,
    /// The seat.
    pub lease: Option<String>,
    /// What proves it.
    pub token: Option<String>,
}

/// Reads whom somebody has made before.
pub fn known() -> Vec<Person> {
    let file = std::fs::read_to_string(text("SEATS_TOKENS")).expect("people were made before");
    serde_json::from_str(&file).expect("it is what was written")
}

/// Makes people in a server's folder, which may be running.
pub async fn make() -> Value {
    let location = Location::File(folder::database_in(Path::new(&text("SEATS_FOLDER"))));
    let store = Store::open(&location).await.expect("the database can be opened");
    // With nobody to make there is a database afterwards, and nothing in it.
    let people = match setting("SEATS_PEOPLE", 100) {
        0 => Vec::new(),
        count => add(&store, count).await,
    };
    store.close().await;
    std::fs::write(text("SEATS_TOKENS"), json!(people).to_string()).expect("there is room");
    json!({ "people": people.len() })
}

/// Makes people who administer one department, so that they may edit all its meetings.
pub async fn add(store: &Store, count: u64) -> Vec<Person> {
    let (now, server) = (UnixMs::now(), Actor::server());
    let department = match std::env::var("SEATS_DEPARTMENT") {
        Ok(text) => text.parse().expect("it is the name of a department"),
        Err(_) => store.add_department("計測課", None, &server, now).await.expect("the name is free").id,
    };
    let mut people = Vec::new();
    for number in 0..count {
        let new = NewUser {
            login: format!("seat-{number}"),
            name: format!("職員 {number}"),
            department,
            role: Role::DepartmentAdministrator,
            password: None,
            password_expired: false,
            room: false,
        };
        let id = store.add_user(&new, &server, now).await.expect("the login is free").id;
        let secret = secret::random();
        let token = Token {
            id: Id::new(),
            name: "load".to_owned(),
            scopes: vec![Scope::Read, Scope::Write],
            created_at: now,
            expires_at: Some(now.plus(Duration::from_secs(86_400))),
            used_at: None,
        };
        let made = store.add_token(id, &token, &secret::digest(&secret), 10, &server, now).await;
        assert!(made.expect("the database answers"));
        people.push(Person { id, secret, lease: None, token: None });
    }
    people
}
