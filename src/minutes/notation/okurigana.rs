//! Compound nouns whose okurigana official text leaves out (送り仮名の付け方 and 公用文における漢字使用等について).

use std::sync::LazyLock;

use crate::minutes::passage::{Edit, WordTable, is_kanji, is_mark, stands};
use crate::minutes::proposal::Rule;

/// Nouns by themselves: the verbs of the same letters keep their okurigana.
const NOUNS: [(&str, &str); 52] = [
    ("申し込み", "申込み"),
    ("取り扱い", "取扱い"),
    ("打ち合わせ", "打合せ"),
    ("打合わせ", "打合せ"),
    ("手続き", "手続"),
    ("見積もり", "見積り"),
    ("届け出", "届出"),
    ("問い合わせ", "問合せ"),
    ("引き継ぎ", "引継ぎ"),
    ("受け付け", "受付"),
    ("割り当て", "割当て"),
    ("割り引き", "割引"),
    ("繰り越し", "繰越し"),
    ("繰り入れ", "繰入れ"),
    ("積み立て", "積立て"),
    ("貸し付け", "貸付け"),
    ("払い戻し", "払戻し"),
    ("差し押さえ", "差押え"),
    ("取り消し", "取消し"),
    ("取り組み", "取組"),
    ("取組み", "取組"),
    ("売り上げ", "売上げ"),
    ("立ち入り", "立入り"),
    ("組み合わせ", "組合せ"),
    ("切り替え", "切替え"),
    ("入れ替え", "入替え"),
    ("乗り換え", "乗換え"),
    ("書き換え", "書換え"),
    ("借り入れ", "借入れ"),
    ("買い取り", "買取り"),
    ("引き上げ", "引上げ"),
    ("引き下げ", "引下げ"),
    ("締め切り", "締切り"),
    ("立て替え", "立替え"),
    ("建て替え", "建替え"),
    ("取り決め", "取決め"),
    ("取り締まり", "取締り"),
    ("話し合い", "話合い"),
    ("支払い", "支払"),
    ("受け入れ", "受入れ"),
    ("備え付け", "備付け"),
    ("振り込み", "振込み"),
    ("読み替え", "読替え"),
    ("持ち込み", "持込み"),
    ("呼び出し", "呼出し"),
    ("割り増し", "割増し"),
    ("下請け", "下請"),
    ("埋め立て", "埋立て"),
    ("買い入れ", "買入れ"),
    ("貸し出し", "貸出し"),
    ("申し出", "申出"),
    ("引き渡し", "引渡し"),
];

/// Compounds of a noun and another word, by custom without any okurigana.
const COMPOUNDS: [(&str, &str); 34] = [
    ("申し込み書", "申込書"),
    ("申込み書", "申込書"),
    ("取り扱い注意", "取扱注意"),
    ("取り扱い所", "取扱所"),
    ("見積もり書", "見積書"),
    ("見積り書", "見積書"),
    ("届け出書", "届出書"),
    ("引き継ぎ書", "引継書"),
    ("引継ぎ書", "引継書"),
    ("受け付け期間", "受付期間"),
    ("繰り越し金", "繰越金"),
    ("繰越し金", "繰越金"),
    ("繰り入れ金", "繰入金"),
    ("積み立て金", "積立金"),
    ("積立て金", "積立金"),
    ("貸し付け金", "貸付金"),
    ("貸付け金", "貸付金"),
    ("払い戻し金", "払戻金"),
    ("売り上げ高", "売上高"),
    ("売り上げ金", "売上金"),
    ("立ち入り検査", "立入検査"),
    ("立入り検査", "立入検査"),
    ("借り入れ金", "借入金"),
    ("借入れ金", "借入金"),
    ("締め切り日", "締切日"),
    ("受け入れ先", "受入先"),
    ("割り増し金", "割増金"),
    ("埋め立て地", "埋立地"),
    ("貸し出し票", "貸出票"),
    ("申し込み先", "申込先"),
    ("引き換え券", "引換券"),
    ("振り込み先", "振込先"),
    ("手続き上", "手続上"),
    ("支払い額", "支払額"),
];

static TABLE: LazyLock<WordTable<(&'static str, bool)>> = LazyLock::new(|| {
    let nouns = NOUNS.into_iter().map(|(spoken, written)| (spoken, (written, false)));
    WordTable::new(nouns.chain(COMPOUNDS.into_iter().map(|(spoken, written)| (spoken, (written, true)))))
});

/// Finds nouns; 「申し込みます」 and 「打ち合わせて」 are verbs and stay.
pub(super) fn find(chars: &[char]) -> Vec<Edit> {
    let mut edits = Vec::new();
    for at in 0..chars.len() {
        let goes_on = at > 0 && is_kanji(chars[at - 1]) && !"各本今御再前".contains(chars[at - 1]);
        let fits =
            |(length, (_, is_compound)): &(usize, (&str, bool))| *is_compound || is_noun(chars, at + length);
        if let Some((length, (written, _))) = TABLE.at(chars, at).find(fits)
            && !goes_on
        {
            edits.push(Edit::new(at..at + length, written, Rule::Okurigana));
        }
    }
    edits
}

/// Behind a noun stands a mark, a particle or する; a kanji makes another compound.
fn is_noun(chars: &[char], end: usize) -> bool {
    const BEHIND: [&str; 17] = [
        "が", "を", "は", "に", "の", "で", "と", "も", "へ", "や", "から", "まで", "等", "など", "する",
        "済", "か",
    ];
    let is_end = chars.get(end).is_none_or(|ch| is_mark(*ch));
    is_end || BEHIND.iter().any(|behind| stands(chars, end, behind)) && !stands(chars, end, "とお")
}
