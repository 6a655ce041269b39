//! Points that are not made again reach the journal once, whenever the process dies: whole engines on a disk in
//! memory, each killed at some moment, or with it the power.

use std::{collections::BTreeMap, thread};

use proto::{
    SignalKind, encode,
    view::{Data, Number},
};

use super::*;
use crate::{
    component::{ComponentId, PipelineId},
    connectors::span_metrics::{self, SpanMetrics},
    consumer::{Exporter, Feed},
    engine::{
        graph::{Components, ConnectorShape, Graph, PipelineSpec, Signals},
        inlet::Chain,
        run::{Engine, Settings},
    },
    journal::{Bounds, Journal, Mode, OnFull, PipelineIndex, PipelineSettings},
    testing::disk::FaultyDisk,
};

/// Reads nothing, so that the journal keeps everything.
struct Keeper;

impl Exporter for Keeper {
    fn run(self: Box<Self>, mut feed: Feed) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            feed.drain.begun().await;
        })
    }
}

const BOUNDS: Bounds = Bounds { lag_bytes_max: 1 << 30, on_full: OnFull::Refuse };

fn spec(signal: SignalKind, from: &str, to: &str) -> PipelineSpec {
    PipelineSpec {
        id: PipelineId::new(signal),
        receivers: vec![ComponentId::new(from)],
        processors: Vec::new(),
        exporters: vec![ComponentId::new(to)],
    }
}

fn journal(disk: &FaultyDisk) -> Arc<Journal> {
    let pipelines = [SignalKind::Traces, SignalKind::Metrics].map(|signal| PipelineSettings {
        name: PipelineId::new(signal).to_string(),
        signal,
        mode: Mode::Durable,
    });
    let settings = crate::journal::Settings {
        disk: Arc::new(disk.clone()),
        directory: Some("/journal".into()),
        segment_bytes_max: 1 << 20,
        tail_bytes_max: 1 << 20,
        pipelines: pipelines.into(),
    };
    Journal::open(settings).expect("whatever the disk has been through, it starts").0
}

fn engine(journal: &Arc<Journal>, flush_interval: Duration) -> Engine {
    let mut engine = Engine::new(Settings {
        graph: graph(),
        journal: Arc::clone(journal),
        modes: vec![Mode::Durable; 2],
        chains: vec![Chain::empty(SignalKind::Traces), Chain::empty(SignalKind::Metrics)],
        snapshots: Some("/snapshots".into()),
    });
    let config: span_metrics::Config = serde_saphyr::from_str(
        "{aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA, histogram: {disable: true}}",
    )
    .expect("readable");
    let connector = Box::new(SpanMetrics::new(config).expect("sound"));
    let id = ComponentId::new("span_metrics");
    engine.add_aggregator(&id, connector, flush_interval, BOUNDS).expect("the disk works");
    engine.add_exporter(&ComponentId::new("keeper"), 1, Box::new(Keeper), BOUNDS, None).expect("a free name");
    engine
}

fn graph() -> Graph {
    let specs = vec![
        spec(SignalKind::Traces, "otlp", "span_metrics"),
        spec(SignalKind::Metrics, "span_metrics", "keeper"),
    ];
    let connector = ConnectorShape {
        takes: Signals::of(&[SignalKind::Traces]),
        gives: Signals::of(&[SignalKind::Metrics]),
    };
    let components = Components {
        receivers: BTreeMap::from([(ComponentId::new("otlp"), Signals::ALL)]),
        exporters: BTreeMap::from([(ComponentId::new("keeper"), Signals::ALL)]),
        connectors: BTreeMap::from([(ComponentId::new("span_metrics"), connector)]),
        ..Components::default()
    };
    Graph::check(specs, &components).expect("the graph is sound")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads")
}

fn spans(count: u64) -> AnyBatch {
    let batch = encode::traces(|request| {
        request.resource(
            |resource| {
                resource.str("service.name", "s");
            },
            |scopes| {
                scopes.scope("", "", |out| (0..count).for_each(|_| out.span(&[1; 16], &[1; 8], "n", |_| {})))
            },
        );
    });
    batch.into()
}

/// Sends until the process dies, each number until it is answered; gives the next number.
async fn send(inlet: Inlet, mut number: u64, dies: impl Fn() -> bool) -> u64 {
    while !dies() {
        let sequence = Some(Sequence { producer: ProducerId(7), number });
        let arrival = Arrival {
            batches: vec![spans(number)],
            client: Client::default(),
            now: UnixNanos::now(),
            sequence,
        };
        if inlet.push(arrival).await.is_ok() {
            number += 1;
        }
        tokio::time::sleep(Duration::from_micros(300)).await;
    }
    number
}

/// Start, end and value of every point in the journal.
fn points(disk: &FaultyDisk) -> Vec<(u64, u64, i64)> {
    let journal = journal(disk);
    let cursor = journal.cursor(PipelineIndex(1), "keeper", BOUNDS).expect("nobody else has it");
    let mut all = Vec::new();
    runtime().block_on(async {
        while cursor.position() < cursor.end() {
            for record in cursor.next(1 << 20).await.expect("the journal is open") {
                let AnyBatch::Metrics(batch) = &record.batch else { panic!("a pipeline of metrics") };
                let scopes = batch.view().resource_metrics().flat_map(|resource| resource.scope_metrics());
                for metric in scopes.flat_map(|scope| scope.metrics()) {
                    let Data::Sum(sum) = metric.data() else { panic!("only calls") };
                    for point in sum.points() {
                        let Number::Int(value) = point.value() else { panic!("whole numbers") };
                        all.push((point.start_ns(), point.time_ns(), value));
                    }
                }
            }
        }
    });
    all
}

#[test]
fn s_15_deltas_are_in_the_journal_once_whenever_the_process_dies() {
    for seed in 0..4_u64 {
        let disk = FaultyDisk::new(seed);
        let mut number = 1;
        for life in 0..15_u64 {
            let journal = journal(&disk);
            let engine = engine(&journal, Duration::from_millis(2));
            let inlet = engine.inlet(&ComponentId::new("otlp"));
            let runtime = runtime();
            let running = runtime.block_on(async { engine.start() });
            let is_last = life == 14;
            let millis = (seed * 7 + life * 5) % 23 + 1;
            let begun = UnixNanos::now();
            let passed = move || UnixNanos::now().since(begun);
            if is_last {
                number = runtime.block_on(async {
                    let number = send(inlet, number, || passed() > Duration::from_millis(millis)).await;
                    running.stop(Duration::from_secs(20)).await;
                    number
                });
                continue;
            }
            let (killer, cut) = (disk.clone(), (seed + life) % 2 == 0);
            let killer = thread::spawn(move || {
                thread::sleep(Duration::from_millis(millis));
                if cut { killer.cut_power() } else { killer.kill() }
            });
            number = runtime.block_on(send(inlet, number, || passed() > Duration::from_millis(millis + 1)));
            killer.join().expect("killing does not fail");
            runtime.shutdown_background();
            drop(running);
        }
        disk.kill();
        let points = points(&disk);
        let counted: i64 = points.iter().map(|(.., value)| value).sum();
        let sent: u64 = (1..number).sum();
        assert_eq!(counted as u64, sent, "seed {seed}");
        assert!(points.windows(2).all(|pair| pair[0].1 == pair[1].0), "seed {seed}: {points:?}");
    }
}

#[test]
fn s_17_the_last_points_go_out_at_the_stop() {
    let disk = FaultyDisk::new(1);
    let journal = journal(&disk);
    let engine = engine(&journal, Duration::from_secs(3600));
    let inlet = engine.inlet(&ComponentId::new("otlp"));
    runtime().block_on(async {
        let running = engine.start();
        for _ in 0..3 {
            let arrival = Arrival {
                batches: vec![spans(5)],
                client: Client::default(),
                now: UnixNanos::now(),
                sequence: None,
            };
            inlet.push(arrival).await.expect("taken");
        }
        running.stop(Duration::from_secs(20)).await;
    });
    disk.kill();
    drop(journal);
    assert_eq!(points(&disk).iter().map(|(.., value)| value).sum::<i64>(), 15);
}
