//! Rows of every table, in a form that both databases read.

use std::io::Write;

use super::BackupError;
use super::archive::{ArchiveWriter, Part};
use crate::store::StoreError;
use crate::store::dialect::{Tx, Value, values};

/// What a backup holds; a table comes after those it refers to.
pub const KEPT: [&str; 37] = [
    "settings",
    "departments",
    "users",
    "seat_licence",
    "transfers",
    "tokens",
    "links",
    "templates",
    "meetings",
    "members",
    "uploads",
    "recordings",
    "jobs",
    "windows",
    "transcripts",
    "lives",
    "live_streams",
    "live_lines",
    "live_notes",
    "minutes",
    "snapshots",
    "revisions",
    "editions",
    "drafts",
    "word_groups",
    "words",
    "word_choices",
    "audit",
    "erasures",
    "voice_rules",
    "voices",
    "voice_erasures",
    "voice_lessons",
    "seat_leader",
    "seat_event",
    "seat_snapshot",
    "seat_meta",
];
/// What it leaves out: everybody signs in anew after a restore, the search index is made from the minutes, and
/// the proofs of seats from their events.
#[cfg(test)]
const LEFT_OUT: [&str; 5] = ["sessions", "search_rows", "search_terms", "seat_lease", "_sqlx_migrations"];
/// Columns that refer to their own table: filled when every row is there.
const OWN_REFERENCES: [(&str, &str); 1] = [("departments", "parent_id")];
/// A column of a table.
pub struct Column {
    name: String,
    is_int: bool,
}

/// Returns the number of the last migration.
pub async fn version(tx: &mut Tx) -> Result<i64, StoreError> {
    let row = tx.row("SELECT MAX(version) FROM _sqlx_migrations", &[]).await?;
    row.map_or(Ok(0), |row| row.int(0))
}

/// Returns the columns of a table.
pub async fn columns(tx: &mut Tx, table: &str) -> Result<Vec<Column>, StoreError> {
    let sql = tx.either(
        "SELECT name, type FROM pragma_table_info($1) ORDER BY cid",
        "SELECT column_name::text, data_type::text FROM information_schema.columns WHERE table_schema = \
         current_schema() AND table_name = $1 ORDER BY ordinal_position",
    );
    let rows = tx.rows(sql, values![table]).await?;
    let column = |row: &crate::store::dialect::Row| {
        let kind = row.text(1)?;
        Ok(Column { name: row.text(0)?, is_int: matches!(kind.as_str(), "INTEGER" | "bigint") })
    };
    rows.iter().map(column).collect()
}

/// Writes every row of a table.
pub async fn export<W: Write>(
    tx: &mut Tx,
    table: &str,
    archive: &mut ArchiveWriter<W>,
) -> Result<(), BackupError> {
    let columns = columns(tx, table).await?;
    let names: Vec<String> = columns.into_iter().map(|column| column.name).collect();
    let list = names.join(", ");
    let array = tx.either("json_array", "json_build_array");
    let sql = format!("SELECT CAST({array}({list}) AS TEXT) FROM {table} ORDER BY 1");
    // By the primary key where a row's place matters: an audit log is read in its own order.
    let sql = if table == "audit" { sql.replace("ORDER BY 1", "ORDER BY seq") } else { sql };
    archive.begin(Part::Table { name: table.to_owned(), columns: names })?;
    tx.each_text(&sql, &[], |row| archive.frame(row.as_bytes())).await?;
    archive.end().map(drop)
}

/// Tells the first table that has rows, of those a restore fills.
pub async fn first_filled(tx: &mut Tx) -> Result<Option<&'static str>, StoreError> {
    for table in KEPT {
        let mut is_filled = false;
        let sql = format!("SELECT '1' FROM {table} LIMIT 1");
        tx.each_text(&sql, &[], |_| {
            is_filled = true;
            Ok::<(), StoreError>(())
        })
        .await?;
        if is_filled {
            return Ok(Some(table));
        }
    }
    Ok(None)
}

/// Fills one table.
pub struct Import {
    table: &'static str,
    insert: String,
    /// For each value in a row of the backup: whether it is a number here.
    is_int: Vec<bool>,
    /// Which value refers to the table itself, and its column.
    own: Option<(usize, &'static str)>,
    /// What such values were: the row's first value, and the reference.
    later: Vec<(Value, Value)>,
}

impl Import {
    /// Prepares to fill a table.
    ///
    /// Errors: [`BackupError::Strange`] if the backup's table or a column of it is unknown here.
    pub async fn new(tx: &mut Tx, name: &str, names: &[String]) -> Result<Self, BackupError> {
        let strange = |what: &str| BackupError::Strange { what: format!("{what} {name}") };
        let table = KEPT.into_iter().find(|table| *table == name).ok_or_else(|| strange("the table"))?;
        let known = columns(tx, table).await?;
        let kind =
            |name: &String| known.iter().find(|column| column.name == *name).map(|column| column.is_int);
        let is_int: Option<Vec<bool>> = names.iter().map(kind).collect();
        let is_int = is_int.ok_or_else(|| strange("a column of"))?;
        let places: Vec<String> = (1..=names.len()).map(|number| format!("${number}")).collect();
        let insert = format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), places.join(", "));
        let own = OWN_REFERENCES.iter().find(|(referring, _)| *referring == table);
        let own = own.and_then(|(_, column)| {
            names.iter().position(|name| name == column).map(|index| (index, *column))
        });
        Ok(Self { table, insert, is_int, own, later: Vec::new() })
    }

    /// Writes a row.
    ///
    /// Errors: [`BackupError::Strange`] if it does not fit.
    pub async fn row(&mut self, tx: &mut Tx, row: &[u8]) -> Result<(), BackupError> {
        let strange = || BackupError::Strange { what: format!("a row of {}", self.table) };
        let cells: Vec<serde_json::Value> = serde_json::from_slice(row).map_err(|_| strange())?;
        if cells.len() != self.is_int.len() {
            return Err(strange());
        }
        let values: Option<Vec<Value>> =
            cells.into_iter().zip(&self.is_int).map(|(cell, is_int)| value(cell, *is_int)).collect();
        let mut values = values.ok_or_else(strange)?;
        if let Some((index, _)) = self.own
            && values[index] != Value::Text(None)
        {
            let reference = std::mem::replace(&mut values[index], Value::Text(None));
            self.later.push((values[0].clone(), reference));
        }
        tx.run_composed(&self.insert, &values).await?;
        Ok(())
    }

    /// Writes what had to wait for every row.
    pub async fn finish(self, tx: &mut Tx) -> Result<(), BackupError> {
        let Some((_, column)) = self.own else { return Ok(()) };
        let update = format!("UPDATE {} SET {column} = $2 WHERE id = $1", self.table);
        for (id, reference) in self.later {
            tx.run_composed(&update, &[id, reference]).await?;
        }
        Ok(())
    }
}

fn value(cell: serde_json::Value, is_int: bool) -> Option<Value> {
    match (cell, is_int) {
        (serde_json::Value::Null, true) => Some(Value::Int(None)),
        (serde_json::Value::Null, false) => Some(Value::Text(None)),
        (serde_json::Value::Number(number), true) => Some(Value::Int(Some(number.as_i64()?))),
        (serde_json::Value::String(text), false) => Some(Value::Text(Some(text))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::store::{Location, Store};

    #[tokio::test]
    async fn every_table_is_kept_or_left_out_on_purpose_and_holds_numbers_and_texts_only() {
        let folder = tempfile::tempdir().expect("temporary folders can be made");
        let location = Location::File(folder.path().join("gijiroku.sqlite"));
        let store = Store::open(&location).await.expect("a new database can be made");
        let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE \
                   'search_terms_%'";
        let rows = store.database.rows(sql, &[]).await.expect("the database answers");
        let found: BTreeSet<String> = rows.iter().map(|row| row.text(0).expect("it is text")).collect();
        let told: BTreeSet<String> = KEPT.iter().chain(&LEFT_OUT).map(|name| (*name).to_owned()).collect();
        assert_eq!(found, told);
        let sql = "SELECT DISTINCT c.type FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' \
                   AND m.sql LIKE '%STRICT' ORDER BY 1";
        let rows = store.database.rows(sql, &[]).await.expect("the database answers");
        let kinds: Vec<String> = rows.iter().map(|row| row.text(0).expect("it is text")).collect();
        assert_eq!(kinds, ["INTEGER", "TEXT"]);
    }
}
