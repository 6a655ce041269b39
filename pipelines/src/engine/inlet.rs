//! What a receiver or a connector pushes into: the way of a batch from "received" to "in the journal".
//!
//! - **In:** validated batches of one request, with their arrival time.
//! - **Out:** one atomic journal entry for all pipelines that take them.
//! - **Guaranteed:** `Ok` means every pipeline that did not decline has the data as safely as its answer mode
//!   promises; a retryable refusal means no pipeline has any of it.
//! - **Not here:** admission of bytes (receivers do that before they buffer), and the receiver's own counts.

use std::{fmt, sync::Arc};

use proto::{AnyBatch, Batch, Logs, Metrics, Signal, SignalKind, Traces};

use crate::{
    client::Client,
    component::PipelineId,
    engine::edge::{Count, ProcessorEdge},
    journal::{Entry, Journal, Part, PipelineIndex, Sequence},
    processor::Processor,
    refusal::{Reason, Refusal},
    time::UnixNanos,
};

/// The way into the pipelines that one receiver, or one connector, feeds. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Inlet {
    routes: Arc<Routes>,
}

/// What came in with one request.
#[derive(Debug)]
pub struct Arrival {
    /// One batch, or several that belong together: they are appended as one, all or none.
    pub batches: Vec<AnyBatch>,
    /// Who sent it.
    pub client: Client,
    /// When it arrived. Aggregators see this time and no other.
    pub now: UnixNanos,
    /// The place in an idempotent producer's sequence; a place seen before is accepted and changes nothing.
    pub sequence: Option<Sequence>,
}

/// Where a pipeline begins: its synchronous processors, then its place in the journal.
#[derive(Debug)]
pub struct Head {
    /// Which pipeline.
    pub id: PipelineId,
    /// Its place in the journal.
    pub index: PipelineIndex,
    /// Its processors.
    pub chain: Chain,
    /// Items that processors left out on purpose.
    pub left_out: Count,
}

/// The processors of a pipeline, in order.
#[derive(Debug)]
pub enum Chain {
    /// Of spans.
    Traces(Vec<Stage<Traces>>),
    /// Of data points.
    Metrics(Vec<Stage<Metrics>>),
    /// Of log records.
    Logs(Vec<Stage<Logs>>),
}

/// One processor and its edge.
pub struct Stage<S> {
    /// What works on the batch.
    pub processor: Box<dyn Processor<S>>,
    /// What is counted around it.
    pub edge: Arc<ProcessorEdge>,
}

#[derive(Debug)]
struct Routes {
    journal: Arc<Journal>,
    /// Indexed by [`SignalKind`].
    heads: [Vec<Arc<Head>>; 3],
    /// Whether a restart makes this data again, so that it needs no disk.
    derivable: bool,
}

// === impl Inlet ===

impl Inlet {
    /// For a receiver: what it pushes is kept as its pipelines promise.
    pub fn for_receiver(journal: Arc<Journal>, heads: impl IntoIterator<Item = Arc<Head>>) -> Self {
        Self::new(journal, heads, false)
    }

    /// For a connector: what it pushes can be derived again unless it is numbered, so it goes through memory.
    pub fn for_connector(journal: Arc<Journal>, heads: impl IntoIterator<Item = Arc<Head>>) -> Self {
        Self::new(journal, heads, true)
    }

    /// Whether any pipeline takes this signal from here.
    pub fn accepts(&self, signal: SignalKind) -> bool {
        !self.heads(signal).is_empty()
    }

    /// Runs the processors, appends, and waits until the data is as safe as promised.
    ///
    /// # Errors
    /// Retryable: nothing was taken. Permanent: every pipeline declined the data for good, or none takes it.
    pub async fn push(&self, arrival: Arrival) -> Result<(), Refusal> {
        let Arrival { batches, client, now, sequence } = arrival;
        let parts = self.process(batches, &client)?;
        drop(client);
        if parts.is_empty() {
            return Ok(());
        }
        // What is numbered is not made again.
        let derivable = self.routes.derivable && sequence.is_none();
        let entry = Entry { parts, arrival: now, sequence, derivable };
        self.routes.journal.append(entry)?.await
    }

    fn new(journal: Arc<Journal>, heads: impl IntoIterator<Item = Arc<Head>>, derivable: bool) -> Self {
        let mut routes = Routes { journal, heads: Default::default(), derivable };
        for head in heads {
            routes.heads[head.id.signal as usize].push(head);
        }
        Self { routes: Arc::new(routes) }
    }

    fn heads(&self, signal: SignalKind) -> &[Arc<Head>] {
        &self.routes.heads[signal as usize]
    }

    /// Every pipeline's processors, before anything is reserved. One that says "later" stops the whole
    /// request; one that says "never" stops it only if all others say so too.
    fn process(&self, batches: Vec<AnyBatch>, client: &Client) -> Result<Vec<Part>, Refusal> {
        let mut parts = Vec::with_capacity(batches.len());
        let mut declined = None;
        for batch in batches.into_iter().filter(|batch| batch.items() > 0) {
            let heads = self.heads(batch.kind());
            if heads.is_empty() {
                declined = Some(Refusal::permanent(Reason::NoPipeline));
            }
            for head in heads {
                match head.process(batch.clone(), client) {
                    Ok(Some(batch)) => parts.push(Part { pipeline: head.index, batch }),
                    Ok(None) => {}
                    Err(refusal) if refusal.retry_after().is_some() => return Err(refusal),
                    Err(refusal) => declined = Some(refusal),
                }
            }
        }
        match declined {
            Some(refusal) if parts.is_empty() => Err(refusal),
            _ => Ok(parts),
        }
    }
}

// === impl Head ===

impl Head {
    fn process(&self, batch: AnyBatch, client: &Client) -> Result<Option<AnyBatch>, Refusal> {
        match (&self.chain, batch) {
            (Chain::Traces(stages), AnyBatch::Traces(batch)) => self.run(stages, batch, client),
            (Chain::Metrics(stages), AnyBatch::Metrics(batch)) => self.run(stages, batch, client),
            (Chain::Logs(stages), AnyBatch::Logs(batch)) => self.run(stages, batch, client),
            // An inlet sorts its heads by signal, so no other pair meets here.
            (_, batch) => Ok(Some(batch)),
        }
    }

    fn run<S: Signal>(
        &self,
        stages: &[Stage<S>],
        mut batch: Batch<S>,
        client: &Client,
    ) -> Result<Option<AnyBatch>, Refusal>
    where
        AnyBatch: From<Batch<S>>,
    {
        for Stage { processor, edge } in stages {
            let incoming = batch.items() as u64;
            edge.incoming.add(incoming);
            let outcome = processor.process(batch, client).inspect_err(|_| edge.refused.add(incoming))?;
            let outgoing = outcome.as_ref().map_or(0, |batch| batch.items() as u64);
            edge.outgoing.add(outgoing);
            self.left_out.add(incoming.saturating_sub(outgoing));
            match outcome {
                Some(left) => batch = left,
                None => return Ok(None),
            }
        }
        Ok(Some(batch.into()))
    }
}

// === impl Chain ===

impl Chain {
    /// A pipeline without processors.
    pub fn empty(signal: SignalKind) -> Self {
        match signal {
            SignalKind::Traces => Self::Traces(Vec::new()),
            SignalKind::Metrics => Self::Metrics(Vec::new()),
            SignalKind::Logs => Self::Logs(Vec::new()),
        }
    }

    /// The edges around its processors, in order.
    pub fn edges(&self) -> Vec<Arc<ProcessorEdge>> {
        match self {
            Self::Traces(stages) => stages.iter().map(|stage| Arc::clone(&stage.edge)).collect(),
            Self::Metrics(stages) => stages.iter().map(|stage| Arc::clone(&stage.edge)).collect(),
            Self::Logs(stages) => stages.iter().map(|stage| Arc::clone(&stage.edge)).collect(),
        }
    }
}

// === impl Stage ===

impl<S> fmt::Debug for Stage<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stage({})", self.edge.processor)
    }
}
