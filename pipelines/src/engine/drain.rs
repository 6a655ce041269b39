//! The signal to stop, and until when.

use std::time::Duration;

use tokio::{sync::watch, time::Instant};

/// Held by whoever decides that the process stops.
#[derive(Debug)]
pub struct DrainTrigger {
    tx: watch::Sender<Option<Instant>>,
}

/// Held by every task. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Drain {
    rx: watch::Receiver<Option<Instant>>,
}

/// A trigger and the first of its listeners.
pub fn drain() -> (DrainTrigger, Drain) {
    let (tx, rx) = watch::channel(None);
    (DrainTrigger { tx }, Drain { rx })
}

// === impl DrainTrigger ===

impl DrainTrigger {
    /// Begins the drain. A second call changes nothing.
    #[expect(clippy::disallowed_methods, reason = "the engine owns the clock")]
    pub fn begin(&self, within: Duration) {
        self.tx.send_if_modified(|deadline| {
            let first = deadline.is_none();
            if first {
                *deadline = Some(Instant::now() + within);
            }
            first
        });
    }
}

// === impl Drain ===

impl Drain {
    /// Whether the drain has begun.
    pub fn has_begun(&self) -> bool {
        self.rx.borrow().is_some()
    }

    /// Waits until the drain begins and gives its deadline. Cancel safe.
    pub async fn begun(&mut self) -> Instant {
        let deadline = self.rx.wait_for(Option::is_some).await.map(|deadline| *deadline);
        match deadline {
            Ok(deadline) => deadline.unwrap_or_else(far_future),
            // The trigger is gone without having been pulled: nobody will ever ask us to stop.
            Err(_) => std::future::pending().await,
        }
    }

    /// Waits until the drain's deadline has passed. Cancel safe.
    pub async fn expired(&mut self) {
        let deadline = self.begun().await;
        tokio::time::sleep_until(deadline).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "the engine owns the clock")]
fn far_future() -> Instant {
    Instant::now() + Duration::from_secs(86_400)
}
