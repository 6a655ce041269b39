//! The collector at one moment, as plain data.

use std::collections::BTreeMap;

use pipelines::{
    component::ComponentId,
    journal::{CursorStats, Mode, Stats},
    memory::MemoryReading,
    status::{Reading, Status},
    time::UnixNanos,
};
use proto::SignalKind;
use serde::Serialize;

use super::Overview;
use crate::telemetry::{
    health::{Phase, timestamp},
    watchdog::Found,
};

/// The collector at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// `phasor`.
    pub service: &'static str,
    /// Of the program.
    pub version: &'static str,
    /// The worst of all components.
    pub status: &'static str,
    /// Whether data is taken.
    pub ready: bool,
    /// If not, why.
    pub reason: Option<&'static str>,
    /// RFC 3339.
    pub started_at: String,
    /// Seconds.
    pub uptime_seconds: f64,
    /// What listens where.
    pub listeners: Vec<Listener>,
    /// In the order a batch meets them.
    pub pipelines: Vec<Pipeline>,
    /// Every component that runs.
    pub components: Vec<Component>,
    /// The journal.
    pub journal: JournalNumbers,
    /// Who reads the journal, and how far behind the end.
    pub cursors: Vec<Cursor>,
    /// The memory budget.
    pub memory: Memory,
    /// The loops that `/livez` looks at.
    pub loops: Vec<Loop>,
}

/// A bound address.
#[derive(Clone, Debug, Serialize)]
pub struct Listener {
    /// What it serves.
    pub name: String,
    /// Host and port, the real ones.
    pub address: String,
}

/// One pipeline, and what has passed each of its edges.
#[derive(Clone, Debug, Serialize)]
pub struct Pipeline {
    /// Its id.
    pub name: String,
    /// What flows.
    pub signal: &'static str,
    /// `memory`, `durable` or `delivered`.
    pub mode: &'static str,
    /// What feeds it. The numbers of a receiver are those of all its pipelines of the signal.
    pub receivers: Vec<Entrance>,
    /// In their order.
    pub processors: Vec<Stage>,
    /// What reads it.
    pub exporters: Vec<Exit>,
}

/// A receiver, or a connector that feeds a pipeline.
#[derive(Clone, Debug, Serialize)]
pub struct Entrance {
    /// Its name.
    pub id: String,
    /// `receiver` or `connector`.
    pub kind: &'static str,
    /// Items; nothing for a connector.
    pub accepted: Option<u64>,
    /// Items; nothing for a connector.
    pub refused: Option<u64>,
    /// Items; nothing for a connector.
    pub failed: Option<u64>,
}

/// A processor in a pipeline.
#[derive(Clone, Debug, Serialize)]
pub struct Stage {
    /// Its name.
    pub id: String,
    /// Items.
    pub incoming: u64,
    /// Items.
    pub outgoing: u64,
    /// Items.
    pub refused: u64,
}

/// An exporter, or a connector that reads a pipeline.
#[derive(Clone, Debug, Serialize)]
pub struct Exit {
    /// Its name.
    pub id: String,
    /// `exporter` or `connector`.
    pub kind: &'static str,
    /// Items delivered, or applied.
    pub sent: u64,
    /// Items given up.
    pub failed: u64,
    /// Items dropped because it lagged.
    pub dropped: u64,
    /// Requests tried again.
    pub retries: u64,
    /// Bytes between it and the end of the pipeline.
    pub lag_bytes: i64,
    /// Their bound.
    pub lag_bytes_max: i64,
    /// How it fares in this pipeline.
    #[serde(flatten)]
    pub fares: Fares,
}

/// A component that runs.
#[derive(Clone, Debug, Serialize)]
pub struct Component {
    /// Its name.
    pub id: String,
    /// `receiver`, `processor`, `connector`, `exporter` or `extension`.
    pub kind: &'static str,
    /// How it fares, the worst over its pipelines.
    #[serde(flatten)]
    pub fares: Fares,
}

/// How something fares.
#[derive(Clone, Debug, Serialize)]
pub struct Fares {
    /// The Collector's word.
    pub status: &'static str,
    /// RFC 3339.
    pub since: String,
    /// What last stood in its way; it may have passed.
    pub last_error: Option<LastError>,
}

/// What last stood in a component's way.
#[derive(Clone, Debug, Serialize)]
pub struct LastError {
    /// What it was.
    pub message: String,
    /// RFC 3339.
    pub at: String,
    /// Seconds ago.
    pub age_seconds: f64,
}

/// The journal in numbers.
#[derive(Clone, Debug, Serialize)]
pub struct JournalNumbers {
    pub disk_bytes: u64,
    pub segments: usize,
    pub tail_bytes: u64,
    pub queued_bytes: u64,
    pub appended: u64,
    pub refused: u64,
    pub unreadable: u64,
    pub read_only: bool,
    pub refusing: bool,
}

/// A consumer's place.
#[derive(Clone, Debug, Serialize)]
pub struct Cursor {
    pub pipeline: String,
    pub consumer: String,
    pub mode: &'static str,
    /// Bytes it has not taken in.
    pub lag_bytes: u64,
    pub lag_items: u64,
    /// Bytes that the journal keeps for it: for who keeps state, also what no two snapshots hold yet.
    pub held_bytes: u64,
    /// The bound of `held_bytes`.
    pub lag_bytes_max: u64,
    pub dropped_items: u64,
}

/// The memory budget.
#[derive(Clone, Debug, Serialize)]
pub struct Memory {
    /// What all parts hold.
    pub bytes: u64,
    /// What they may hold at most; with a `memory_limiter` the limit is lower.
    pub bytes_max: u64,
    /// One by one.
    pub parts: Vec<Part>,
}

/// A part of the memory budget.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub bytes: u64,
    /// What it may hold.
    pub bytes_max: u64,
}

/// A loop of the process.
#[derive(Clone, Debug, Serialize)]
pub struct Loop {
    /// What it is.
    pub name: String,
    /// Whether it goes round.
    pub live: bool,
    /// Seconds without a sign of life.
    pub silent_seconds: f64,
}

// === impl Overview ===

impl Overview {
    /// All of it. `now` is for ages only.
    pub fn snapshot(&self, now: UnixNanos) -> Snapshot {
        let stats = self.journal.stats();
        let components = self.components(&stats, now);
        let ready = self.health.ready();
        Snapshot {
            service: "phasor",
            version: env!("CARGO_PKG_VERSION"),
            status: self.worst(&components).as_str(),
            ready: ready.is_ok(),
            reason: ready.err(),
            started_at: timestamp(self.health.started_at()),
            uptime_seconds: self.health.uptime_seconds(),
            listeners: self.listeners.iter().map(Listener::of).collect(),
            pipelines: (0..self.graph.pipelines().len()).map(|index| self.pipeline(index, now)).collect(),
            components: components.into_iter().map(|(_, component)| component).collect(),
            journal: JournalNumbers::of(&stats),
            cursors: stats.cursors.into_iter().map(Cursor::of).collect(),
            memory: Memory {
                bytes: self.memory.bytes(),
                bytes_max: self.memory.bytes_max(),
                parts: self.memory.readings().into_iter().map(Part::of).collect(),
            },
            loops: self.health.loops().into_iter().map(Loop::of).collect(),
        }
    }

    fn worst(&self, components: &[(Status, Component)]) -> Status {
        let worst = components.iter().map(|(status, _)| *status).max().unwrap_or_default();
        if self.health.loops().iter().any(Found::is_stuck) {
            worst.max(Status::RecoverableError)
        } else {
            worst
        }
    }

    fn pipeline(&self, index: usize, now: UnixNanos) -> Pipeline {
        let spec = &self.graph.pipelines()[index];
        let entrance = |id: &ComponentId| self.entrance(id, spec.id.signal);
        let stages = self.processors(index).iter().map(|edge| Stage {
            id: edge.processor.to_string(),
            incoming: edge.incoming.total(),
            outgoing: edge.outgoing.total(),
            refused: edge.refused.total(),
        });
        let exits = self.consumers(index).into_iter().map(|edge| Exit {
            id: edge.consumer.to_string(),
            kind: self.kind(&edge.consumer),
            sent: edge.sent.total(),
            failed: edge.failed.total(),
            dropped: edge.dropped.total(),
            retries: edge.retries.total(),
            lag_bytes: edge.lag_bytes.value(),
            lag_bytes_max: edge.lag_bytes_max.value(),
            fares: Fares::of(self.with_phase(edge.status.read()), now),
        });
        Pipeline {
            name: spec.id.to_string(),
            signal: spec.id.signal.as_str(),
            mode: mode(self.modes.get(&spec.id)),
            receivers: spec.receivers.iter().map(entrance).collect(),
            processors: stages.collect(),
            exporters: exits.collect(),
        }
    }

    fn entrance(&self, id: &ComponentId, signal: SignalKind) -> Entrance {
        let edges: Vec<_> =
            self.receivers.iter().filter(|edge| edge.receiver == *id && edge.signal == signal).collect();
        let sum = |read: fn(&pipelines::engine::edge::ReceiverEdge) -> u64| {
            (!edges.is_empty()).then(|| edges.iter().map(|edge| read(edge)).sum())
        };
        Entrance {
            id: id.to_string(),
            kind: if self.graph.is_connector(id) { "connector" } else { "receiver" },
            accepted: sum(|edge| edge.accepted.total()),
            refused: sum(|edge| edge.refused.total()),
            failed: sum(|edge| edge.failed.total()),
        }
    }

    /// Every component, receivers first, each once.
    fn components(&self, stats: &Stats, now: UnixNanos) -> Vec<(Status, Component)> {
        let healthy = || self.with_phase(Reading { status: Status::Ok, ..Reading::default() });
        let mut found = Vec::new();
        let mut add = |id: &ComponentId, kind, reading: Reading| {
            let component = Component { id: id.to_string(), kind, fares: Fares::of(reading.clone(), now) };
            found.push((reading.status, component));
        };
        for id in self.graph.receivers() {
            add(id, "receiver", healthy());
        }
        let mut processors: Vec<_> =
            self.graph.pipelines().iter().flat_map(|spec| &spec.processors).collect();
        processors.sort();
        processors.dedup();
        for id in processors {
            add(id, "processor", healthy());
        }
        let mut consumers: BTreeMap<(&str, &ComponentId), Reading> = BTreeMap::new();
        for edge in &self.edges.consumers {
            let reading = self.with_phase(edge.status.read());
            let seen = consumers.entry((self.kind(&edge.consumer), &edge.consumer));
            seen.and_modify(|seen| seen.join(&reading)).or_insert(reading);
        }
        for ((kind, id), reading) in consumers {
            add(id, if kind == "connector" { "connector" } else { "exporter" }, reading);
        }
        for id in &self.extensions {
            let reading = if id.kind == "file_storage" { journal(stats, healthy(), now) } else { healthy() };
            add(id, "extension", reading);
        }
        found
    }

    fn kind(&self, id: &ComponentId) -> &'static str {
        if self.graph.is_connector(id) { "connector" } else { "exporter" }
    }

    /// Components start and stop with the process.
    fn with_phase(&self, reading: Reading) -> Reading {
        let status = match self.health.phase() {
            Phase::Starting => Status::Starting,
            Phase::Ready => reading.status,
            Phase::Stopping => Status::Stopping,
        };
        let since = Some(reading.since).filter(|since| since.0 > 0).unwrap_or(self.health.started_at());
        Reading { status, since, ..reading }
    }
}

/// The extension `file_storage` fares as the journal does.
fn journal(stats: &Stats, healthy: Reading, now: UnixNanos) -> Reading {
    let (status, message) = match stats {
        Stats { read_only: true, .. } => (Status::PermanentError, "the disk has failed; see the log"),
        Stats { refusing: true, .. } => {
            (Status::RecoverableError, "the disk takes no data and is tried again")
        }
        _ => return healthy,
    };
    let error = pipelines::status::LastError { message: message.to_owned(), at: now };
    Reading { status, since: healthy.since, last_error: Some(error) }
}

fn mode(mode: Option<&Mode>) -> &'static str {
    match mode {
        Some(Mode::Durable) => "durable",
        Some(Mode::Delivered) => "delivered",
        Some(Mode::Memory) | None => "memory",
    }
}

// === impl Fares ===

impl Fares {
    fn of(reading: Reading, now: UnixNanos) -> Self {
        let error = reading.last_error.map(|error| LastError {
            at: timestamp(error.at),
            age_seconds: now.since(error.at).as_secs_f64(),
            message: error.message,
        });
        Self { status: reading.status.as_str(), since: timestamp(reading.since), last_error: error }
    }
}

// === impl Listener ===

impl Listener {
    fn of((name, address): &(String, String)) -> Self {
        Self { name: name.clone(), address: address.clone() }
    }
}

// === impl JournalNumbers ===

impl JournalNumbers {
    fn of(stats: &Stats) -> Self {
        Self {
            disk_bytes: stats.disk_bytes,
            segments: stats.segments,
            tail_bytes: stats.tail_bytes,
            queued_bytes: stats.queued_bytes,
            appended: stats.appended,
            refused: stats.refused,
            unreadable: stats.unreadable,
            read_only: stats.read_only,
            refusing: stats.refusing,
        }
    }
}

// === impl Cursor ===

impl Cursor {
    fn of(stats: CursorStats) -> Self {
        Self {
            pipeline: stats.pipeline,
            consumer: stats.name,
            mode: mode(Some(&stats.mode)),
            lag_bytes: stats.lag_bytes,
            lag_items: stats.lag_items,
            held_bytes: stats.held_bytes,
            lag_bytes_max: stats.lag_bytes_max,
            dropped_items: stats.dropped_items,
        }
    }
}

// === impl Part ===

impl Part {
    fn of(reading: MemoryReading) -> Self {
        Self { name: reading.name, bytes: reading.bytes, bytes_max: reading.bytes_max }
    }
}

// === impl Loop ===

impl Loop {
    fn of(found: Found) -> Self {
        Self { live: !found.is_stuck(), silent_seconds: found.silent.as_secs_f64(), name: found.name }
    }
}
