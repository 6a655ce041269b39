//! The contracts of those who read a pipeline's journal with a cursor of their own.
//!
//! An [`Exporter`] drives its cursor itself, because it waits for the network. An [`Aggregator`]
//! is a state machine that the engine drives, because its state and its cursor must be saved
//! together (see [`crate::snapshot`]).

use std::{future::Future, pin::Pin, sync::Arc};

use proto::AnyBatch;
use thiserror::Error;

use crate::{
    dead_letters::DeadLetters,
    engine::{drain::Drain, edge::ConsumerEdge},
    journal::Cursor,
    time::UnixNanos,
};

/// A consumer that pushes data out of the process.
///
/// - It commits a position only when everything up to it was delivered, or given up for good and
///   counted at its edge.
/// - When the drain begins it goes on until its cursor is at the end or the deadline has passed.
pub trait Exporter: Send + 'static {
    /// Runs until the journal ends or the drain's deadline.
    fn run(self: Box<Self>, feed: Feed) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// What the engine hands to an [`Exporter`].
#[derive(Debug)]
pub struct Feed {
    /// The exporter's own place in the pipeline.
    pub cursor: Cursor,
    /// Where it counts what became of the items.
    pub edge: Arc<ConsumerEdge>,
    /// When to stop.
    pub drain: Drain,
    /// The pipeline answers `delivered`: senders wait for what becomes of their data.
    pub delivered: bool,
    /// Where to put what is given up for good, if it is to be kept.
    pub dead_letters: Option<DeadLetters>,
}

/// A deterministic fold over the batches of a pipeline.
///
/// - **No clock, no I/O:** `now` is the arrival time of the record, or the engine's tick when idle,
///   so that a replay of the journal gives the same state.
/// - **Bounded:** memory does not grow beyond what its configuration names.
/// - **Every record once:** the engine applies each record exactly once per state; state and
///   position are saved together.
pub trait Aggregator: Send + 'static {
    /// Identifies what the state means. A snapshot written under another fingerprint is not
    /// restored; the aggregator then starts anew.
    fn fingerprint(&self) -> u64;

    /// Takes one batch that arrived at `now`.
    fn apply(&mut self, batch: &AnyBatch, now: UnixNanos);

    /// Lets time pass without data: expiry happens here.
    fn tick(&mut self, now: UnixNanos);

    /// Appends what has changed since the last call, as cumulative points stamped `now`.
    /// An aggregator at the end of its way (the Prometheus table) appends nothing.
    fn emit(&mut self, now: UnixNanos, out: &mut Vec<AnyBatch>);

    /// What the last [`emit`](Self::emit) appended must reach the journal exactly once, under these numbers: its
    /// points are not made again. The engine saves the state, pushes, and says so with [`pushed`](Self::pushed); until
    /// then every `emit` appends the same. Nothing for points that the next emission carries again.
    fn once(&self) -> Option<Once> {
        None
    }

    /// The journal has what the last [`emit`](Self::emit) appended, or no pipeline ever takes it.
    fn pushed(&mut self) {}

    /// The whole state, for a snapshot.
    fn save(&self, out: &mut Vec<u8>);

    /// Takes the place of the whole state. Everything restored counts as changed, so that the next
    /// [`emit`](Self::emit) carries it all.
    ///
    /// # Errors
    /// The bytes are not a state of this aggregator; it is then left as new.
    fn restore(&mut self, state: &[u8]) -> Result<(), RestoreError>;

    /// Called once, when the replay has caught up with the end the journal had at start.
    fn caught_up(&mut self) {}
}

/// The number of the first batch of an emission; those behind it have the numbers behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Once {
    /// Numbers of different epochs have nothing to do with each other.
    pub epoch: u64,
    /// Counts the batches of the epoch.
    pub number: u64,
}

/// A saved state that cannot be read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the saved state is not readable: {0}")]
pub struct RestoreError(pub &'static str);
