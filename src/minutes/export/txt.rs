//! Plain text: no wrapping, lines end as on Windows.

use super::dates;
use super::options::{Options, SpeakerLayout};
use super::view::{Piece, Speech, View};

/// Writes the minutes as plain text.
pub(super) fn text(view: &View, options: &Options) -> String {
    let mut lines = vec![view.headline(), String::new()];
    for row in &view.rows {
        let indent = format!("\n{}", "　".repeat(row.label.chars().count() + 1));
        lines.push(format!("{}：{}", row.label, row.value.replace('\n', &indent)));
    }
    for piece in &view.pieces {
        match piece {
            Piece::Heading { text, .. } => lines.extend([String::new(), format!("■{text}")]),
            Piece::Gap { text } => lines.extend([String::new(), text.clone()]),
            Piece::Speech(speech) => push_speech(&mut lines, speech, options),
        }
    }
    if !view.items.is_empty() {
        lines.extend([String::new(), "■決定・ToDo".to_owned()]);
        for item in &view.items {
            let details = [("担当：", &item.assignee), ("期限：", &item.due)];
            let details: Vec<String> = details
                .iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(label, value)| format!("{label}{value}"))
                .chain(item.done.then(|| "済".to_owned()))
                .collect();
            let details =
                if details.is_empty() { String::new() } else { format!("（{}）", details.join("、")) };
            lines.push(format!("【{}】{}{details}", item.kind, item.text));
        }
    }
    if options.hidden_count {
        lines.extend([String::new(), format!("非表示の発言：{}件", view.hidden_count)]);
    }
    for title in &options.signatures {
        lines.extend([String::new(), format!("{title}　＿＿＿＿＿＿＿＿＿＿＿＿")]);
    }
    let text = lines.join("\n") + "\n";
    text.replace('\n', "\r\n")
}

fn push_speech(lines: &mut Vec<String>, speech: &Speech, options: &Options) {
    let time = if options.times { format!("[{}]", dates::place(speech.start_ms)) } else { String::new() };
    let (label, text, marks) = (&speech.head, &speech.text, speech.marked());
    let gap = if label.is_empty() || time.is_empty() { "" } else { " " };
    let head = format!("{time}{gap}{label}");
    match options.layout {
        SpeakerLayout::Line => {
            lines.push(String::new());
            if !head.is_empty() {
                lines.push(head);
            }
            lines.push(format!("{text}{marks}"));
        }
        SpeakerLayout::Space if head.is_empty() => lines.push(format!("{text}{marks}")),
        SpeakerLayout::Space => lines.push(format!("{head}　{}{marks}", text.replace('\n', "\n　"))),
        SpeakerLayout::Table => {
            let time =
                if options.times { format!("{}\t", dates::place(speech.start_ms)) } else { String::new() };
            lines.push(format!("{time}{}\t{}{marks}", speech.label, text.replace('\n', " ")));
        }
    }
}
