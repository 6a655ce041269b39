//! Stopping, on paused time: the clock that is asserted is the test's own.

use std::{future::Future, pin::Pin, sync::Mutex};

use proto::SignalKind;

use super::*;
use crate::{
    client::Client,
    component::PipelineId,
    engine::{
        graph::{Components, PipelineSpec, Signals},
        inlet::Arrival,
    },
    journal::{OnFull, PipelineSettings},
    pulse::BEAT,
    status::Status,
    time::UnixNanos,
};

/// Takes what it reads, if it does, until the journal ends or the drain's deadline.
struct Reader {
    takes: bool,
}

impl Exporter for Reader {
    fn run(self: Box<Self>, mut feed: Feed) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            loop {
                let records = tokio::select! {
                    records = feed.cursor.next(usize::MAX) => records,
                    () = feed.drain.expired() => return,
                };
                let Some(last) = records.as_ref().map(|records| records.last().unwrap()) else { break };
                if self.takes {
                    feed.cursor.commit(last.position);
                }
            }
            if !self.takes {
                feed.drain.expired().await;
            }
        })
    }
}

/// One pipeline in memory with one reader, stopped after three spans; gives the time it took and what was left.
#[expect(clippy::disallowed_methods, reason = "the clock is paused: it tells what the engine waited for")]
async fn stop(takes: bool) -> (Duration, u64) {
    let (mut engine, journal) = engine();
    let bounds = Bounds { lag_bytes_max: 1 << 20, on_full: OnFull::Refuse };
    engine.add_exporter(&ComponentId::new("debug"), 0, Box::new(Reader { takes }), bounds, None).unwrap();
    let inlet = engine.inlet(&ComponentId::new("otlp"));
    let running = engine.start();
    let batches = vec![proto::testing::sample::any(SignalKind::Traces, 3, 1)];
    inlet
        .push(Arrival { batches, client: Client::default(), now: UnixNanos(1), sequence: None })
        .await
        .unwrap();
    let before = Instant::now();
    running.stop(WITHIN).await;
    let left = journal.stats().cursors.iter().map(|cursor| cursor.lag_items).sum();
    (before.elapsed(), left)
}

/// One pipeline in memory without a reader yet.
fn engine() -> (Engine, Arc<Journal>) {
    let id = PipelineId::new(SignalKind::Traces);
    let spec = PipelineSpec {
        id: id.clone(),
        receivers: vec![ComponentId::new("otlp")],
        processors: Vec::new(),
        exporters: vec![ComponentId::new("debug")],
    };
    let components = Components {
        receivers: BTreeMap::from([(ComponentId::new("otlp"), Signals::ALL)]),
        exporters: BTreeMap::from([(ComponentId::new("debug"), Signals::ALL)]),
        ..Components::default()
    };
    let graph = Graph::check(vec![spec], &components).unwrap();
    let pipelines =
        vec![PipelineSettings { name: id.to_string(), signal: SignalKind::Traces, mode: Mode::Memory }];
    let settings = crate::journal::Settings {
        disk: crate::disk::files(),
        directory: None,
        segment_bytes_max: 1 << 20,
        tail_bytes_max: 1 << 20,
        pipelines,
    };
    let (journal, _) = Journal::open(settings).unwrap();
    let engine = Engine::new(Settings {
        graph,
        journal: Arc::clone(&journal),
        modes: vec![Mode::Memory],
        chains: vec![Chain::empty(SignalKind::Traces)],
        snapshots: None,
    });
    (engine, journal)
}

/// Folds nothing, and remembers when it was to emit.
#[derive(Default)]
struct Idle {
    ticks: Arc<Mutex<Vec<Instant>>>,
}

impl Aggregator for Idle {
    fn fingerprint(&self) -> u64 {
        1
    }
    fn apply(&mut self, _: &proto::AnyBatch, _: UnixNanos) {}
    #[expect(clippy::disallowed_methods, reason = "the clock is paused: it tells when the engine emits")]
    fn tick(&mut self, _: UnixNanos) {
        self.ticks.lock().unwrap().push(Instant::now());
    }
    fn emit(&mut self, _: UnixNanos, _: &mut Vec<proto::AnyBatch>) {}
    fn save(&self, _: &mut Vec<u8>) {}
    fn restore(&mut self, _: &[u8]) -> Result<(), crate::consumer::RestoreError> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_fold_that_has_nothing_to_do_beats_and_fares_well() {
    let mut engine = engine().0;
    let hour = Duration::from_secs(3_600);
    let bounds = Bounds { lag_bytes_max: 1 << 20, on_full: OnFull::Refuse };
    engine.add_aggregator(&ComponentId::new("debug"), Box::new(Idle::default()), hour, bounds).unwrap();
    let edge = Arc::clone(&engine.consumers[0]);
    assert_eq!(edge.status.read().status, Status::Starting);
    let running = engine.start();
    for _ in 0..5 {
        let before = edge.pulse.beats();
        tokio::time::sleep(2 * BEAT).await;
        assert!(edge.pulse.beats() > before);
    }
    assert_eq!(edge.status.read().status, Status::Ok);
    running.stop(WITHIN).await;
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "the clock is paused: it tells when the engine emits")]
async fn s_17_points_go_out_at_each_interval_to_the_moment_and_at_the_stop() {
    let mut engine = engine().0;
    let bounds = Bounds { lag_bytes_max: 1 << 20, on_full: OnFull::Refuse };
    let idle = Idle::default();
    let ticks = Arc::clone(&idle.ticks);
    let interval = Duration::from_secs(15);
    engine.add_aggregator(&ComponentId::new("debug"), Box::new(idle), interval, bounds).unwrap();
    let inlet = engine.inlet(&ComponentId::new("otlp"));
    let (start, running) = (Instant::now(), engine.start());
    // What comes in between is folded in between and moves nothing.
    for number in 0..31 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let batches = vec![proto::testing::sample::any(SignalKind::Traces, 3, number)];
        inlet
            .push(Arrival { batches, client: Client::default(), now: UnixNanos(1), sequence: None })
            .await
            .unwrap();
    }
    running.stop(WITHIN).await;
    let after: Vec<_> = ticks.lock().unwrap().iter().map(|at| at.duration_since(start).as_millis()).collect();
    assert_eq!(after, [0, 15_000, 30_000, 45_000, 60_000, 62_000]);
}

const WITHIN: Duration = Duration::from_secs(20);

#[tokio::test(start_paused = true)]
async fn a_stop_ends_when_everything_is_delivered() {
    assert_eq!(stop(true).await, (Duration::ZERO, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_in_time_and_knows_what_was_left() {
    let (took, left) = stop(false).await;
    assert!(took <= WITHIN, "{took:?}");
    assert_eq!(left, 3);
}
