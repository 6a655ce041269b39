//! The embedded store: SQLite in WAL mode, one writer thread, a few readers.
//!
//! - **Guaranteed:** a transaction is answered after its commit reached the disk
//!   (`synchronous=FULL`). Requests that arrive while a commit runs share the next one; each has a
//!   savepoint of its own, so that one that fails does not take its neighbours along.
//! - **Not here:** what is in the transactions; see `write` and `read`.

pub mod access;
pub mod migrate;
mod read;
mod write;

use std::{
    fs::OpenOptions,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use pipelines::time::UnixNanos;
use rusqlite::{Connection, OpenFlags, config::DbConfig};
use thiserror::Error;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};

use super::{
    Answer, OutboxRow, PhaseFilter, Scope, Store, StoreError, StorePhase, Stored, StoredPhase, StoredTask,
    TaskFilter,
};
use crate::phase_store::{ids::TaskId, keys::Access, time_text};

/// A store in one file.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    epoch: u128,
    writer: mpsc::Sender<Work>,
    readers: Arc<Mutex<Vec<Connection>>>,
    /// Bounds the readers that are open at a time.
    reading: Arc<Semaphore>,
    outbox_changed: Arc<Notify>,
}

/// Why a store cannot be used. Nothing was changed.
#[derive(Debug, Error)]
pub enum OpenError {
    /// A newer binary has written it.
    #[error(
        "the store has schema version {store}, this binary knows {binary}: use a newer phasor; nothing was changed"
    )]
    Newer {
        /// Its version.
        store: i64,
        /// Ours.
        binary: i64,
    },
    /// It was made with another text of a migration.
    #[error("migration {version} of the store differs from this binary's: it belongs to another build")]
    Changed {
        /// Which one.
        version: i64,
    },
    /// A database, but not one of ours.
    #[error("the file is a database of another program")]
    Foreign,
    /// SQLite says no.
    #[error("SQLite")]
    Database(#[from] rusqlite::Error),
    /// The file cannot be made.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// One transaction's work. Tells whether its savepoint is kept, and how to answer after the commit.
type Work = Box<dyn FnOnce(&Connection) -> (bool, Reply) + Send>;
/// Called with what became of the commit.
type Reply = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// The file of the store within a data directory.
pub fn path_in(data_dir: &Path) -> PathBuf {
    data_dir.join("phases.sqlite")
}

/// Opens, or creates and migrates, the store at `path`. `epoch` is used only if it is created.
///
/// # Errors
/// The store cannot be used; it was not changed.
pub fn connect(path: &Path, epoch: u128, now: UnixNanos) -> Result<Connection, OpenError> {
    if path.exists() {
        look_first(path)?;
    }
    // SQLite gives its other files the mode of the first.
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    migrate::run(&mut connection, &time_text(now.0))?;
    connection.execute(
        "INSERT INTO store (id, epoch, outbox_last, inserted_at) VALUES (1, ?1, 0, ?2) ON CONFLICT (id) DO NOTHING",
        (format!("{epoch:032x}"), time_text(now.0)),
    )?;
    Ok(connection)
}

/// Checks the version through a connection that cannot write, so that a refusal leaves every byte
/// in its place, the write-ahead log included.
fn look_first(path: &Path) -> Result<(), OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    migrate::check(&connection).map(|_| ())
}

// === impl Sqlite ===

impl Sqlite {
    /// Opens the store and starts its writer thread, which ends when the last handle is dropped.
    ///
    /// # Errors
    /// The store cannot be used; it was not changed.
    pub fn open(path: &Path, epoch: u128, now: UnixNanos) -> Result<Self, OpenError> {
        let connection = connect(path, epoch, now)?;
        let epoch: String = connection.query_row("SELECT epoch FROM store", [], |row| row.get(0))?;
        let epoch = u128::from_str_radix(&epoch, 16).map_err(|_| OpenError::Foreign)?;
        let (writer, work) = mpsc::channel(WAITING_MAX);
        let outbox_changed = Arc::new(Notify::new());
        let woken = Arc::clone(&outbox_changed);
        thread::Builder::new()
            .name("phase-store-writer".into())
            .spawn(move || write_groups(&connection, work, &woken))?;
        Ok(Self {
            path: path.to_owned(),
            epoch,
            writer,
            readers: Arc::default(),
            reading: Arc::new(Semaphore::new(READERS_MAX)),
            outbox_changed,
        })
    }

    /// Runs `work` in a savepoint of the next group; `Err` rolls it back.
    fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Answer<'_, T> {
        Box::pin(async move {
            let (tx, rx) = oneshot::channel();
            let work: Work = Box::new(move |connection| {
                let result = work(connection).map_err(failed);
                let keep = result.is_ok();
                let reply: Reply = Box::new(move |commit| {
                    // Nobody waits if the client went away; the phase is stored all the same.
                    tx.send(commit.and(result)).ok();
                });
                (keep, reply)
            });
            self.writer.try_send(work).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => StoreError::Busy,
                mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
            })?;
            rx.await.map_err(|_| StoreError::Closed)?
        })
    }

    /// Runs `query` on a connection of its own, off the async threads.
    fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Answer<'_, T> {
        Box::pin(async move {
            let permit = Arc::clone(&self.reading).acquire_owned().await.map_err(|_| StoreError::Closed)?;
            let (path, readers) = (self.path.clone(), Arc::clone(&self.readers));
            let run = move || {
                let _permit = permit;
                let pooled = readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let connection = pooled.map_or_else(|| reader(&path), Ok)?;
                let result = query(&connection);
                readers.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
                result
            };
            tokio::task::spawn_blocking(run).await.map_err(|_| StoreError::Closed)?.map_err(failed)
        })
    }
}

impl Store for Sqlite {
    fn epoch(&self) -> u128 {
        self.epoch
    }

    fn outbox_changed(&self) -> &Notify {
        &self.outbox_changed
    }

    fn store_phase(&self, request: StorePhase) -> Answer<'_, Stored> {
        self.write(move |connection| write::store_phase(connection, &request))
    }

    fn sweep(&self, now: UnixNanos, retention: Option<Duration>) -> Answer<'_, bool> {
        self.write(move |connection| write::sweep(connection, now, retention))
    }

    fn outbox(&self, rows_max: usize) -> Answer<'_, Vec<OutboxRow>> {
        self.read(move |connection| read::outbox(connection, rows_max))
    }

    fn forget(&self, number: u64) -> Answer<'_, ()> {
        self.write(move |connection| write::forget(connection, number))
    }

    fn access(&self, digest: String) -> Answer<'_, Option<Access>> {
        self.read(move |connection| access::find(connection, &digest))
    }

    fn phases(&self, scope: Scope, filter: PhaseFilter) -> Answer<'_, Vec<StoredPhase>> {
        self.read(move |connection| read::phases(connection, &scope, &filter))
    }

    fn tasks(&self, scope: Scope, filter: TaskFilter) -> Answer<'_, Vec<StoredTask>> {
        self.read(move |connection| read::tasks(connection, &scope, &filter))
    }

    fn task(&self, scope: Scope, task: TaskId) -> Answer<'_, Option<(StoredTask, Vec<StoredPhase>)>> {
        self.read(move |connection| read::task(connection, &scope, task))
    }
}

fn failed(error: rusqlite::Error) -> StoreError {
    StoreError::Failed(error.to_string())
}

fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// The writer thread: what arrived while the last commit ran goes into the next one.
fn write_groups(connection: &Connection, mut work: mpsc::Receiver<Work>, outbox_changed: &Notify) {
    while let Some(first) = work.blocking_recv() {
        let mut next = Some(first);
        let mut replies = Vec::new();
        let committed = begin(connection).and_then(|()| {
            while let Some(one) = next.take() {
                let (reply, alive) = in_savepoint(connection, one);
                replies.push(reply);
                // After a full disk SQLite may have rolled back the whole group by itself.
                alive?;
                if replies.len() < GROUP_MAX {
                    next = work.try_recv().ok();
                }
            }
            connection.execute_batch("COMMIT")
        });
        if committed.is_err() && !connection.is_autocommit() {
            // The connection is dropped or reused; either way the open transaction must not stay.
            connection.execute_batch("ROLLBACK").ok();
        }
        let committed = committed.map_err(failed);
        if let Err(error) = &committed {
            tracing::error!(%error, requests = replies.len(), "the phase store could not commit");
        }
        outbox_changed.notify_one();
        replies.into_iter().for_each(|reply| reply(committed.clone()));
    }
}

fn begin(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")
}

/// Runs one piece of work. The second value is an error if the group's transaction is no more.
fn in_savepoint(connection: &Connection, work: Work) -> (Reply, rusqlite::Result<()>) {
    let opened = connection.execute_batch("SAVEPOINT request");
    let (keep, reply) = work(connection);
    let closed = opened.and_then(|()| {
        let end = if keep { "RELEASE request" } else { "ROLLBACK TO request; RELEASE request" };
        connection.execute_batch(end)
    });
    (reply, closed)
}

/// Requests that wait for the writer; more are told to come back.
const WAITING_MAX: usize = 1_024;
/// Requests in one commit.
const GROUP_MAX: usize = 128;
const READERS_MAX: usize = 4;
/// How long another process (`phasor keys`) may hold the lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
