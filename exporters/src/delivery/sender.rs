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

use pipelines::engine::edge::ConsumerEdge;
use proto::AnyBatch;
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    Answer, Destination, Refused, Settings,
    backoff::{Backoff, Random},
    notice::Notices,
    request::{cut, halve},
    retry::Action,
    window::Tally,
};

/// What the requests of one exporter share.
#[derive(Debug)]
pub(super) struct Sender<D> {
    destination: D,
    settings: Settings,
    edge: Arc<ConsumerEdge>,
    notices: Notices,
    /// No attempt before this moment: the destination asked for it.
    pause: Mutex<Option<Instant>>,
}

/// How a request, or a piece of one, ended.
enum End {
    Taken { rejected: u64 },
    TooLarge(Refused),
    GivenUp(Refused),
}

// === impl Sender ===

impl<D: Destination> Sender<D> {
    pub(super) fn new(destination: D, settings: Settings, edge: Arc<ConsumerEdge>) -> Self {
        let notices = Notices::new(edge.consumer.clone(), edge.signal);
        Self { destination, settings, edge, notices, pause: Mutex::new(None) }
    }

    pub(super) fn notices(&self) -> &Notices {
        &self.notices
    }

    /// Settles every item of a request.
    pub(super) async fn settle(&self, request: AnyBatch, mut random: Random) -> Tally {
        let mut tally = Tally::default();
        let gathering = &self.settings.gathering;
        // Pieces wait in reverse, so that the next one is at the end.
        let mut waiting = cut(request, gathering.bytes_max, gathering.items_max);
        waiting.reverse();
        while let Some(piece) = waiting.pop() {
            if piece.bytes().len() > gathering.bytes_max {
                self.give_up(&piece, &too_large(piece.bytes().len()), &mut tally);
                continue;
            }
            match self.send(&piece, &mut random).await {
                End::Taken { rejected } => count(&mut tally, &piece, rejected),
                End::GivenUp(refused) => self.give_up(&piece, &refused, &mut tally),
                End::TooLarge(refused) => match halve(&piece) {
                    Some((first, second)) => waiting.extend([second, first]),
                    None => self.give_up(&piece, &refused, &mut tally),
                },
            }
        }
        tally
    }

    /// Sends a piece until the destination takes it, or refuses it in a way that waiting cannot mend.
    async fn send(&self, piece: &AnyBatch, random: &mut Random) -> End {
        let policy = self.settings.retry;
        let mut backoff = Backoff::new(policy, Random::new(random.number()));
        let begun = now();
        loop {
            self.paused().await;
            let refused = match self.destination.send(piece.kind(), piece.bytes().clone()).await {
                Answer::Taken { rejected, message } => {
                    if rejected > 0 || !message.is_empty() {
                        self.notices.partial(rejected, &message);
                    }
                    return End::Taken { rejected };
                }
                Answer::Refused(refused) => refused,
            };
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

    /// The one place where data is lost. A dead-letter file belongs here.
    fn give_up(&self, piece: &AnyBatch, refused: &Refused, tally: &mut Tally) {
        let items = piece.items() as u64;
        self.notices.lost(items, refused);
        tally.failed += items;
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
fn count(tally: &mut Tally, piece: &AnyBatch, rejected: u64) {
    let items = piece.items() as u64;
    let rejected = rejected.min(items);
    tally.sent += items - rejected;
    tally.failed += rejected;
}

fn too_large(bytes: usize) -> Refused {
    Refused {
        action: Action::GiveUp,
        code: "TOO_LARGE",
        message: format!("a single item of {bytes} bytes is over the limit of a request, it was not sent"),
    }
}

#[expect(clippy::disallowed_methods, reason = "an exporter owns its clock")]
fn now() -> Instant {
    Instant::now()
}
