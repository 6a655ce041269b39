//! The consumer loop of every exporter that pushes: read, join, send, retry, split, commit.
//!
//! ```text
//!  cursor --records--> gather --request--> N in flight, each: send, wait, cut up (sender)
//!    ^                                          |
//!    +------- commit the settled prefix <-- window
//! ```
//!
//! Read in this order: this file, [`gather`] and `request` (what goes into a request), [`payload`] (its bytes), `window`
//! (order and commit), `sender` (one request until it is settled), [`retry`] (the table), [`backoff`].
//!
//! - **In:** records of one pipeline, by a cursor of its own.
//! - **Out:** requests to a [`Destination`].
//! - **Guaranteed:** at least once; a position is committed only when every item up to it was taken, or
//!   given up and counted, and what was given up is on disk by then if dead letters are kept, or its sender told, and items are counted with the commit, so accepted = sent + failed +
//!   still in the journal at any moment; order holds with one request in flight; memory is bounded by
//!   [`READ_AHEAD_BYTES_MAX`] and one more request.
//! - **Not here:** sockets. A destination knows one protocol and one attempt.

use std::{future::Future, panic::AssertUnwindSafe, pin::Pin, sync::Arc, time::Duration};

use futures_util::FutureExt;
use pipelines::{
    consumer::{Exporter, Feed},
    engine::edge::ConsumerEdge,
    journal::{Cursor, Position, Record},
};
use proto::SignalKind;
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tracing::error;

pub mod backoff;
pub mod config;
pub mod gather;
mod notice;
pub mod payload;
mod request;
pub mod retry;
mod sender;
mod window;

use backoff::{Policy, Random};
use gather::{Gatherer, Gathering};
use payload::Payload;
use request::Request;
use retry::Action;
use sender::{Outgoing, Sender};
use window::{Tally, Window};

/// Where requests go: one protocol, one attempt at a time, no retry of its own.
pub trait Destination: Send + Sync + 'static {
    /// Sends an export request of `signal` once, within a time of the destination's own.
    fn send(&self, signal: SignalKind, request: Payload) -> impl Future<Output = Answer> + Send;

    /// Every code it may refuse data with, so that the counters are there before they are needed.
    fn codes(&self) -> Vec<&'static str> {
        retry::grpc_names()
    }
}

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The destination has the data.
    Taken {
        /// Items it left out for good (OTLP, *Partial Success*).
        rejected: u64,
        /// What it had to say; may be empty.
        message: String,
    },
    /// It has not.
    Refused(Refused),
}

/// Why an attempt failed, and what is done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What is done.
    pub action: Action,
    /// The name of the code, for logs.
    pub code: &'static str,
    /// The destination's words, or those of the transport.
    pub message: String,
}

/// What the loop needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Requests in flight. With one, order is kept.
    pub in_flight_max: usize,
    /// The shape of requests.
    pub gathering: Gathering,
    /// What follows a passing failure.
    pub retry: Policy,
    /// Makes jitter repeatable.
    pub seed: u64,
}

/// An exporter out of a destination.
#[derive(Debug)]
pub struct Delivery<D> {
    destination: D,
    settings: Settings,
}

/// The loop while it runs.
struct Run<D> {
    sender: Arc<Sender<D>>,
    settings: Settings,
    cursor: Cursor,
    edge: Arc<ConsumerEdge>,
    gatherer: Gatherer,
    window: Window<Position>,
    jobs: JoinSet<(u64, Tally)>,
    random: Random,
    /// Everything up to here is committed.
    reached: Position,
    /// The journal is closed and read to its end.
    ended: bool,
}

/// What woke the loop.
enum Woken {
    Read(Option<Vec<Record>>),
    Settled(u64, Tally),
    Due,
    Tick,
    Expired,
}

// === impl Delivery ===

impl<D: Destination> Delivery<D> {
    /// An exporter to `destination`.
    pub fn new(destination: D, settings: Settings) -> Self {
        Self { destination, settings }
    }
}

impl<D: Destination> Exporter for Delivery<D> {
    fn run(self: Box<Self>, feed: Feed) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(run(self.destination, self.settings, feed))
    }
}

async fn run<D: Destination>(destination: D, settings: Settings, feed: Feed) {
    let Feed { cursor, edge, mut drain, delivered, dead_letters } = feed;
    destination.codes().into_iter().chain(retry::OWN).for_each(|code| edge.failed.add(code, 0));
    let settings = if delivered { settings.one_by_one() } else { settings };
    let sender = Sender::new(destination, settings.clone(), Arc::clone(&edge), dead_letters, delivered);
    let mut run = Run {
        sender: Arc::new(sender),
        gatherer: Gatherer::new(settings.gathering),
        random: Random::new(settings.seed),
        window: Window::new(),
        jobs: JoinSet::new(),
        reached: cursor.position(),
        ended: false,
        settings,
        cursor,
        edge,
    };
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let expired = async { drain.expired().await };
    tokio::pin!(expired);
    while !run.is_finished() {
        run.start_full();
        let due = run.gatherer.due().filter(|_| run.has_room());
        let woken = tokio::select! {
            () = &mut expired => Woken::Expired,
            Some(Ok((ticket, tally))) = run.jobs.join_next() => Woken::Settled(ticket, tally),
            read = run.cursor.next(run.gatherer.room()), if run.wants_more() => Woken::Read(read),
            () = sleep_until(due.unwrap_or_else(now)), if due.is_some() => Woken::Due,
            _ = ticks.tick() => Woken::Tick,
        };
        match woken {
            Woken::Read(Some(records)) => run.gatherer.add(records, now()),
            Woken::Read(None) => run.ended = true,
            Woken::Settled(ticket, tally) => run.settled(ticket, tally),
            Woken::Due => run.start(),
            Woken::Tick => run.show_lag(),
            Woken::Expired => break,
        }
    }
    run.show_lag();
    // What is in flight is dropped here, and stays uncommitted.
    run.sender.notices().stopped(run.window.len(), run.cursor.lag_bytes());
}

// === impl Settings ===

impl Settings {
    /// For senders that wait for what becomes of their own requests: no request shares the fate of another, unless
    /// batches were asked for.
    fn one_by_one(mut self) -> Self {
        if self.gathering.wait_max.is_zero() {
            self.gathering.bytes_target = 1;
        }
        self
    }
}

// === impl Run ===

impl<D: Destination> Run<D> {
    fn is_finished(&self) -> bool {
        self.ended && self.jobs.is_empty() && self.gatherer.due().is_none()
    }

    fn has_room(&self) -> bool {
        self.jobs.len() < self.settings.in_flight_max && self.window.bytes() < READ_AHEAD_BYTES_MAX
    }

    fn wants_more(&self) -> bool {
        !self.ended && self.has_room() && self.gatherer.room() > 0
    }

    /// Starts the next request if it needs no further wait.
    fn start_full(&mut self) {
        if self.has_room() && (self.gatherer.is_full() || (self.ended && self.gatherer.due().is_some())) {
            self.start();
        }
    }

    fn start(&mut self) {
        let (records, bytes) = self.gatherer.take();
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return };
        let (arrival, last) = (first.arrival, last.position);
        let ticket = self.window.push(last, bytes);
        self.show_in_flight();
        let Some(request) = Request::join(records) else {
            return self.settled(ticket, Tally::default());
        };
        let outgoing = Outgoing { request, arrival };
        let random = Random::new(self.random.number());
        let sender = Arc::clone(&self.sender);
        self.jobs.spawn(async move { (ticket, settle(&sender, outgoing, random).await) });
    }

    fn settled(&mut self, ticket: u64, tally: Tally) {
        self.window.settle(ticket, tally);
        let before = self.reached;
        while let Some((last, tally)) = self.window.advance() {
            self.edge.sent.add(tally.sent);
            tally.failed.iter().for_each(|(code, items)| self.edge.failed.add(code, *items));
            if let Some(refused) = &tally.refused {
                // In a pipeline that answers `delivered` somebody waits for this; elsewhere nobody does.
                self.cursor.refuse(self.reached, last, &self.sender.refusal(refused));
            }
            self.reached = last;
        }
        if self.reached > before {
            self.cursor.commit(self.reached);
            self.show_in_flight();
            self.show_lag();
        }
    }

    /// Shows what is read and not committed: the memory budget's part `delivery`.
    fn show_in_flight(&self) {
        self.edge.in_flight_bytes.set(self.window.bytes() as u64);
        self.edge.in_flight_requests.set(self.window.len() as u64);
    }

    fn show_lag(&self) {
        show_lag(&self.edge, &self.cursor);
    }
}

/// Shows how far a consumer lags behind, and counts what `on_full: drop_oldest` has cost it. Whoever shows this lives,
/// so it is also the beat of the loop.
pub(crate) fn show_lag(edge: &ConsumerEdge, cursor: &Cursor) {
    edge.pulse.beat();
    edge.lag_bytes.set(cursor.lag_bytes());
    // Only the consumer itself counts here, so the total is what was counted so far.
    edge.dropped.add(cursor.dropped_items().saturating_sub(edge.dropped.total()));
}

/// Settles a request. A panic is a fault of ours; it costs this request and is counted, but does not
/// stop the exporter.
async fn settle<D: Destination>(sender: &Sender<D>, outgoing: Outgoing, random: Random) -> Tally {
    let Outgoing { request, arrival } = outgoing.clone();
    match AssertUnwindSafe(sender.settle(outgoing, random)).catch_unwind().await {
        Ok(tally) => tally,
        Err(_) => {
            error!(items = request.items(), "a fault in the exporter cost a request; please report it");
            let mut tally = Tally::default();
            sender.give_up(request, arrival, sender::fault(), &mut tally).await;
            tally
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "an exporter owns its clock")]
fn now() -> Instant {
    Instant::now()
}

/// Bytes read from the journal and not yet committed, beyond which no further request is started. A
/// request that hangs holds back those behind it no further than this.
pub const READ_AHEAD_BYTES_MAX: usize = 32 << 20;

/// How often the lag is shown while nothing else happens.
const TICK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
