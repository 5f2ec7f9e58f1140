//! Who reads? A few connections that can't write, each with a view of the file as of one moment.
//!
//! In write-ahead mode a reader sees the last commit and holds nobody up, and no writer holds it
//! up.

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;

use crate::{
    clock::end_of_wait,
    error::ReadError,
    open,
    sync::{Condvar, Mutex, wait_until},
};

/// The connections, made when they are first needed.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    most: usize,
    patience: Duration,
    /// Held to take or give back one. A connection is made, used and closed outside.
    pool: Mutex<Pool>,
    freed: Condvar,
}

#[derive(Debug)]
struct Pool {
    idle: Vec<Connection>,
    /// Those that exist, idle or not.
    made: usize,
}

/// A place in the pool, given back however the reading ends.
struct Place<'a> {
    readers: &'a Readers,
    /// None until it is made, and after it has failed.
    connection: Option<Connection>,
}

impl Readers {
    pub(crate) fn new(path: PathBuf, most: usize, patience: Duration) -> Self {
        let pool = Mutex::new(Pool { idle: Vec::new(), made: 0 });
        Self { path, most, patience, pool, freed: Condvar::new() }
    }

    /// Reads in one transaction: all that `read` sees is of one moment.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let mut place = self.place()?;
        let connection = match place.connection.take() {
            Some(connection) => connection,
            None => open::reader(&self.path, self.patience)?,
        };
        connection.execute_batch("BEGIN")?;
        let found = read(&connection);
        // One that can't end its transaction is not used again.
        if connection.execute_batch("ROLLBACK").is_ok() {
            place.connection = Some(connection);
        }
        found
    }

    fn place(&self) -> Result<Place<'_>, ReadError> {
        let end = end_of_wait(self.patience);
        let mut pool = self.pool.lock();
        let mut over = false;
        loop {
            if let Some(connection) = pool.idle.pop() {
                return Ok(Place { readers: self, connection: Some(connection) });
            }
            if pool.made < self.most {
                pool.made += 1;
                return Ok(Place { readers: self, connection: None });
            }
            if over {
                return Err(ReadError::Busy);
            }
            (pool, over) = wait_until(&self.freed, pool, end);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut pool = self.readers.pool.lock();
        match self.connection.take() {
            Some(connection) => pool.idle.push(connection),
            None => pool.made -= 1,
        }
        drop(pool);
        self.readers.freed.notify_one();
    }
}
