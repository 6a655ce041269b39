//! `debug`: writes what flows through a pipeline to our own log, or where one says, for eyes.
//!
//! - **Out:** `basic` one line a second with the counts, while anything flows; `normal` and
//!   `detailed` the items themselves, of a sample of the requests.
//! - **Guaranteed:** it never holds a pipeline up: it reads as fast as it writes, and who lags drops
//!   the oldest.
//! - **Not here:** a stable format. Nobody may parse these lines.

use std::{future::Future, pin::Pin, time::Duration};

use pipelines::{
    component::ComponentId,
    config::{ConfigError, IgnoredAny},
    consumer::{Exporter, Feed},
    journal::Record,
};
use proto::SignalKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval};
use tracing::info;

use crate::delivery::show_lag;

mod output;
mod text;

use output::{Output, STDOUT};

/// What the user writes under `debug:`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How much is written.
    pub verbosity: Verbosity,
    /// Requests written in full at the beginning of each second.
    pub sampling_initial: u64,
    /// After those, every so many-th request of the second.
    pub sampling_thereafter: u64,
    /// Lines go to our own log, with its level and its form; otherwise to `output_paths`, as they are.
    pub use_internal_logger: bool,
    /// Where lines go: `stdout`, `stderr` or files, which are added to.
    pub output_paths: Vec<String>,
    /// Without effect: its place in the journal is its queue.
    #[serde(skip_serializing)]
    pub sending_queue: Option<IgnoredAny>,
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
    /// Instead of the log.
    output: Option<Output>,
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
        let mut errors = Vec::new();
        if self.sampling_thereafter == 0 {
            let message = "must be at least 1, which writes every request";
            errors.push(ConfigError::new("sampling_thereafter", message));
        }
        if !self.use_internal_logger && self.output_paths.iter().all(String::is_empty) {
            errors.push(ConfigError::new("output_paths", "names nothing; write for example [stdout]"));
        }
        errors
    }

    /// Keys that are written but change nothing here.
    pub fn without_effect(&self) -> Vec<ConfigError> {
        let written = self.use_internal_logger && self.output_paths != [STDOUT];
        let note = || ConfigError::new("output_paths", "has no effect without `use_internal_logger: false`");
        written.then(note).into_iter().collect()
    }

    /// The exporter of one pipeline.
    ///
    /// # Errors
    /// A file cannot be opened.
    pub fn build(&self, id: &ComponentId) -> Result<Debug, ConfigError> {
        let output = (!self.use_internal_logger).then(|| Output::open(&self.output_paths)).transpose()?;
        Ok(Debug { id: id.clone(), config: self.clone(), second: Second::default(), output })
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            verbosity: Verbosity::default(),
            sampling_initial: 2,
            sampling_thereafter: 1,
            use_internal_logger: true,
            output_paths: vec![STDOUT.to_owned()],
            sending_queue: None,
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
                    self.summary(edge.signal).await;
                    show_lag(&edge, &cursor);
                }
                read = cursor.next(READ_BYTES) => {
                    let Some(records) = read else { break };
                    let Some(last) = records.last().map(|record| record.position) else { continue };
                    edge.sent.add(records.iter().map(|record| record.batch.items() as u64).sum());
                    for record in &records {
                        self.show(record).await;
                    }
                    cursor.commit(last);
                    show_lag(&edge, &cursor);
                }
            }
        }
        self.summary(edge.signal).await;
        show_lag(&edge, &cursor);
    }

    async fn show(&mut self, record: &Record) {
        if self.config.verbosity != Verbosity::Basic && self.is_sampled() {
            let detailed = self.config.verbosity == Verbosity::Detailed;
            let (exporter, signal) = (&self.id, record.batch.kind());
            let (items, text) = (record.batch.items(), text::text(&record.batch, detailed));
            match &self.output {
                None => info!(%exporter, %signal, items, "{text}"),
                Some(output) => output.write(format!("{exporter} {signal} items={items} {text}")).await,
            }
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
    async fn summary(&mut self, signal: SignalKind) {
        let Second { requests, items, bytes } = std::mem::take(&mut self.second);
        if requests > 0 {
            let (exporter, what) = (&self.id, signal.items());
            match &self.output {
                None => info!(%exporter, %signal, requests, items, bytes, "received {what}"),
                Some(output) => {
                    let line = format!(
                        "{exporter} {signal} requests={requests} items={items} bytes={bytes} received {what}"
                    );
                    output.write(line).await;
                }
            }
        }
    }
}

const TICK: Duration = Duration::from_secs(1);
const READ_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests;
