use super::*;
use crate::minutes::export::options::Format;
use crate::minutes::export::{Exported, export, testing};

fn made(minutes: &crate::minutes::Minutes, options: &Options) -> Exported {
    let options = Options { format: Format::Pdf, ..options.clone() };
    export(minutes, &options, &Assets::default()).expect("the meeting can be exported")
}

fn faces() -> draw::Faces {
    draw::Faces::read(&Assets::default()).expect("the fonts are whole")
}

#[test]
fn characters_are_as_wide_as_the_font_says() {
    let faces = faces();
    for (character, width) in [('あ', 1.0), ('A', 0.5), ('。', 1.0), ('ｱ', 0.5), ('―', 1.0)] {
        assert_eq!(faces.width(character), width, "{character}");
    }
    assert!(faces.has('髙') && !faces.has('😀'));
}

#[test]
fn a_damaged_font_is_refused() {
    let whole = Assets::default();
    for length in [0, 11, 100, 5_000, 200_000] {
        let damaged = Assets { regular: &whole.regular[..length], ..whole };
        let refused =
            export(&testing::meeting(), &Options { format: Format::Pdf, ..Options::default() }, &damaged);
        assert!(matches!(refused, Err(ExportError::Font { .. })), "{length}");
    }
}

#[test]
fn a_character_without_a_glyph_is_told() {
    let minutes = testing::spoken(&[(0, 1_000, "絵文字😀と😀")]);
    let warnings = made(&minutes, &Options::default()).warnings;
    assert_eq!(warnings, [Warning::NoGlyph { count: 2, characters: vec!['😀'] }]);
}

#[test]
fn a_long_row_goes_on_over_the_end_of_a_page() {
    let faces = faces();
    let mut flow = Flow::new(&faces);
    let text = "長い発言です。".repeat(900);
    flow.head(&SPEECHES, &["話者", "発言"]);
    flow.row(&SPEECHES, &[Cell::strong("会長"), Cell::text(&text)]);
    flow.end_table();
    let (pages, leaves, missing) = flow.finish();
    assert!(pages.len() > 3 && missing.is_none());
    let said = leaves.iter().rposition(|leaf| matches!(leaf, flow::Leaf::Cell { head: false, .. }));
    let said = said.expect("there is a cell with text");
    let kept: String = pages.iter().flatten().filter_map(|mark| shown(mark, said)).collect();
    assert!(kept == text, "{} of {} bytes", kept.len(), text.len());
    for page in &pages[1..] {
        assert!(page.iter().any(|mark| matches!(mark, flow::Mark::Text { text, .. } if text == "話者")));
    }
}

fn shown(mark: &flow::Mark, wanted: usize) -> Option<&str> {
    match mark {
        flow::Mark::Text { text, leaf, .. } if *leaf == wanted => Some(text),
        flow::Mark::Text { .. } | flow::Mark::Line { .. } | flow::Mark::Shade { .. } => None,
    }
}

#[test]
fn no_heading_stands_last_on_a_page() {
    let faces = faces();
    for (lines, offset) in (0..45_u8).flat_map(|lines| (0..18_u8).map(move |offset| (lines, offset))) {
        let mut flow = Flow::new(&faces);
        flow.paragraph(&Look { after: offset.into(), ..SPEECH }, &[Run::plain("本文")]);
        (0..lines).for_each(|_| flow.paragraph(&SPEECH, &[Run::plain("本文")]));
        flow.paragraph(&HEADINGS[0], &[Run::bold("見出し")]);
        flow.paragraph(&HEADINGS[1], &[Run::bold("小見出し")]);
        flow.paragraph(&SPEAKER, &[Run::bold("会長")]);
        flow.paragraph(&SPEECH, &[Run::plain("発言")]);
        let (pages, _, _) = flow.finish();
        let page_of = |wanted: &str| {
            let holds = |mark: &flow::Mark| matches!(mark, flow::Mark::Text { text, .. } if text == wanted);
            pages.iter().position(|page| page.iter().any(holds))
        };
        assert_eq!(page_of("見出し"), page_of("発言"), "{lines} {offset}");
    }
}
