//! The settings as text: all of them with what they mean, or those in use with where they come from.

use toml::{Table, Value};

use super::{Config, KEYS, Key, Loaded, Origin};

/// One setting in use, ready to print.
#[derive(Debug, PartialEq, Eq)]
pub struct Shown {
    /// `section.key`.
    pub name: String,
    /// The value as TOML; of a secret only that it is there; `None` if there is none.
    pub value: Option<String>,
    /// Where it comes from.
    pub origin: Origin,
}

impl Config {
    /// Returns a TOML file of all settings with their defaults and what they mean; it reads back as the default.
    pub fn reference() -> String {
        let defaults = Self::default().table();
        let mut text = String::from(
            "# gijiroku の設定\n\
             #\n\
             # このファイルは無くても動きます。書いてある値は既定値です。\n\
             # 環境変数 GIJIROKU__区分__項目(例: GIJIROKU__SERVER__LISTEN)はこのファイルより優先します。\n\
             # 先頭が # の項目には既定値がありません。使うときは # を外して書き換えてください。\n",
        );
        let mut section = "";
        for key in KEYS {
            if key.section != section {
                section = key.section;
                text.push('\n');
                push_comment(&mut text, key.section_doc);
                text.push_str(&format!("[{section}]\n"));
            }
            push_comment(&mut text, key.doc);
            text.push_str(&line(&defaults, key));
        }
        text
    }

    /// Secrets are already replaced in it.
    fn table(&self) -> Table {
        Table::try_from(self).expect("every setting has a form in TOML")
    }
}

impl Loaded {
    /// Lists every setting with its value and where it comes from; secrets are not shown.
    pub fn shown(&self) -> Vec<Shown> {
        let table = self.config.table();
        let shown = |key: &Key| Shown {
            name: key.full_name(),
            value: value(&table, key).map(ToString::to_string),
            origin: self.origin(key),
        };
        KEYS.iter().map(shown).collect()
    }
}

fn push_comment(text: &mut String, lines: &[&str]) {
    for line in lines {
        text.push_str(&format!("#{line}\n"));
    }
}

fn line(defaults: &Table, key: &Key) -> String {
    let name = key.name;
    match (value(defaults, key), key.example) {
        (Some(value), _) => format!("{name} = {value}\n"),
        (None, example) => format!("#{name} = {}\n", example.unwrap_or("\"\"")),
    }
}

fn value<'table>(table: &'table Table, key: &Key) -> Option<&'table Value> {
    table.get(key.section)?.get(key.name)
}
