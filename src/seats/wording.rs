//! The sentences of a refusal: Japanese and English, with the values filled in.

use super::calendar::{clock_text, month_and_day};
use super::lease::EndReason;
use super::queue::Eta;
use super::refusal::{Lost, Refusal};
use crate::clock::UnixMs;

const MINUTE: u64 = 60_000;

impl Refusal {
    /// Returns the sentence a clerk reads, in Japanese.
    pub fn japanese(&self) -> String {
        match self {
            Self::Queued { used, seats, position, eta } => format!(
                "満席です({seats}席中{used}席が利用中)。順番は{position}番目、{}です。録音はいま開始できます。",
                eta_ja(eta)
            ),
            Self::NoFreeSeat { used, seats, eta } => {
                format!("満席です({seats}席中{used}席)。{}です。順番待ちに入りますか。", eta_ja(eta))
            }
            Self::QuotaGroup { group, max, .. } => format!(
                "{}の上限{max}席をすべて利用中です。課内の利用者に席をゆずるよう依頼できます。",
                or_else(group, "あなた")
            ),
            Self::Reserved { seats, from, until, .. } => reserved_ja(*seats, *from, *until),
            Self::TooManyDevices { devices } => {
                format!("{devices}台の端末で利用中です。別の端末の利用を終了できます。")
            }
            Self::RecordingRuns { .. } => {
                "録音中のため、この操作はできません。録音を終了してからもう一度お試しください。".into()
            }
            Self::OverBooked { promised, seats, at } => format!(
                "席が足りません。{}{}の時点で{promised}席が必要ですが、ライセンスは{seats}席です。",
                day_ja(*at),
                clock_text(*at)
            ),
            Self::Excluded { contact, .. } => {
                format!("この席の種類は利用対象外です。問い合わせ先: {}。", or_else(contact, "情報担当"))
            }
            Self::LicenceEnded { to, .. } => format!(
                "ライセンスの期限({})が過ぎたため新しく開始できません。利用中の作業は続けられます。",
                day_ja(*to)
            ),
            Self::LicenceNotStarted { from, .. } => {
                format!("ライセンスは{}から有効です。それまで新しく開始できません。", day_ja(*from))
            }
            Self::LicenceNone => "この席の種類のライセンスがありません。管理者に連絡してください。".into(),
            Self::HostUnbound { matched, needed } => format!(
                "サーバの構成が変わりました(一致{matched}、必要{needed})。再発行の申請が必要です。利用中の作業は続けられます。"
            ),
            Self::BurstUnavailable { used, days } => {
                format!("災害時の増席は開始できません(今年度は{days}日のうち{used}日を使用済み)。")
            }
            Self::LeaseLapsed { .. } => {
                "接続が切れたため席を返却しました。編集内容は下書きに保存済みです。再開しますか。".into()
            }
            Self::OfferExpired { offer_ms } => {
                format!("{}秒以内に開始されなかったため、次の方に席を渡しました。", offer_ms / 1_000)
            }
            Self::SeatLost { why } => lost_ja(why),
            Self::Recovering { retry_ms } => format!(
                "サーバを再開しています。あと約{}秒です。利用中の席はそのままです。",
                retry_ms.div_ceil(1_000)
            ),
            Self::InstanceConflict { seen, own } => format!(
                "同じライセンスのサーバが2台動いている可能性があります(番号{own}と{seen})。管理者に連絡してください。"
            ),
            Self::QueueFull { waiting } => {
                format!("順番待ちがいっぱいです({waiting}人)。しばらくしてからもう一度お試しください。")
            }
            Self::BadRequest { field } => format!("入力を確認してください({field})。"),
            Self::TooManyRequests { retry_ms } => {
                format!("操作が多すぎます。{}秒後にもう一度お試しください。", retry_ms.div_ceil(1_000))
            }
        }
    }

    /// Returns the sentence a clerk reads, in English.
    pub fn english(&self) -> String {
        match self {
            Self::Queued { used, seats, position, eta } => format!(
                "All seats are in use ({used} of {seats}). You are number {position} in line; {}. You can start recording now.",
                eta_en(eta)
            ),
            Self::NoFreeSeat { used, seats, eta } => {
                format!("All seats are in use ({used} of {seats}); {}. Join the line?", eta_en(eta))
            }
            Self::QuotaGroup { group, max, .. } => quota_en(or_else(group, "you"), *max),
            Self::Reserved { seats, from, until, .. } => reserved_en(*seats, *from, *until),
            Self::TooManyDevices { devices } => {
                format!("You work on {devices} devices already. You can end the use of another one.")
            }
            Self::RecordingRuns { .. } => "A recording is running. End it first.".into(),
            Self::OverBooked { promised, seats, at } => over_booked_en(*promised, *seats, *at),
            Self::Excluded { contact, .. } => {
                format!(
                    "You are not entitled to this kind of seat. Ask {}.",
                    or_else(contact, "your IT desk")
                )
            }
            Self::LicenceEnded { to, .. } => format!(
                "The licence ended on {}; nothing new can be started. Work in progress goes on.",
                day_en(*to)
            ),
            Self::LicenceNotStarted { from, .. } => {
                format!("The licence begins on {}; nothing can be started before.", day_en(*from))
            }
            Self::LicenceNone => "There is no licence for this kind of seat. Tell your administrator.".into(),
            Self::HostUnbound { matched, needed } => format!(
                "The server has changed ({matched} parts match, {needed} have to). The licence must be reissued; work in progress goes on."
            ),
            Self::BurstUnavailable { used, days } => format!(
                "The extra seats cannot be opened: {used} of {days} days of this fiscal year are used."
            ),
            Self::LeaseLapsed { .. } => {
                "The connection was lost and the seat was given back. Your edits are kept as a draft. Go on?"
                    .into()
            }
            Self::OfferExpired { offer_ms } => {
                format!(
                    "The seat was not taken within {} seconds and went to the next in line.",
                    offer_ms / 1_000
                )
            }
            Self::SeatLost { why } => lost_en(why),
            Self::Recovering { retry_ms } => format!(
                "The server is restarting: about {} seconds more. Seats in use stay as they are.",
                retry_ms.div_ceil(1_000)
            ),
            Self::InstanceConflict { seen, own } => {
                format!(
                    "Two servers with the same licence may be running ({own} and {seen}). Tell your administrator."
                )
            }
            Self::QueueFull { waiting } => format!("The line is full ({waiting} people). Try again later."),
            Self::BadRequest { field } => format!("Check what was entered ({field})."),
            Self::TooManyRequests { retry_ms } => {
                format!("Too many requests. Try again in {} seconds.", retry_ms.div_ceil(1_000))
            }
        }
    }
}

fn or_else<'a>(text: &'a str, other: &'a str) -> &'a str {
    if text.is_empty() { other } else { text }
}

fn day_ja(office: UnixMs) -> String {
    let (month, day) = month_and_day(office);
    format!("{month}月{day}日")
}

fn day_en(office: UnixMs) -> String {
    let (month, day) = month_and_day(office);
    format!("{month}/{day}")
}

fn quota_en(group: &str, max: u32) -> String {
    format!("All {max} seats allowed for {group} are in use. You can ask a colleague to give way.")
}

fn over_booked_en(promised: u32, seats: u32, at: UnixMs) -> String {
    let (day, time) = (day_en(at), clock_text(at));
    format!("{promised} seats would be needed on {day} at {time}; the licence has {seats}.")
}

fn eta_ja(eta: &Option<Eta>) -> String {
    match eta {
        Some(eta) => {
            format!("あと約{}〜{}分の見込み", eta.low_ms.div_ceil(MINUTE), eta.high_ms.div_ceil(MINUTE))
        }
        None => "見込み時間は不明".into(),
    }
}

fn eta_en(eta: &Option<Eta>) -> String {
    match eta {
        Some(eta) => {
            format!("about {} to {} minutes", eta.low_ms.div_ceil(MINUTE), eta.high_ms.div_ceil(MINUTE))
        }
        None => "how long it will take is not known".into(),
    }
}

fn reserved_ja(seats: u32, from: Option<UnixMs>, until: Option<UnixMs>) -> String {
    let owner = from.map_or("ほかの所属".into(), |from| format!("{}からの会議", clock_text(from)));
    let first = format!("空き{seats}席は{owner}のため確保されています。");
    match until {
        Some(until) => format!("{first}録音以外は{}まで利用できます。", clock_text(until)),
        None => first,
    }
}

fn reserved_en(seats: u32, from: Option<UnixMs>, until: Option<UnixMs>) -> String {
    let owner = from.map_or("another group".into(), |from| format!("the meeting at {}", clock_text(from)));
    let first = format!("The free seats ({seats}) are kept for {owner}.");
    match until {
        Some(until) => {
            format!("{first} For work other than recording one can be lent until {}.", clock_text(until))
        }
        None => first,
    }
}

fn lost_ja(why: &Lost) -> String {
    match why {
        Lost::Unknown => "席の利用は終了しています。もう一度開始してください。".into(),
        Lost::Moved => "別の端末に移りました。".into(),
        Lost::NotAccepted => "席が空きました。利用を開始してください。".into(),
        Lost::Parked => "離席中です。もう一度開始すると続けられます。".into(),
        Lost::Ended { reason, .. } => match reason {
            EndReason::Released => "席は返却済みです。".into(),
            EndReason::Yielded => "席をゆずりました。".into(),
            EndReason::Lapsed => "接続が切れたため席を返却しました。".into(),
            EndReason::ParkedTaken => "離席中に、待っている方に席を渡しました。".into(),
            EndReason::Idle => "操作がなかったため、待っている方に渡しました。".into(),
            EndReason::OfferExpired => "時間内に開始されなかったため、次の方に席を渡しました。".into(),
            EndReason::Declined => "席の案内を辞退しました。".into(),
            EndReason::LentBack => "貸出の期限になったため、席を返却しました。".into(),
            EndReason::Superseded => "サーバの復元により、別の端末でお使いの新しい席にまとめました。".into(),
            EndReason::Revoked { text, .. } => format!("管理者が席を返却しました(理由: {text})。"),
            EndReason::RecordingEnded { text, .. } => {
                format!("管理者が録音を終了して席を返却しました(理由: {text})。音声は保存されています。")
            }
        },
    }
}

fn lost_en(why: &Lost) -> String {
    match why {
        Lost::Unknown => "This use of a seat is over. Start again.".into(),
        Lost::Moved => "The seat moved to another device.".into(),
        Lost::NotAccepted => "A seat is held for you. Start using it.".into(),
        Lost::Parked => "You are away. Start again to go on.".into(),
        Lost::Ended { reason, .. } => match reason {
            EndReason::Released => "The seat was given back.".into(),
            EndReason::Yielded => "You gave the seat to somebody who waited.".into(),
            EndReason::Lapsed => "The connection was lost and the seat was given back.".into(),
            EndReason::ParkedTaken => "You were away, and somebody who waited has the seat.".into(),
            EndReason::Idle => "You did nothing for a while, and somebody who waited has the seat.".into(),
            EndReason::OfferExpired => "You did not start in time, and the next in line has the seat.".into(),
            EndReason::Declined => "You declined the seat.".into(),
            EndReason::LentBack => "The seat was lent to you, and its time was over.".into(),
            EndReason::Superseded => {
                "The server was restored, and your newer seat at another device is the one that counts."
                    .into()
            }
            EndReason::Revoked { text, .. } => format!("An administrator took the seat ({text})."),
            EndReason::RecordingEnded { text, .. } => {
                format!("An administrator ended the recording and took the seat ({text}). The audio is kept.")
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seats::Epoch;
    use crate::seats::token::LeaseId;

    /// One of each code.
    fn every_code() -> Vec<Refusal> {
        let at = UnixMs::from_ms(1_806_537_600_000);
        let eta = Some(Eta { low_ms: 8 * MINUTE, median_ms: 11 * MINUTE, high_ms: 15 * MINUTE });
        let (rule, group, contact) = ("r".to_owned(), "総務課".to_owned(), "情報担当(内線1234)".to_owned());
        let why = Lost::Ended {
            reason: EndReason::Revoked { by: "kanri".into(), text: "退庁後の使用".into() },
            office: at,
        };
        vec![
            Refusal::Queued { used: 50, seats: 50, position: 3, eta },
            Refusal::NoFreeSeat { used: 50, seats: 50, eta: None },
            Refusal::QuotaGroup { rule: rule.clone(), group, max: 5 },
            Refusal::Reserved { seats: 2, reservation: None, from: Some(at), until: Some(at) },
            Refusal::TooManyDevices { devices: 2 },
            Refusal::RecordingRuns { lease: LeaseId::new(Epoch::new(1), 1) },
            Refusal::OverBooked { promised: 6, seats: 5, at },
            Refusal::Excluded { rule, contact },
            Refusal::LicenceEnded { file: "7".into(), to: at },
            Refusal::LicenceNotStarted { file: "7".into(), from: at },
            Refusal::LicenceNone,
            Refusal::HostUnbound { matched: 2, needed: 3 },
            Refusal::BurstUnavailable { used: 14, days: 14 },
            Refusal::LeaseLapsed { silent_ms: 60_000 },
            Refusal::OfferExpired { offer_ms: 60_000 },
            Refusal::SeatLost { why },
            Refusal::Recovering { retry_ms: 39_500 },
            Refusal::InstanceConflict { seen: Epoch::new(9), own: Epoch::new(6) },
            Refusal::QueueFull { waiting: 5_000 },
            Refusal::BadRequest { field: "use".into() },
            Refusal::TooManyRequests { retry_ms: 5_000 },
        ]
    }

    #[test]
    fn i14_every_code_has_a_sentence_in_both_languages_with_its_values() {
        let all = every_code();
        let codes: std::collections::BTreeSet<_> = all.iter().map(Refusal::code).collect();
        assert_eq!((codes.len(), all.len()), (21, 21));
        for refusal in &all {
            let (japanese, english) = (refusal.japanese(), refusal.english());
            assert!(japanese.ends_with(['。', ')']), "{japanese}");
            assert!(
                !english.is_empty() && english.is_ascii()
                    || english.contains("総務課")
                    || english.contains('退')
                    || english.contains('情'),
                "{english}"
            );
            assert!((202..=503).contains(&refusal.status()), "{}", refusal.code());
            assert!(!refusal.to_string().ends_with('.'));
        }
    }

    #[test]
    fn the_sentences_are_those_agreed_on() {
        let told: Vec<String> = every_code().iter().map(Refusal::japanese).collect();
        for sentence in [
            "満席です(50席中50席が利用中)。順番は3番目、あと約8〜15分の見込みです。録音はいま開始できます。",
            "総務課の上限5席をすべて利用中です。課内の利用者に席をゆずるよう依頼できます。",
            "2台の端末で利用中です。別の端末の利用を終了できます。",
            "この席の種類は利用対象外です。問い合わせ先: 情報担当(内線1234)。",
            "60秒以内に開始されなかったため、次の方に席を渡しました。",
            "管理者が席を返却しました(理由: 退庁後の使用)。",
            "サーバを再開しています。あと約40秒です。利用中の席はそのままです。",
        ] {
            assert!(told.iter().any(|told| told == sentence), "{sentence}: {told:#?}");
        }
    }
}
