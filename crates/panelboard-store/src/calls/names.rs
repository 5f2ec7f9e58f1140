//! Which number does a name have in the file? Each is written once, and remembered here.

use std::{collections::HashMap, sync::Arc};

use rusqlite::{Connection, OptionalExtension as _};

use crate::db::{Broken, Db};

/// Of a longer name, so many bytes are kept.
const MAX_NAME: usize = 512;

/// The writer's memory of names. They come from a configuration and are few; at the bound it is
/// emptied, and read again.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<Arc<str>, i64>);

/// So many are remembered.
pub(super) const MAX_NAMES: usize = 1_024;

impl Names {
    /// The number of a name, which is written if it is new. In a transaction.
    pub(super) fn number(&mut self, db: &mut Db, name: &Arc<str>) -> Result<i64, Broken> {
        if let Some(number) = self.0.get(name) {
            return Ok(*number);
        }
        let text = &name[..name.floor_char_boundary(MAX_NAME)];
        let number = match find(db.reading(), text)? {
            Some(number) => number,
            None => {
                db.execute("INSERT INTO name (text) VALUES (?1)", [text])?;
                db.reading().last_insert_rowid()
            }
        };
        if self.0.len() >= MAX_NAMES {
            self.0.clear();
        }
        self.0.insert(Arc::clone(name), number);
        Ok(number)
    }

    /// What was written may not be there: a transaction failed, or names were removed.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

/// The number of a name that is in the file.
pub(super) fn find(connection: &Connection, text: &str) -> rusqlite::Result<Option<i64>> {
    let mut find = connection.prepare_cached("SELECT id FROM name WHERE text = ?1")?;
    find.query_row([text], |row| row.get(0)).optional()
}

/// The names of numbers, as of one moment: of the rows of one page.
#[derive(Debug)]
pub(super) struct Texts<'c> {
    connection: &'c Connection,
    known: HashMap<i64, Arc<str>>,
}

impl<'c> Texts<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self { connection, known: HashMap::new() }
    }

    pub(super) fn of(&mut self, number: i64) -> rusqlite::Result<Arc<str>> {
        if let Some(text) = self.known.get(&number) {
            return Ok(Arc::clone(text));
        }
        let mut read = self.connection.prepare_cached("SELECT text FROM name WHERE id = ?1")?;
        let text: Arc<str> = read.query_row([number], |row| row.get::<_, String>(0))?.into();
        self.known.insert(number, Arc::clone(&text));
        Ok(text)
    }
}
