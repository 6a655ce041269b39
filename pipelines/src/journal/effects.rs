//! What must happen after the lock is released: tasks woken, tickets resolved, payloads freed.

use std::{sync::Arc, task::Waker};

use super::{tail::TailRecord, ticket::Completion};
use crate::refusal::Refusal;

/// Gathered under the lock, run without it, so that the lock is held for bookkeeping only.
#[derive(Debug, Default)]
#[must_use = "effects are run after the lock is released"]
pub(super) struct Effects {
    wakers: Vec<Waker>,
    done: Vec<Arc<Completion>>,
    failed: Vec<(Arc<Completion>, Refusal)>,
    garbage: Vec<TailRecord>,
}

// === impl Effects ===

impl Effects {
    pub(super) fn wake(&mut self, waker: Option<Waker>) {
        self.wakers.extend(waker);
    }

    pub(super) fn done(&mut self, completion: Arc<Completion>) {
        self.done.push(completion);
    }

    pub(super) fn fail(&mut self, completion: Arc<Completion>, refusal: Refusal) {
        self.failed.push((completion, refusal));
    }

    pub(super) fn free(&mut self, records: impl Iterator<Item = TailRecord>) {
        self.garbage.extend(records);
    }

    /// Call without the lock.
    pub(super) fn run(self) {
        self.done.iter().for_each(|completion| completion.done());
        self.failed.into_iter().for_each(|(completion, refusal)| completion.fail(refusal));
        self.wakers.into_iter().for_each(Waker::wake);
    }
}
