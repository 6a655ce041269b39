//! From configured components to built ones: the journal, the processors, the consumers.
//!
//! **Not here:** the order in which all this happens; `service` tells it.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use exporters::{
    Built,
    delivery::config::LAG_BYTES_MAX_MEMORY,
    prometheus::{Config as PrometheusConfig, Page, PrometheusTable, Table, own::OwnFamilies},
};
use pipelines::{
    component::ComponentId,
    config::ConfigError,
    connectors::stats::Stats,
    dead_letters::DeadLetters,
    engine::{
        edge::ProcessorEdge,
        inlet::{Chain, Stage},
        run::{self, Engine},
    },
    journal::{Bounds, Journal, Mode, OnFull, PipelineSettings, Settings},
    processors::{Hints, matching::Items},
};
use proto::SignalKind;
use tokio::sync::watch;
use tracing::{info, warn};

use super::{StartError, budget::Budget, failed, shown::Shown};
use crate::{config::Config, telemetry::banner::Banner};

/// A Prometheus exporter whose table is at the end of its pipelines and whose page nobody serves yet.
pub(super) struct Exposed {
    id: ComponentId,
    config: PrometheusConfig,
    table: Arc<Table>,
    replayed: watch::Receiver<bool>,
}

/// Opens the journal with the pipelines of the graph, and says what recovery found.
pub(super) fn journal(
    config: &Config,
    data_dir: &Path,
    budget: &Budget,
) -> Result<(Arc<Journal>, Vec<Mode>), StartError> {
    let specs = config.service.graph.pipelines();
    let modes: Vec<_> = specs
        .iter()
        .map(|spec| config.service.modes.get(&spec.id).copied().unwrap_or(Mode::Memory))
        .collect();
    let pipeline = |(spec, mode): (&pipelines::engine::graph::PipelineSpec, &Mode)| PipelineSettings {
        name: spec.id.to_string(),
        signal: spec.id.signal,
        mode: *mode,
    };
    let directory = config.journal_directory(data_dir);
    let durable = modes.contains(&Mode::Durable);
    let (journal, recovered) = Journal::open(Settings {
        directory: durable.then_some(directory),
        disk: pipelines::disk::files(),
        segment_bytes_max: SEGMENT_BYTES,
        tail_bytes_max: budget.tail_bytes(),
        pipelines: specs.iter().zip(&modes).map(pipeline).collect(),
    })
    .map_err(|error| failed("the journal cannot be opened", error))?;
    if recovered.records > 0 {
        info!(
            records = recovered.records,
            bytes = recovered.bytes,
            "the journal was taken up where it ended"
        );
    }
    if recovered.torn_bytes > 0 {
        info!(bytes = recovered.torn_bytes, "an unfinished record at the journal's end was cut off");
    }
    if recovered.cursors_lost {
        warn!("the cursors' places were not readable: every consumer begins at the oldest record");
    }
    for damage in &recovered.damaged {
        warn!(file = %damage.file.display(), offset = damage.offset, bytes = damage.bytes, "damage in the journal was passed over");
    }
    budget.journal(&journal);
    Ok((journal, modes))
}

/// The engine with every pipeline's processors and no consumer yet.
pub(super) fn engine(
    config: &Config,
    data_dir: &Path,
    journal: &Arc<Journal>,
    modes: Vec<Mode>,
    budget: &Budget,
) -> Result<Engine, StartError> {
    let memory = budget.memory();
    let mut chains = Vec::new();
    for spec in config.service.graph.pipelines() {
        chains.push(match spec.id.signal {
            SignalKind::Traces => Chain::Traces(stages(config, &spec.processors, memory)?),
            SignalKind::Metrics => Chain::Metrics(stages(config, &spec.processors, memory)?),
            SignalKind::Logs => Chain::Logs(stages(config, &spec.processors, memory)?),
        });
    }
    Ok(Engine::new(run::Settings {
        graph: config.service.graph.clone(),
        journal: Arc::clone(journal),
        modes,
        chains,
        snapshots: Some(data_dir.join("snapshots")),
    }))
}

/// Every connector in use, upstream first, with its saved state. Gives what each counts.
pub(super) fn connectors(
    config: &Config,
    engine: &mut Engine,
    budget: &Budget,
) -> Result<Vec<(ComponentId, Arc<Stats>)>, StartError> {
    let mut counted = Vec::new();
    for id in config.service.graph.connectors() {
        let connector = &config.connectors[id];
        let mut texts = BTreeMap::new();
        for file in connector.files() {
            let text =
                std::fs::read_to_string(file).map_err(|error| failed(format!("{id}: {file}"), error))?;
            texts.insert(file.to_owned(), text);
        }
        let built = connector.build(&texts).map_err(|errors| wrong(id, errors))?;
        let stats = Arc::clone(&built.stats);
        counted.push((id.clone(), built.stats));
        let held = move || u64::try_from(stats.bytes.value()).unwrap_or_default();
        budget.memory().follow(id.to_string(), connector.memory_max(), held);
        let flush_interval = connector.flush_interval().max(FLUSH_LEAST);
        engine
            .add_aggregator(id, built.aggregator, flush_interval, aggregator_bounds(config, id))
            .map_err(|error| failed(id, error))?;
    }
    Ok(counted)
}

/// Every exporter in use: those that push once for each of their pipelines, a Prometheus table once for all of them.
pub(super) fn exporters(
    config: &Config,
    data_dir: &Path,
    engine: &mut Engine,
    budget: &Budget,
    shown: &mut Shown,
) -> Result<Vec<Exposed>, StartError> {
    let mut exposed = Vec::new();
    let dead_letters = config.dead_letters_directory(data_dir);
    let authenticators = config.authenticators();
    for id in config.service.graph.exporters() {
        let aggregator_bounds = aggregator_bounds(config, id);
        let exporter = &config.exporters[id];
        let bytes_max = exporter.dead_letter_bytes_max();
        let pipelines: Vec<_> = config.service.graph.ending_at(id).collect();
        for (nth, pipeline) in pipelines.into_iter().enumerate() {
            let seed = seed().map_err(|error| failed(id, error))?;
            let hints = batch_hints(config, pipeline);
            let pipeline_id = &config.service.graph.pipelines()[pipeline].id;
            let durable = config.service.modes.get(pipeline_id) == Some(&Mode::Durable);
            let bounds =
                Bounds { lag_bytes_max: exporter.lag_bytes_max(durable), on_full: exporter.on_full() };
            let settings = exporters::Settings {
                id,
                signal: pipeline_id.signal,
                seed,
                hints,
                authenticators: &authenticators,
            };
            match exporter.build(&settings).map_err(|error| wrong(id, vec![error]))? {
                Built::Push(exporter, reloads) => {
                    shown.certificates.extend(reloads.map(|reloads| (id.clone(), reloads)));
                    let name = pipeline_id.to_string();
                    let letters = (bytes_max > 0)
                        .then(|| DeadLetters::new(&dead_letters, &id.to_string(), &name, bytes_max));
                    engine
                        .add_exporter(id, pipeline, exporter, bounds, letters)
                        .map_err(|error| failed(id, error))?;
                }
                Built::Table(_) if nth > 0 => {}
                Built::Table(config) => {
                    let table = Arc::new(Table::new(config.limits()));
                    let held = Arc::clone(&table);
                    let held = move || held.usage.bytes.get() as u64;
                    budget.memory().follow(id.to_string(), config.limits().memory_max(), held);
                    let input = PrometheusTable::new(&config, Arc::clone(&table), 0);
                    let replayed = engine
                        .add_aggregator(id, Box::new(input), TABLE_TICK, aggregator_bounds)
                        .map_err(|error| failed(id, error))?;
                    exposed.push(Exposed { id: id.clone(), config: *config, table, replayed });
                }
            }
        }
    }
    Ok(exposed)
}

/// One line for each pipeline: what it promises and the way of its data.
pub(super) fn pipeline_lines(config: &Config, banner: &mut Banner) {
    for spec in config.service.graph.pipelines() {
        let mode = match config.service.modes.get(&spec.id) {
            Some(Mode::Durable) => "durable",
            Some(Mode::Delivered) => "delivered",
            Some(Mode::Memory) | None => "memory",
        };
        let names =
            |ids: &[ComponentId]| ids.iter().map(ComponentId::to_string).collect::<Vec<_>>().join(", ");
        let way = [names(&spec.receivers), names(&spec.processors), names(&spec.exporters)];
        let way: Vec<_> = way.into_iter().filter(|part| !part.is_empty()).collect();
        banner.line(&format!("pipeline {}", spec.id), format_args!("{mode}: {}", way.join(" -> ")));
    }
}

fn stages<S: Items>(
    config: &Config,
    ids: &[ComponentId],
    memory: &pipelines::memory::MemoryGauge,
) -> Result<Vec<Stage<S>>, StartError> {
    let stage = |id: &ComponentId| {
        let processor = config.processors[id].build::<S>(memory).map_err(|errors| wrong(id, errors))?;
        Ok(Stage { processor, edge: Arc::new(ProcessorEdge::new(id.clone(), S::KIND)) })
    };
    ids.iter().map(stage).collect()
}

/// What the last `batch` processor of a pipeline asks of the exporters behind it.
fn batch_hints(config: &Config, pipeline: usize) -> Option<Hints> {
    let processors = &config.service.graph.pipelines()[pipeline].processors;
    processors.iter().rev().find_map(|id| config.processors[id].hints())
}

/// An aggregator never drops: one that lags by its whole bound holds its receivers up. On disk that is far; in memory
/// it is the memory budget's part `journal`.
fn aggregator_bounds(config: &Config, id: &ComponentId) -> Bounds {
    let pipelines = config.service.graph.pipelines();
    let modes = &config.service.modes;
    let mut read = config.service.graph.ending_at(id);
    let durable = read.all(|index| modes.get(&pipelines[index].id) == Some(&Mode::Durable));
    let lag_bytes_max = if durable { AGGREGATOR_LAG_BYTES_MAX } else { LAG_BYTES_MAX_MEMORY };
    Bounds { lag_bytes_max, on_full: OnFull::Refuse }
}

/// What `validate` would have said, had it looked at what only building shows.
fn wrong(id: &ComponentId, errors: Vec<ConfigError>) -> StartError {
    let all: Vec<_> = errors.into_iter().map(|error| error.to_string()).collect();
    failed(id, all.join("; "))
}

fn seed() -> Result<u64, getrandom::Error> {
    getrandom::u64()
}

// === impl Exposed ===

impl Exposed {
    /// Its name.
    pub(super) fn id(&self) -> &ComponentId {
        &self.id
    }

    /// Where its page is to be served.
    pub(super) fn endpoint(&self) -> &str {
        &self.config.endpoint
    }

    /// The page, which opens by itself when the replay is over.
    pub(super) fn page(&self, own: Vec<Arc<dyn OwnFamilies>>) -> Arc<Page> {
        let page = Page::new(&self.config, Arc::clone(&self.table), own);
        let (opening, mut replayed) = (Arc::clone(&page), self.replayed.clone());
        tokio::spawn(async move {
            if replayed.wait_for(|done| *done).await.is_ok() {
                opening.open();
            }
        });
        page
    }
}

/// A segment file.
const SEGMENT_BYTES: u64 = 32 << 20;
/// How far an aggregator of durable pipelines may lag behind.
const AGGREGATOR_LAG_BYTES_MAX: u64 = 1 << 30;
/// A flush interval of zero would never sleep.
const FLUSH_LEAST: Duration = Duration::from_millis(10);
/// How often a Prometheus table looks after what has expired.
const TABLE_TICK: Duration = Duration::from_secs(1);
