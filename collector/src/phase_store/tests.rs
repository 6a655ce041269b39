//! The store against a ten-line model, on a real SQLite file; what a phase tells; what a crash leaves.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::Path,
};

use expect_test::expect;
use pipelines::{engine::drain::drain, testing::Pipes};
use proptest::prelude::*;
use proto::AnyBatch;
use serde_json::json;

use super::*;
use crate::phase_store::{
    context::RemoteContext,
    ids::{Id, TaskId, TraceId},
    phase::{Kind, Status},
    store::{Idempotency, OutboxRow, Store, StoreError, StorePhase, Stored},
    task::Submission,
};

const NOW: u64 = 1_763_700_000_000_000_000;
const MINUTE: u64 = 60_000_000_000;

/// One request, in short.
#[derive(Clone, Debug)]
struct Step {
    kind: Kind,
    issue: u64,
    commit: u8,
    status: Status,
    found: u64,
    /// Start and end, in minutes before or after the arrival.
    start: i64,
    length: u64,
    /// Minutes since the step before.
    pause: u64,
    /// The span of the caller, in one of two traces.
    caller: Option<u8>,
    /// Send it under the key of this number.
    key: Option<u8>,
}

fn open(dir: &Path) -> Sqlite {
    let path = sqlite::path_in(dir);
    let store = Sqlite::open(&path, 7, UnixNanos(NOW)).unwrap();
    let customer =
        "INSERT INTO customers (id, name, inserted_at) VALUES (1, 'acme', '') ON CONFLICT DO NOTHING";
    rusqlite::Connection::open(path).unwrap().execute(customer, []).unwrap();
    store
}

fn request(step: &Step, arrival: u64, serial: u8) -> StorePhase {
    let text = |ns: i64| time_text(ns as u64);
    let start = arrival as i64 + step.start * MINUTE as i64;
    let body = json!({
        "phase": step.kind.as_str(), "repo": "acme/shop", "issue_number": step.issue,
        "commit_sha": format!("c{}", step.commit), "started_at": text(start),
        "completed_at": text(start + (step.length * MINUTE) as i64),
        "data": {"status": step.status.as_str(), "vulnerabilities_found": step.found},
    });
    let phase = request::check(&body, UnixNanos(arrival), "test").unwrap();
    let context = step.caller.map(|span| RemoteContext {
        trace: Id([span % 2 + 1; 16]),
        span: Id([span + 1; 8]),
        flags: 1,
        trace_state: String::new(),
    });
    let idempotency = step.key.map(|key| Idempotency { key: key.to_string(), digest: digest(step) });
    let submission = Submission { phase, context, arrival: UnixNanos(arrival), seed: [serial; 32] };
    StorePhase { customer: 1, idempotency, submission }
}

/// Stands for the body: coarse, so that repeats happen.
fn digest(step: &Step) -> String {
    format!("{:?} {} {}", step.kind, step.issue, step.commit)
}

/// What the model remembers of a span: trace, id, parent, name, start, end.
type Seen = (TraceId, Id<8>, Option<Id<8>>, String, u64, u64);

fn spans(rows: &[OutboxRow]) -> Vec<Seen> {
    let mut seen = Vec::new();
    for row in rows {
        let bytes = row.traces.clone().unwrap().into();
        let (AnyBatch::Traces(batch), None) = AnyBatch::validate(SignalKind::Traces, bytes).unwrap() else {
            panic!("the outbox holds whole requests of spans")
        };
        for span in batch.view().resource_spans().flat_map(|r| r.scope_spans()).flat_map(|s| s.spans()) {
            let parent = span.parent_span_id().map(|id| Id(*id));
            let name = span.name().to_owned();
            seen.push((
                Id(*span.trace_id()),
                Id(*span.span_id()),
                parent,
                name,
                span.start_ns(),
                span.end_ns(),
            ));
        }
    }
    seen
}

/// The ten lines: which task a phase belongs to.
#[derive(Default)]
struct Model {
    /// The newest task of each piece of work, and when it was touched; gone when it has ended.
    open: HashMap<(bool, u64), (TaskId, u64)>,
    tasks: HashSet<TaskId>,
}

impl Model {
    fn take(&mut self, step: &Step, now: u64, task: TaskId) {
        let scan = step.kind == Kind::Scan;
        let work = (scan, if scan { u64::from(step.commit) } else { step.issue });
        let open = self.open.get(&work).filter(|(_, touched)| now - touched < 360 * MINUTE);
        match open {
            Some((known, _)) => assert_eq!(task, *known, "an open task takes the phase"),
            None => assert!(self.tasks.insert(task), "a new task is new"),
        }
        let found_nothing = step.status != Status::Completed || step.found == 0;
        let ends = step.kind == Kind::Mitigation || (step.kind == Kind::Validation && found_nothing);
        self.open.insert(work, (task, now));
        if ends {
            self.open.remove(&work);
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kind = prop_oneof![Just(Kind::Scan), Just(Kind::Validation), Just(Kind::Mitigation)];
    let status =
        prop_oneof![4 => Just(Status::Completed), 1 => Just(Status::Failed), 1 => Just(Status::Timeout)];
    let pause = prop_oneof![5 => 0_u64..30, 1 => 300_u64..420];
    let when = (-2_000_i64..100, 0_u64..50, pause);
    let more = (proptest::option::of(0_u8..4), proptest::option::weighted(0.3, 0_u8..3));
    let step = (kind, 0_u64..2, 0_u8..2, status, 0_u64..2, when, more);
    let step =
        step.prop_map(|(kind, issue, commit, status, found, (start, length, pause), (caller, key))| Step {
            kind,
            // A scan carries no issue here: a task that has both belongs to two pieces of work.
            issue: issue + 1,
            commit,
            status,
            found,
            start,
            length,
            pause,
            caller,
            key,
        });
    proptest::collection::vec(step, 1..14)
}

/// Plays the steps and holds every answer, and everything told, against the model.
async fn check_steps(steps: Vec<Step>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (mut model, mut now) = (Model::default(), NOW);
    let mut keys: BTreeMap<u8, (u64, String, store::Receipt)> = BTreeMap::new();
    let mut receipts: Vec<store::Receipt> = Vec::new();
    for (serial, step) in steps.iter().enumerate() {
        now += step.pause * MINUTE;
        let mut request = request(step, now, serial as u8);
        if step.kind == Kind::Scan {
            request.submission.phase.issue_number = None;
        }
        let fresh = |(at, _, _): &&(u64, String, store::Receipt)| now - at < 24 * 60 * MINUTE;
        let known = step.key.and_then(|key| keys.get(&key)).filter(fresh);
        match (store.store_phase(request).await.unwrap(), known) {
            (Stored::New(receipt), None) => {
                model.take(step, now, receipt.task);
                if let Some(key) = step.key {
                    keys.insert(key, (now, digest(step), receipt.clone()));
                }
                receipts.push(receipt);
            }
            (Stored::Before(receipt), Some((_, of_first, first))) => {
                assert_eq!((&receipt, of_first), (first, &digest(step)));
            }
            (Stored::KeyReused, Some((_, of_first, _))) => assert_ne!(*of_first, digest(step)),
            (other, known) => panic!("{other:?} although the model knows {known:?}"),
        }
    }
    while store.sweep(UnixNanos(now + 360 * MINUTE), None).await.unwrap() {}
    let rows = store.outbox(1_000).await.unwrap();
    let numbers: Vec<u64> = rows.iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=rows.len() as u64).collect::<Vec<_>>(), "numbers are dense");
    check_spans(&spans(&rows), &receipts);
}

fn check_spans(spans: &[Seen], receipts: &[store::Receipt]) {
    for (_, id, _, name, start, end) in spans {
        assert!(start <= end, "{name} {id} ends before it starts");
    }
    assert_eq!(
        spans.iter().map(|span| span.1).collect::<HashSet<_>>().len(),
        spans.len(),
        "no span is told twice"
    );
    let phases: Vec<&Seen> = spans.iter().filter(|span| span.3.starts_with("phase ")).collect();
    let told: Vec<_> = phases.iter().map(|span| (span.0, span.1)).collect();
    assert_eq!(
        told,
        receipts.iter().map(|r| (r.trace, r.span)).collect::<Vec<_>>(),
        "each phase is told once"
    );
    for phase in phases {
        // By now every task has ended, so every parent has been told.
        let roots: Vec<_> =
            spans.iter().filter(|span| span.0 == phase.0 && Some(span.1) == phase.2).collect();
        let [root] = roots[..] else { panic!("{phase:?} has {} roots", roots.len()) };
        assert_eq!(root.3, "task");
        assert!(root.4 <= phase.4 && phase.5 <= root.5, "the root holds its phases");
    }
    let tasks: HashSet<TaskId> = receipts.iter().map(|receipt| receipt.task).collect();
    assert_eq!(spans.iter().filter(|span| span.3 == "task").count(), tasks.len(), "one root for each task");
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_phases_agrees_with_the_model(steps in steps()) {
        wait(check_steps(steps));
    }
}

fn validation(issue: u64) -> Step {
    Step {
        kind: Kind::Validation,
        issue,
        commit: 0,
        status: Status::Completed,
        found: 1,
        start: -1,
        length: 1,
        pause: 0,
        caller: None,
        key: None,
    }
}

#[test]
fn a_failed_validation_tells_these_spans_and_events() {
    let body = json!({
        "phase": "validation", "repo": "acme/shop", "issue_number": 7, "commit_sha": "abc",
        "data": {"duration_ms": 1500, "status": "failed", "error": "no server", "branch": "main", "language": "go",
            "validated": false, "tests_generated": 2, "tests_passed": 1, "tests_failed": 1, "vulnerabilities_found": 1,
            "test_details": [{"name": "login", "status": "passed", "duration_ms": 500, "file": "a_test.go"},
                {"name": "logout", "status": "failed", "duration_ms": 0.5, "error": "no cookie"}]},
    });
    let submission = Submission {
        phase: request::check(&body, UnixNanos(NOW), "staging").unwrap(),
        context: Some(RemoteContext {
            trace: Id([1; 16]),
            span: Id([2; 8]),
            flags: 1,
            trace_state: "a=1".into(),
        }),
        arrival: UnixNanos(NOW),
        seed: [3; 32],
    };
    let scan = task::PhaseSpan { task: Id([4; 8]), trace: Id([5; 16]), span: Id([6; 8]), attempt: 1 };
    let known = task::Known { scan: Some(scan), ..task::Known::default() };
    let effects = task::advance(known, &submission, store::TASK_IDLE_MAX);
    let mut shown = String::new();
    for span in effects.telemetry.iter().flat_map(|told| &told.spans) {
        shown += &format!(
            "{} {} < {:?}, flags {:x}, state {}, {}..{} ms, error {:?}\n",
            span.name,
            span.span,
            span.parent,
            span.flags,
            span.trace_state,
            (span.start_ns as i64 - NOW as i64) as f64 / 1e6,
            (span.end_ns as i64 - NOW as i64) as f64 / 1e6,
            span.error
        );
        shown +=
            &span.attributes.iter().map(|(key, value)| format!("    {key}: {value:?}\n")).collect::<String>();
        shown += &span
            .links
            .iter()
            .map(|link| format!("    -> {} {} {}\n", link.trace, link.span, link.reason))
            .collect::<String>();
    }
    for event in effects.telemetry.iter().flat_map(|told| &told.events) {
        shown += &format!("{} on {}\n", event.name, event.span);
        shown += &event
            .attributes
            .iter()
            .map(|(key, value)| format!("    {key}: {value:?}\n"))
            .collect::<String>();
    }
    expect![[r#"
        phase validation e8db8342b0e4cf5c < Some(96a2a0bef374b1e7), flags 101, state a=1, -1500..0 ms, error Some("no server")
            task.id: Str("6ffc991a5b4bfe1d")
            phase.name: Str("validation")
            phase.status: Str("failed")
            phase.language: Str("go")
            phase.framework: Str("unknown")
            phase.attempt: Int(1)
            vcs.owner.name: Str("acme")
            vcs.repository.name: Str("shop")
            vcs.ref.head.revision: Str("abc")
            cicd.pipeline.task.name: Str("validation")
            cicd.pipeline.task.run.result: Str("failure")
            phase.issue_number: Int(7)
            error.type: Str("failed")
            phase.tests_generated: Int(2)
            phase.tests_passed: Int(1)
            phase.tests_failed: Int(1)
            phase.vulnerabilities_found: Int(1)
            phase.validated: Bool(false)
            vcs.ref.head.name: Str("main")
            -> 05050505050505050505050505050505 0606060606060606 scan
        test be8c733b84ac8294 < Some(e8db8342b0e4cf5c), flags 101, state a=1, -1500..-1000 ms, error None
            task.id: Str("6ffc991a5b4bfe1d")
            phase.name: Str("validation")
            test.case.name: Str("login")
            test.case.status: Str("passed")
            test.case.result.status: Str("pass")
            code.file.path: Str("a_test.go")
        test a3fca699d24fa109 < Some(e8db8342b0e4cf5c), flags 101, state a=1, -1000..-999.5 ms, error Some("no cookie")
            task.id: Str("6ffc991a5b4bfe1d")
            phase.name: Str("validation")
            test.case.name: Str("logout")
            test.case.status: Str("failed")
            test.case.result.status: Str("fail")
            error.type: Str("test_failed")
        task 96a2a0bef374b1e7 < Some(0202020202020202), flags 301, state a=1, -1500..0 ms, error Some("the last phase ended with failed")
            task.id: Str("6ffc991a5b4bfe1d")
            task.status: Str("failed")
            task.phases: Int(1)
            phase.language: Str("go")
            phase.framework: Str("unknown")
            vcs.owner.name: Str("acme")
            vcs.repository.name: Str("shop")
            task.issue_number: Int(7)
            error.type: Str("failed")
        rsolv.validation.complete on e8db8342b0e4cf5c
            repo: Str("acme/shop")
            language: Str("go")
            framework: Str("unknown")
            status: Str("failed")
            environment: Str("staging")
            task.id: Str("6ffc991a5b4bfe1d")
            phase.name: Str("validation")
            duration: Int(1500)
            tests_generated: Int(2)
            tests_passed: Int(1)
            tests_failed: Int(1)
            vulnerabilities_found: Int(1)
        rsolv.validation.test_generated on e8db8342b0e4cf5c
            repo: Str("acme/shop")
            language: Str("go")
            framework: Str("unknown")
            status: Str("failed")
            environment: Str("staging")
            task.id: Str("6ffc991a5b4bfe1d")
            phase.name: Str("validation")
            test.case.name: Str("login")
            test.case.status: Str("passed")
            duration: Int(500)
            code.file.path: Str("a_test.go")
        rsolv.validation.test_generated on e8db8342b0e4cf5c
            repo: Str("acme/shop")
            language: Str("go")
            framework: Str("unknown")
            status: Str("failed")
            environment: Str("staging")
            task.id: Str("6ffc991a5b4bfe1d")
            phase.name: Str("validation")
            test.case.name: Str("logout")
            test.case.status: Str("failed")
            duration: Double(0.5)
    "#]].assert_eq(&shown);
}

#[tokio::test]
async fn a_request_that_fails_in_a_group_leaves_nothing_and_takes_no_neighbour_along() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let connection = rusqlite::Connection::open(sqlite::path_in(dir.path())).unwrap();
    // The last statement of the transaction fails, for one commit.
    let trap = "CREATE TRIGGER trap BEFORE INSERT ON events WHEN (SELECT count(*) FROM validation_executions
                WHERE commit_sha = 'c9' AND task_id = NEW.task_id) > 0 BEGIN SELECT RAISE(ABORT, 'trapped'); END";
    connection.execute_batch(trap).unwrap();
    let requests = (0..20_u8).map(|index| {
        let step = Step { commit: if index % 3 == 1 { 9 } else { 0 }, ..validation(u64::from(index) + 1) };
        store.store_phase(request(&step, NOW, index))
    });
    let answers = futures_util::future::join_all(requests).await;
    for (index, answer) in answers.iter().enumerate() {
        match answer {
            Ok(Stored::New(_)) => assert_ne!(index % 3, 1),
            Err(StoreError::Failed(_)) => assert_eq!(index % 3, 1),
            other => panic!("{other:?}"),
        }
    }
    let count = |table: &str| -> i64 {
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!((count("validation_executions"), count("tasks"), count("outbox")), (13, 13, 13));
    let last: u64 = store.outbox(100).await.unwrap().last().unwrap().number;
    assert_eq!(last, 13, "numbers stay dense when a request is rolled back");
}

#[tokio::test]
async fn what_was_answered_is_in_the_files_at_that_moment() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for issue in 1..=3 {
        store.store_phase(request(&validation(issue), NOW, issue as u8)).await.unwrap();
    }
    // What a killed process leaves behind: the files as they are, nothing closed.
    let crashed = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(dir.path()).unwrap().map(Result::unwrap) {
        if !file.file_name().to_string_lossy().ends_with("-shm") {
            std::fs::copy(file.path(), crashed.path().join(file.file_name())).unwrap();
        }
    }
    let found = open(crashed.path());
    assert_eq!(found.outbox(100).await.unwrap(), store.outbox(100).await.unwrap());
    assert_eq!(found.outbox(100).await.unwrap().len(), 3);
    assert_eq!(found.epoch(), store.epoch());
}

#[tokio::test]
async fn rows_that_were_pushed_but_not_forgotten_are_not_counted_again() {
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(open(dir.path()));
    let pipes = Pipes::new(64 << 20);
    for issue in 1..=3 {
        store.store_phase(request(&validation(issue), NOW, issue as u8)).await.unwrap();
    }
    let rows = store.outbox(100).await.unwrap();
    let relay = || {
        let (trigger, listener) = drain();
        let relay = outbox::Relay::new(
            Arc::clone(&store),
            pipes.inlet.clone(),
            outbox::edges(),
            Arc::new(|| UnixNanos(NOW)),
        );
        trigger.begin(Duration::from_secs(20));
        async move {
            relay.run(listener).await;
            drop(trigger);
        }
    };
    relay().await;
    assert_eq!(store.outbox(100).await.unwrap(), []);
    let items = async |signal| pipes.take(signal).await.iter().map(AnyBatch::items).sum::<usize>();
    assert_eq!((items(SignalKind::Traces).await, items(SignalKind::Logs).await), (3, 3));

    // The process died between the push and the forgetting.
    let connection = rusqlite::Connection::open(sqlite::path_in(dir.path())).unwrap();
    for row in rows {
        let insert = "INSERT INTO outbox (number, traces, logs) VALUES (?1, ?2, ?3)";
        connection.execute(insert, (row.number as i64, row.traces, row.logs)).unwrap();
    }
    store.store_phase(request(&validation(4), NOW, 4)).await.unwrap();
    relay().await;
    assert_eq!(store.outbox(100).await.unwrap(), []);
    assert_eq!(
        (items(SignalKind::Traces).await, items(SignalKind::Logs).await),
        (1, 1),
        "only the new phase"
    );
}

#[tokio::test]
async fn a_task_ended_by_idleness_is_continued_by_a_new_one_linked_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let Stored::New(first) = store.store_phase(request(&validation(1), NOW, 1)).await.unwrap() else {
        panic!()
    };
    assert!(!store.sweep(UnixNanos(NOW + 359 * MINUTE), None).await.unwrap());
    assert_eq!(store.outbox(9).await.unwrap().len(), 1, "not idle yet");
    let later = NOW + 361 * MINUTE;
    store.sweep(UnixNanos(later), None).await.unwrap();
    assert_eq!(store.outbox(9).await.unwrap().len(), 2, "its root span");
    let mut joining = request(&validation(1), later, 2);
    joining.submission.phase.task_id = Some(first.task);
    let Stored::New(second) = store.store_phase(joining).await.unwrap() else { panic!() };
    assert_ne!(second.task, first.task);
    assert_ne!(second.trace, first.trace);
    let scope = store::Scope { customer: Some(1), owners: None };
    let (found, phases) = store.task(scope, second.task).await.unwrap().unwrap();
    assert_eq!(found.task.previous.map(|root| root.task), Some(first.task));
    assert_eq!(phases.len(), 1);
}

#[tokio::test]
async fn a_scan_its_validation_and_its_mitigation_share_a_task_when_asked_to() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let scan = Step { kind: Kind::Scan, ..validation(1) };
    let mut scan = request(&scan, NOW, 1);
    scan.submission.phase.issue_number = None;
    let Stored::New(scan) = store.store_phase(scan).await.unwrap() else { panic!() };
    let mut joining = request(&validation(1), NOW, 2);
    joining.submission.phase.task_id = Some(scan.task);
    let Stored::New(joined) = store.store_phase(joining).await.unwrap() else { panic!() };
    // The task has its issue now, so the mitigation finds it by itself.
    let mitigation = Step { kind: Kind::Mitigation, ..validation(1) };
    let Stored::New(mitigated) = store.store_phase(request(&mitigation, NOW, 3)).await.unwrap() else {
        panic!()
    };
    assert_eq!([joined.task, mitigated.task], [scan.task; 2]);
    assert_eq!([joined.trace, mitigated.trace], [scan.trace; 2]);
}

#[tokio::test]
async fn retention_forgets_ended_tasks_and_all_that_belongs_to_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mitigation = Step { kind: Kind::Mitigation, key: Some(1), ..validation(1) };
    store.store_phase(request(&mitigation, NOW, 1)).await.unwrap();
    store.store_phase(request(&validation(2), NOW, 2)).await.unwrap();
    let day = Duration::from_secs(86_400);
    let later = UnixNanos(NOW) + day + Duration::from_secs(1);
    store.sweep(later, Some(day)).await.unwrap();
    let connection = rusqlite::Connection::open(sqlite::path_in(dir.path())).unwrap();
    let count = |table: &str| -> i64 {
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!((count("mitigation_executions"), count("idempotency"), count("events")), (0, 0, 0));
    assert_eq!((count("outbox"), count("repositories")), (3, 1), "what is not delivered stays");
}

#[test]
fn a_configuration_says_what_is_wrong_with_it() {
    let wrong = Config {
        endpoint: "4000".into(),
        storage: "postgres".into(),
        environment: String::new(),
        body_bytes_max: ByteSize(1),
        retention: Some(Span(Duration::from_secs(1))),
    };
    let shown: String = wrong.check().iter().map(|error| format!("{error}\n")).collect();
    expect![[r#"
        storage: `postgres` is not a storage; write `sqlite`
        endpoint: `4000` is not an address; write for example 127.0.0.1:4000
        environment: must have 1 to 128 characters
        body_bytes_max: must be from 1KiB to 64MiB
        retention: must be at least 24h, so that idempotency keys hold
    "#]]
    .assert_eq(&shown);
    assert_eq!(Config::default().check(), []);
}
