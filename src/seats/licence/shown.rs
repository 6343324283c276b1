//! A licence in plain Japanese.

use crate::seats::licence::request::Request;
use crate::seats::licence::standing::{Standing, Status};
use crate::seats::licence::{Licence, PoolTerms};

/// Says what a licence grants, line by line.
pub fn licence(licence: &Licence) -> String {
    let pools: Vec<String> = licence.pools.iter().map(pool).collect();
    let bound = match &licence.bind {
        None => "組織(サーバには結び付けられていません)".to_owned(),
        Some(bind) => {
            format!("{}項目のうち{}項目が一致するサーバ({}台まで)", bind.n, bind.k, licence.hosts)
        }
    };
    let mut text = format!(
        "ライセンス: {}(番号{}、{})\n発行先: {}\n発行日: {}\n席: {}\n期間: {}から{}まで(終了後{}日間は新しく開始できます)\n\
         結び付け: {bound}",
        licence.id,
        licence.seq,
        licence.kind.label(),
        licence.customer,
        licence.issued.in_words(),
        pools.join("、"),
        licence.first().in_words(),
        licence.last().in_words(),
        licence.grace_days,
    );
    if !licence.supersedes.is_empty() {
        let names: Vec<&str> = licence.supersedes.iter().map(|id| id.as_str()).collect();
        text += &format!("\n置き換えるもの: {}({}から)", names.join("、"), licence.first().in_words());
    }
    text
}

fn pool(pool: &PoolTerms) -> String {
    let burst = pool
        .burst
        .map_or_else(String::new, |burst| format!("(災害時の増席: {}倍、年{}日まで)", burst.x, burst.days));
    format!("{} {}席{burst}", pool.feature, pool.seats)
}

/// Says who asks, for the vendor that was sent the wrong one of two files.
pub fn request(request: &Request) -> String {
    format!(
        "これはライセンスではなく、ライセンスの申請です。\n作成日: {}\nサーバの鍵の番号: {}\nサーバを見分ける項目: {}",
        request.made.in_words(),
        request.instance.kid(),
        request.hashes.len()
    )
}

/// Says how many seats there are today and what people should know.
pub fn standing(standing: &Standing) -> String {
    let pools = standing.pools.iter().map(|pool| match pool.refusal {
        None => format!("{} {}席", pool.feature, pool.seats),
        Some(refusal) => format!("{} 0席({})", pool.feature, refusal.sentence()),
    });
    let mut text = format!("本日の席({}): {}", standing.kind.label(), pools.collect::<Vec<_>>().join("、"));
    for notice in &standing.notices {
        text += &format!("\nお知らせ: {}", notice.sentence());
    }
    text
}

/// Says whether an installed file counts, and why not.
pub fn status(status: &Status) -> String {
    match status {
        Status::Counts => "登録済みで、有効です。".to_owned(),
        Status::InGrace { until } => {
            format!("登録済みです。期限が過ぎ、{}まで新しく開始できます。", until.in_words())
        }
        Status::NotStarted { from } => format!("登録済みで、{}から有効になります。", from.in_words()),
        Status::Ended { last } => format!("登録済みですが、期限({})が過ぎています。", last.in_words()),
        Status::Replaced { by } => format!("登録済みですが、{by} に置き換えられています。"),
        Status::HostUnbound(host) => format!(
            "登録済みですが、サーバの構成が変わったため数えられていません({}項目のうち一致{}、必要{})。",
            host.n, host.matched, host.k
        ),
    }
}
