//! What the edges count: receivers, processors, exporters and connectors.

use std::{collections::BTreeMap, sync::Arc};

use exporters::{
    prometheus::{
        own::{Family, SampleValue},
        text::Kind,
    },
    tls::Reloads,
};
use opentelemetry::{KeyValue, metrics::Meter};
use pipelines::{
    component::ComponentId,
    connectors::stats::Stats,
    engine::{
        edge::{ConsumerEdge, CountByCause, ProcessorEdge, ReceiverEdge},
        sizes::Sizes,
    },
    status::Status,
};
use proto::SignalKind;

/// How the sizes of requests are read from an edge.
type ReadSizes = for<'a> fn(&'a ConsumerEdge) -> &'a Sizes;
/// A receiver, a transport of it, and its counts.
pub(super) type Refusals = (ComponentId, &'static str, Arc<CountByCause>);
/// How a number is read from an edge.
type Read<E, N> = fn(&E) -> N;

pub(super) fn receivers(meter: &Meter, edges: &[Arc<ReceiverEdge>]) {
    let labels = |edge: &ReceiverEdge| {
        vec![KeyValue::new("receiver", edge.receiver.to_string()), KeyValue::new("transport", edge.transport)]
    };
    for signal in SignalKind::ALL {
        let edges: Vec<_> = edges.iter().filter(|edge| edge.signal == signal).cloned().collect();
        let items = signal.items();
        let counts: [(&str, &str, Read<ReceiverEdge, u64>); 3] = [
            ("accepted", "answered with success", |edge| edge.accepted.total()),
            ("refused", "declined, retryably or for good", |edge| edge.refused.total()),
            (
                "failed",
                "lost to a fault of the receiver; a request that could not be decoded counts as one",
                |edge| edge.failed.total(),
            ),
        ];
        for (outcome, help, read) in counts {
            let name = format!("otelcol_receiver_{outcome}_{items}");
            counter(meter, name, format!("Number of {items} {help}."), &edges, labels, read);
        }
    }
}

/// Requests that were refused, by reason.
pub(super) fn refusals(meter: &Meter, counted: Vec<Refusals>) {
    meter
        .u64_observable_counter("phasor_receiver_refusals")
        .with_description("Number of requests refused, by what was wrong with them or stood in their way.")
        .with_callback(move |seen| {
            for (receiver, transport, counts) in &counted {
                for (reason, count) in counts.by_cause() {
                    let labels = [
                        KeyValue::new("receiver", receiver.to_string()),
                        KeyValue::new("transport", *transport),
                        KeyValue::new("reason", reason),
                    ];
                    seen.observe(count, &labels);
                }
            }
        })
        .build();
}

/// How often the certificates of a component were read again. One that has several pipelines counts them together.
pub(super) fn certificates(meter: &Meter, counted: Vec<(ComponentId, Arc<Reloads>)>) {
    let mut components: BTreeMap<String, Vec<Arc<Reloads>>> = BTreeMap::new();
    for (id, reloads) in counted {
        components.entry(id.to_string()).or_default().push(reloads);
    }
    meter
        .u64_observable_counter("phasor_certificate_reloads")
        .with_description("Number of times certificates were read again, by whether they could be used.")
        .with_callback(move |seen| {
            for (component, reloads) in &components {
                let sum = |read: fn(&Reloads) -> u64| reloads.iter().map(|one| read(one)).sum();
                let counts: [(&str, u64); 2] = [
                    ("success", sum(|reloads| reloads.done.total())),
                    ("failure", sum(|reloads| reloads.failed.total())),
                ];
                for (outcome, count) in counts {
                    let labels =
                        [KeyValue::new("component", component.clone()), KeyValue::new("outcome", outcome)];
                    seen.observe(count, &labels);
                }
            }
        })
        .build();
}

pub(super) fn processors(meter: &Meter, edges: &[Arc<ProcessorEdge>]) {
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

pub(super) fn exporters(meter: &Meter, edges: &[Arc<ConsumerEdge>]) {
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
    let help = "Requests that were begun and are not settled, those that wait for another try included.";
    let name = "otelcol_exporter_in_flight_requests".to_owned();
    gauge(meter, name, help, edges, labels, |edge| edge.in_flight_requests.value());
}

/// Whether each consumer works.
pub(super) fn component_states(meter: &Meter, kind: &'static str, edges: &[Arc<ConsumerEdge>]) {
    let labels = |edge: &ConsumerEdge| {
        vec![
            KeyValue::new(kind, edge.consumer.to_string()),
            KeyValue::new("otel_signal", edge.signal.as_str()),
        ]
    };
    let help =
        "1 while an exporter or a connector works, 0 while something is in its way; see /api/v1/status.";
    gauge(meter, format!("phasor_{kind}_ok"), help, edges, labels, |edge| {
        i64::from(edge.status.read().status == Status::Ok)
    });
}

/// The sizes of requests, at the level `detailed` only.
pub(super) fn sizes(edges: &[Arc<ConsumerEdge>]) -> Vec<Family> {
    let counts: [(&str, &str, &str, ReadSizes); 2] = [
        ("otelcol_exporter_queue_batch_send_size", "", "Items of a request.", |edge| &edge.send_items),
        ("otelcol_exporter_queue_batch_send_size_bytes", "bytes", "Bytes of a request.", |edge| {
            &edge.send_bytes
        }),
    ];
    counts
        .map(|(name, unit, help, read)| {
            let mut family = Family::new(name, Kind::Histogram, help).unit(unit);
            for edge in edges {
                let (exporter, signal) = (edge.consumer.to_string(), edge.signal.as_str());
                family.push(&[("exporter", &exporter), ("data_type", signal)], histogram(read(edge)));
            }
            family
        })
        .into()
}

fn histogram(sizes: &Sizes) -> SampleValue {
    let (counts, sum) = sizes.read();
    let bounds = Sizes::BOUNDS.iter().map(|bound| *bound as f64).collect();
    SampleValue::Histogram { bounds, counts, sum: sum as f64 }
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

pub(super) fn connectors(meter: &Meter, edges: &[Arc<ConsumerEdge>]) {
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

pub(super) fn connector_stats(meter: &Meter, connectors: &[(ComponentId, Arc<Stats>)]) {
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
