//! How a component fares, in the words of the OpenTelemetry Collector's `componentstatus`.
//!
//! - **In:** what the component notices itself: that it works, or what stands in its way.
//! - **Out:** a [`Reading`] for those who show it.
//! - **Guaranteed:** to say that all is well, once it is, costs one load; the last error is kept when it has passed.
//! - **Not here:** starting and stopping of the process, which concern all components alike.

use std::{
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use crate::time::UnixNanos;

/// The state of a component. Later is worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// It works.
    Ok,
    /// It takes up its state.
    #[default]
    Starting,
    /// Something is in its way that may pass by itself.
    RecoverableError,
    /// Something is in its way that a person must clear.
    PermanentError,
    /// It ends.
    Stopping,
}

/// How one component fares.
#[derive(Debug, Default)]
pub struct StatusCell {
    is_ok: AtomicBool,
    reading: Mutex<Reading>,
}

/// A component's state at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The state.
    pub status: Status,
    /// Since when; zero if it has never changed.
    pub since: UnixNanos,
    /// The last thing that stood in its way, which may have passed.
    pub last_error: Option<LastError>,
}

/// Something that stood in a component's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastError {
    /// What it was; at most [`MESSAGE_CHARS_MAX`] characters.
    pub message: String,
    /// When it was seen last.
    pub at: UnixNanos,
}

// === impl Status ===

impl Status {
    /// The Collector's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "StatusOK",
            Self::Starting => "StatusStarting",
            Self::RecoverableError => "StatusRecoverableError",
            Self::PermanentError => "StatusPermanentError",
            Self::Stopping => "StatusStopping",
        }
    }
}

// === impl StatusCell ===

impl StatusCell {
    /// It works. Asked for on the way of data, so the clock is read only if this is news.
    pub fn ok(&self, now: impl FnOnce() -> UnixNanos) {
        if !self.is_ok.load(Relaxed) {
            self.reading().change(Status::Ok, now());
            self.is_ok.store(true, Relaxed);
        }
    }

    /// Something is in its way; `status` says whether waiting helps.
    pub fn fault(&self, status: Status, error: &impl fmt::Display, now: UnixNanos) {
        self.is_ok.store(false, Relaxed);
        let message = error.to_string().chars().take(MESSAGE_CHARS_MAX).collect();
        let mut reading = self.reading();
        reading.change(status, now);
        reading.last_error = Some(LastError { message, at: now });
    }

    /// As it is now.
    pub fn read(&self) -> Reading {
        self.reading().clone()
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Reading ===

impl Reading {
    /// Of two parts of one component: the worse state, and the later error.
    pub fn join(&mut self, other: &Self) {
        if (other.status, other.since) > (self.status, self.since) {
            (self.status, self.since) = (other.status, other.since);
        }
        let at = |reading: &Self| reading.last_error.as_ref().map(|error| error.at);
        if at(other) > at(self) {
            self.last_error.clone_from(&other.last_error);
        }
    }

    fn change(&mut self, status: Status, now: UnixNanos) {
        if self.status != status || self.since == UnixNanos::default() {
            (self.status, self.since) = (status, now);
        }
    }
}

/// A peer's words are not kept longer.
pub const MESSAGE_CHARS_MAX: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_error_outlives_the_trouble_and_since_tells_when_the_state_began() {
        let cell = StatusCell::default();
        assert_eq!(cell.read(), Reading::default());
        cell.ok(|| UnixNanos(1));
        cell.ok(|| panic!("no clock is read while nothing changes"));
        cell.fault(Status::RecoverableError, &"first", UnixNanos(2));
        cell.fault(Status::RecoverableError, &"second", UnixNanos(3));
        let error = Some(LastError { message: "second".to_owned(), at: UnixNanos(3) });
        let failing =
            Reading { status: Status::RecoverableError, since: UnixNanos(2), last_error: error.clone() };
        assert_eq!(cell.read(), failing);
        cell.ok(|| UnixNanos(4));
        assert_eq!(cell.read(), Reading { status: Status::Ok, since: UnixNanos(4), last_error: error });
    }

    #[test]
    fn a_message_is_bounded_in_characters() {
        let cell = StatusCell::default();
        cell.fault(Status::PermanentError, &"é".repeat(1000), UnixNanos(1));
        let message = cell.read().last_error.unwrap().message;
        assert_eq!(message.chars().count(), MESSAGE_CHARS_MAX);
    }
}
