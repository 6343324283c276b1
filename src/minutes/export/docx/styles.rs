//! The looks of a document, each by its name, so that a person can change all of them at once.

use super::xml::{NAMESPACE, fonts};
use crate::minutes::export::options::FontChoice;

/// The styles that paragraphs name.
pub(super) const TITLE: &str = "GijirokuTitle";
pub(super) const HEADINGS: [&str; 3] = ["GijirokuHeading1", "GijirokuHeading2", "GijirokuHeading3"];
pub(super) const SPEAKER: &str = "GijirokuSpeaker";
pub(super) const SPEECH: &str = "GijirokuSpeech";
pub(super) const RUN_IN: &str = "GijirokuRunIn";
pub(super) const FURTHER: &str = "GijirokuFurther";
pub(super) const NOTE: &str = "GijirokuNote";
pub(super) const CELL: &str = "GijirokuCell";
pub(super) const LABEL: &str = "GijirokuLabel";
pub(super) const AFTER_TABLE: &str = "GijirokuAfterTable";
pub(super) const SIGNATURE: &str = "GijirokuSignature";
pub(super) const PAGE: &str = "GijirokuPage";
/// The styles that runs name.
pub(super) const NAME: &str = "GijirokuName";
pub(super) const TIME: &str = "GijirokuTime";

struct Look {
    id: &'static str,
    name: &'static str,
    paragraph: &'static str,
    run: &'static str,
}

const fn look(id: &'static str, name: &'static str, paragraph: &'static str, run: &'static str) -> Look {
    Look { id, name, paragraph, run }
}

/// Paragraph styles. Sizes are half points, distances twentieths of a point, 210 being one character of the text.
const PARAGRAPHS: [Look; 14] = [
    look(
        TITLE,
        "議事録 表題",
        r#"<w:keepNext/><w:spacing w:before="0" w:after="240"/><w:jc w:val="center"/>"#,
        r#"<w:b/><w:bCs/><w:sz w:val="32"/><w:szCs w:val="32"/>"#,
    ),
    look(
        HEADINGS[0],
        "議事録 見出し 1",
        r#"<w:keepNext/><w:keepLines/><w:spacing w:before="360" w:after="60"/><w:jc w:val="left"/><w:outlineLvl w:val="0"/>"#,
        r#"<w:b/><w:bCs/><w:sz w:val="26"/><w:szCs w:val="26"/>"#,
    ),
    look(
        HEADINGS[1],
        "議事録 見出し 2",
        r#"<w:keepNext/><w:keepLines/><w:spacing w:before="280" w:after="40"/><w:jc w:val="left"/><w:outlineLvl w:val="1"/>"#,
        r#"<w:b/><w:bCs/><w:sz w:val="23"/><w:szCs w:val="23"/>"#,
    ),
    look(
        HEADINGS[2],
        "議事録 見出し 3",
        r#"<w:keepNext/><w:keepLines/><w:spacing w:before="200" w:after="20"/><w:jc w:val="left"/><w:outlineLvl w:val="2"/>"#,
        r#"<w:b/><w:bCs/>"#,
    ),
    look(
        SPEAKER,
        "議事録 話者",
        r#"<w:keepNext/><w:spacing w:before="160" w:after="0"/><w:jc w:val="left"/>"#,
        r#"<w:b/><w:bCs/>"#,
    ),
    look(SPEECH, "議事録 発言", r#"<w:ind w:left="210" w:firstLineChars="100" w:firstLine="210"/>"#, ""),
    look(
        RUN_IN,
        "議事録 話者と発言",
        r#"<w:spacing w:before="120" w:after="0"/><w:ind w:left="210" w:hangingChars="100" w:hanging="210"/>"#,
        "",
    ),
    look(
        FURTHER,
        "議事録 発言の続き",
        r#"<w:ind w:left="210" w:firstLineChars="100" w:firstLine="210"/>"#,
        "",
    ),
    look(NOTE, "議事録 注記", r#"<w:spacing w:before="120" w:after="0"/><w:jc w:val="left"/>"#, ""),
    look(CELL, "議事録 表", r#"<w:jc w:val="left"/>"#, ""),
    look(LABEL, "議事録 表の項目", r#"<w:jc w:val="left"/>"#, r#"<w:b/><w:bCs/>"#),
    look(
        AFTER_TABLE,
        "議事録 表の後",
        r#"<w:spacing w:before="0" w:after="0" w:line="120" w:lineRule="exact"/>"#,
        r#"<w:sz w:val="8"/><w:szCs w:val="8"/>"#,
    ),
    look(
        SIGNATURE,
        "議事録 署名",
        r#"<w:keepNext/><w:tabs><w:tab w:val="left" w:pos="5400"/><w:tab w:val="right" w:leader="underscore" w:pos="9070"/></w:tabs><w:spacing w:before="360" w:after="0"/><w:ind w:left="3400"/><w:jc w:val="left"/>"#,
        "",
    ),
    look(PAGE, "議事録 頁番号", r#"<w:jc w:val="center"/>"#, r#"<w:sz w:val="20"/><w:szCs w:val="20"/>"#),
];

const RUNS: [Look; 2] = [
    look(NAME, "議事録 話者名", "", r#"<w:b/><w:bCs/>"#),
    look(TIME, "議事録 時刻", "", r#"<w:color w:val="595959"/><w:sz w:val="18"/><w:szCs w:val="18"/>"#),
];

/// Returns the styles of our own document.
pub(super) fn part(font: FontChoice) -> String {
    let fonts = fonts(Some(font));
    let normal = format!(
        r#"<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/><w:qFormat/><w:pPr><w:widowControl w:val="0"/><w:jc w:val="both"/></w:pPr><w:rPr>{fonts}</w:rPr></w:style>"#
    );
    let table = r#"<w:style w:type="table" w:default="1" w:styleId="TableNormal"><w:name w:val="Normal Table"/><w:uiPriority w:val="99"/><w:semiHidden/><w:unhideWhenUsed/><w:tblPr><w:tblInd w:w="0" w:type="dxa"/><w:tblCellMar><w:top w:w="0" w:type="dxa"/><w:left w:w="108" w:type="dxa"/><w:bottom w:w="0" w:type="dxa"/><w:right w:w="108" w:type="dxa"/></w:tblCellMar></w:tblPr></w:style>"#;
    let defaults = format!(
        r#"<w:docDefaults><w:rPrDefault><w:rPr>{fonts}<w:kern w:val="2"/><w:sz w:val="21"/><w:szCs w:val="21"/><w:lang w:val="en-US" w:eastAsia="ja-JP" w:bidi="ar-SA"/></w:rPr></w:rPrDefault><w:pPrDefault/></w:docDefaults>"#
    );
    let own = definitions(Some(font), "");
    format!(
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?><w:styles xmlns:w="{NAMESPACE}">{defaults}{normal}{table}{own}</w:styles>"#
    )
}

/// Returns the definitions that `existing` styles lack.
pub(super) fn definitions(font: Option<FontChoice>, existing: &str) -> String {
    let fonts = fonts(font);
    let lacking = |look: &&Look| !existing.contains(&format!(r#"w:styleId="{}""#, look.id));
    let paragraph = |look: &Look| {
        // The names Word knows its own headings by: they make the outline and the navigation pane.
        let built_in = HEADINGS.iter().position(|id| *id == look.id).filter(|_| font.is_some());
        let name = match built_in {
            Some(level) => format!("heading {}", level + 1),
            None if look.id == TITLE && font.is_some() => "Title".to_owned(),
            None => look.name.to_owned(),
        };
        let base = if font.is_some() { r#"<w:basedOn w:val="Normal"/>"# } else { "" };
        format!(
            r#"<w:style w:type="paragraph" w:customStyle="{}" w:styleId="{}"><w:name w:val="{name}"/>{base}<w:qFormat/><w:pPr>{}</w:pPr><w:rPr>{fonts}{}</w:rPr></w:style>"#,
            u8::from(name == look.name),
            look.id,
            look.paragraph,
            look.run
        )
    };
    let run = |look: &Look| {
        format!(
            r#"<w:style w:type="character" w:customStyle="1" w:styleId="{}"><w:name w:val="{}"/><w:rPr>{fonts}{}</w:rPr></w:style>"#,
            look.id, look.name, look.run
        )
    };
    let paragraphs = PARAGRAPHS.iter().filter(lacking).map(paragraph);
    paragraphs.chain(RUNS.iter().filter(lacking).map(run)).collect()
}
