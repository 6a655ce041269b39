//! The task that drives one aggregator: replay, apply, emit, snapshot, drain.
//!
//! - **In:** the records of every pipeline that ends at the aggregator, each with its arrival time.
//! - **Out:** points through the aggregator's outlet; snapshots beside the journal.
//! - **Guaranteed:** each record of a durable pipeline is applied exactly once to the state that survives:
//!   positions and state are saved together, and a cursor is committed only behind a saved snapshot. Nothing
//!   is emitted before the replay has caught up. Points that are not made again are saved with their numbers before
//!   they are pushed, so that the journal has them once, whenever the process dies.
//! - **Not here:** what the aggregator computes.

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::future::{join_all, select_all};
use proto::AnyBatch;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tracing::{error, info, warn};

use crate::{
    client::Client,
    connectors::state::stable_hash,
    consumer::{Aggregator, Once},
    engine::{
        drain::Drain,
        edge::ConsumerEdge,
        inlet::{Arrival, Inlet},
        saved,
    },
    journal::{Cursor, Position, ProducerId, Record, Sequence},
    pulse::BEAT,
    snapshot::{SnapshotError, Snapshots},
    status::Status,
    time::UnixNanos,
};

/// An aggregator with everything it is tied to.
pub(crate) struct Fold {
    /// For log lines.
    pub(crate) name: String,
    /// The state machine.
    pub(crate) aggregator: Box<dyn Aggregator>,
    /// One for each pipeline that ends here.
    pub(crate) inputs: Vec<Input>,
    /// Where its points go; nothing for one at the end of its way.
    pub(crate) outlet: Option<Inlet>,
    /// Where its state is saved; nothing if no input is durable.
    pub(crate) snapshots: Option<Snapshots>,
    /// Whose turn it is to save: one aggregator of the process at a time, so that one state is in memory twice.
    pub(crate) turn: Arc<Semaphore>,
    /// How often changed points are emitted.
    pub(crate) flush_interval: Duration,
    /// When to stop.
    pub(crate) drain: Drain,
    /// The aggregators that feed this one: its replay is not over before theirs are.
    pub(crate) upstream: Vec<watch::Receiver<bool>>,
    /// Set once this aggregator has caught up and its first points are on their way.
    pub(crate) replayed: watch::Sender<bool>,
}

/// One pipeline as an aggregator reads it.
#[derive(Debug)]
pub(crate) struct Input {
    /// The pipeline's name, which the snapshot keeps beside the position.
    pub(crate) pipeline: String,
    /// Whether the pipeline's records survive a restart; only then does a position.
    pub(crate) durable: bool,
    /// The aggregator's place in it.
    pub(crate) cursor: Cursor,
    /// What is counted.
    pub(crate) edge: Arc<ConsumerEdge>,
}

/// A fold on its way: what it knows beside its parts.
struct Running {
    fold: Fold,
    /// Where each input ended when everything upstream had replayed; set once, and reaching it ends the replay.
    replay_ends: Option<Vec<Position>>,
    live: bool,
    draining: bool,
    /// Whether a restart finds this aggregator's state again; then cursors move only behind a snapshot.
    is_durable: bool,
    /// Journal bytes applied since the last snapshot.
    unsaved_bytes: u64,
    /// When the first of them were applied.
    unsaved_since: Option<Instant>,
    /// How far the newest snapshot reaches. Only what the one before it holds too is committed: if one slot is damaged,
    /// the journal still has everything behind the other.
    saved: Vec<Position>,
    /// The size of the last saved state: large states are saved less often.
    state_bytes: u64,
    saving: Option<JoinHandle<Saving>>,
}

/// What a save on another thread comes back with.
struct Saving {
    snapshots: Snapshots,
    positions: Vec<Position>,
    state_bytes: u64,
    outcome: Result<(), SnapshotError>,
    _turn: OwnedSemaphorePermit,
}

enum Event {
    Records(usize, Vec<Record>),
    Ended,
    Flush,
    Beat,
    UpstreamReplayed,
    Saved(Option<Saving>),
    DrainBegun,
    DeadlinePassed,
}

// === impl Fold ===

impl Fold {
    /// Takes up the saved state, or writes a first snapshot: from here on a crash finds its way back to exactly
    /// this position. Blocking; runs before any receiver starts.
    ///
    /// # Errors
    /// The first snapshot could not be written.
    pub(crate) fn restore(&mut self) -> Result<(), SnapshotError> {
        if self.load() {
            return Ok(());
        }
        let bytes = self.state();
        let Some(snapshots) = &mut self.snapshots else { return Ok(()) };
        // Both slots, so that both have their room before the disk can be full.
        let fingerprint = self.aggregator.fingerprint();
        snapshots.save(fingerprint, &bytes).and_then(|()| snapshots.save(fingerprint, &bytes))
    }

    /// Runs until the journal ends, or the drain has found the end of every input.
    pub(crate) async fn run(self) {
        Running {
            is_durable: self.snapshots.is_some(),
            saved: self.inputs.iter().map(|input| input.cursor.position()).collect(),
            fold: self,
            replay_ends: None,
            live: false,
            draining: false,
            unsaved_bytes: 0,
            // What the last process has saved is committed by the first save of this one.
            unsaved_since: Some(now()),
            state_bytes: 0,
            saving: None,
        }
        .run()
        .await;
    }

    /// Whether a saved state was found and taken up.
    fn load(&mut self) -> bool {
        let Some(snapshot) = self.snapshots.as_ref().and_then(Snapshots::load) else { return false };
        if snapshot.fingerprint != self.aggregator.fingerprint() {
            info!(consumer = %self.name, "the configuration has changed: its series start anew");
            return false;
        }
        let restored = saved::decode(&snapshot.state).and_then(|(positions, state)| {
            self.aggregator.restore(state)?;
            Ok(positions)
        });
        match restored {
            Ok(positions) => {
                for input in self.inputs.iter().filter(|input| input.durable) {
                    let position = positions.iter().find(|(pipeline, _)| *pipeline == input.pipeline);
                    if let Some((_, position)) = position {
                        input.cursor.rewind(*position);
                    }
                }
                true
            }
            Err(error) => {
                error!(consumer = %self.name, %error, "the snapshot is not usable: series start anew");
                false
            }
        }
    }

    /// State and positions as one piece.
    fn state(&self) -> Vec<u8> {
        let positions = self.inputs.iter().map(|input| (input.pipeline.as_str(), input.cursor.position()));
        let mut bytes = saved::encode(positions);
        self.aggregator.save(&mut bytes);
        bytes
    }
}

// === impl Running ===

impl Running {
    async fn run(mut self) {
        let mut flush = interval(self.fold.flush_interval);
        flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if !self.live && self.has_caught_up() {
                self.go_live().await;
            }
            if self.draining && self.is_at_end() {
                break;
            }
            let event = tokio::select! {
                biased;
                event = drain_event(&mut self.fold.drain, self.draining) => event,
                _ = flush.tick() => Event::Flush,
                _ = beats.tick() => Event::Beat,
                saving = finished(&mut self.saving) => Event::Saved(saving),
                () = all_true(&mut self.fold.upstream), if self.replay_ends.is_none() => Event::UpstreamReplayed,
                event = next_run(&self.fold.inputs) => event,
            };
            match event {
                Event::Records(input, records) => self.apply(input, &records),
                // Before the replay is over a tick is only an occasion to look whether it is.
                Event::Flush if !self.live => {}
                Event::Flush => {
                    self.emit().await;
                    self.save_what_waits();
                }
                Event::Beat => beat(&self.fold.inputs),
                Event::UpstreamReplayed => self.replay_ends = Some(self.ends()),
                Event::Saved(saving) => self.settle(saving),
                Event::DrainBegun => self.draining = true,
                Event::Ended | Event::DeadlinePassed => break,
            }
        }
        self.finish().await;
    }

    fn apply(&mut self, index: usize, records: &[Record]) {
        self.unsaved_since.get_or_insert_with(now);
        let Fold { aggregator, inputs, .. } = &mut self.fold;
        let Input { cursor, edge, durable, .. } = &inputs[index];
        for record in records {
            aggregator.apply(&record.batch, record.arrival);
            edge.sent.add(record.batch.items() as u64);
            self.unsaved_bytes += record.batch.bytes().len() as u64;
        }
        let is_saved = self.is_durable && *durable;
        match records.last() {
            Some(last) if is_saved => cursor.apply(last.position),
            Some(last) => cursor.commit(last.position),
            None => {}
        }
        edge.lag_bytes.set(cursor.lag_bytes());
        let due = SNAPSHOT_BYTES.max(self.state_bytes * SNAPSHOT_STATE_FACTOR);
        if is_saved && self.unsaved_bytes >= due {
            self.save_in_turn();
        }
    }

    /// Whether every record that was in the journal at start, and every point that upstream made of its own
    /// replay, has been applied.
    fn has_caught_up(&self) -> bool {
        let Some(ends) = &self.replay_ends else { return false };
        self.fold.inputs.iter().zip(ends).all(|(input, end)| input.cursor.position() >= *end)
    }

    async fn go_live(&mut self) {
        self.live = true;
        self.fold.aggregator.caught_up();
        self.emit().await;
        fares_well(&self.fold.inputs);
        self.fold.replayed.send_replace(true);
    }

    fn is_at_end(&self) -> bool {
        self.fold.inputs.iter().all(|input| input.cursor.position() >= input.cursor.end())
    }

    fn ends(&self) -> Vec<Position> {
        self.fold.inputs.iter().map(|input| input.cursor.end()).collect()
    }

    /// Lets time pass, and pushes what has changed. What is refused for now is pushed again until the drain's
    /// deadline: cumulative points are never skipped, only late.
    async fn emit(&mut self) {
        // What an earlier emission has left comes first.
        let has_left = self.fold.aggregator.once().is_some();
        if !has_left || self.emit_next().await {
            self.emit_next().await;
        }
    }

    /// Whether everything was pushed, or refused for good.
    async fn emit_next(&mut self) -> bool {
        let now = UnixNanos::now();
        self.fold.aggregator.tick(now);
        if self.fold.outlet.is_none() {
            return true;
        }
        let mut batches = Vec::new();
        self.fold.aggregator.emit(now, &mut batches);
        let once = self.fold.aggregator.once();
        if once.is_some() && self.is_durable && !self.save_at_once().await {
            return false;
        }
        let Fold { outlet: Some(outlet), name, drain, inputs, aggregator, .. } = &mut self.fold else {
            return true;
        };
        for (place, batch) in batches.into_iter().enumerate() {
            let sequence = once.map(|once| numbered(name, once, place));
            if !push(outlet, batch, now, sequence, name, drain, inputs).await && once.is_some() {
                return false;
            }
        }
        aggregator.pushed();
        true
    }

    /// Saves the state as it is now; says whether it is on disk. Without snapshots any more there is nothing to wait
    /// for.
    async fn save_at_once(&mut self) -> bool {
        if self.saving.is_some() {
            let saving = finished(&mut self.saving).await;
            self.settle(saving);
        }
        let turn = Arc::clone(&self.fold.turn).acquire_owned().await;
        self.save(turn.expect("turns are never closed"));
        if self.saving.is_none() {
            return true;
        }
        let saving = finished(&mut self.saving).await;
        let is_saved = saving.as_ref().is_some_and(|saving| saving.outcome.is_ok());
        self.settle(saving);
        is_saved
    }

    /// Starts a snapshot if the last one is old: who reads little must not keep segments that others have filled, nor
    /// may a full disk wait for what it cannot take. Large states are saved less often here too.
    fn save_what_waits(&mut self) {
        let patience = SNAPSHOT_AGE + Duration::from_secs(self.state_bytes / SNAPSHOT_BYTES_A_SECOND);
        if self.unsaved_since.is_some_and(|since| since.elapsed() >= patience) {
            self.save_in_turn();
        }
    }

    /// Starts a snapshot, unless another aggregator saves: then a later record or tick asks again.
    fn save_in_turn(&mut self) {
        if let Ok(turn) = Arc::clone(&self.fold.turn).try_acquire_owned() {
            self.save(turn);
        }
    }

    /// Starts a snapshot on another thread, unless one is under way.
    fn save(&mut self, turn: OwnedSemaphorePermit) {
        let Some(mut snapshots) = self.fold.snapshots.take() else { return };
        let bytes = self.fold.state();
        self.show_saving(bytes.capacity());
        let positions: Vec<_> = self.fold.inputs.iter().map(|input| input.cursor.position()).collect();
        let fingerprint = self.fold.aggregator.fingerprint();
        (self.unsaved_bytes, self.unsaved_since) = (0, None);
        self.saving = Some(tokio::task::spawn_blocking(move || {
            let outcome = snapshots.save(fingerprint, &bytes);
            Saving { snapshots, positions, state_bytes: bytes.len() as u64, outcome, _turn: turn }
        }));
    }

    /// Commits what the snapshot before a finished one holds. A failed one commits nothing: the next goes to the same
    /// slot.
    fn settle(&mut self, saving: Option<Saving>) {
        self.show_saving(0);
        let Some(saving) = saving else {
            error!(consumer = %self.fold.name, "the thread that saves snapshots has died: none will be saved");
            return;
        };
        self.fold.snapshots = Some(saving.snapshots);
        self.state_bytes = saving.state_bytes;
        match saving.outcome {
            Ok(()) => {
                for (input, position) in self.fold.inputs.iter().zip(&self.saved) {
                    input.cursor.commit(*position);
                }
                if self.saved != saving.positions {
                    self.saved = saving.positions;
                    // In a while the other slot holds the same, and then all of it is committed.
                    self.unsaved_since.get_or_insert_with(now);
                }
            }
            Err(error) => {
                self.unsaved_since.get_or_insert_with(now);
                warn!(consumer = %self.fold.name, %error, "the snapshot was not saved, trying again later")
            }
        }
    }

    /// The last points and the last snapshot.
    async fn finish(mut self) {
        if self.live {
            self.emit().await;
        }
        self.save_at_once().await;
    }

    /// Shows the bytes of the snapshot on its way: the memory budget's part `snapshots`.
    fn show_saving(&self, bytes: usize) {
        if let Some(input) = self.fold.inputs.first() {
            input.edge.saving_bytes.set(bytes as u64);
        }
    }
}

/// Whether the batch was taken, or refused for good: until the drain's deadline it is pushed again.
async fn push(
    outlet: &Inlet,
    batch: AnyBatch,
    now: UnixNanos,
    sequence: Option<Sequence>,
    name: &str,
    drain: &Drain,
    inputs: &[Input],
) -> bool {
    let mut drain = drain.clone();
    loop {
        let arrival = Arrival { batches: vec![batch.clone()], client: Client::default(), now, sequence };
        match outlet.push(arrival).await {
            Ok(()) => {
                fares_well(inputs);
                return true;
            }
            Err(refusal) => match refusal.retry_after() {
                Some(after) => {
                    fares_badly(inputs, Status::RecoverableError, &refusal);
                    // Held up is not stuck.
                    beat(inputs);
                    tokio::select! {
                        () = sleep(after) => {}
                        () = drain.expired() => return false,
                    }
                }
                None => {
                    fares_badly(inputs, Status::PermanentError, &refusal);
                    error!(connector = name, error = %refusal, items = batch.items(), "points were refused for good");
                    return true;
                }
            },
        }
    }
}

fn fares_well(inputs: &[Input]) {
    inputs.iter().for_each(|input| input.edge.status.ok(UnixNanos::now));
}

fn fares_badly(inputs: &[Input], status: Status, error: &impl std::fmt::Display) {
    inputs.iter().for_each(|input| input.edge.status.fault(status, error, UnixNanos::now()));
}

fn beat(inputs: &[Input]) {
    for Input { cursor, edge, .. } in inputs {
        edge.pulse.beat();
        edge.lag_bytes.set(cursor.lag_bytes());
    }
}

/// The number of one batch of an emission. Aggregators of different names never meet.
fn numbered(name: &str, once: Once, place: usize) -> Sequence {
    let producer = ProducerId(u128::from(stable_hash([name])) << 64 | u128::from(once.epoch));
    Sequence { producer, number: once.number + place as u64 }
}

/// The next records of whichever input has some first. Cancel safe.
async fn next_run(inputs: &[Input]) -> Event {
    let next = inputs.iter().map(|input| Box::pin(input.cursor.next(RUN_BYTES_MAX)));
    let (records, index, _) = select_all(next).await;
    records.map_or(Event::Ended, |records| Event::Records(index, records))
}

/// Waits for a save that is under way, for ever if none is. Cancel safe.
async fn finished(saving: &mut Option<JoinHandle<Saving>>) -> Option<Saving> {
    match saving {
        Some(handle) => {
            let outcome = handle.await.ok();
            *saving = None;
            outcome
        }
        None => std::future::pending().await,
    }
}

/// Resolves when every one is true. One whose sender is gone will never tell more, and counts as true.
fn all_true(watched: &mut [watch::Receiver<bool>]) -> impl Future<Output = ()> {
    let waits = join_all(watched.iter_mut().map(|upstream| async move {
        let _ = upstream.wait_for(|done| *done).await;
    }));
    async move {
        waits.await;
    }
}

/// The beginning of the drain, then its end. Cancel safe.
async fn drain_event(drain: &mut Drain, draining: bool) -> Event {
    if draining {
        drain.expired().await;
        return Event::DeadlinePassed;
    }
    drain.begun().await;
    Event::DrainBegun
}

#[expect(clippy::disallowed_methods, reason = "the engine owns the clock")]
fn now() -> Instant {
    Instant::now()
}

/// What is read at once: enough to spread the cost of a wake-up, little enough not to hold a thread for long.
const RUN_BYTES_MAX: usize = 512 * 1024;
/// A snapshot is due after this much journal.
const SNAPSHOT_BYTES: u64 = 16 << 20;
/// And not before this many times the size of the state: writing snapshots stays a fraction of writing data.
const SNAPSHOT_STATE_FACTOR: u64 = 4;
/// What was applied is saved after this long, however little it is.
const SNAPSHOT_AGE: Duration = Duration::from_secs(5);
/// And what a large state may cost on average.
const SNAPSHOT_BYTES_A_SECOND: u64 = 16 << 20;

#[cfg(test)]
mod tests;
