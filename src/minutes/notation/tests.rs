use proptest::prelude::*;

use super::*;
use crate::minutes::proposal::count_by_rule;
use crate::minutes::testing::{accepted, four_hours, minutes_of, quick, said};
use crate::minutes::{BlockId, Heading};

fn written_with(text: &str, choices: &Choices) -> String {
    let mut minutes = minutes_of(vec![said(1, Some(1), 0, 900, text)]);
    let protected = Protected::words(["百舌鳥八幡", "申し込み太郎"]);
    let proposals = propose(&minutes, &protected, choices);
    accepted(&mut minutes, &proposals);
    assert_eq!(propose(&minutes, &protected, choices), [], "{text}");
    minutes.utterances().map(|utterance| utterance.text.clone()).collect()
}

fn check(cases: &[(&str, &str)], choices: &Choices) {
    for (said, written) in cases {
        assert_eq!(written_with(said, choices), *written, "{said}");
    }
}

fn stays(texts: &[&str]) {
    for text in texts {
        assert_eq!(written_with(text, &Choices::default()), *text);
    }
}

#[test]
fn numbers_are_written_one_way() {
    let cases = [
        ("3人と12人です。", "３人と12人です。"),
        ("１２人です。", "12人です。"),
        ("3500円です。", "3,500円です。"),
        ("３５００円です。", "3,500円です。"),
        ("1234567人です。", "1,234,567人です。"),
        ("340000000円です。", "３億4,000万円です。"),
        ("1200000人です。", "120万人です。"),
        ("3億4000万円です。", "３億4,000万円です。"),
        ("三百二十万円です。", "320万円です。"),
        ("三億四千万円です。", "３億4,000万円です。"),
        ("三万五千円です。", "３万5,000円です。"),
        ("令和八年三月十五日です。", "令和８年３月15日です。"),
        ("午後一時三十分に再開します。", "午後１時30分に再開します。"),
        ("二〇二六年です。", "2026年です。"),
        ("3ヶ所と６ヵ月です。", "３か所と６か月です。"),
        ("三ヶ所です。", "３か所です。"),
        ("何ヶ所ありますか。", "何箇所ありますか。"),
        ("数か所あります。", "数箇所あります。"),
        ("第三回です。", "第３回です。"),
        ("３．５％です。", "3.5％です。"),
        ("Ａ委員とＵＳＢ", "A委員とUSB"),
        ("本当ですか？はい！", "本当ですか。はい。"),
    ];
    check(&cases, &Choices::default());
}

#[test]
fn what_is_no_figure_stays() {
    stays(&[
        "数十人の市民です。",
        "二十余人です。",
        "四、五人です。",
        "一部分と第三者と二者択一です。",
        "第二十三条の規定です。",
        "十分な説明です。",
        "一時停止です。",
        "一度、一人の市民が来ました。",
        "三重県と四国と九州です。",
        "四日市市です。",
        "関ヶ原町と茅ヶ崎市です。",
        "電話は06-6941-0351です。",
        "2026年度の予算です。",
        "第１２３４号です。",
        "A4とISO9001です。",
        "「３５００円」と書きました。",
        "百舌鳥八幡の方です。",
        "千円の券です。",
        "一般会計の一番です。",
        "13:30開会です。",
        "二三人です。",
        "第4321条です。",
        "一日も早く進めます。",
        "百人一首大会です。",
        "Yahoo!の件です。",
        "八百屋と千葉県と五十嵐委員です。",
        "令和元年度です。",
        "三権分立と四半期です。",
        "大手前二丁目１番22号です。",
        "一月です。",
    ]);
}

#[test]
fn formal_words_are_written_in_kana() {
    let cases = [
        ("検討する事が必要です。", "検討することが必要です。"),
        ("災害の時に使います。", "災害のときに使います。"),
        ("確認した所、誤りでした。", "確認したところ、誤りでした。"),
        ("必要な物と考えます。", "必要なものと考えます。"),
        ("改善する為の予算です。", "改善するための予算です。"),
        ("説明して下さい。", "説明してください。"),
        ("説明させて頂きます。", "説明させていただきます。"),
        ("出来る限り進めます。", "できる限り進めます。"),
        ("１０名程です。", "10名ほどです。"),
        ("三年間に渡って進めます。", "３年間にわたって進めます。"),
        ("この件に就いてです。", "この件についてです。"),
        ("市民と共に進めます。", "市民とともに進めます。"),
        ("又、次の件です。", "また、次の件です。"),
        ("但し、例外があります。", "ただし、例外があります。"),
        ("次の通りです。", "次のとおりです。"),
        ("という訳で終わります。", "というわけで終わります。"),
        ("お願い致します。", "お願いいたします。"),
        ("その様な意見です。", "そのような意見です。"),
        ("有難う御座います。", "ありがとうございます。"),
        ("申し込みの手続きです。", "申込みの手続です。"),
        ("申し込み書を出します。", "申込書を出します。"),
        ("打ち合わせをします。", "打合せをします。"),
        ("取り組みについて伺います。", "取組について伺います。"),
        ("繰り越し金です。", "繰越金です。"),
    ];
    check(&cases, &Choices::default());
}

#[test]
fn words_that_only_contain_the_same_characters_stay() {
    stays(&[
        "事業と事項と仕事と議事です。",
        "時間と時期と臨時です。",
        "所属と場所と所管です。",
        "物品と建物と物価です。",
        "買った物を置きます。",
        "為替と行為と人為です。",
        "賞を頂く。",
        "資料を下さい。",
        "頂上です。",
        "出来事と出来高です。",
        "日程と工程と程度です。",
        "委員等の意見です。",
        "渡り廊下です。",
        "お客様と皆様です。",
        "内訳と通訳です。",
        "言い訳が多い。",
        "申し込みます。",
        "打ち合わせて決めます。",
        "取り組んでいます。",
        "取り組みます。",
        "引き継ぎながら進めます。",
        "又は及び並びに。",
        "「する事」と書きました。",
        "申し込み太郎です。",
        "その事件です。",
        "ある時点です。",
        "次の時代と、その時刻です。",
        "多様な、同様に、仕様です。",
        "平等と均等と一等です。",
        "いい物件です。",
        "する等級です。",
        "市の為政者です。",
        "通り道と大通りです。",
        "手続きます。",
        "支払います。",
        "毎日と毎年です。",
        "先程度の話です。",
    ]);
}

#[test]
fn digits_have_the_width_that_was_chosen() {
    let with = |digits| Choices { digits, ..Choices::default() };
    let said = "３人と12人と3500円と１.５％です。";
    assert_eq!(written_with(said, &with(Digits::Narrow)), "3人と12人と3,500円と1.5％です。");
    assert_eq!(written_with(said, &with(Digits::Wide)), "３人と１２人と３，５００円と１．５％です。");
    assert_eq!(written_with(said, &with(Digits::OneWide)), "３人と12人と3,500円と1.5％です。");
}

#[test]
fn years_are_written_in_the_era_that_was_chosen() {
    let wareki = Choices { years: Years::Wareki, ..Choices::default() };
    let cases = [
        ("2026年度です。", "令和８年度です。"),
        ("2019年5月1日です。", "令和元年５月１日です。"),
        ("2019年4月30日です。", "平成31年４月30日です。"),
        ("2018年です。", "平成30年です。"),
        ("西暦1970年です。", "昭和45年です。"),
        ("2019年です。", "2019年です。"),
        ("1989年です。", "1989年です。"),
        ("1900年です。", "1900年です。"),
        ("令和８年（2026年）です。", "令和８年（2026年）です。"),
        ("「2026年」です。", "「2026年」です。"),
    ];
    check(&cases, &wareki);
    let seireki = Choices { years: Years::Seireki, ..Choices::default() };
    let cases = [
        ("令和８年度です。", "2026年度です。"),
        ("令和元年です。", "2019年です。"),
        ("平成三十一年です。", "2019年です。"),
        ("昭和45年です。", "1970年です。"),
        ("平成17年法律第123号です。", "平成17年法律第123号です。"),
        ("令和の時代です。", "令和の時代です。"),
    ];
    check(&cases, &seireki);
}

#[test]
fn a_heading_loses_its_call_and_gets_no_stop() {
    let mut minutes = minutes_of(vec![]);
    let heading =
        Heading { id: BlockId(3), level: 1, text: "どうする？予算！".to_owned(), at_ms: None };
    minutes.blocks.push(std::sync::Arc::new(Block::Heading(heading)));
    let proposals = propose(&minutes, &Protected::default(), &Choices::default());
    assert!(proposals.iter().all(|proposal| proposal.after.is_empty()) && proposals.len() == 2);
}

#[test]
fn rules_are_counted_and_each_has_its_switch() {
    let minutes = minutes_of(vec![said(1, None, 0, 900, "3人と３５００円と、する事です。")]);
    let counts = count_by_rule(&propose(&minutes, &Protected::default(), &Choices::default()));
    let told: Vec<(Rule, usize)> = counts.into_iter().collect();
    assert_eq!(told, [(Rule::DigitWidth, 1), (Rule::ThousandsComma, 1), (Rule::KanaWord, 1)]);
    let none = Choices { rules: BTreeSet::new(), ..Choices::default() };
    assert_eq!(propose(&minutes, &Protected::default(), &none), []);
}

#[test]
fn four_hours_are_written_at_once() {
    let minutes = four_hours("三百二十万円を検討する事が3ヶ所");
    let proposals = quick("notation", || propose(&minutes, &Protected::default(), &Choices::default()));
    assert!(proposals.len() >= 8000);
}

proptest! {
    #[test]
    fn what_was_taken_is_not_proposed_again(
        text in "(三|十|百|万|億|〇|一|月|日|年|円|人|第|条|1|２|34|,|か所|ヶ所|事|時|する|の|た|は|が|申し込み|書|令和|。|、|？|「|」|Ａ|2026|等){0,14}",
        digits in prop::sample::select(vec![Digits::OneWide, Digits::Narrow, Digits::Wide]),
        years in prop::sample::select(vec![Years::AsSaid, Years::Wareki, Years::Seireki]),
    ) {
        let choices = Choices { digits, years, ..Choices::default() };
        let mut minutes = minutes_of(vec![said(1, None, 0, 900, &text)]);
        let proposals = propose(&minutes, &Protected::default(), &choices);
        accepted(&mut minutes, &proposals);
        prop_assert_eq!(propose(&minutes, &Protected::default(), &choices), []);
    }
}
