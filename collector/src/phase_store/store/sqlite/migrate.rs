//! Brings a SQLite store to the schema of this binary, one numbered SQL file after the other.
//!
//! - **Guaranteed:** each file runs once, in its own transaction, together with its entry in
//!   `schema_migrations`. A store of a newer binary, or one whose files differ from ours, is left
//!   as it is and named.

use rusqlite::{Connection, OptionalExtension};
use sha2::{Digest, Sha256};

use super::OpenError;

/// One numbered file.
struct Migration {
    version: i64,
    name: &'static str,
    sql: &'static str,
}

/// What a look at the store tells, without touching it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// The newest file that has run; 0 in an empty store.
    pub store: i64,
    /// The newest file of this binary.
    pub binary: i64,
}

/// Reads the version and checks that the store is one of ours, not newer, and not different.
///
/// # Errors
/// The store must not be used by this binary; the error says why.
pub fn check(connection: &Connection) -> Result<Version, OpenError> {
    let binary = MIGRATIONS.len() as i64;
    let known: Option<String> = connection
        .query_row("SELECT name FROM sqlite_schema WHERE name = 'schema_migrations'", [], |row| row.get(0))
        .optional()?;
    if known.is_none() {
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        return if tables == 0 { Ok(Version { store: 0, binary }) } else { Err(OpenError::Foreign) };
    }
    let mut select =
        connection.prepare("SELECT version, checksum FROM schema_migrations ORDER BY version")?;
    let applied = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut store = 0;
    for entry in applied {
        let (version, checksum): (i64, String) = entry?;
        store = version;
        let ours = MIGRATIONS.iter().find(|migration| migration.version == version);
        if ours.is_some_and(|ours| ours.checksum() != checksum) {
            return Err(OpenError::Changed { version });
        }
    }
    if store > binary { Err(OpenError::Newer { store, binary }) } else { Ok(Version { store, binary }) }
}

/// Runs what is missing.
///
/// # Errors
/// As [`check`], or a file failed; then that file left no trace.
pub fn run(connection: &mut Connection, now: &str) -> Result<Version, OpenError> {
    let version = check(connection)?;
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > version.store) {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction.execute_batch(LEDGER)?;
        // Another process may have been faster between the check and the lock.
        let entry = "INSERT INTO schema_migrations (version, name, checksum, inserted_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (version) DO NOTHING";
        let fresh =
            transaction.execute(entry, (migration.version, migration.name, migration.checksum(), now))?;
        if fresh == 1 {
            transaction.execute_batch(migration.sql)?;
        }
        transaction.commit()?;
    }
    Ok(Version { store: version.binary, ..version })
}

// === impl Migration ===

impl Migration {
    fn checksum(&self) -> String {
        super::super::super::keys::hex(&Sha256::digest(self.sql.as_bytes()))
    }
}

const LEDGER: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version      INTEGER PRIMARY KEY,
    name         TEXT    NOT NULL,
    checksum     TEXT    NOT NULL,
    inserted_at  TEXT    NOT NULL
)";

/// In order, numbered from 1 without a gap. A file that has been released never changes.
const MIGRATIONS: [Migration; 1] =
    [Migration { version: 1, name: "phases", sql: include_str!("0001_phases.sql") }];

#[cfg(test)]
mod tests {
    use super::*;

    fn migrated() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        run(&mut connection, "2026-11-21T00:00:00Z").unwrap();
        connection
    }

    #[test]
    fn an_empty_store_is_brought_to_the_newest_version_and_stays_there() {
        let mut connection = migrated();
        let before: i64 = connection.query_row("SELECT total_changes()", [], |row| row.get(0)).unwrap();
        assert_eq!(run(&mut connection, "later").unwrap(), Version { store: 1, binary: 1 });
        let after: i64 = connection.query_row("SELECT total_changes()", [], |row| row.get(0)).unwrap();
        assert_eq!(before, after, "a second run writes nothing");
    }

    #[test]
    fn a_newer_store_is_refused() {
        let mut connection = migrated();
        let newer = "INSERT INTO schema_migrations VALUES (7, 'later', 'x', 'x')";
        connection.execute(newer, []).unwrap();
        let error = run(&mut connection, "now").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the store has schema version 7, this binary knows 1: use a newer phasor; nothing was changed"
        );
    }

    #[test]
    fn a_store_whose_files_differ_and_a_foreign_database_are_refused() {
        let mut connection = migrated();
        connection.execute("UPDATE schema_migrations SET checksum = 'x'", []).unwrap();
        assert!(matches!(run(&mut connection, "now"), Err(OpenError::Changed { version: 1 })));

        let mut foreign = Connection::open_in_memory().unwrap();
        foreign.execute_batch("CREATE TABLE invoices (id INTEGER)").unwrap();
        assert!(matches!(run(&mut foreign, "now"), Err(OpenError::Foreign)));
    }
}
