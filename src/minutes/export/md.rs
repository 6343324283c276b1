//! Markdown: headings, a table for the header, nothing that a reader of markdown would take for a mark.

use super::dates;
use super::options::{Options, SpeakerLayout};
use super::view::{Piece, Speech, View};

/// Writes the minutes as markdown.
pub(super) fn text(view: &View, options: &Options) -> String {
    let mut text = format!("# {}\n", escaped(&view.headline()));
    if !view.rows.is_empty() {
        let rows = view.rows.iter().map(|row| vec![row.label.to_owned(), row.value.clone()]);
        text.push_str(&table(&["項目", "内容"], rows));
    }
    let mut in_table = false;
    for piece in &view.pieces {
        match piece {
            Piece::Heading { level, text: heading } => {
                text.push_str(&format!("\n{} {}\n", "#".repeat(usize::from(*level) + 1), escaped(heading)));
            }
            Piece::Gap { text: gap } => text.push_str(&format!("\n{}\n", escaped(gap))),
            Piece::Speech(speech) if options.layout == SpeakerLayout::Table => {
                if !in_table {
                    text.push_str(&table(&columns(options), std::iter::empty()));
                }
                text.push_str(&table_row(&cells(speech, options)));
            }
            Piece::Speech(speech) => text.push_str(&paragraph(speech, options)),
        }
        in_table = matches!(piece, Piece::Speech(_));
    }
    if !view.items.is_empty() {
        text.push_str("\n## 決定・ToDo\n");
        let rows = view.items.iter().map(|item| {
            let done = if item.done { "済" } else { "" };
            vec![
                item.kind.to_owned(),
                item.text.clone(),
                item.assignee.clone(),
                item.due.clone(),
                done.to_owned(),
            ]
        });
        text.push_str(&table(&["種別", "内容", "担当", "期限", "状態"], rows));
    }
    if options.hidden_count {
        text.push_str(&format!("\n非表示の発言：{}件\n", view.hidden_count));
    }
    for title in &options.signatures {
        text.push_str(&format!("\n{}　＿＿＿＿＿＿＿＿＿＿＿＿\n", escaped(title)));
    }
    text
}

fn paragraph(speech: &Speech, options: &Options) -> String {
    let mut head =
        if speech.head.is_empty() { String::new() } else { format!("**{}**", escaped(&speech.head)) };
    if options.times {
        let gap = if head.is_empty() { "" } else { " " };
        head.push_str(&format!("{gap}\\[{}\\]", dates::place(speech.start_ms)));
    }
    let said = escaped(&speech.text).replace('\n', "  \n") + &escaped(&speech.marked());
    match (head.is_empty(), options.layout) {
        (true, _) => format!("\n{said}\n"),
        (false, SpeakerLayout::Space) => format!("\n{head}　{said}\n"),
        (false, SpeakerLayout::Line | SpeakerLayout::Table) => format!("\n{head}\n\n{said}\n"),
    }
}

fn columns(options: &Options) -> Vec<&'static str> {
    if options.times { vec!["時刻", "話者", "発言"] } else { vec!["話者", "発言"] }
}

fn cells(speech: &Speech, options: &Options) -> Vec<String> {
    let time = options.times.then(|| dates::place(speech.start_ms));
    time.into_iter().chain([speech.label.clone(), speech.text.clone() + &speech.marked()]).collect()
}

fn table(columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let columns: Vec<String> = columns.iter().map(|&column| column.to_owned()).collect();
    let mut text = format!("\n{}|{}\n", table_row(&columns), "---|".repeat(columns.len()));
    for row in rows {
        text.push_str(&table_row(&row));
    }
    text
}

fn table_row(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| escaped(cell).replace('\n', "<br>")).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// Takes the meaning from marks of markdown and of HTML.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let number = line.chars().take_while(char::is_ascii_digit).count();
        for (at, character) in line.chars().enumerate() {
            let numbering = number > 0 && at == number && matches!(character, '.' | ')');
            let beginning = at == 0 && matches!(character, '-' | '+' | '=');
            if numbering || beginning || "\\`*_{}[]#|~<>&!".contains(character) {
                safe.push('\\');
            }
            safe.push(character);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn words_are_never_marks() {
        let cases = [
            ("**強い**", "\\*\\*強い\\*\\*"),
            ("1. 項目\n2) 次\n- 点", "1\\. 項目\n2\\) 次\n\\- 点"),
            ("a|b<br>&amp;", "a\\|b\\<br\\>\\&amp;"),
            ("3.5倍-1", "3\\.5倍-1"),
        ];
        for (text, safe) in cases {
            assert_eq!(escaped(text), safe);
        }
    }
}
