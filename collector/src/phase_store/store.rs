//! What the phase store asks of a database: each method is one transaction.
//!
//! - **Guaranteed by every implementation:** [`Store::store_phase`] writes the phase, its task, its
//!   idempotency record and its outbox rows together or not at all, and answers after the commit;
//!   requests with the same idempotency key are taken one after the other; outbox numbers are dense.
//! - **Not here:** what a phase means. Implementations load [`Known`](super::task::Known), call
//!   [`super::task::advance`], and write the effects.

pub mod sqlite;

use std::{future::Future, pin::Pin, time::Duration};

use pipelines::time::UnixNanos;
use serde_json::{Map, Value};
use thiserror::Error;
use tokio::sync::Notify;

use super::{
    ids::{SpanId, TaskId, TraceId},
    keys::Access,
    phase::Kind,
    task::{Submission, Task, TaskStatus},
};

/// A transaction under way.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A database of phases.
pub trait Store: Send + Sync + 'static {
    /// Made at random when the store was created: with a row's number it names a journal record.
    fn epoch(&self) -> u128;

    /// Notified after each commit that added to the outbox.
    fn outbox_changed(&self) -> &Notify;

    /// Stores one phase, or finds that it is stored already.
    fn store_phase(&self, request: StorePhase) -> Answer<'_, Stored>;

    /// Ends tasks that have been idle for too long, and forgets idempotency keys and, by the given
    /// retention, tasks past their age. Bounded work: `true` asks to be called again.
    fn sweep(&self, now: UnixNanos, retention: Option<Duration>) -> Answer<'_, bool>;

    /// The oldest rows of the outbox, in order.
    fn outbox(&self, rows_max: usize) -> Answer<'_, Vec<OutboxRow>>;

    /// Removes the rows up to and including this number.
    fn forget(&self, number: u64) -> Answer<'_, ()>;

    /// Whose key has this digest (SHA-256, lower-case hex); a revoked key is nobody's.
    fn access(&self, digest: String) -> Answer<'_, Option<Access>>;

    /// The phases of one piece of work, oldest first.
    fn phases(&self, scope: Scope, filter: PhaseFilter) -> Answer<'_, Vec<StoredPhase>>;

    /// Tasks, newest first.
    fn tasks(&self, scope: Scope, filter: TaskFilter) -> Answer<'_, Vec<StoredTask>>;

    /// One task with its phases, oldest first.
    fn task(&self, scope: Scope, task: TaskId) -> Answer<'_, Option<(StoredTask, Vec<StoredPhase>)>>;
}

/// A phase, who sends it, and under which idempotency key.
#[derive(Clone, Debug)]
pub struct StorePhase {
    /// Row id of the customer.
    pub customer: i64,
    /// The key, and the digest of the canonical body.
    pub idempotency: Option<Idempotency>,
    /// The phase.
    pub submission: Submission,
}

/// An idempotency key and what it stands for.
#[derive(Clone, Debug)]
pub struct Idempotency {
    /// As the client sent it.
    pub key: String,
    /// SHA-256 of the canonical body, lower-case hex.
    pub digest: String,
}

/// What became of a phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It is stored now.
    New(Receipt),
    /// It was stored before; nothing was written.
    Before(Receipt),
    /// The key belongs to another body; nothing was written.
    KeyReused,
    /// The task the phase wants to join does not exist for this customer and repository.
    NoSuchTask,
}

/// What the client is told about a stored phase.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the answer")]
pub struct Receipt {
    pub id: i64,
    pub kind: Kind,
    pub task: TaskId,
    pub trace: TraceId,
    pub span: SpanId,
}

/// Export requests that wait for the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// Dense, from 1.
    pub number: u64,
    /// An export request of spans.
    pub traces: Option<Vec<u8>>,
    /// An export request of events.
    pub logs: Option<Vec<u8>>,
}

/// Whose data a reader may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Row id of a customer, or every customer.
    pub customer: Option<i64>,
    /// Repository owners in lower case, or every owner.
    pub owners: Option<Vec<String>>,
}

/// Which phases.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the query")]
pub struct PhaseFilter {
    pub owner: String,
    pub name: String,
    pub issue_number: Option<u64>,
    pub commit_sha: Option<String>,
}

/// Which tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// Owner and name.
    pub repo: Option<(String, String)>,
    /// `open`, `completed`, `failed`, `timeout`, `idle`.
    pub status: Option<TaskStatus>,
    /// Exactly this.
    pub language: Option<String>,
    /// Started at or after, nanoseconds since the epoch.
    pub since_ns: Option<u64>,
    /// Started before, nanoseconds since the epoch.
    pub until_ns: Option<u64>,
    /// Only tasks opened before this one.
    pub below: Option<i64>,
    /// Tasks in the answer.
    pub rows_max: usize,
}

/// A task as the store has it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredTask {
    /// Its place in the order of opening.
    pub row: i64,
    /// The task.
    pub task: Task,
}

/// A phase as the store has it.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the answer")]
pub struct StoredPhase {
    pub id: i64,
    pub kind: Kind,
    pub owner: String,
    pub name: String,
    pub issue_number: Option<u64>,
    pub commit_sha: String,
    pub task: TaskId,
    pub trace: TraceId,
    pub span: SpanId,
    pub attempt: u64,
    pub status: String,
    pub language: String,
    pub framework: String,
    pub environment: String,
    pub start_ns: u64,
    pub end_ns: u64,
    pub data: Map<String, Value>,
    pub inserted_at: String,
}

/// Why the database did not do it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// Too many requests wait for the writer.
    #[error("too many requests are waiting for the store")]
    Busy,
    /// The store is closed or its thread is gone.
    #[error("the store is closed")]
    Closed,
    /// The database answered with an error; the transaction left no trace.
    #[error("the store could not complete the transaction: {0}")]
    Failed(String),
}

/// How long a task may go without a phase before it ends (requirements section 3.3).
pub const TASK_IDLE_MAX: Duration = Duration::from_secs(6 * 3_600);
/// How long an idempotency key is kept (requirements section 3.1).
pub const IDEMPOTENCY_AGE_MAX: Duration = Duration::from_secs(24 * 3_600);
