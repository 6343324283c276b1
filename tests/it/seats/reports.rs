//! Reports: what was recorded is counted, by department, and only for those who may read it.

use gijiroku::store::users::Role;

use super::*;

/// An office of one seat in which a of 総務課 worked for ten minutes and b of 税務課 was refused.
async fn morning() -> (Office, Person) {
    let (office, administrator) = office_with(1).await;
    let a = Clerk::of(&office, "a", administrator.department()).await;
    let b = Clerk::of(&office, "b", office.department("税務課").await).await;
    let held = a.sit().await;
    assert_eq!(b.ask(edit(), "nowait").await.status, 409);
    for _ in 0..20 {
        pass(&office, 30);
        assert_eq!(a.beat(&held).await.status, 200);
    }
    assert_eq!(a.release(&held).await.status, 204);
    (office, administrator)
}

#[tokio::test]
async fn seat_hours_peaks_and_true_denials_are_counted_by_department() {
    let (office, administrator) = morning().await;
    let report = administrator.get("/v1/seats/reports?by=fiscal_year").await;
    assert_eq!(report.status, 200, "{:?}", report.json);
    let rows = report.json.as_array().expect("rows are a list");
    let row = |department: Option<&str>| {
        rows.iter().find(|row| row["department"].as_str() == department).expect("there is such a row")
    };
    let all = row(None);
    assert_eq!((all["peak"].as_u64(), all["true_denials"].as_u64()), (Some(1), Some(1)));
    assert_eq!(all["seat_ms"], 600_000);
    assert_eq!(row(Some("税務課"))["denied"], 1);
    assert_eq!(row(Some("総務課"))["denied"], 0);
    let denials = administrator.get("/v1/seats/reports/denials").await;
    assert_eq!(denials.json[0]["outcome"], "利用できなかった");
    let minutes = administrator.get("/v1/seats/reports/minutes").await;
    assert!(minutes.json.as_array().is_some_and(|minutes| minutes.len() >= 10));
    assert_eq!(administrator.get("/v1/seats/reports?from=2026-13-01").await.status, 422);
    let head = office.person("head", Role::DepartmentAdministrator, office_department(&office).await).await;
    let own = head.get("/v1/seats/reports").await;
    let rows = own.json.as_array().expect("rows are a list");
    assert!(!rows.is_empty() && rows.iter().all(|row| row["department"] == "税務課"), "{rows:?}");
    assert_eq!(head.get("/v1/seats/what-if?seats=5").await.status, 403);
}

async fn office_department(office: &Office) -> Id {
    let all = office.store.departments().await.expect("the database answers");
    all.into_iter().find(|department| department.name == "税務課").expect("it was made").id
}

#[tokio::test]
async fn the_table_opens_in_a_spreadsheet_of_either_charset() {
    let (_office, administrator) = morning().await;
    let table = administrator.get("/v1/seats/reports.csv").await;
    assert_eq!(table.headers["content-type"], "text/csv; charset=utf-8");
    let text = String::from_utf8(table.bytes).expect("it is UTF-8");
    assert!(text.starts_with("\u{feff}席の種類,所属,期間,"), "{text}");
    assert!(text.lines().count() >= 4 && text.ends_with("\r\n"));
    let table = administrator.get("/v1/seats/reports.csv?charset=cp932").await;
    assert_eq!(table.headers["x-unmapped-count"], "0");
    assert!(String::from_utf8(table.bytes).is_err(), "CP932 is no UTF-8");
}

#[tokio::test]
async fn everybody_reads_the_forecast_and_today_alone_says_nothing_about_today() {
    let (office, administrator) = morning().await;
    let staff = office.person("staff", Role::Staff, administrator.department()).await;
    let ahead = staff.get("/v1/seats/forecast").await;
    assert_eq!((ahead.status.as_u16(), &ahead.json), (200, &json!({ "days": 0, "hours": [] })));
    assert_eq!(staff.get("/v1/seats/forecast?pool=nobody").await.status, 422);
}

#[tokio::test]
async fn more_seats_would_have_refused_fewer() {
    let (_office, administrator) = morning().await;
    let answer = administrator.get("/v1/seats/what-if?seats=2&days=1").await;
    assert_eq!(answer.status, 200, "{:?}", answer.json);
    assert_eq!(answer.json["denied"]["high"], 0);
    let sentence = answer.json["sentence"].as_str().expect("there is one");
    assert!(sentence.contains("2席のとき利用不可はありません。"), "{sentence}");
    assert_eq!(administrator.get("/v1/seats/what-if?seats=0").await.status, 422);
}
