//! Log lines about a destination, few enough to be read: one of each kind per [`EVERY`], with the
//! number of those left out.
//!
//! **Not here:** counts. Every loss is counted at the edge, whether it is logged or not.

use std::{
    error::Error,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use pipelines::{component::ComponentId, dead_letters::NotKept};
use proto::SignalKind;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::{Action, Refused};

/// The log lines of one exporter in one pipeline.
#[derive(Debug)]
pub(super) struct Notices {
    exporter: ComponentId,
    signal: SignalKind,
    lost: Limit,
    kept: Limit,
    not_kept: Limit,
    retrying: Limit,
    warned: Limit,
}

/// At most one pass per [`EVERY`].
#[derive(Debug, Default)]
struct Limit(Mutex<Turn>);

#[derive(Debug, Default)]
struct Turn {
    last: Option<Instant>,
    left_out: u64,
}

// === impl Notices ===

impl Notices {
    pub(super) fn new(exporter: ComponentId, signal: SignalKind) -> Self {
        Self {
            exporter,
            signal,
            lost: Limit::default(),
            kept: Limit::default(),
            not_kept: Limit::default(),
            retrying: Limit::default(),
            warned: Limit::default(),
        }
    }

    /// Data was given up for good, and nobody has it any more.
    pub(super) fn lost(&self, items: u64, refused: &Refused) {
        if let Some(left_out) = self.lost.pass() {
            let (exporter, signal) = (&self.exporter, self.signal);
            let (code, message) = (refused.code, shown(&refused.message));
            error!(%exporter, %signal, items, code, message, left_out, "data was refused for good and is lost");
        }
    }

    /// Data was given up for good, and is on disk.
    pub(super) fn kept(&self, items: u64, refused: &Refused) {
        if let Some(left_out) = self.kept.pass() {
            let (exporter, signal) = (&self.exporter, self.signal);
            let (code, message) = (refused.code, shown(&refused.message));
            error!(%exporter, %signal, items, code, message, left_out, "data was refused for good; see `phasor journal dead-letters`");
        }
    }

    /// Data was not delivered, and its sender, who still has it, is told.
    pub(super) fn told(&self, items: u64, refused: &Refused) {
        if let Some(left_out) = self.kept.pass() {
            let (exporter, signal) = (&self.exporter, self.signal);
            let (code, message) = (refused.code, shown(&refused.message));
            warn!(%exporter, %signal, items, code, message, left_out, "{}", told(refused));
        }
    }

    /// A dead letter could not be kept.
    pub(super) fn not_kept(&self, error: &NotKept) {
        if let Some(left_out) = self.not_kept.pass() {
            let (exporter, signal, cause) = (&self.exporter, self.signal, error.source());
            error!(%exporter, %signal, %error, cause, left_out, "a dead letter was not kept");
        }
    }

    /// A request goes out again after `delay`.
    pub(super) fn retrying(&self, delay: Duration, refused: &Refused) {
        if let Some(left_out) = self.retrying.pass() {
            let (exporter, signal) = (&self.exporter, self.signal);
            let (code, message) = (refused.code, shown(&refused.message));
            warn!(%exporter, %signal, code, message, ?delay, left_out, "request failed, trying again");
        }
    }

    /// The destination took a request, but had something to say, or left items out.
    pub(super) fn partial(&self, rejected: u64, message: &str) {
        if let Some(left_out) = self.warned.pass() {
            let (exporter, signal, message) = (&self.exporter, self.signal, shown(message));
            if rejected > 0 {
                error!(%exporter, %signal, items = rejected, message, left_out, "the destination rejected a part of a request");
            } else {
                warn!(%exporter, %signal, message, left_out, "the destination took a request with a warning");
            }
        }
    }

    /// The time to drain is over.
    pub(super) fn stopped(&self, unfinished: usize, lag_bytes: u64) {
        let (exporter, signal) = (&self.exporter, self.signal);
        if lag_bytes == 0 {
            info!(%exporter, %signal, "drained");
        } else {
            warn!(%exporter, %signal, unfinished, lag_bytes, "stopped before the end; the rest was not delivered");
        }
    }
}

// === impl Limit ===

impl Limit {
    /// Whether a line may be written now, and how many were left out before it.
    #[expect(clippy::disallowed_methods, reason = "an exporter owns its clock")]
    fn pass(&self) -> Option<u64> {
        let now = Instant::now();
        let mut turn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if turn.last.is_some_and(|last| now < last + EVERY) {
            turn.left_out += 1;
            return None;
        }
        turn.last = Some(now);
        Some(std::mem::take(&mut turn.left_out))
    }
}

/// What the sender of a request was told that was not delivered.
fn told(refused: &Refused) -> &'static str {
    match refused.action {
        Action::Retry { .. } => "data was not delivered, and its sender was told to send it again",
        Action::Split | Action::GiveUp => "data was refused for good, as its sender was told",
    }
}

/// A peer's words, cut to what a log line bears, with control characters made visible.
pub(super) fn shown(message: &str) -> String {
    let mut text: String = message.chars().take(MESSAGE_CHARS_MAX).flat_map(visible).collect();
    if message.chars().nth(MESSAGE_CHARS_MAX).is_some() {
        text.push('…');
    }
    text
}

fn visible(c: char) -> impl Iterator<Item = char> {
    let escaped = c.is_control().then(|| c.escape_default());
    let plain = (!c.is_control()).then_some(c);
    escaped.into_iter().flatten().chain(plain)
}

const EVERY: Duration = Duration::from_secs(10);
const MESSAGE_CHARS_MAX: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn lines_are_few_and_say_how_many_were_left_out() {
        let limit = Limit::default();
        assert_eq!(limit.pass(), Some(0));
        assert_eq!((limit.pass(), limit.pass()), (None, None));
        tokio::time::advance(EVERY).await;
        assert_eq!(limit.pass(), Some(2));
        assert_eq!(limit.pass(), None);
    }

    #[test]
    fn a_sender_is_not_said_to_be_refused_for_good_when_it_may_come_back() {
        let refused = |action| Refused { action, code: "UNAVAILABLE", message: String::new() };
        for after in [None, Some(EVERY)] {
            let passing = told(&refused(Action::Retry { after }));
            assert!(passing.contains("again") && !passing.contains("for good"), "{passing}");
        }
        for action in [Action::GiveUp, Action::Split] {
            assert!(told(&refused(action)).contains("for good"));
        }
    }

    #[test]
    fn a_peers_words_are_cut_and_cannot_forge_log_lines() {
        assert_eq!(shown("a\nb\u{1b}[31m"), "a\\nb\\u{1b}[31m");
        assert_eq!(shown(&"é".repeat(1000)).chars().count(), MESSAGE_CHARS_MAX + 1);
    }
}
