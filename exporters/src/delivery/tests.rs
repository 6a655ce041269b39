use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use pipelines::{
    component::ComponentId,
    engine::drain::{DrainTrigger, drain},
    journal::{
        Bounds, Entry, Journal, Mode, OnFull, Part, PipelineIndex, PipelineSettings,
        Settings as JournalSettings,
    },
    time::UnixNanos,
};
use proto::{AnyBatch, Batch, Traces, testing::sample};
use tokio::{sync::Semaphore, task::JoinHandle, time::sleep};

use super::{gather::Size, *};

mod given_up;
mod simulation;

/// What it says to the n-th request.
type Reply = dyn Fn(usize, &[u8]) -> Answer + Send + Sync;

/// A destination that answers as it is told.
#[derive(Clone)]
struct Script {
    answer: Arc<Reply>,
    received: Arc<Mutex<Vec<(Instant, Bytes)>>>,
    /// Attempts wait here before they answer.
    gate: Arc<Semaphore>,
    in_flight: Arc<AtomicUsize>,
    in_flight_most: Arc<AtomicUsize>,
}

/// One exporter on one pipeline in memory.
struct Line {
    journal: Arc<Journal>,
    edge: Arc<ConsumerEdge>,
    trigger: DrainTrigger,
    running: JoinHandle<()>,
}

// === impl Script ===

impl Script {
    fn new(answer: impl Fn(usize, &[u8]) -> Answer + Send + Sync + 'static) -> Self {
        Self {
            answer: Arc::new(answer),
            received: Arc::default(),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            in_flight: Arc::default(),
            in_flight_most: Arc::default(),
        }
    }

    fn received(&self) -> Vec<(Instant, Bytes)> {
        self.received.lock().unwrap().clone()
    }
}

impl Destination for Script {
    async fn send(&self, _: SignalKind, request: Payload) -> Answer {
        let request = request.to_bytes();
        let number = {
            let mut received = self.received.lock().unwrap();
            received.push((now(), request.clone()));
            received.len() - 1
        };
        self.in_flight_most.fetch_max(self.in_flight.fetch_add(1, SeqCst) + 1, SeqCst);
        let passed = self.gate.acquire().await.unwrap();
        drop(passed);
        self.in_flight.fetch_sub(1, SeqCst);
        (self.answer)(number, &request)
    }
}

// === impl Line ===

impl Line {
    fn start(settings: Settings, script: Script) -> Self {
        Self::on(journal(Mode::Memory), "destination", settings, script)
    }

    fn on(journal: Arc<Journal>, name: &str, settings: Settings, script: Script) -> Self {
        let bounds = Bounds { lag_bytes_max: 1 << 30, on_full: OnFull::Refuse };
        Self::bounded(journal, name, bounds, settings, script)
    }

    fn bounded(
        journal: Arc<Journal>,
        name: &str,
        bounds: Bounds,
        settings: Settings,
        script: Script,
    ) -> Self {
        let (feed, trigger) = feed(&journal, name, bounds);
        Self::fed(journal, feed, trigger, settings, script)
    }

    fn fed(
        journal: Arc<Journal>,
        feed: Feed,
        trigger: DrainTrigger,
        settings: Settings,
        script: Script,
    ) -> Self {
        let edge = Arc::clone(&feed.edge);
        let running = tokio::spawn(Box::new(Delivery::new(script, settings)).run(feed));
        Self { journal, edge, trigger, running }
    }

    async fn append(&self, batch: Batch<Traces>) {
        let parts = vec![Part { pipeline: PipelineIndex(0), batch: batch.into() }];
        let entry = Entry { parts, arrival: UnixNanos(1), sequence: None, derivable: false };
        self.journal.append(entry).unwrap().await.unwrap();
    }

    /// Lets the exporter finish, and gives what was sent and what failed.
    async fn finish(self) -> (u64, u64) {
        self.journal.close().await;
        self.running.await.unwrap();
        assert_eq!(self.edge.lag_bytes.value(), 0, "all is committed");
        (self.edge.sent.total(), self.edge.failed.total())
    }
}

fn journal(mode: Mode) -> Arc<Journal> {
    let pipeline = PipelineSettings { name: "traces".into(), signal: SignalKind::Traces, mode };
    let settings = JournalSettings {
        disk: pipelines::disk::files(),
        directory: None,
        segment_bytes_max: 1 << 20,
        tail_bytes_max: 1 << 30,
        pipelines: vec![pipeline],
    };
    Journal::open(settings).unwrap().0
}

fn feed(journal: &Arc<Journal>, name: &str, bounds: Bounds) -> (Feed, DrainTrigger) {
    let cursor = journal.cursor(PipelineIndex(0), name, bounds).unwrap();
    let edge = Arc::new(ConsumerEdge::new(ComponentId::new(name), SignalKind::Traces));
    let (trigger, drain) = drain();
    (Feed { cursor, edge, drain, delivered: false, dead_letters: None }, trigger)
}

fn settings() -> Settings {
    Settings { in_flight_max: 1, gathering: Gathering::default(), retry: Policy::default(), seed: 7 }
}

fn taken() -> Answer {
    Answer::Taken { rejected: 0, message: String::new() }
}

fn code(code: i32, after: Option<u64>) -> Answer {
    let (action, code) = retry::grpc(code, after.map(Duration::from_secs));
    Answer::Refused(Refused { action, code, message: "scripted".into() })
}

fn http_status(status: u16) -> Answer {
    let (action, code) = retry::http(status, None);
    Answer::Refused(Refused { action, code, message: "scripted".into() })
}

fn spans_of(request: &[u8]) -> BTreeSet<[u8; 8]> {
    let (batch, _) = AnyBatch::validate(SignalKind::Traces, Bytes::copy_from_slice(request)).unwrap();
    let AnyBatch::Traces(batch) = batch else { panic!("traces were asked for") };
    let resources = batch.view().resource_spans().flat_map(|resource| resource.scope_spans());
    resources.flat_map(|scope| scope.spans()).map(|span| *span.span_id()).collect()
}

/// One batch of four spans, with `answers` in turn and then success: requests, sent, failed.
async fn check(answers: Vec<Answer>) -> (Vec<(Duration, usize)>, u64, u64) {
    let script = Script::new(move |number, _| answers.get(number).cloned().unwrap_or_else(taken));
    let (line, begun) = (Line::start(settings(), script.clone()), now());
    line.append(sample::traces(4, 2, 1)).await;
    let (sent, failed) = line.finish().await;
    let requests = script.received().into_iter().map(|(at, request)| (at - begun, spans_of(&request).len()));
    (requests.collect(), sent, failed)
}

#[tokio::test(start_paused = true)]
async fn a_lone_record_is_sent_as_the_very_bytes_it_came_in() {
    let script = Script::new(|_, _| taken());
    let line = Line::start(settings(), script.clone());
    let batch = sample::traces(100, 10, 1);
    line.append(batch.clone()).await;
    assert_eq!(line.finish().await, (100, 0));
    let (_, request) = &script.received()[0];
    assert_eq!(request.as_ptr(), batch.bytes().as_ptr(), "no copy was made");
    assert_eq!(request.len(), batch.bytes().len());
}

#[tokio::test(start_paused = true)]
async fn o_c1_passing_codes_are_tried_again_until_taken() {
    for passing in [1, 4, 10, 11, 14, 15] {
        let (requests, sent, failed) = check(vec![code(passing, None); 20]).await;
        assert_eq!((requests.len(), sent, failed), (21, 4, 0), "code {passing}");
    }
}

#[tokio::test(start_paused = true)]
async fn o_c1_delays_are_jittered_and_capped() {
    let (requests, ..) = check(vec![code(14, None); 40]).await;
    let gaps: Vec<_> = requests.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    // A timer fires on the millisecond after.
    let cap = Policy::default().max + Duration::from_millis(1);
    assert!(gaps.iter().all(|gap| *gap <= cap), "{gaps:?}");
    assert!(
        gaps[10..].iter().any(|gap| *gap > cap / 2) && gaps[10..].iter().any(|gap| *gap < cap / 2),
        "{gaps:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn o_c2_final_codes_are_counted_and_not_tried_again() {
    for lasting in [2, 3, 5, 6, 7, 9, 12, 13, 16] {
        let (requests, sent, failed) = check(vec![code(lasting, None)]).await;
        assert_eq!((requests.len(), sent, failed), (1, 0, 4), "code {lasting}");
    }
}

#[tokio::test(start_paused = true)]
async fn o_c3_exhausted_with_a_delay_waits_and_sends_the_whole_again() {
    let (requests, sent, failed) = check(vec![code(8, Some(60))]).await;
    assert_eq!((sent, failed), (4, 0));
    assert_eq!(requests.iter().map(|request| request.1).collect::<Vec<_>>(), [4, 4]);
    assert!(requests[1].0 >= Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn o_c3_exhausted_without_a_delay_splits_and_sends_the_parts() {
    let (requests, sent, failed) = check(vec![code(8, None), code(8, None)]).await;
    assert_eq!((sent, failed), (4, 0));
    assert_eq!(requests.iter().map(|request| request.1).collect::<Vec<_>>(), [4, 2, 1, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn o_c6_of_a_request_answered_413_the_halves_are_sent_and_no_bytes_twice() {
    let poison = *spans_of(sample::traces(8, 2, 1).bytes()).iter().nth(5).unwrap();
    let script = Script::new(move |_, request| {
        let spans = spans_of(request);
        if spans.len() > 2 || spans.contains(&poison) { http_status(413) } else { taken() }
    });
    let line = Line::start(settings(), script.clone());
    line.append(sample::traces(8, 2, 1)).await;
    assert_eq!(line.finish().await, (7, 1));
    let received = script.received();
    let different: BTreeSet<_> = received.iter().map(|(_, request)| request.clone()).collect();
    assert_eq!((different.len(), received.len()), (9, 9));
}

#[tokio::test(start_paused = true)]
async fn p24_a_single_item_that_is_too_large_is_dropped_and_its_neighbours_are_not() {
    let batch = sample::traces(9, 2, 3);
    let poison = *spans_of(batch.bytes()).iter().nth(4).unwrap();
    let script = Script::new(move |_, request| match spans_of(request).contains(&poison) {
        true => code(8, None),
        false => taken(),
    });
    let line = Line::start(settings(), script);
    line.append(batch).await;
    assert_eq!(line.finish().await, (8, 1));
}

#[tokio::test(start_paused = true)]
async fn o_c4_no_request_goes_out_before_the_delay_is_over() {
    let script = Script::new(|number, _| if number == 0 { code(14, Some(5)) } else { taken() });
    let line = Line::start(Settings { in_flight_max: 4, ..settings() }, script.clone());
    line.append(sample::traces(1, 2, 1)).await;
    sleep(Duration::from_millis(10)).await;
    let begun = script.received()[0].0;
    line.append(sample::traces(1, 2, 2)).await;
    line.append(sample::traces(1, 2, 3)).await;
    assert_eq!(line.finish().await, (3, 0));
    let later = &script.received()[1..];
    assert!(!later.is_empty() && later.iter().all(|(at, _)| *at - begun >= Duration::from_secs(5)));
}

#[tokio::test(start_paused = true)]
async fn o_c9_o_c10_partial_success_is_counted_and_not_tried_again() {
    let partial = |rejected, message: &str| Answer::Taken { rejected, message: message.into() };
    for (answer, tally) in [
        (partial(3, "too old"), (1, 3)),
        (partial(0, "slow down"), (4, 0)),
        // It cannot reject more than it got.
        (partial(u64::MAX, ""), (0, 4)),
    ] {
        let (requests, sent, failed) = check(vec![answer]).await;
        assert_eq!((requests.len(), (sent, failed)), (1, tally));
    }
}

#[tokio::test(start_paused = true)]
async fn o_c13_a_request_over_the_limit_is_split_before_it_is_sent() {
    let batch = sample::traces(64, 10, 1);
    let limit = batch.bytes().len() / 5;
    let script = Script::new(|_, _| taken());
    let gathering = Gathering { bytes_max: limit, bytes_target: limit, ..Gathering::default() };
    let line = Line::start(Settings { gathering, ..settings() }, script.clone());
    line.append(batch).await;
    assert_eq!(line.finish().await, (64, 0));
    assert!(script.received().iter().all(|(_, request)| request.len() <= limit));
}

#[tokio::test(start_paused = true)]
async fn o_c13_a_single_item_over_the_limit_is_not_sent_but_counted() {
    let script = Script::new(|_, _| taken());
    let gathering = Gathering { bytes_max: 100, ..Gathering::default() };
    let line = Line::start(Settings { gathering, ..settings() }, script.clone());
    line.append(sample::traces(3, 10, 1)).await;
    assert_eq!(line.finish().await, (0, 3));
    assert_eq!(script.received().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_is_cut_to_the_configured_number_of_items() {
    let script = Script::new(|_, _| taken());
    let gathering = Gathering { items_max: 10, ..Gathering::default() };
    let line = Line::start(Settings { gathering, ..settings() }, script.clone());
    line.append(sample::traces(64, 2, 1)).await;
    assert_eq!(line.finish().await, (64, 0));
    assert!(script.received().iter().all(|(_, request)| spans_of(request).len() <= 10));
}

#[tokio::test(start_paused = true)]
async fn o_c14_a_blocked_destination_does_not_slow_its_neighbour_and_shares_the_bytes() {
    let (blocked, free) = (Script::new(|_, _| taken()), Script::new(|_, _| taken()));
    let gate = blocked.gate.forget_permits(Semaphore::MAX_PERMITS);
    let one = Line::start(settings(), blocked.clone());
    let two = Line::on(Arc::clone(&one.journal), "other", settings(), free.clone());
    let begun = now();
    one.append(sample::traces(1, 2, 0)).await;
    while blocked.received().is_empty() || free.received().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(blocked.received()[0].1.as_ptr(), free.received()[0].1.as_ptr(), "the payload is shared");
    for seed in 1..50 {
        one.append(sample::traces(1, 2, seed)).await;
    }
    while two.edge.sent.total() < 50 {
        tokio::task::yield_now().await;
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(one.edge.sent.total(), 0);
    blocked.gate.add_permits(gate);
    assert_eq!(one.finish().await, (50, 0));
    two.running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn o_c15_empty_envelopes_are_not_sent() {
    let script = Script::new(|_, _| taken());
    let line = Line::start(settings(), script.clone());
    let (AnyBatch::Traces(empty), _) =
        AnyBatch::validate(SignalKind::Traces, Bytes::from_static(b"\x0a\x00")).unwrap()
    else {
        panic!("traces were asked for")
    };
    line.append(empty).await;
    assert_eq!(line.finish().await, (0, 0));
    assert_eq!(script.received().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn records_that_wait_are_joined_up_to_the_target() {
    let script = Script::new(|_, _| taken());
    script.gate.forget_permits(Semaphore::MAX_PERMITS);
    let one = sample::traces(10, 4, 1).bytes().len();
    let gathering = Gathering { bytes_target: one * 8, ..Gathering::default() };
    let line = Line::start(Settings { gathering, ..settings() }, script.clone());
    for seed in 0..41 {
        line.append(sample::traces(10, 4, seed)).await;
        tokio::task::yield_now().await;
    }
    script.gate.add_permits(1 << 20);
    assert_eq!(line.finish().await, (410, 0));
    let requests = script.received();
    assert!((5..12).contains(&requests.len()), "{} requests", requests.len());
    assert!(requests.iter().all(|(_, request)| request.len() <= one * 9));
    let spans: BTreeSet<_> = requests.iter().flat_map(|(_, request)| spans_of(request)).collect();
    assert_eq!(spans.len(), 410);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_asked_for_waits_until_full_or_due() {
    let script = Script::new(|_, _| taken());
    let wait_max = Duration::from_millis(200);
    let gathering = Gathering { enough: Size::Items(20), wait_max, ..Gathering::default() };
    let line = Line::start(Settings { gathering, ..settings() }, script.clone());
    let begun = now();
    for seed in 0..5 {
        line.append(sample::traces(10, 2, seed)).await;
        sleep(Duration::from_millis(1)).await;
    }
    sleep(Duration::from_secs(1)).await;
    let sizes: Vec<_> = script.received().iter().map(|(_, request)| spans_of(request).len()).collect();
    assert_eq!(sizes, [20, 20, 10]);
    assert!(script.received()[2].0 - begun >= wait_max);
    assert_eq!(line.finish().await, (50, 0));
}

#[tokio::test(start_paused = true)]
async fn requests_in_flight_are_bounded() {
    let script = Script::new(|_, _| taken());
    script.gate.forget_permits(Semaphore::MAX_PERMITS);
    let line = Line::start(Settings { in_flight_max: 3, ..settings() }, script.clone());
    for seed in 0..10 {
        line.append(sample::traces(1, 2, seed)).await;
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(script.in_flight_most.load(SeqCst), 3);
    script.gate.add_permits(1 << 20);
    assert_eq!(line.finish().await, (10, 0));
    assert_eq!(script.in_flight_most.load(SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn one_request_that_hangs_holds_back_no_more_than_the_read_ahead() {
    let (hung, hangs) = (sample::traces(2000, 10, 1), Arc::new(Mutex::new(true)));
    let (first, held) = (hung.bytes().clone(), Arc::clone(&hangs));
    let script = Script::new(move |_, request| match *held.lock().unwrap() && request == first {
        true => code(14, None),
        false => taken(),
    });
    let line = Line::start(Settings { in_flight_max: 4, ..settings() }, script.clone());
    line.append(hung.clone()).await;
    sleep(Duration::from_millis(1)).await;
    let records = 2 * READ_AHEAD_BYTES_MAX / hung.bytes().len();
    for seed in 1..=records {
        line.append(sample::traces(2000, 10, seed as u64 + 1)).await;
    }
    sleep(Duration::from_secs(600)).await;
    let requests = script.received().into_iter().map(|(_, request)| request.len());
    let others: usize = requests.filter(|bytes| *bytes != hung.bytes().len()).sum();
    assert!(
        others <= READ_AHEAD_BYTES_MAX + (4 << 20) && others > READ_AHEAD_BYTES_MAX / 2,
        "{others} bytes"
    );
    assert_eq!(line.edge.sent.total(), 0, "nothing is counted before it is committed");
    *hangs.lock().unwrap() = false;
    assert_eq!(line.finish().await, (2000 * (records as u64 + 1), 0));
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_is_obeyed_and_what_it_costs_is_counted() {
    let script = Script::new(|_, _| code(14, None));
    let retry = Policy { elapsed_max: Some(Duration::from_secs(300)), ..Policy::default() };
    let line = Line::start(Settings { retry, ..settings() }, script.clone());
    let begun = now();
    line.append(sample::traces(4, 2, 1)).await;
    assert_eq!(line.finish().await, (0, 4));
    assert!(begun.elapsed() <= Duration::from_secs(301) && begun.elapsed() > Duration::from_secs(200));
}

#[tokio::test(start_paused = true)]
async fn without_retry_a_passing_failure_is_final() {
    let script = Script::new(|_, _| code(14, None));
    let retry = Policy { enabled: false, ..Policy::default() };
    let line = Line::start(Settings { retry, ..settings() }, script.clone());
    line.append(sample::traces(4, 2, 1)).await;
    assert_eq!(line.finish().await, (0, 4));
    assert_eq!(script.received().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_one_request_and_is_counted() {
    let script = Script::new(|number, _| if number == 0 { panic!("scripted") } else { taken() });
    let line = Line::start(settings(), script);
    line.append(sample::traces(4, 2, 1)).await;
    sleep(Duration::from_millis(1)).await;
    line.append(sample::traces(3, 2, 2)).await;
    assert_eq!(line.finish().await, (3, 4));
}

#[tokio::test(start_paused = true)]
async fn p19_what_is_in_flight_at_the_deadline_stays_uncommitted() {
    let dead = Script::new(|_, _| code(14, None));
    let line = Line::start(settings(), dead);
    line.append(sample::traces(4, 2, 1)).await;
    sleep(Duration::from_secs(1)).await;
    let begun = now();
    line.trigger.begin(Duration::from_secs(25));
    line.journal.close().await;
    line.running.await.unwrap();
    assert!((25..27).contains(&begun.elapsed().as_secs()));
    assert_eq!((line.edge.sent.total(), line.edge.failed.total()), (0, 0));
    assert!(line.edge.lag_bytes.value() > 0);
}

#[tokio::test(start_paused = true)]
async fn what_drop_oldest_costs_is_counted() {
    let script = Script::new(|number, _| if number < 9 { code(14, None) } else { taken() });
    let line = Line::start(settings(), script);
    let bounds = Bounds { lag_bytes_max: 20_000, on_full: OnFull::DropOldest };
    let blocked = Script::new(|_, _| taken());
    let gate = blocked.gate.forget_permits(Semaphore::MAX_PERMITS);
    let lagging = Line::bounded(Arc::clone(&line.journal), "lagging", bounds, settings(), blocked.clone());
    for seed in 0..50 {
        line.append(sample::traces(5, 10, seed)).await;
        sleep(Duration::from_millis(1)).await;
    }
    blocked.gate.add_permits(gate);
    let edge = Arc::clone(&lagging.edge);
    assert_eq!(line.finish().await, (250, 0));
    let (sent, failed) = lagging.finish().await;
    assert!(edge.dropped.total() > 0);
    assert_eq!(sent + failed + edge.dropped.total(), 250);
}

#[tokio::test(start_paused = true)]
async fn a_drain_goes_on_until_the_end_of_the_journal() {
    let script = Script::new(|number, _| if number < 3 { code(14, None) } else { taken() });
    let line = Line::start(settings(), script);
    for seed in 0..20 {
        line.append(sample::traces(5, 2, seed)).await;
    }
    line.trigger.begin(Duration::from_secs(25));
    assert_eq!(line.finish().await, (100, 0));
}
