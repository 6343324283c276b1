//! `{{会議名}}` in a part of somebody's Word file becomes the meeting's name.

use std::collections::{BTreeMap, BTreeSet};

use super::xml::lines;

/// Longest name between the braces; what is longer is text.
const NAME_CHARACTERS_MAX: usize = 30;

/// Deepest paragraph inside a paragraph, as text boxes have it.
const DEPTH_MAX: usize = 64;

/// What stands for the names.
pub(super) struct Values {
    /// Text, put where the name stood.
    pub(super) texts: BTreeMap<String, String>,
    /// Paragraphs and tables, put where the name's paragraph stood.
    pub(super) blocks: BTreeMap<&'static str, String>,
}

/// A part with its names replaced.
pub(super) struct Filled {
    pub(super) xml: String,
    /// The blocks that found their place.
    pub(super) placed: BTreeSet<&'static str>,
    /// The names nobody knows.
    pub(super) unknown: BTreeSet<String>,
}

/// Replaces the names in a part.
///
/// Errors: a sentence for the person who made the file.
pub(super) fn fill(part: &str, values: &Values) -> Result<Filled, &'static str> {
    let tokens = tokens(part)?;
    let mut filling =
        Filling { values, changed: BTreeMap::new(), placed: BTreeSet::new(), unknown: BTreeSet::new() };
    let mut open: Vec<Paragraph> = Vec::new();
    let mut in_text = false;
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Tag(tag) if opens(tag, "w:p") => {
                if open.len() >= DEPTH_MAX {
                    return Err("文書の入れ子が深すぎます。");
                }
                open.push(Paragraph { first: index, ..Paragraph::default() });
            }
            Token::Tag("</w:p>") => {
                if let Some(paragraph) = open.pop() {
                    filling.paragraph(&tokens, &paragraph, index)?;
                }
            }
            Token::Tag(tag) if opens(tag, "w:t") => in_text = true,
            Token::Tag("</w:t>") => in_text = false,
            Token::Tag(tag) => {
                if let Some(paragraph) = open.last_mut().filter(|_| tag.starts_with("<w:sectPr")) {
                    paragraph.ends_section = true;
                }
            }
            Token::Text(text) => {
                // Only what its own tag stands before: that tag is written anew with the text.
                let own =
                    in_text && index > 0 && matches!(tokens[index - 1], Token::Tag(tag) if opens(tag, "w:t"));
                if let Some(paragraph) = open.last_mut().filter(|_| own) {
                    paragraph.texts.push((index, unescaped(text)));
                }
            }
        }
    }
    let mut xml = String::with_capacity(part.len());
    for (index, token) in tokens.iter().enumerate() {
        match (filling.changed.get(&index), token) {
            (Some(changed), _) => xml.push_str(changed),
            (None, Token::Tag(text) | Token::Text(text)) => xml.push_str(text),
        }
    }
    Ok(Filled { xml, placed: filling.placed, unknown: filling.unknown })
}

/// A paragraph that was begun.
#[derive(Default)]
struct Paragraph {
    first: usize,
    /// Its pieces of text: Word divides what a person typed in one go.
    texts: Vec<(usize, String)>,
    ends_section: bool,
}

struct Filling<'a> {
    values: &'a Values,
    /// What stands in a token's place.
    changed: BTreeMap<usize, String>,
    placed: BTreeSet<&'static str>,
    unknown: BTreeSet<String>,
}

impl Filling<'_> {
    fn paragraph(
        &mut self,
        tokens: &[Token],
        paragraph: &Paragraph,
        last: usize,
    ) -> Result<(), &'static str> {
        let joined: String = paragraph.texts.iter().map(|(_, text)| text.as_str()).collect();
        let found = names(&joined);
        let block = found.iter().find_map(|found| self.values.blocks.get_key_value(found.name));
        if let Some((name, xml)) = block {
            if found.len() != 1 || joined.trim().len() != found[0].end - found[0].begin {
                return Err("{{本文}} などの差込み名は、ほかの文字のない段落に置いてください。");
            }
            if !self.placed.insert(name) {
                return Err("{{本文}} などの差込み名は、1か所だけに置いてください。");
            }
            self.place(tokens, paragraph, last, xml);
            return Ok(());
        }
        if found.is_empty() {
            return Ok(());
        }
        let mut written = vec![String::new(); paragraph.texts.len()];
        let mut at = 0;
        for found in &found {
            copy(&mut written, paragraph, &joined, at..found.begin);
            if let Some(value) = self.values.texts.get(found.name) {
                written[owner(paragraph, found.begin)].push_str(value);
            } else {
                self.unknown.insert(found.name.to_owned());
                copy(&mut written, paragraph, &joined, found.begin..found.end);
            }
            at = found.end;
        }
        copy(&mut written, paragraph, &joined, at..joined.len());
        for ((index, before), after) in paragraph.texts.iter().zip(written) {
            if *before != after {
                // The text closes its own element and opens the last line's; the tag before it is left out.
                let xml = lines(&after);
                let inner = xml.strip_suffix("</w:t>").unwrap_or(&xml);
                self.changed.insert(index - 1, String::new());
                self.changed.insert(*index, inner.to_owned());
            }
        }
        Ok(())
    }

    /// Puts a block where a paragraph stood; one that ends a section stays, without its text.
    fn place(&mut self, tokens: &[Token], paragraph: &Paragraph, last: usize, xml: &str) {
        if paragraph.ends_section {
            for (index, _) in &paragraph.texts {
                self.changed.insert(*index, String::new());
            }
            let Token::Tag(tag) = tokens[paragraph.first] else { return };
            self.changed.insert(paragraph.first, format!("{xml}{tag}"));
        } else {
            self.changed.extend((paragraph.first..=last).map(|index| (index, String::new())));
            self.changed.insert(paragraph.first, xml.to_owned());
        }
    }
}

/// Copies a stretch of the joined text to the pieces it came from.
fn copy(written: &mut [String], paragraph: &Paragraph, joined: &str, stretch: std::ops::Range<usize>) {
    let mut begin = 0;
    for ((_, text), written) in paragraph.texts.iter().zip(written) {
        let end = begin + text.len();
        let (from, to) = (stretch.start.max(begin), stretch.end.min(end));
        if from < to {
            written.push_str(&joined[from..to]);
        }
        begin = end;
    }
}

/// Returns which piece holds a place of the joined text.
fn owner(paragraph: &Paragraph, at: usize) -> usize {
    let mut end = 0;
    let holds = |(_, text): &(usize, String)| {
        end += text.len();
        at < end
    };
    paragraph.texts.iter().position(holds).unwrap_or(0)
}

struct Name<'a> {
    name: &'a str,
    begin: usize,
    end: usize,
}

/// Returns the names in a text; braces of full width are taken too, for that is what an IME writes.
fn names(text: &str) -> Vec<Name<'_>> {
    let (mut found, mut at) = (Vec::new(), 0);
    let first = |text: &str, pairs: [&str; 2]| {
        pairs.iter().filter_map(|pair| text.find(pair).map(|at| (at, pair.len()))).min()
    };
    while let Some((begin, open)) = first(&text[at..], ["{{", "｛｛"]) {
        let begin = at + begin;
        let inside = begin + open;
        let Some((length, close)) = first(&text[inside..], ["}}", "｝｝"]) else { break };
        let name = text[inside..inside + length].trim();
        let short = name.chars().count() <= NAME_CHARACTERS_MAX && !name.contains(['{', '｛']);
        if short && !name.is_empty() {
            let end = inside + length + close;
            found.push(Name { name, begin, end });
            at = end;
        } else {
            at = inside;
        }
    }
    found
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// From `<` to `>`, comments and instructions among them.
    Tag(&'a str),
    Text(&'a str),
}

fn tokens(xml: &str) -> Result<Vec<Token<'_>>, &'static str> {
    const BROKEN: &str = "文書の中身が壊れています。Word で開いて保存し直してください。";
    let (mut tokens, mut at) = (Vec::new(), 0);
    while at < xml.len() {
        let rest = &xml[at..];
        let length = match rest.find('<') {
            Some(0) => tag_length(rest).ok_or(BROKEN)?,
            Some(length) => length,
            None => rest.len(),
        };
        let piece = &rest[..length];
        tokens.push(if piece.starts_with('<') { Token::Tag(piece) } else { Token::Text(piece) });
        at += length;
    }
    Ok(tokens)
}

/// Returns how long the tag at the beginning of a text is; a `>` inside quotes does not end it.
fn tag_length(text: &str) -> Option<usize> {
    for (open, close) in [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")] {
        if text.starts_with(open) {
            return Some(text.find(close)? + close.len());
        }
    }
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            (None | Some(_), _) => {}
        }
    }
    None
}

/// Returns whether a tag begins an element that has content.
fn opens(tag: &str, name: &str) -> bool {
    let Some(rest) = tag.strip_prefix('<').and_then(|tag| tag.strip_prefix(name)) else { return false };
    rest.starts_with(['>', ' ', '\n', '\r', '\t']) && !rest.ends_with("/>")
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Values {
            texts: BTreeMap::from([
                text("会議名", "A<B>&会議"),
                text("出席者", "山田\n鈴木"),
                text("備考", ""),
            ]),
            blocks: BTreeMap::from([("本文", "<w:p>BODY</w:p>".to_owned())]),
        }
    }

    fn filled(part: &str) -> String {
        fill(part, &values()).map(|filled| filled.xml).expect("the part is whole")
    }

    #[test]
    fn a_name_is_found_when_word_divided_it() {
        let part = "<w:p a=\"x>y\"><w:r><w:t>題：{</w:t></w:r><w:r><w:rPr/><w:t xml:space=\"preserve\">{会議</w:t></w:r><w:r><w:t>名}}です</w:t></w:r></w:p>";
        let xml = filled(part);
        assert!(xml.contains(">題：A&lt;B&gt;&amp;会議</w:t>"), "{xml}");
        assert!(xml.contains(">です</w:t>") && !xml.contains('{'), "{xml}");
        assert_eq!(xml.matches("<w:t").count(), xml.matches("</w:t>").count());
    }

    #[test]
    fn lines_become_breaks_and_an_empty_value_nothing() {
        let xml = filled("<w:p><w:r><w:t>{{出席者}}。｛｛備考｝｝</w:t></w:r></w:p>");
        assert_eq!(
            xml,
            "<w:p><w:r><w:t xml:space=\"preserve\">山田</w:t><w:tab/><w:br/><w:t xml:space=\"preserve\">鈴木。</w:t></w:r></w:p>"
        );
    }

    #[test]
    fn a_block_takes_the_place_of_its_paragraph() {
        assert_eq!(
            filled("<w:p/><w:p><w:r><w:t>{{ 本文 }}</w:t></w:r></w:p><w:p/>"),
            "<w:p/><w:p>BODY</w:p><w:p/>"
        );
        let section = "<w:p><w:pPr><w:sectPr/></w:pPr><w:r><w:t>{{本文}}</w:t></w:r></w:p>";
        assert_eq!(
            filled(section),
            "<w:p>BODY</w:p><w:p><w:pPr><w:sectPr/></w:pPr><w:r><w:t></w:t></w:r></w:p>"
        );
    }

    #[test]
    fn a_block_among_other_words_is_refused() {
        assert!(fill("<w:p><w:r><w:t>以下{{本文}}</w:t></w:r></w:p>", &values()).is_err());
        let twice = "<w:p><w:r><w:t>{{本文}}</w:t></w:r></w:p>".repeat(2);
        assert!(fill(&twice, &values()).is_err());
    }

    #[test]
    fn unknown_names_stay_and_are_told() {
        let part = "<w:p><w:r><w:t>{{天気}}と{{会議名}}</w:t></w:r></w:p>";
        let filled = fill(part, &values()).expect("the part is whole");
        assert!(filled.xml.contains(">{{天気}}とA&lt;"), "{}", filled.xml);
        assert_eq!(filled.unknown, BTreeSet::from(["天気".to_owned()]));
    }

    #[test]
    fn what_has_no_names_stays_as_it_is() {
        let part = "<?xml version=\"1.0\"?><!-- {{会議名}} > --><w:p><w:r><w:t>a &amp; {b}</w:t><w:tab/></w:r></w:p>";
        assert_eq!(filled(part), part);
    }

    #[test]
    fn a_broken_or_endless_part_is_refused() {
        assert!(fill("<w:p><w:r", &values()).is_err());
        assert!(fill(&"<w:p>".repeat(100), &values()).is_err());
    }
}
