//! The collector's own metrics, under the OpenTelemetry Collector's names.
//!
//! The instruments are observable ones of the OpenTelemetry SDK: a scrape asks them, they read the atomics that
//! the data plane keeps. `opentelemetry-prometheus` gathers them; our encoder writes them, so that they stand on
//! one page with the pipelines' series.
//!
//! `level: basic` shows what the Collector names, `normal` what else costs nothing, `detailed` histograms too.
//!
//! **Not here:** anything that counts. Counting is the edges' business (`pipelines::engine::edge`).

mod edges;
mod parts;
mod process;

use std::{fmt, sync::Arc};

use exporters::{
    prometheus::{
        own::{Family, OwnFamilies, Sample},
        text::Kind,
    },
    seats::Seats,
    tls::Reloads,
};
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::{error::OTelSdkError, metrics::SdkMeterProvider};
use pipelines::{
    component::ComponentId,
    connectors::stats::Stats,
    engine::{
        edge::{ConsumerEdge, CountByCause, ReceiverEdge},
        run::Edges,
    },
    journal::Journal,
    memory::MemoryGauge,
};

use super::health::Health;
use crate::config::telemetry::Detail;

/// What is shown.
#[derive(Debug)]
pub struct Watched {
    /// Edges of all receivers.
    pub receivers: Vec<Arc<ReceiverEdge>>,
    /// Requests that receivers refused, by receiver, transport and reason.
    pub refusals: Vec<(ComponentId, &'static str, Arc<CountByCause>)>,
    /// How often receivers and exporters that speak TLS have read their certificates again.
    pub certificates: Vec<(ComponentId, Arc<Reloads>)>,
    /// Edges of processors, exporters and connectors.
    pub edges: Edges,
    /// The consumers that are connectors, and what they count beside their edges.
    pub connectors: Vec<(ComponentId, Arc<Stats>)>,
    /// The journal.
    pub journal: Arc<Journal>,
    /// The memory budget.
    pub memory: MemoryGauge,
    /// The process.
    pub health: Health,
    /// The connections of every listener.
    pub connections: Vec<(String, Seats)>,
    /// How much is shown; nothing asks for `none`.
    pub level: Detail,
}

/// The instruments and the registry they report to.
pub struct OwnMetrics {
    registry: prometheus::Registry,
    /// Whose sizes are shown.
    sized: Vec<Arc<ConsumerEdge>>,
    /// Keeps the instruments alive.
    _provider: SdkMeterProvider,
}

// === impl OwnMetrics ===

impl OwnMetrics {
    /// Registers every instrument. To be called inside the runtime.
    ///
    /// # Errors
    /// The SDK's, if two instruments clash.
    pub fn new(watched: Watched) -> Result<Self, OTelSdkError> {
        let registry = prometheus::Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .without_target_info()
            .build()?;
        let provider = SdkMeterProvider::builder().with_reader(exporter).build();
        let meter = provider.meter("phasor");
        let is_connector =
            |edge: &Arc<ConsumerEdge>| watched.connectors.iter().any(|(id, _)| *id == edge.consumer);
        let (connectors, exporters): (Vec<_>, Vec<_>) =
            watched.edges.consumers.into_iter().partition(is_connector);
        edges::receivers(&meter, &watched.receivers);
        edges::processors(&meter, &watched.edges.processors);
        edges::exporters(&meter, &exporters);
        edges::connectors(&meter, &connectors);
        process::process(&meter, &watched.health);
        parts::health(&meter, &watched.health);
        if watched.level != Detail::Basic {
            edges::refusals(&meter, watched.refusals);
            edges::certificates(&meter, watched.certificates);
            edges::component_states(&meter, "exporter", &exporters);
            edges::component_states(&meter, "connector", &connectors);
            edges::connector_stats(&meter, &watched.connectors);
            parts::journal(&meter, watched.journal);
            parts::memory_budget(&meter, watched.memory);
            parts::connections(&meter, watched.connections);
            process::runtime(&meter);
        }
        let sized = if watched.level == Detail::Detailed { exporters } else { Vec::new() };
        Ok(Self { registry, sized, _provider: provider })
    }
}

impl OwnFamilies for OwnMetrics {
    fn gather(&self) -> Vec<Family> {
        let mut families: Vec<_> = self.registry.gather().iter().map(family).collect();
        if !self.sized.is_empty() {
            families.extend(edges::sizes(&self.sized));
        }
        families
    }
}

impl fmt::Debug for OwnMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnMetrics")
    }
}

/// From the registry's form to our encoder's. We make counters and gauges only.
fn family(gathered: &prometheus::proto::MetricFamily) -> Family {
    let kind = match gathered.get_field_type() {
        prometheus::proto::MetricType::COUNTER => Kind::Counter,
        _ => Kind::Gauge,
    };
    let mut family = Family::new(gathered.name().to_owned(), kind, gathered.help().to_owned());
    for metric in gathered.get_metric() {
        let labels = metric
            .get_label()
            .iter()
            .map(|pair| (pair.name().to_owned().into(), pair.value().to_owned().into()));
        let value = match kind {
            Kind::Counter => metric.get_counter().get_value(),
            _ => metric.get_gauge().get_value(),
        };
        family.samples.push(Sample { labels: labels.collect(), value: value.into() });
    }
    family
}
