//! Running pipelines: who reads what, in which order it starts, and in which order it stops.
//!
//! - **In:** a checked graph, an open journal, built processors, exporters and aggregators.
//! - **Out:** an [`Inlet`] per receiver, and tasks that read the journal.
//! - **Guaranteed:** consumers run before the first inlet is used; a drain goes the way of the data, so that the
//!   last points of a connector are still read by those behind it; everything ends by one deadline.
//! - **Not here:** receivers. Whoever starts them stops them first.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use thiserror::Error;
use tokio::{
    sync::{Semaphore, watch},
    task::JoinHandle,
    time::Instant,
};
use tracing::warn;

use crate::{
    component::ComponentId,
    consumer::{Aggregator, Exporter, Feed},
    dead_letters::DeadLetters,
    engine::{
        drain::{DrainTrigger, drain},
        edge::{ConsumerEdge, ProcessorEdge},
        fold::{Fold, Input},
        graph::Graph,
        inlet::{Chain, Head, Inlet},
    },
    journal::{Bounds, CursorError, Journal, Mode, PipelineIndex},
    snapshot::{SnapshotError, Snapshots},
    time::UnixNanos,
};

/// What an engine is made of.
#[derive(Debug)]
pub struct Settings {
    /// The pipelines, upstream first.
    pub graph: Graph,
    /// Open, with the pipelines of the graph in the same order.
    pub journal: Arc<Journal>,
    /// The answer mode of each pipeline, in the same order.
    pub modes: Vec<Mode>,
    /// The processors of each pipeline, in the same order.
    pub chains: Vec<Chain>,
    /// Where aggregators of durable pipelines keep their snapshots.
    pub snapshots: Option<PathBuf>,
}

/// An engine that is being put together.
#[derive(Debug)]
pub struct Engine {
    graph: Graph,
    journal: Arc<Journal>,
    modes: Vec<Mode>,
    heads: Vec<Arc<Head>>,
    snapshots: Option<PathBuf>,
    /// Snapshots are saved one at a time.
    turn: Arc<Semaphore>,
    /// Aggregators with an outlet, upstream first, then the others; exporters last.
    stages: Vec<Stage>,
    replayed: BTreeMap<ComponentId, watch::Receiver<bool>>,
    consumers: Vec<Arc<ConsumerEdge>>,
}

/// An engine at work.
#[derive(Debug)]
pub struct Running {
    stages: Vec<Started>,
    journal: Arc<Journal>,
    edges: Edges,
}

/// Every edge of the engine, for those who show them.
#[derive(Clone, Debug, Default)]
pub struct Edges {
    /// In the order a batch meets them.
    pub processors: Vec<Arc<ProcessorEdge>>,
    /// One per consumer and pipeline.
    pub consumers: Vec<Arc<ConsumerEdge>>,
}

/// Why an engine cannot be put together.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The journal gives no cursor.
    #[error("{consumer} cannot read its pipeline")]
    Cursor {
        /// The consumer.
        consumer: ComponentId,
        /// Why.
        source: CursorError,
    },
    /// The snapshots cannot be opened or written.
    #[error("{consumer} cannot keep its state")]
    Snapshot {
        /// The consumer.
        consumer: ComponentId,
        /// Why.
        source: SnapshotError,
    },
}

#[derive(Debug)]
struct Stage {
    id: ComponentId,
    trigger: DrainTrigger,
    work: Work,
}

enum Work {
    Fold(Box<Fold>),
    Export(Box<dyn Exporter>, Box<Feed>),
}

#[derive(Debug)]
struct Started {
    id: ComponentId,
    /// A stage that feeds others is drained before them.
    feeds: bool,
    trigger: DrainTrigger,
    task: JoinHandle<()>,
}

// === impl Engine ===

impl Engine {
    /// An engine without consumers yet.
    pub fn new(settings: Settings) -> Self {
        let Settings { graph, journal, modes, chains, snapshots } = settings;
        let head = |(index, (spec, chain)): (usize, (&crate::engine::graph::PipelineSpec, Chain))| {
            Arc::new(Head {
                id: spec.id.clone(),
                index: PipelineIndex(index),
                chain,
                left_out: Default::default(),
            })
        };
        let heads = graph.pipelines().iter().zip(chains).enumerate().map(head).collect();
        Self {
            graph,
            journal,
            modes,
            heads,
            snapshots,
            turn: Arc::new(Semaphore::new(1)),
            stages: Vec::new(),
            replayed: BTreeMap::new(),
            consumers: Vec::new(),
        }
    }

    /// The way in for a receiver.
    pub fn inlet(&self, receiver: &ComponentId) -> Inlet {
        Inlet::for_receiver(Arc::clone(&self.journal), self.fed_by(receiver))
    }

    /// Adds an exporter at the end of one pipeline (an index into the graph's pipelines). A pipeline that answers
    /// `delivered` keeps no dead letters: its senders were told, and still have the data.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn add_exporter(
        &mut self,
        id: &ComponentId,
        pipeline: usize,
        exporter: Box<dyn Exporter>,
        bounds: Bounds,
        dead_letters: Option<DeadLetters>,
    ) -> Result<(), BuildError> {
        let Input { cursor, edge, .. } = self.input(id, pipeline, bounds)?;
        let (trigger, drain) = drain();
        let delivered = self.modes[pipeline] == Mode::Delivered;
        let dead_letters = dead_letters.filter(|_| !delivered);
        let feed = Feed { cursor, edge, drain, delivered, dead_letters };
        let work = Work::Export(exporter, Box::new(feed));
        self.stages.push(Stage { id: id.clone(), trigger, work });
        Ok(())
    }

    /// Adds a connector, or an exporter that keeps state, at the end of every pipeline that names it. Connectors
    /// are added upstream first. Takes up its saved state; blocking. What it gives becomes true when the replay is
    /// over and its first points are on their way.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn add_aggregator(
        &mut self,
        id: &ComponentId,
        aggregator: Box<dyn Aggregator>,
        flush_interval: Duration,
        bounds: Bounds,
    ) -> Result<watch::Receiver<bool>, BuildError> {
        let pipelines: Vec<_> = self.graph.ending_at(id).collect();
        let inputs: Vec<_> =
            pipelines.iter().map(|pipeline| self.input(id, *pipeline, bounds)).collect::<Result<_, _>>()?;
        let outlet = self.graph.is_connector(id).then(|| self.outlet(id));
        let (trigger, drain) = drain();
        let (replayed, watch_replayed) = watch::channel(false);
        let mut fold = Fold {
            name: id.to_string(),
            aggregator,
            snapshots: self.open_snapshots(id, &inputs)?,
            turn: Arc::clone(&self.turn),
            inputs,
            outlet,
            flush_interval,
            drain,
            upstream: self.upstream_of(&pipelines),
            replayed,
        };
        fold.restore().map_err(|source| BuildError::Snapshot { consumer: id.clone(), source })?;
        self.replayed.insert(id.clone(), watch_replayed.clone());
        self.stages.push(Stage { id: id.clone(), trigger, work: Work::Fold(Box::new(fold)) });
        Ok(watch_replayed)
    }

    /// Starts every consumer. Must be called inside a Tokio runtime.
    pub fn start(self) -> Running {
        let edges = Edges {
            processors: self.heads.iter().flat_map(|head| head.chain.edges()).collect(),
            consumers: self.consumers,
        };
        let stages = self.stages.into_iter().map(Stage::start).collect();
        Running { stages, journal: self.journal, edges }
    }

    fn fed_by<'a>(&'a self, id: &'a ComponentId) -> impl Iterator<Item = Arc<Head>> + 'a {
        self.graph.fed_by(id).map(|index| Arc::clone(&self.heads[index]))
    }

    fn outlet(&self, connector: &ComponentId) -> Inlet {
        Inlet::for_connector(Arc::clone(&self.journal), self.fed_by(connector))
    }

    fn input(&mut self, id: &ComponentId, pipeline: usize, bounds: Bounds) -> Result<Input, BuildError> {
        let spec = &self.graph.pipelines()[pipeline].id;
        let cursor = self
            .journal
            .cursor(PipelineIndex(pipeline), &id.to_string(), bounds)
            .map_err(|source| BuildError::Cursor { consumer: id.clone(), source })?;
        let edge = Arc::new(ConsumerEdge::new(id.clone(), spec.signal));
        edge.lag_bytes_max.set(bounds.lag_bytes_max);
        self.consumers.push(Arc::clone(&edge));
        Ok(Input { pipeline: spec.to_string(), durable: self.modes[pipeline] == Mode::Durable, cursor, edge })
    }

    fn open_snapshots(&self, id: &ComponentId, inputs: &[Input]) -> Result<Option<Snapshots>, BuildError> {
        let wanted = inputs.iter().any(|input| input.durable);
        let Some(directory) = self.snapshots.as_ref().filter(|_| wanted) else { return Ok(None) };
        let name = id.to_string().replace('/', "-");
        Snapshots::open(self.journal.disk(), directory, &name)
            .map(Some)
            .map_err(|source| BuildError::Snapshot { consumer: id.clone(), source })
    }

    /// The connectors whose points reach any of these pipelines.
    fn upstream_of(&self, pipelines: &[usize]) -> Vec<watch::Receiver<bool>> {
        let feeds = |id: &&ComponentId| {
            pipelines.iter().any(|pipeline| self.graph.pipelines()[*pipeline].receivers.contains(id))
        };
        let upstream = self.replayed.iter().filter(|(id, _)| self.graph.is_connector(id) && feeds(id));
        upstream.map(|(_, replayed)| replayed.clone()).collect()
    }
}

// === impl Running ===

impl Running {
    /// What is counted.
    pub fn edges(&self) -> &Edges {
        &self.edges
    }

    /// Stops everything, the way of the data, within this time, [`LAST_MOMENT`] included. Receivers have stopped
    /// before.
    #[expect(clippy::disallowed_methods, reason = "the engine owns the clock")]
    pub async fn stop(self, within: Duration) {
        let deadline = Instant::now() + within.saturating_sub(LAST_MOMENT);
        let (feeding, last): (Vec<_>, Vec<_>) = self.stages.into_iter().partition(|stage| stage.feeds);
        for stage in feeding {
            stage.trigger.begin(deadline.saturating_duration_since(Instant::now()));
            stage.join(deadline).await;
        }
        // Nothing comes after the last points: who reads to the end knows now that it is the end.
        self.journal.seal();
        for stage in &last {
            stage.trigger.begin(deadline.saturating_duration_since(Instant::now()));
        }
        for stage in last {
            stage.join(deadline).await;
        }
        self.journal.close().await;
    }
}

// === impl Stage ===

impl Stage {
    fn start(self) -> Started {
        let Self { id, trigger, work } = self;
        match work {
            Work::Fold(fold) => {
                let feeds = fold.outlet.is_some();
                Started { id, feeds, trigger, task: tokio::spawn(fold.run()) }
            }
            Work::Export(exporter, feed) => {
                feed.edge.status.ok(UnixNanos::now);
                Started { id, feeds: false, trigger, task: tokio::spawn(exporter.run(*feed)) }
            }
        }
    }
}

// === impl Started ===

impl Started {
    /// Waits for the end of the task. Past the deadline (and a moment for a last snapshot) it is given up.
    async fn join(mut self, deadline: Instant) {
        match tokio::time::timeout_at(deadline + LAST_MOMENT, &mut self.task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(consumer = %self.id, %error, "ended badly"),
            Err(_) => {
                warn!(consumer = %self.id, "did not end in time; what it had not committed stays in the journal");
                self.task.abort();
            }
        }
    }
}

// === impl Work ===

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Fold(_) => "Fold",
            Self::Export(..) => "Export",
        })
    }
}

/// What a consumer gets past the deadline to write down its state.
const LAST_MOMENT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
