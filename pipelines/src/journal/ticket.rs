//! The answer to an append, when it is there.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::AcqRel},
    },
    task::{Context, Poll, ready},
};

use tokio::sync::oneshot;

use crate::refusal::{Reason, Refusal};

/// Resolves when every part of an entry is as safe as its pipeline's mode promises.
#[derive(Debug)]
#[must_use = "an append is answered when its ticket has resolved"]
pub struct Ticket(Option<oneshot::Receiver<Result<(), Refusal>>>);

/// The other end: what is still missing before the ticket may resolve.
#[derive(Debug)]
pub(super) struct Completion {
    missing: AtomicUsize,
    tx: Mutex<Option<oneshot::Sender<Result<(), Refusal>>>>,
}

// === impl Ticket ===

impl Ticket {
    /// Nothing to wait for.
    pub(super) fn ready() -> Self {
        Self(None)
    }
}

impl Future for Ticket {
    type Output = Result<(), Refusal>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(rx) = &mut self.0 else { return Poll::Ready(Ok(())) };
        // The other end is gone only when the journal is.
        let answer = ready!(Pin::new(rx).poll(cx)).unwrap_or(Err(Refusal::retry(Reason::ShuttingDown)));
        Poll::Ready(answer)
    }
}

// === impl Completion ===

impl Completion {
    /// A ticket that waits for `missing` (at least one) calls of [`Completion::done`].
    pub(super) fn new(missing: usize) -> (Arc<Self>, Ticket) {
        debug_assert!(missing > 0, "a ticket without a wait is `Ticket::ready`");
        let (tx, rx) = oneshot::channel();
        (Arc::new(Self { missing: AtomicUsize::new(missing), tx: Mutex::new(Some(tx)) }), Ticket(Some(rx)))
    }

    /// One of the promises is kept.
    pub(super) fn done(&self) {
        if self.missing.fetch_sub(1, AcqRel) == 1 {
            self.resolve(Ok(()));
        }
    }

    /// One of the promises cannot be kept. The first verdict stands.
    pub(super) fn fail(&self, refusal: Refusal) {
        self.resolve(Err(refusal));
    }

    fn resolve(&self, answer: Result<(), Refusal>) {
        if let Some(tx) = self.tx.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Nobody listens any more: the caller was cancelled. The entry stays.
            let _ = tx.send(answer);
        }
    }
}
