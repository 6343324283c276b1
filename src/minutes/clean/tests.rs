use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::minutes::testing::{accepted, four_hours, minutes_of, quick, said, with_words};

fn all() -> BTreeSet<Rule> {
    let mut rules = Level::Polished.rules();
    rules.extend([Rule::Echo, Rule::Softener]);
    rules
}

fn names() -> Protected {
    Protected::words(["あのー丸", "まあ坊", "けど商店"])
}

/// Takes what is proposed and checks that nothing more is.
fn taken(utterances: Vec<Utterance>, rules: &BTreeSet<Rule>) -> Minutes {
    let mut minutes = minutes_of(utterances);
    let proposals = propose(&minutes, &names(), rules);
    accepted(&mut minutes, &proposals);
    assert_eq!(propose(&minutes, &names(), rules), [], "taken once, nothing is left to propose");
    minutes
}

fn cleaned(text: &str, rules: &BTreeSet<Rule>) -> String {
    let minutes = taken(vec![said(1, Some(1), 60_000, 70_000, text)], rules);
    minutes.utterances().map(|utterance| utterance.text.clone()).collect()
}

#[test]
fn fillers_go_and_no_two_words_are_joined() {
    for (said, written) in [
        ("えー、それでは開会します。", "それでは開会します。"),
        ("えーとですね、予算の件です。", "予算の件です。"),
        ("予算はえー百万円です。", "予算は、百万円です。"),
        ("予算は、えー、百万円です。", "予算は、百万円です。"),
        ("予算はえー、百万円です。", "予算は、百万円です。"),
        ("あのー、えーっと、そのー、資料の二ページです。", "資料の二ページです。"),
        ("なんというか、難しい問題です。", "難しい問題です。"),
        ("以上です、えー。", "以上です。"),
        ("うーん、検討します。", "検討します。"),
        ("まあ、そのとおりです。", "そのとおりです。"),
        ("これはまあ、難しい話です。", "これは、難しい話です。"),
        ("予算についてですね、説明します。", "予算について、説明します。"),
        ("可決されましたね。", "可決されました。"),
        ("説明は終わりですが、えー質疑に入ります。", "説明は終わりですが、質疑に入ります。"),
        ("はい、それでは始めます。", "それでは始めます。"),
        ("ああ、はい、うん、始めます。", "始めます。"),
        ("それでね、次の件です。", "それで、次の件です。"),
    ] {
        assert_eq!(cleaned(said, &Level::Cleaned.rules()), written, "{said}");
    }
}

#[test]
fn repeats_and_restarts_keep_the_later() {
    for (said, written) in [
        ("令和、令和八年度の予算です。", "令和八年度の予算です。"),
        ("これがこれが原案です。", "これが原案です。"),
        ("この、えー、この件です。", "この件です。"),
        ("デ、データを出します。", "データを出します。"),
        ("そ、それは違います。", "それは違います。"),
        ("委員会の、委員会の意見です。", "委員会の意見です。"),
    ] {
        assert_eq!(cleaned(said, &Level::Cleaned.rules()), written, "{said}");
    }
}

#[test]
fn what_only_looks_like_a_filler_stays() {
    for text in [
        "はい。",
        "ええ、はい。",
        "いいえ、違います。",
        "その件は終わりました。",
        "この、三番の資料です。",
        "あの方が会長です。",
        "まあまあの出来です。",
        "ご清聴ありがとうございました。",
        "ありがとうございました、ありがとうございました。",
        "「えー、まあ、はい」と答えました。",
        "あのー丸という船です。",
        "異議なし、異議なし。",
        "賛成、賛成。",
        "そうですね。",
        "よろしいですね。",
        "そういうことですね、分かりました。",
        "百、百二十人です。",
        "予算、予算案の順です。",
        "いろいろな、ますます、それぞれの意見です。",
        "もっともっと必要です。",
        "考えーの違いです。",
        "ああいう意見です。",
        "さあ始めます。",
        "ええ格好です。",
        "ア、アの２の項目です。",
        "このように、そのように進めます。",
        "あの、この件ですが。",
        "うんと、とても多い額です。",
        "次に、次の議案です。",
        "はい、はい。",
        "市民の、市民による、市民のための会です。",
        "問題は予算ですね、難しい話です。",
        "そういうことなんですよね。",
        "ねえ、そうでしょう。",
    ] {
        assert_eq!(cleaned(text, &Level::Cleaned.rules()), text);
    }
}

#[test]
fn polishing_writes_spoken_forms_as_written_ones() {
    for (said, written) in [
        ("やっぱり必要です。", "やはり必要です。"),
        ("反対ですけど、従います。", "反対ですけれども、従います。"),
        ("反対ですけども従います。", "反対ですけれども従います。"),
        ("いろんな意見があるんです。", "いろいろな意見があるのです。"),
        ("昨日行ってました。", "昨日行っていました。"),
        ("今調べてるところです。", "今調べているところです。"),
        ("本を読んでます。", "本を読んでいます。"),
        ("食べれる量です。", "食べられる量です。"),
        ("資料が見れません。", "資料が見られません。"),
        ("資料が見れます。", "資料が見られます。"),
        ("じゃあ、次です。", "では、次です。"),
        ("改革っていう言葉です。", "改革という言葉です。"),
        ("市長がおっしゃられました。", "市長がおっしゃいました。"),
        ("資料をご覧になられましたか。", "資料をご覧になりましたか。"),
        ("ちょっと時間をください。", "少し時間をください。"),
        ("学校なんです。", "学校なのです。"),
        // What stays.
        ("計画を立てます。", "計画を立てます。"),
        ("ごみを捨てました。", "ごみを捨てました。"),
        ("見れば分かります。", "見れば分かります。"),
        ("それはなんですか。", "それはなんですか。"),
        ("みなさんです。", "みなさんです。"),
        ("たくさんです。", "たくさんです。"),
        ("けど商店の件です。", "けど商店の件です。"),
        ("「やっぱり」と言いました。", "「やっぱり」と言いました。"),
        ("一応、とりあえず進めます。", "一応、とりあえず進めます。"),
        ("そうしてますます増えます。", "そうしてますます増えます。"),
        ("ちょっとした工夫です。", "ちょっとした工夫です。"),
    ] {
        assert_eq!(cleaned(said, &all()), written, "{said}");
    }
}

#[test]
fn an_answer_is_never_removed() {
    let asked = |question: &str, speaker, at_ms| {
        let question = said(1, Some(1), at_ms - 2000, at_ms, question);
        let answer = said(2, Some(speaker), 60_000, 65_000, "はい、そのとおりに進めます。");
        let minutes = taken(vec![question, answer], &Level::Cleaned.rules());
        minutes.utterances().nth(1).map(|answer| answer.text.clone()).unwrap_or_default()
    };
    let (kept, removed) = ("はい、そのとおりに進めます。", "そのとおりに進めます。");
    assert_eq!(asked("よろしいですか。", 2, 58_000), kept);
    assert_eq!(asked("山田委員。", 2, 58_000), kept);
    assert_eq!(asked("賛成の方は挙手願います。", 2, 58_000), kept);
    assert_eq!(asked("間違いないですね。", 2, 58_000), kept);
    assert_eq!(asked("よろしいですか。", 1, 58_000), removed);
    assert_eq!(asked("よろしいですか。", 2, 54_000), removed);
    assert_eq!(asked("資料のとおりです。", 2, 58_000), removed);
}

#[test]
fn an_unknown_speaker_may_have_asked() {
    let question = said(1, None, 56_000, 58_000, "よろしいでしょうか。");
    let answer = said(2, None, 60_000, 65_000, "はい、そのとおりに進めます。");
    assert_eq!(propose(&minutes_of(vec![question, answer]), &names(), &Level::Cleaned.rules()), []);
}

#[test]
fn a_demonstrative_goes_only_before_a_pause() {
    let heard = |marked: &str| {
        let minutes = taken(vec![with_words(marked)], &Level::Cleaned.rules());
        minutes.utterances().map(|utterance| utterance.text.clone()).collect::<String>()
    };
    assert_eq!(heard("その|予算の件です。"), "予算の件です。");
    assert_eq!(heard("予算は|その|百万円です。"), "予算は、百万円です。");
    assert_eq!(heard("その予算の|件です。"), "その予算の件です。");
    assert_eq!(heard("どこの|予算ですか。"), "どこの予算ですか。");
}

#[test]
fn an_utterance_of_fillers_only_is_hidden_with_its_text() {
    let minutes = taken(vec![said(1, Some(1), 0, 900, "えーと、あのー。")], &Level::Cleaned.rules());
    let utterance = minutes.utterances().next().expect("it is still there");
    assert_eq!(
        (utterance.text.as_str(), utterance.hidden.as_deref()),
        ("えーと、あのー。", Some("kebatori"))
    );
}

#[test]
fn an_echo_is_hidden_only_if_that_rule_is_on_and_nothing_is_asked() {
    let echo = |text: &str, rules: &BTreeSet<Rule>| {
        let first = said(1, Some(1), 0, 5000, "会場は市民会館です、地下の会議室。");
        let minutes = taken(vec![first, said(2, Some(2), 5500, 6500, text)], rules);
        minutes.utterances().nth(1).is_some_and(|second| second.hidden.is_some())
    };
    assert!(echo("地下の会議室。", &all()));
    assert!(!echo("地下の会議室。", &Level::Polished.rules()));
    assert!(!echo("地下の会議室ですか。", &all()));
    assert!(!echo("一階の会議室。", &all()));
}

#[test]
fn a_corrected_figure_is_marked_and_not_cut() {
    let minutes = taken(vec![said(1, Some(1), 0, 900, "委員は三、いや四名です。")], &Level::Cleaned.rules());
    let utterance = minutes.utterances().next().expect("it is there");
    assert_eq!(utterance.text, "委員は三、いや四名です。");
    assert!(utterance.marks.contains(&crate::minutes::Mark::Check));
    let plain = minutes_of(vec![said(1, Some(1), 0, 900, "いや、三名で四日です。")]);
    assert_eq!(propose(&plain, &names(), &Level::Cleaned.rules()), []);
}

#[test]
fn each_rule_has_its_switch_and_nothing_is_on_for_verbatim() {
    let minutes = minutes_of(vec![said(1, Some(1), 0, 900, "えー、やっぱりはい、まあ、見れます。")]);
    assert_eq!(propose(&minutes, &names(), &Level::Verbatim.rules()), []);
    for rule in Level::Polished.rules() {
        let found = propose(&minutes, &names(), &BTreeSet::from([rule]));
        assert!(found.iter().all(|proposal| proposal.rule == rule), "{rule:?}");
    }
}

#[test]
fn four_hours_are_cleaned_at_once() {
    let minutes = four_hours("えー、その|予算はですね、やっぱり、そ、それは必要なんです。");
    let proposals = quick("clean", || propose(&minutes, &names(), &all()));
    assert!(proposals.len() >= 8000);
}

proptest! {
    #[test]
    fn what_was_taken_is_not_proposed_again_and_all_else_stays(
        texts in prop::collection::vec(
            "((えー|あのー|その|はい|ええ|まあ|ですね|ね|か|予算|令和|です|ました|やっぱり|けど|てる|いや|三|「|」|、|。|んです|っ|これが){0,12})",
            1..4,
        ),
        speakers in prop::collection::vec(prop::option::of(1_u64..3), 4),
    ) {
        let utterances: Vec<Utterance> = texts
            .iter()
            .zip(1_u64..)
            .zip(&speakers)
            .map(|((text, id), speaker)| said(id, *speaker, id * 3000, id * 3000 + 2000, text))
            .collect();
        let mut minutes = minutes_of(utterances);
        let proposals = propose(&minutes, &names(), &all());
        for pair in proposals.windows(2) {
            let end = pair[0].at as usize + pair[0].before.chars().count();
            let is_apart = pair[0].block != pair[1].block || pair[1].effect != Effect::Rewrite || end <= pair[1].at as usize;
            prop_assert!(is_apart);
        }
        accepted(&mut minutes, &proposals);
        prop_assert_eq!(propose(&minutes, &names(), &all()), []);
    }
}
