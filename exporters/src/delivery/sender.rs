//! One request on its way: sent, tried again, cut up, until every item of it is settled.
//!
//! - **In:** a request.
//! - **Out:** a [`Tally`] that accounts for each of its items.
//! - **Guaranteed:** a delay that the destination asked for holds for all requests to it; whatever is
//!   lost goes through [`Sender::give_up`].
//! - **Not here:** the order of requests and what is committed ([`super::window`]).

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use pipelines::{
    dead_letters::{DeadLetters, Letter, NotKept},
    engine::edge::ConsumerEdge,
    refusal::{Downstream, RETRY_AFTER, Refusal},
    spans,
    status::Status,
    time::UnixNanos,
};
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep, sleep_until},
};
use tracing::Instrument;

use super::{
    Answer, Destination, Refused, Settings,
    backoff::{Backoff, Random},
    notice::{Notices, shown},
    payload::Payload,
    request::Request,
    retry::{self, Action},
    window::Tally,
};

/// What the requests of one exporter share.
#[derive(Debug)]
pub(super) struct Sender<D> {
    destination: D,
    settings: Settings,
    edge: Arc<ConsumerEdge>,
    notices: Notices,
    /// Where to put what is given up.
    dead_letters: Option<Arc<DeadLetters>>,
    /// The senders of the data wait, and are told.
    delivered: bool,
    /// No attempt before this moment: the destination asked for it.
    pause: Mutex<Option<Instant>>,
}

/// A joined request on its way to a destination.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    /// The request.
    pub(super) request: Request,
    /// When the oldest data in it came in.
    pub(super) arrival: UnixNanos,
}

/// How a request, or a piece of one, ended.
enum End {
    Taken { rejected: u64 },
    TooLarge(Refused),
    GivenUp(Refused),
}

// === impl Sender ===

impl<D: Destination> Sender<D> {
    pub(super) fn new(
        destination: D,
        settings: Settings,
        edge: Arc<ConsumerEdge>,
        dead_letters: Option<DeadLetters>,
        delivered: bool,
    ) -> Self {
        let notices = Notices::new(edge.consumer.clone(), edge.signal);
        let dead_letters = dead_letters.map(Arc::new);
        Self { destination, settings, edge, notices, dead_letters, delivered, pause: Mutex::new(None) }
    }

    pub(super) fn notices(&self) -> &Notices {
        &self.notices
    }

    /// Settles every item of a request.
    pub(super) async fn settle(&self, outgoing: Outgoing, mut random: Random) -> Tally {
        let Outgoing { request, arrival } = outgoing;
        let mut tally = Tally::default();
        let gathering = &self.settings.gathering;
        // Pieces wait in reverse, so that the next one is at the end.
        let mut waiting = request.cut(gathering.bytes_max, gathering.items_max);
        waiting.reverse();
        let mut halved_in_vain = 0;
        while let Some(piece) = waiting.pop() {
            if piece.bytes() > gathering.bytes_max {
                let refused = too_large(piece.bytes());
                self.give_up(piece, arrival, refused, &mut tally).await;
                continue;
            }
            match self.send(&piece, &mut random).await {
                End::Taken { rejected } => {
                    halved_in_vain = 0;
                    count(&mut tally, &piece, rejected);
                }
                End::GivenUp(refused) => self.give_up(piece, arrival, refused, &mut tally).await,
                End::TooLarge(refused) => match piece.halve() {
                    Some((first, second)) if halved_in_vain < HALVED_IN_VAIN_MAX => {
                        halved_in_vain += 1;
                        waiting.extend([second, first]);
                    }
                    _ => self.give_up(piece, arrival, refused, &mut tally).await,
                },
            }
        }
        tally
    }

    /// Sends a piece until the destination takes it, or refuses it in a way that waiting cannot mend.
    async fn send(&self, piece: &Request, random: &mut Random) -> End {
        self.edge.send_items.add(piece.items() as u64);
        self.edge.send_bytes.add(piece.bytes() as u64);
        let policy = self.settings.retry;
        let mut backoff = Backoff::new(policy, Random::new(random.number()));
        let begun = now();
        let payload = piece.payload();
        loop {
            self.paused().await;
            let refused = match self.attempt(piece, &payload).await {
                Answer::Taken { rejected, message } => {
                    if rejected > 0 || !message.is_empty() {
                        self.notices.partial(rejected, &message);
                    }
                    self.edge.status.ok(UnixNanos::now);
                    return End::Taken { rejected };
                }
                Answer::Refused(refused) => refused,
            };
            self.show(&refused);
            let after = match refused.action {
                Action::Retry { after } if policy.enabled => after,
                Action::Split => return End::TooLarge(refused),
                Action::Retry { .. } | Action::GiveUp => return End::GivenUp(refused),
            };
            let delay = backoff.next(after);
            if policy.elapsed_max.is_some_and(|max| begun.elapsed() + delay > max) {
                return End::GivenUp(refused);
            }
            if after.is_some() {
                self.pause_for(delay);
            }
            self.edge.retries.add(1);
            self.notices.retrying(delay, &refused);
            sleep(delay).await;
        }
    }

    /// One attempt, which own traces tell of.
    async fn attempt(&self, piece: &Request, payload: &Payload) -> Answer {
        let span = spans::attempt(&self.edge, piece.batches());
        let sending = self.destination.send(piece.signal(), payload.clone());
        let answer = sending.instrument(span.clone()).await;
        if !span.is_disabled() {
            let items = piece.items() as u64;
            match &answer {
                Answer::Taken { rejected, .. } => {
                    spans::attempted(&span, items.saturating_sub(*rejected), *rejected, None);
                }
                Answer::Refused(refused) => {
                    spans::attempted(&span, 0, items, Some((refused.code, &shown(&refused.message))));
                }
            }
        }
        answer
    }

    /// The one place where data is given up: a sender that waits is told, otherwise it becomes a dead letter, or is
    /// lost; it is counted in any case.
    pub(super) async fn give_up(
        &self,
        piece: Request,
        arrival: UnixNanos,
        refused: Refused,
        tally: &mut Tally,
    ) {
        let items = piece.items() as u64;
        if self.delivered {
            self.notices.told(items, &refused);
        } else if self.keep(&piece, arrival, &refused).await {
            self.notices.kept(items, &refused);
        } else {
            self.notices.lost(items, &refused);
        }
        tally.fail(items, refused);
    }

    /// Puts a piece among the dead letters. When this returns it is on disk, or counted as not kept.
    async fn keep(&self, piece: &Request, arrival: UnixNanos, refused: &Refused) -> bool {
        let Some(dead_letters) = self.dead_letters.clone() else { return false };
        let letter = Letter {
            arrival,
            refused: UnixNanos::now(),
            signal: piece.signal(),
            items: piece.items() as u64,
            code: refused.code.to_owned(),
            reason: refused.message.clone(),
            payload: piece.whole().bytes().clone(),
        };
        let kept = spawn_blocking(move || dead_letters.keep(&letter)).await;
        let kept = kept.unwrap_or_else(|error| Err(NotKept::Storage(std::io::Error::other(error))));
        let counts = &self.edge.letters;
        match &kept {
            Ok(()) => counts.kept.add(1),
            Err(NotKept::Full { .. }) => counts.full.add(1),
            Err(NotKept::Storage(_)) => counts.storage.add(1),
        }
        if let Err(error) = &kept {
            self.notices.not_kept(error);
        }
        kept.is_ok()
    }

    /// What the senders of a request are told that was not delivered as a whole.
    pub(super) fn refusal(&self, refused: &Refused) -> Refusal {
        let retry_after = match refused.action {
            Action::Retry { after } => Some(after.unwrap_or(RETRY_AFTER)),
            Action::Split | Action::GiveUp => None,
        };
        Refusal::Downstream(Arc::new(Downstream {
            exporter: self.edge.consumer.clone(),
            code: retry::number(refused.code),
            name: refused.code,
            message: shown(&refused.message),
            retry_after,
        }))
    }

    /// Shows what stands in the exporter's way.
    fn show(&self, refused: &Refused) {
        let words = format!("{}: {}", refused.code, shown(&refused.message));
        self.edge.status.fault(fares(refused), &words, UnixNanos::now());
    }

    fn pause_for(&self, delay: Duration) {
        let until = now() + delay;
        let mut pause = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        *pause = pause.max(Some(until));
    }

    /// Waits while the destination wants no attempt. The pause may grow meanwhile.
    async fn paused(&self) {
        loop {
            let pause = *self.pause.lock().unwrap_or_else(PoisonError::into_inner);
            match pause {
                Some(until) if until > now() => sleep_until(until).await,
                _ => return,
            }
        }
    }
}

/// Partial success: what the destination left out is failed, and not sent again (OTLP, *Partial
/// Success*). It may claim no more than it was given.
fn count(tally: &mut Tally, piece: &Request, rejected: u64) {
    let items = piece.items() as u64;
    let rejected = rejected.min(items);
    tally.sent += items - rejected;
    if rejected > 0 {
        // Nobody says which ones, and the sender need not send the others again: this is no refusal.
        *tally.failed.entry(retry::PARTIAL_SUCCESS).or_default() += rejected;
    }
}

/// What a refusal says about the exporter: a way in that is closed must be opened by a person, whatever else happens
/// may pass, or concerns one request.
fn fares(refused: &Refused) -> Status {
    match refused.code {
        "UNAUTHENTICATED" | "PERMISSION_DENIED" | "UNIMPLEMENTED" | "NOT_FOUND" => Status::PermanentError,
        _ => Status::RecoverableError,
    }
}

fn too_large(bytes: usize) -> Refused {
    Refused {
        action: Action::GiveUp,
        code: retry::TOO_LARGE,
        message: format!("a single item of {bytes} bytes is over the limit of a request, it was not sent"),
    }
}

/// A request that was lost by a fault of ours.
pub(super) fn fault() -> Refused {
    let message = "the exporter has a fault; please report it".to_owned();
    Refused { action: Action::GiveUp, code: retry::FAULT, message }
}

/// How often in a row a piece is cut in half without any piece being taken. A request of 16 million items is down to
/// single ones by then; a destination that still says "too much" means something else, a quota for example, and would
/// be asked once for each item.
const HALVED_IN_VAIN_MAX: u32 = 24;

#[expect(clippy::disallowed_methods, reason = "an exporter owns its clock")]
fn now() -> Instant {
    Instant::now()
}
