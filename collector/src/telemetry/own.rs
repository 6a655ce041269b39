//! The collector's own metrics, under the OpenTelemetry Collector's names.
//!
//! The instruments are observable ones of the OpenTelemetry SDK: a scrape asks them, they read the atomics that
//! the data plane keeps. `opentelemetry-prometheus` gathers them; our encoder writes them, so that they stand on
//! one page with the pipelines' series.
//!
//! **Not here:** anything that counts. Counting is the edges' business (`pipelines::engine::edge`).

use std::{fmt, sync::Arc};

use exporters::prometheus::{
    own::{Family, OwnFamilies, Sample},
    text::Kind,
};
use opentelemetry::{
    KeyValue,
    metrics::{Meter, MeterProvider},
};
use opentelemetry_sdk::{error::OTelSdkError, metrics::SdkMeterProvider};
use pipelines::{
    component::ComponentId,
    connectors::stats::Stats,
    engine::{
        edge::{ConsumerEdge, ProcessorEdge, ReceiverEdge},
        run::Edges,
    },
    journal::Journal,
    memory::{self, MemoryGauge},
};
use proto::SignalKind;

use super::health::Health;

/// What is shown.
#[derive(Debug)]
pub struct Watched {
    /// Edges of all receivers.
    pub receivers: Vec<Arc<ReceiverEdge>>,
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
}

/// The instruments and the registry they report to.
pub struct OwnMetrics {
    registry: prometheus::Registry,
    /// Keeps the instruments alive.
    _provider: SdkMeterProvider,
}

/// How a number is read from an edge.
type Read<E, N> = fn(&E) -> N;

// === impl OwnMetrics ===

impl OwnMetrics {
    /// Registers every instrument.
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
        receivers(&meter, &watched.receivers);
        processors(&meter, &watched.edges.processors);
        self::exporters(&meter, &exporters);
        self::connectors(&meter, &connectors);
        connector_stats(&meter, &watched.connectors);
        journal(&meter, watched.journal);
        memory_budget(&meter, watched.memory);
        process(&meter, watched.health);
        Ok(Self { registry, _provider: provider })
    }
}

impl OwnFamilies for OwnMetrics {
    fn gather(&self) -> Vec<Family> {
        self.registry.gather().iter().map(family).collect()
    }
}

impl fmt::Debug for OwnMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnMetrics")
    }
}

fn receivers(meter: &Meter, edges: &[Arc<ReceiverEdge>]) {
    let labels = |edge: &ReceiverEdge| {
        vec![KeyValue::new("receiver", edge.receiver.to_string()), KeyValue::new("transport", edge.transport)]
    };
    for signal in SignalKind::ALL {
        let edges: Vec<_> = edges.iter().filter(|edge| edge.signal == signal).cloned().collect();
        let items = signal.items();
        let counts: [(&str, &str, Read<ReceiverEdge, u64>); 3] = [
            ("accepted", "answered with success", |edge| edge.accepted.total()),
            ("refused", "declined, retryably or for good", |edge| edge.refused.total()),
            ("failed", "lost to a malformed request or a fault of the receiver", |edge| edge.failed.total()),
        ];
        for (outcome, help, read) in counts {
            let name = format!("otelcol_receiver_{outcome}_{items}");
            counter(meter, name, format!("Number of {items} {help}."), &edges, labels, read);
        }
    }
}

fn processors(meter: &Meter, edges: &[Arc<ProcessorEdge>]) {
    let labels = |edge: &ProcessorEdge| {
        vec![
            KeyValue::new("processor", edge.processor.to_string()),
            KeyValue::new("otel_signal", edge.signal.as_str()),
        ]
    };
    let counts: [(&str, &str, Read<ProcessorEdge, u64>); 3] = [
        ("incoming", "passed to the processor", |edge| edge.incoming.total()),
        ("outgoing", "passed on by the processor", |edge| edge.outgoing.total()),
        ("refused", "of batches the processor declined", |edge| edge.refused.total()),
    ];
    for (what, help, read) in counts {
        let name = format!("otelcol_processor_{what}_items");
        counter(meter, name, format!("Number of items {help}."), edges, labels, read);
    }
}

fn exporters(meter: &Meter, edges: &[Arc<ConsumerEdge>]) {
    let labels = |edge: &ConsumerEdge| vec![KeyValue::new("exporter", edge.consumer.to_string())];
    for signal in SignalKind::ALL {
        let edges: Vec<_> = edges.iter().filter(|edge| edge.signal == signal).cloned().collect();
        let items = signal.items();
        let counts: [(&str, &str, Read<ConsumerEdge, u64>); 2] = [
            ("sent", "delivered to the destination", |edge| edge.sent.total()),
            ("enqueue_failed", "dropped because the exporter lagged too far behind", |edge| {
                edge.dropped.total()
            }),
        ];
        for (outcome, help, read) in counts {
            let name = format!("otelcol_exporter_{outcome}_{items}");
            counter(meter, name, format!("Number of {items} {help}."), &edges, labels, read);
        }
        send_failed(meter, items, edges);
    }
    let labels = |edge: &ConsumerEdge| {
        vec![
            KeyValue::new("exporter", edge.consumer.to_string()),
            KeyValue::new("data_type", edge.signal.as_str()),
        ]
    };
    dead_letters(meter, edges);
    let help = "Number of requests that were sent again.";
    counter(meter, "phasor_exporter_retries".to_owned(), help.to_owned(), edges, labels, |edge| {
        edge.retries.total()
    });
    let sizes: [(&str, &str, Read<ConsumerEdge, i64>); 2] = [
        ("size", "Bytes between the exporter and the end of its pipeline.", |edge| edge.lag_bytes.value()),
        ("capacity", "Bytes the exporter may lag behind.", |edge| edge.lag_bytes_max.value()),
    ];
    for (what, help, read) in sizes {
        gauge(meter, format!("otelcol_exporter_queue_{what}"), help, edges, labels, read);
    }
}

/// By the code they were refused with; an exporter that refuses nothing shows one series without it.
fn send_failed(meter: &Meter, items: &str, edges: Vec<Arc<ConsumerEdge>>) {
    if edges.is_empty() {
        return;
    }
    meter
        .u64_observable_counter(format!("otelcol_exporter_send_failed_{items}"))
        .with_description(format!("Number of {items} given up, by what the destination refused them with."))
        .with_callback(move |seen| {
            for edge in &edges {
                let exporter = KeyValue::new("exporter", edge.consumer.to_string());
                let causes = edge.failed.by_cause();
                if causes.is_empty() {
                    seen.observe(0, std::slice::from_ref(&exporter));
                }
                for (cause, count) in causes {
                    seen.observe(count, &[exporter.clone(), KeyValue::new("error.type", cause)]);
                }
            }
        })
        .build();
}

fn dead_letters(meter: &Meter, edges: &[Arc<ConsumerEdge>]) {
    let edges = edges.to_vec();
    meter
        .u64_observable_counter("phasor_exporter_dead_letters")
        .with_description("Number of requests refused for good, by what became of them: kept on disk, or not for want of room or by a failing disk.")
        .with_callback(move |seen| {
            for edge in &edges {
                let counts = &edge.letters;
                for (outcome, count) in
                    [("kept", &counts.kept), ("full", &counts.full), ("storage", &counts.storage)]
                {
                    let labels = [
                        KeyValue::new("exporter", edge.consumer.to_string()),
                        KeyValue::new("data_type", edge.signal.as_str()),
                        KeyValue::new("outcome", outcome),
                    ];
                    seen.observe(count.total(), &labels);
                }
            }
        })
        .build();
}

fn connectors(meter: &Meter, edges: &[Arc<ConsumerEdge>]) {
    let labels = |edge: &ConsumerEdge| {
        vec![
            KeyValue::new("connector", edge.consumer.to_string()),
            KeyValue::new("otel_signal", edge.signal.as_str()),
        ]
    };
    let help = "Number of items the connector has consumed.";
    let name = "otelcol_connector_consumed_items".to_owned();
    counter(meter, name, help.to_owned(), edges, labels, |edge| edge.sent.total());
}

fn connector_stats(meter: &Meter, connectors: &[(ComponentId, Arc<Stats>)]) {
    let labelled = |(id, stats): &(ComponentId, Arc<Stats>)| {
        (vec![KeyValue::new("connector", id.to_string())], Arc::clone(stats))
    };
    let stats: Vec<_> = connectors.iter().map(labelled).collect();
    if stats.is_empty() {
        return;
    }
    let counts: [(&str, &str, Read<Stats, u64>); 4] = [
        ("overflowed", "Number of records counted in an overflow series for want of room.", |stats| {
            stats.overflowed.total()
        }),
        ("evicted", "Number of idle resources folded into the overflow series to make room.", |stats| {
            stats.evicted.total()
        }),
        ("expired", "Number of series ended because they were idle.", |stats| stats.expired.total()),
        ("anomalies", "Number of values that could not be taken as they were.", |stats| {
            stats.anomalies.total()
        }),
    ];
    for (what, help, read) in counts {
        let stats = stats.clone();
        meter
            .u64_observable_counter(format!("phasor_connector_{what}"))
            .with_description(help)
            .with_callback(move |seen| {
                stats.iter().for_each(|(labels, stats)| seen.observe(read(stats), labels))
            })
            .build();
    }
    meter
        .i64_observable_gauge("phasor_connector_series")
        .with_description("Series that a connector holds.")
        .with_callback(move |seen| {
            stats.iter().for_each(|(labels, stats)| seen.observe(stats.series.value(), labels));
        })
        .build();
}

fn journal(meter: &Meter, journal: Arc<Journal>) {
    let size = Arc::clone(&journal);
    meter
        .u64_observable_gauge("phasor_journal_disk")
        .with_unit("By")
        .with_description("Bytes of the journal's files that are in use.")
        .with_callback(move |seen| seen.observe(size.stats().disk_bytes, &[]))
        .build();
    let read_only = Arc::clone(&journal);
    meter
        .u64_observable_gauge("phasor_journal_read_only")
        .with_description("1 if a failed sync has ended all writing, else 0.")
        .with_callback(move |seen| seen.observe(u64::from(read_only.stats().read_only), &[]))
        .build();
    let unreadable = Arc::clone(&journal);
    meter
        .u64_observable_counter("phasor_journal_unreadable")
        .with_description("Number of places of the journal's files that could not be read back.")
        .with_callback(move |seen| seen.observe(unreadable.stats().unreadable, &[]))
        .build();
    let tail = Arc::clone(&journal);
    meter
        .u64_observable_gauge("phasor_journal_tail")
        .with_unit("By")
        .with_description("Bytes of the journal that are in memory.")
        .with_callback(move |seen| seen.observe(tail.stats().tail_bytes, &[]))
        .build();
    let appended = Arc::clone(&journal);
    meter
        .u64_observable_counter("phasor_journal_appends")
        .with_description("Number of requests the journal has taken.")
        .with_callback(move |seen| seen.observe(appended.stats().appended, &[]))
        .build();
    meter
        .u64_observable_counter("phasor_journal_refusals")
        .with_description("Number of requests the journal has declined.")
        .with_callback(move |seen| seen.observe(journal.stats().refused, &[]))
        .build();
}

fn memory_budget(meter: &Meter, memory: MemoryGauge) {
    let bound = memory.clone();
    meter
        .u64_observable_gauge("phasor_memory_budget_used")
        .with_unit("By")
        .with_description("Bytes that a part of the memory budget holds.")
        .with_callback(move |seen| {
            for part in memory.readings() {
                seen.observe(part.bytes, &[KeyValue::new("part", part.name)]);
            }
        })
        .build();
    meter
        .u64_observable_gauge("phasor_memory_budget_limit")
        .with_unit("By")
        .with_description("Bytes that a part of the memory budget may hold at most.")
        .with_callback(move |seen| {
            for part in bound.readings() {
                seen.observe(part.bytes_max, &[KeyValue::new("part", part.name)]);
            }
        })
        .build();
}

fn process(meter: &Meter, health: Health) {
    let uptime = health.clone();
    meter
        .f64_observable_counter("otelcol_process_uptime")
        .with_unit("s")
        .with_description("Seconds since the process started.")
        .with_callback(move |seen| seen.observe(uptime.uptime_seconds(), &[]))
        .build();
    meter
        .u64_observable_gauge("otelcol_process_memory_rss")
        .with_unit("By")
        .with_description("Resident memory of the process.")
        .with_callback(|seen| {
            if let Some(bytes) = memory::resident_bytes() {
                seen.observe(bytes, &[]);
            }
        })
        .build();
    meter
        .u64_observable_gauge("phasor_ready")
        .with_description("1 while the collector takes data and its numbers are complete, else 0.")
        .with_callback(move |seen| seen.observe(u64::from(health.ready().is_ok()), &[]))
        .build();
}

/// A counter over edges; one that no edge has is not registered.
fn counter<E: Send + Sync + 'static>(
    meter: &Meter,
    name: String,
    help: String,
    edges: &[Arc<E>],
    labels: impl Fn(&E) -> Vec<KeyValue>,
    read: Read<E, u64>,
) {
    let edges: Vec<_> = edges.iter().map(|edge| (labels(edge), Arc::clone(edge))).collect();
    if edges.is_empty() {
        return;
    }
    meter
        .u64_observable_counter(name)
        .with_description(help)
        .with_callback(move |seen| edges.iter().for_each(|(labels, edge)| seen.observe(read(edge), labels)))
        .build();
}

fn gauge<E: Send + Sync + 'static>(
    meter: &Meter,
    name: String,
    help: &'static str,
    edges: &[Arc<E>],
    labels: impl Fn(&E) -> Vec<KeyValue>,
    read: Read<E, i64>,
) {
    let edges: Vec<_> = edges.iter().map(|edge| (labels(edge), Arc::clone(edge))).collect();
    if edges.is_empty() {
        return;
    }
    meter
        .i64_observable_gauge(name)
        .with_description(help)
        .with_callback(move |seen| edges.iter().for_each(|(labels, edge)| seen.observe(read(edge), labels)))
        .build();
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
