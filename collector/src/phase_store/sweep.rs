//! Ends idle tasks and forgets what is past its age, once a minute.

use std::{sync::Arc, time::Duration};

use pipelines::{engine::drain::Drain, time::UnixNanos};

use super::store::Store;

/// Runs until the drain begins.
pub(super) async fn run(
    store: Arc<dyn Store>,
    now: Arc<dyn Fn() -> UnixNanos + Send + Sync>,
    retention: Option<Duration>,
    mut drain: Drain,
) {
    loop {
        let pause = match store.sweep(now(), retention).await {
            Ok(true) => PAUSE_BETWEEN_PARTS,
            Ok(false) => PAUSE,
            Err(error) => {
                tracing::warn!(%error, "the phase store could not end idle tasks; it tries again");
                PAUSE
            }
        };
        tokio::select! {
            _ = drain.begun() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

const PAUSE: Duration = Duration::from_secs(60);
/// Between two parts of a long sweep, so that requests come first.
const PAUSE_BETWEEN_PARTS: Duration = Duration::from_millis(50);
