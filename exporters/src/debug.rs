//! `debug`: writes what flows through a pipeline to our own log, for eyes.
//!
//! - **Out:** `basic` one line a second with the counts, while anything flows; `normal` and
//!   `detailed` the items themselves, of a sample of the requests.
//! - **Guaranteed:** it never holds a pipeline up: it reads as fast as it writes, and who lags drops
//!   the oldest.
//! - **Not here:** a stable format. Nobody may parse these lines.

use std::{future::Future, pin::Pin, time::Duration};

use pipelines::{
    component::ComponentId,
    config::ConfigError,
    consumer::{Exporter, Feed},
    journal::Record,
};
use proto::SignalKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval};
use tracing::info;

use crate::delivery::show_lag;

mod text;

/// What the user writes under `debug:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How much is written.
    pub verbosity: Verbosity,
    /// Requests written in full at the beginning of each second.
    pub sampling_initial: u64,
    /// After those, every so many-th request of the second.
    pub sampling_thereafter: u64,
    /// Without effect: lines go to our own log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_internal_logger: Option<bool>,
    /// Without effect: lines go to our own log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_paths: Option<Vec<String>>,
}

/// How much is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verbosity {
    /// Counts.
    #[default]
    Basic,
    /// About a line for each item.
    Normal,
    /// Everything.
    Detailed,
}

/// The exporter of one pipeline.
#[derive(Debug)]
pub struct Debug {
    id: ComponentId,
    config: Config,
    second: Second,
}

/// What came in since the last line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Second {
    requests: u64,
    items: u64,
    bytes: u64,
}

// === impl Config ===

impl Config {
    /// Every fault, with its path below the exporter.
    pub fn check(&self) -> Vec<ConfigError> {
        let zero = self.sampling_thereafter == 0;
        let error =
            || ConfigError::new("sampling_thereafter", "must be at least 1, which writes every request");
        zero.then(error).into_iter().collect()
    }

    /// Keys that are written but change nothing here.
    pub fn without_effect(&self) -> Vec<ConfigError> {
        let note = |key| ConfigError::new(key, "has no effect, lines go to the log of the collector");
        let logger = (self.use_internal_logger == Some(false)).then(|| note("use_internal_logger"));
        logger.into_iter().chain(self.output_paths.as_ref().map(|_| note("output_paths"))).collect()
    }

    /// The exporter of one pipeline.
    pub fn build(&self, id: &ComponentId) -> Debug {
        Debug { id: id.clone(), config: self.clone(), second: Second::default() }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            verbosity: Verbosity::default(),
            sampling_initial: 2,
            sampling_thereafter: 1,
            use_internal_logger: None,
            output_paths: None,
        }
    }
}

// === impl Debug ===

impl Exporter for Debug {
    fn run(self: Box<Self>, feed: Feed) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.read(feed))
    }
}

impl Debug {
    async fn read(mut self, feed: Feed) {
        let Feed { cursor, edge, mut drain, .. } = feed;
        let expired = drain.expired();
        tokio::pin!(expired);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut expired => break,
                _ = ticks.tick() => {
                    self.summary(edge.signal);
                    show_lag(&edge, &cursor);
                }
                read = cursor.next(READ_BYTES) => {
                    let Some(records) = read else { break };
                    let Some(last) = records.last().map(|record| record.position) else { continue };
                    edge.sent.add(records.iter().map(|record| record.batch.items() as u64).sum());
                    records.iter().for_each(|record| self.show(record));
                    cursor.commit(last);
                }
            }
        }
        self.summary(edge.signal);
        show_lag(&edge, &cursor);
    }

    fn show(&mut self, record: &Record) {
        if self.config.verbosity != Verbosity::Basic && self.is_sampled() {
            let detailed = self.config.verbosity == Verbosity::Detailed;
            let (exporter, signal) = (&self.id, record.batch.kind());
            info!(%exporter, %signal, items = record.batch.items(), "{}", text::text(&record.batch, detailed));
        }
        self.second.requests += 1;
        self.second.items += record.batch.items() as u64;
        self.second.bytes += record.batch.bytes().len() as u64;
    }

    /// Whether the next request of this second is written in full.
    fn is_sampled(&self) -> bool {
        let Config { sampling_initial, sampling_thereafter, .. } = self.config;
        let after = self.second.requests.checked_sub(sampling_initial);
        after.is_none_or(|after| (after + 1).is_multiple_of(sampling_thereafter.max(1)))
    }

    /// The line of a second in which anything came.
    fn summary(&mut self, signal: SignalKind) {
        let Second { requests, items, bytes } = std::mem::take(&mut self.second);
        if requests > 0 {
            info!(exporter = %self.id, %signal, requests, items, bytes, "received {}", signal.items());
        }
    }
}

const TICK: Duration = Duration::from_secs(1);
const READ_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests;
