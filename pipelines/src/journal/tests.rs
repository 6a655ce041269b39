//! The journal against its promises, on real files.

use std::{fs, path::Path};

use bytes::Bytes;
use proptest::prelude::*;
use proto::testing::sample;

use super::*;
use crate::refusal::Reason;

mod power;

const TRACES: PipelineIndex = PipelineIndex(0);
const LOGS: PipelineIndex = PipelineIndex(1);
const MEMORY: PipelineIndex = PipelineIndex(2);
const BOUNDS: Bounds = Bounds { lag_bytes_max: 64 << 20, on_full: OnFull::Refuse };

fn settings(directory: &Path) -> Settings {
    let pipeline = |name: &str, signal, mode| PipelineSettings { name: name.to_owned(), signal, mode };
    Settings {
        disk: crate::disk::files(),
        directory: Some(directory.to_owned()),
        segment_bytes_max: 4_096,
        tail_bytes_max: 4_096,
        pipelines: vec![
            pipeline("traces", SignalKind::Traces, Mode::Durable),
            pipeline("logs", SignalKind::Logs, Mode::Durable),
            pipeline("metrics", SignalKind::Metrics, Mode::Memory),
        ],
    }
}

fn open(directory: &Path) -> (Arc<Journal>, Recovered) {
    Journal::open(settings(directory)).unwrap()
}

fn entry(parts: &[(PipelineIndex, &AnyBatch)]) -> Entry {
    let parts = parts.iter().map(|(pipeline, batch)| Part { pipeline: *pipeline, batch: (*batch).clone() });
    Entry { parts: parts.collect(), arrival: UnixNanos(7), sequence: None, derivable: false }
}

fn traces(seed: u64) -> AnyBatch {
    sample::any(SignalKind::Traces, 1 + seed as usize % 3, seed)
}

/// Everything a cursor has not read, committed or not.
async fn read_all(cursor: &Cursor, commit: bool) -> Vec<Bytes> {
    let mut all = Vec::new();
    while cursor.position() < cursor.end() {
        let run = cursor.next(1_000).await.unwrap();
        if commit {
            cursor.commit(run.last().unwrap().position);
        }
        all.extend(run.into_iter().map(|record| record.batch.bytes().clone()));
    }
    all
}

#[tokio::test]
async fn what_was_acknowledged_is_read_after_a_restart_and_what_was_committed_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let batches: Vec<_> = (0..40).map(traces).collect();
    {
        let (journal, report) = open(folder.path());
        assert_eq!(report, Recovered::default());
        let slow = journal.cursor(TRACES, "slow", BOUNDS).unwrap();
        let fast = journal.cursor(TRACES, "fast", BOUNDS).unwrap();
        for batch in &batches {
            journal.append(entry(&[(TRACES, batch)])).unwrap().await.unwrap();
        }
        let sent: Vec<_> = batches.iter().map(|batch| batch.bytes().clone()).collect();
        // `slow` begins behind the tail, so most of it comes back from disk; `fast` commits as it goes.
        assert_eq!(read_all(&fast, true).await, sent);
        assert_eq!(read_all(&slow, false).await, sent);
        journal.close().await;
    }
    let (journal, report) = open(folder.path());
    assert_eq!((report.records, report.torn_bytes, report.damaged.len()), (40, 0, 0));
    let slow = journal.cursor(TRACES, "slow", BOUNDS).unwrap();
    let fast = journal.cursor(TRACES, "fast", BOUNDS).unwrap();
    assert_eq!(slow.recovered_end(), slow.end());
    let all = read_all(&slow, true).await;
    assert_eq!(all, batches.iter().map(|batch| batch.bytes().clone()).collect::<Vec<_>>());
    assert_eq!(read_all(&fast, true).await, Vec::<Bytes>::new());
}

#[tokio::test]
async fn segments_that_everyone_has_passed_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    let cursor = journal.cursor(TRACES, "a", BOUNDS).unwrap();
    for seed in 0..60 {
        journal.append(entry(&[(TRACES, &traces(seed))])).unwrap().await.unwrap();
    }
    let full = journal.stats();
    assert!(full.segments > 3, "{full:?}");
    read_all(&cursor, true).await;
    journal.close().await;
    let empty = journal.stats();
    assert_eq!((empty.segments, empty.disk_bytes), (0, 0));
    // Positions go on where they were, although no segment tells them any more.
    let end = cursor.end();
    drop((cursor, journal));
    let (journal, _) = open(folder.path());
    assert_eq!(journal.cursor(TRACES, "a", BOUNDS).unwrap().end(), end);
}

#[tokio::test]
async fn an_entry_is_in_all_its_pipelines_or_in_none_wherever_the_file_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let logs = sample::any(SignalKind::Logs, 2, 1);
    let metrics = sample::any(SignalKind::Metrics, 2, 1);
    {
        let (journal, _) = open(folder.path());
        let _cursors = [
            journal.cursor(TRACES, "a", BOUNDS).unwrap(),
            journal.cursor(LOGS, "a", BOUNDS).unwrap(),
            journal.cursor(MEMORY, "a", BOUNDS).unwrap(),
        ];
        for seed in 0..2 {
            let parts = [(TRACES, &traces(seed)), (LOGS, &logs), (MEMORY, &metrics)];
            journal.append(entry(&parts)).unwrap().await.unwrap();
        }
        journal.close().await;
    }
    let file = folder.path().join("00000000000000000001.segment");
    let whole = fs::read(&file).unwrap();
    let cursors = fs::read(folder.path().join("cursors")).unwrap();
    let second = whole.windows(4).rposition(|window| window == b"PREC").unwrap();
    for cut in (second..whole.len()).step_by(7).chain([whole.len()]) {
        let copy = tempfile::tempdir().unwrap();
        fs::write(copy.path().join(file.file_name().unwrap()), &whole[..cut]).unwrap();
        fs::write(copy.path().join("cursors"), &cursors).unwrap();
        let (journal, report) = open(copy.path());
        let expected = if cut == whole.len() { 2 } else { 1 };
        assert_eq!((report.records, report.damaged.len()), (expected, 0), "cut at {cut}");
        let traces = journal.cursor(TRACES, "a", BOUNDS).unwrap();
        let logs = journal.cursor(LOGS, "a", BOUNDS).unwrap();
        assert_eq!(read_all(&traces, true).await.len() as u64, expected);
        assert_eq!(read_all(&logs, true).await.len() as u64, expected);
        // And it goes on from there.
        journal.append(entry(&[(TRACES, &super::tests::traces(9))])).unwrap().await.unwrap();
        assert_eq!(read_all(&traces, true).await.len(), 1);
    }
}

#[tokio::test]
async fn damage_in_the_middle_costs_its_record_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    {
        let mut settings = settings(folder.path());
        settings.segment_bytes_max = 1 << 20;
        let (journal, _) = Journal::open(settings).unwrap();
        let _cursor = journal.cursor(TRACES, "a", BOUNDS).unwrap();
        for seed in 0..5 {
            journal.append(entry(&[(TRACES, &traces(seed))])).unwrap().await.unwrap();
        }
        journal.close().await;
    }
    let file = folder.path().join("00000000000000000001.segment");
    let mut bytes = fs::read(&file).unwrap();
    let starts: Vec<_> = (0..bytes.len() - 4).filter(|at| &bytes[*at..at + 4] == b"PREC").collect();
    bytes[starts[2] + 60] ^= 0x10;
    fs::write(&file, &bytes).unwrap();
    let (journal, report) = open(folder.path());
    assert_eq!((report.records, report.damaged.len()), (4, 1));
    assert_eq!(report.damaged[0].offset, starts[2] as u64);
    let cursor = journal.cursor(TRACES, "a", BOUNDS).unwrap();
    let expected: Vec<_> = [0, 1, 3, 4].map(|seed| traces(seed).bytes().clone()).into();
    assert_eq!(read_all(&cursor, true).await, expected);
}

#[tokio::test]
async fn a_repeat_is_known_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let batch = traces(1);
    let numbered = |number| {
        let sequence = Some(Sequence { producer: ProducerId(5), number });
        Entry { sequence, ..entry(&[(TRACES, &batch)]) }
    };
    let (journal, _) = open(folder.path());
    let cursor = journal.cursor(TRACES, "a", BOUNDS).unwrap();
    for number in [1, 2, 2, 1, 3] {
        journal.append(numbered(number)).unwrap().await.unwrap();
    }
    assert_eq!(read_all(&cursor, false).await.len(), 3);
    journal.close().await;
    drop((cursor, journal));
    let (journal, _) = open(folder.path());
    let cursor = journal.cursor(TRACES, "a", BOUNDS).unwrap();
    journal.append(numbered(3)).unwrap().await.unwrap();
    journal.append(numbered(4)).unwrap().await.unwrap();
    assert_eq!(read_all(&cursor, true).await.len(), 4);
}

#[tokio::test]
async fn points_of_connectors_keep_their_order_and_are_not_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    let cursor = journal.cursor(TRACES, "a", BOUNDS).unwrap();
    let derived = Entry { derivable: true, ..entry(&[(TRACES, &traces(2))]) };
    let tickets: Vec<_> = [entry(&[(TRACES, &traces(1))]), derived, entry(&[(TRACES, &traces(3))])]
        .into_iter()
        .map(|entry| journal.append(entry).unwrap())
        .collect();
    for ticket in tickets {
        ticket.await.unwrap();
    }
    let bytes = |seeds: &[u64]| seeds.iter().map(|seed| traces(*seed).bytes().clone()).collect::<Vec<_>>();
    assert_eq!(read_all(&cursor, false).await, bytes(&[1, 2, 3]));
    journal.close().await;
    drop((cursor, journal));
    let (journal, report) = open(folder.path());
    assert_eq!(report.records, 2);
    let cursor = journal.cursor(TRACES, "a", BOUNDS).unwrap();
    assert_eq!(read_all(&cursor, true).await, bytes(&[1, 3]));
}

#[tokio::test]
async fn another_version_is_refused_and_nothing_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    {
        let (journal, _) = open(folder.path());
        let _cursor = journal.cursor(TRACES, "a", BOUNDS).unwrap();
        journal.append(entry(&[(TRACES, &traces(1))])).unwrap().await.unwrap();
        journal.close().await;
    }
    let file = folder.path().join("00000000000000000001.segment");
    let mut bytes = fs::read(&file).unwrap();
    format::as_version(&mut bytes, 77);
    bytes.extend_from_slice(b"torn");
    fs::write(&file, &bytes).unwrap();
    let error = Journal::open(settings(folder.path())).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("journal format 77"), "{error}");
    assert_eq!(fs::read(&file).unwrap(), bytes);
    // The first version had another checksum, and is refused as well.
    let mut first = bytes.clone();
    format::as_version(&mut first, 1);
    fs::write(&file, &first).unwrap();
    let error = Journal::open(settings(folder.path())).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("journal format 1,"), "{error}");
    // A flipped bit in the same place is damage, and no other version.
    bytes[5] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let (_journal, report) = open(folder.path());
    assert_eq!(report.damaged.len(), 1);
    assert_eq!(fs::read(file.with_extension("damaged")).unwrap(), bytes);
}

#[tokio::test]
async fn two_processes_never_share_a_journal() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    let error = Journal::open(settings(folder.path())).map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    drop(journal);
    open(folder.path());
}

#[tokio::test]
async fn a_full_consumer_refuses_for_all_pipelines_of_the_entry() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    let tight = Bounds { lag_bytes_max: 2_000, on_full: OnFull::Refuse };
    let traces_cursor = journal.cursor(TRACES, "a", BOUNDS).unwrap();
    let _memory = journal.cursor(MEMORY, "a", tight).unwrap();
    let metrics = sample::any(SignalKind::Metrics, 3, 1);
    let mut taken = 0;
    let refusal = loop {
        match journal.append(entry(&[(TRACES, &traces(1)), (MEMORY, &metrics)])) {
            Ok(ticket) => ticket.await.unwrap(),
            Err(refusal) => break refusal,
        }
        taken += 1;
    };
    assert_eq!(refusal, Refusal::retry(Reason::QueueFull));
    assert!(taken > 0);
    assert_eq!(read_all(&traces_cursor, true).await.len(), taken);
}

/// Which of the entries 1.. the journal took, by their answers; all are appended before the first answer is awaited.
async fn answers(journal: &Journal, numbered: bool, count: u64) -> Vec<bool> {
    let numbered = |number| numbered.then_some(Sequence { producer: ProducerId(5), number });
    let tickets: Vec<_> = (1..=count)
        .map(|seed| Entry { sequence: numbered(seed), ..entry(&[(TRACES, &traces(seed))]) })
        .map(|entry| journal.append(entry).unwrap())
        .collect();
    let mut answers = Vec::new();
    for ticket in tickets {
        answers.push(ticket.await.is_ok());
    }
    answers
}

#[tokio::test]
async fn what_is_on_disk_before_a_write_fails_stays_and_the_rest_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    let mut taken = Vec::new();
    {
        let (journal, _) = open(folder.path());
        let cursor = journal.cursor(TRACES, "a", BOUNDS).unwrap();
        // Nobody can make the third segment: a folder is in its place.
        let obstacle = folder.path().join("00000000000000000003.segment");
        fs::create_dir(&obstacle).unwrap();
        let first = answers(&journal, false, 60).await;
        assert!(first.contains(&true) && first.contains(&false), "{first:?}");
        fs::remove_dir(&obstacle).unwrap();
        let second = answers(&journal, false, 60).await;
        assert!(second.iter().all(|taken| *taken), "it goes on when the way is free");
        for (index, _) in first.iter().chain(&second).enumerate().filter(|(_, taken)| **taken) {
            taken.push(traces(1 + index as u64 % 60).bytes().clone());
        }
        seen.push(read_all(&cursor, false).await);
        journal.close().await;
    }
    let (journal, report) = open(folder.path());
    assert_eq!((report.damaged.len(), report.torn_bytes), (0, 0));
    seen.push(read_all(&journal.cursor(TRACES, "a", BOUNDS).unwrap(), false).await);
    assert_eq!(seen, [taken.clone(), taken]);
}

#[tokio::test]
async fn numbers_that_were_refused_may_all_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    let cursor = journal.cursor(TRACES, "a", BOUNDS).unwrap();
    let obstacle = folder.path().join("00000000000000000002.segment");
    fs::create_dir(&obstacle).unwrap();
    let first = answers(&journal, true, 60).await;
    let refused = first.iter().position(|taken| !taken).expect("the second segment could not be made");
    // It may go on by itself with another segment, but never with a number behind a refused one of its group.
    fs::remove_dir(&obstacle).unwrap();
    assert!(answers(&journal, true, 60).await.iter().all(|taken| *taken));
    let expected: Vec<_> = (1..=60).map(|seed| traces(seed).bytes().clone()).collect();
    assert!(refused < 60);
    assert_eq!(read_all(&cursor, true).await, expected);
}

#[tokio::test]
async fn a_consumer_that_drops_what_left_memory_drops_little_and_counts_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    (settings.segment_bytes_max, settings.tail_bytes_max) = (1 << 20, 20_000);
    let (journal, _) = Journal::open(settings).unwrap();
    let batch = sample::any(SignalKind::Traces, 8, 1);
    let bounds = Bounds { lag_bytes_max: 400_000, on_full: OnFull::DropOldest };
    let cursor = journal.cursor(TRACES, "a", bounds).unwrap();
    let count = 600_000 / weight(&batch);
    for _ in 0..count {
        journal.append(entry(&[(TRACES, &batch)])).unwrap().await.unwrap();
        assert!(cursor.lag_bytes() <= bounds.lag_bytes_max);
    }
    let seen = read_all(&cursor, true).await.len() as u64;
    assert_eq!(seen + cursor.dropped_items() / batch.items() as u64, count);
    assert!(seen * weight(&batch) > 300_000, "{seen} of {count}");
}

#[tokio::test]
async fn a_consumer_that_lags_reads_on_while_the_segment_grows() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    settings.segment_bytes_max = 20_000;
    let (journal, _) = Journal::open(settings).unwrap();
    let cursor = journal.cursor(TRACES, "a", BOUNDS).unwrap();
    let mut seen = Vec::new();
    for seed in 0..150 {
        let derivable = seed % 5 == 4;
        let entry = Entry { derivable, ..entry(&[(TRACES, &traces(seed)), (TRACES, &traces(seed + 1_000))]) };
        journal.append(entry).unwrap().await.unwrap();
        // Reads slower than it grows, in runs that end anywhere.
        if seed % 3 == 0 {
            let run = cursor.next(1 + 700 * (seed as usize % 4)).await.unwrap();
            seen.extend(run.into_iter().map(|record| record.batch.bytes().clone()));
        }
    }
    seen.extend(read_all(&cursor, true).await);
    let both = |seed| [traces(seed).bytes().clone(), traces(seed + 1_000).bytes().clone()];
    let dropped = |bytes: &Bytes| (4..150).step_by(5).flat_map(both).any(|derived| derived == *bytes);
    let all: Vec<_> = (0..150).flat_map(both).collect();
    let written: Vec<_> = (0..150).filter(|seed| seed % 5 != 4).flat_map(both).collect();
    let seen_written: Vec<_> = seen.iter().filter(|bytes| !dropped(bytes)).cloned().collect();
    assert_eq!(seen_written, written.into_iter().filter(|bytes| !dropped(bytes)).collect::<Vec<_>>());
    assert!(seen.len() <= all.len());
}

#[tokio::test]
async fn a_consumer_that_gives_up_waiting_for_the_disk_loses_no_work() {
    use futures_util::FutureExt;
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    let cursor = journal.cursor(TRACES, "a", BOUNDS).unwrap();
    for seed in 0..60 {
        journal.append(entry(&[(TRACES, &traces(seed))])).unwrap().await.unwrap();
    }
    let (mut seen, mut looks) = (Vec::new(), 0);
    while cursor.position() < cursor.end() {
        // Asked once and left alone, as by a `select!` in which something else is ready.
        match cursor.next(1_000).now_or_never() {
            Some(run) => seen.extend(run.unwrap().into_iter().map(|record| record.batch.bytes().clone())),
            None => tokio::time::sleep(Duration::from_millis(1)).await,
        }
        looks += 1;
        assert!(looks < 10_000, "it gets nowhere: {} of 60", seen.len());
    }
    assert_eq!(seen, (0..60).map(|seed| traces(seed).bytes().clone()).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_committed_behind_the_seal_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    {
        let (journal, _) = open(folder.path());
        let cursor = journal.cursor(TRACES, "a", BOUNDS).unwrap();
        for seed in 0..3 {
            journal.append(entry(&[(TRACES, &traces(seed))])).unwrap().await.unwrap();
        }
        journal.seal();
        let refused = journal.append(entry(&[(TRACES, &traces(3))])).err();
        assert_eq!(refused, Some(Refusal::retry(Reason::ShuttingDown)));
        let mut last = Position::default();
        while let Some(run) = cursor.next(1_000).await {
            last = run.last().unwrap().position;
        }
        cursor.commit(last);
        journal.close().await;
    }
    let (journal, _) = open(folder.path());
    let cursor = journal.cursor(TRACES, "a", BOUNDS).unwrap();
    assert_eq!(cursor.position(), cursor.end(), "nothing is left to deliver again");
}

#[tokio::test]
async fn a_flipped_bit_costs_at_most_what_it_hit() {
    let folder = tempfile::tempdir().unwrap();
    {
        let (journal, _) = open(folder.path());
        let _cursor = journal.cursor(TRACES, "a", BOUNDS).unwrap();
        for seed in 0..3 {
            journal.append(entry(&[(TRACES, &traces(seed))])).unwrap().await.unwrap();
        }
        journal.close().await;
    }
    let name = "00000000000000000001.segment";
    let whole = fs::read(folder.path().join(name)).unwrap();
    let cursors = fs::read(folder.path().join("cursors")).unwrap();
    let first_record = whole.windows(4).position(|window| window == b"PREC").unwrap();
    let sent: Vec<_> = (0..3).map(|seed| traces(seed).bytes().clone()).collect();
    for bit in (first_record * 8..whole.len() * 8).step_by(83) {
        let copy = tempfile::tempdir().unwrap();
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(copy.path().join(name), &flipped).unwrap();
        fs::write(copy.path().join("cursors"), &cursors).unwrap();
        let (journal, report) = open(copy.path());
        assert!(report.torn_bytes > 0 || report.damaged.len() == 1, "bit {bit} is reported");
        let seen = read_all(&journal.cursor(TRACES, "a", BOUNDS).unwrap(), true).await;
        assert_eq!(seen.len(), 2, "bit {bit}");
        assert!(seen.iter().all(|bytes| sent.contains(bytes)));
    }
}

#[tokio::test]
async fn nothing_is_answered_before_a_new_cursor_is_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    // The cursors cannot be saved: a folder is in the place of the file.
    let obstacle = folder.path().join("cursors.new");
    fs::create_dir(&obstacle).unwrap();
    let _cursor = journal.cursor(TRACES, "a", BOUNDS).unwrap();
    let refusal = journal.append(entry(&[(TRACES, &traces(1))])).unwrap().await.unwrap_err();
    assert_eq!(refusal, Refusal::retry(Reason::Storage));
    fs::remove_dir(&obstacle).unwrap();
    journal.append(entry(&[(TRACES, &traces(1))])).unwrap().await.unwrap();
}

/// A log record whose body is these bytes.
fn logs_holding(bytes: &[u8]) -> AnyBatch {
    // Resource logs, scope logs, log record, body, bytes value.
    let request = [7, 5, 2, 2, 1].iter().fold(bytes.to_vec(), |inner, field| {
        let mut outer = vec![field << 3 | 2];
        let mut length = inner.len();
        while length > 127 {
            outer.push(length as u8 | 128);
            length >>= 7;
        }
        outer.push(length as u8);
        outer.extend_from_slice(&inner);
        outer
    });
    AnyBatch::validate(SignalKind::Logs, Bytes::from(request)).unwrap().0
}

#[tokio::test]
async fn a_record_inside_a_payload_is_never_taken_for_one() {
    let part = Part { pipeline: LOGS, batch: logs_holding(b"forged") };
    let far = Position { bytes: u64::MAX, items: u64::MAX };
    let mut forged = format::Group::default();
    forged.push(0, UnixNanos(1), None, &[(&part, 1, far)]);
    let mut forged: Vec<u8> = forged.slices().iter().flat_map(|slice| slice.to_vec()).collect();
    forged.extend_from_slice(b"what the crash cuts off");
    let folder = tempfile::tempdir().unwrap();
    {
        let (journal, _) = open(folder.path());
        let _cursor = journal.cursor(LOGS, "a", BOUNDS).unwrap();
        journal.append(entry(&[(LOGS, &logs_holding(&forged))])).unwrap().await.unwrap();
        journal.close().await;
    }
    // The end of the record is lost, as in a crash; the forged one in its middle is whole.
    let file = folder.path().join("00000000000000000001.segment");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    let (journal, report) = open(folder.path());
    assert_eq!((report.records, report.damaged.len()), (0, 0));
    assert!(report.torn_bytes > 0);
    let cursor = journal.cursor(LOGS, "a", BOUNDS).unwrap();
    journal.append(entry(&[(LOGS, &logs_holding(b"real"))])).unwrap().await.unwrap();
    assert_eq!(read_all(&cursor, true).await, [logs_holding(b"real").bytes().clone()]);
}

#[derive(Clone, Debug)]
enum Step {
    Append(u64),
    Read { commit: bool },
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (0..1_000_u64).prop_map(Step::Append),
        2 => any::<bool>().prop_map(|commit| Step::Read { commit }),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// A list and two numbers are the model: what was appended, how far the cursor has read, and how far it has
    /// committed. A restart (without a goodbye) goes back to what was committed.
    #[test]
    fn a_cursor_sees_every_record_in_order_and_a_restart_goes_back_to_its_commit(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let mut journal = open(folder.path()).0;
            let mut cursor = journal.cursor(TRACES, "a", BOUNDS).unwrap();
            let (mut appended, mut read, mut committed) = (Vec::new(), 0, 0);
            for step in steps {
                match step {
                    Step::Append(seed) => {
                        let batch = traces(seed);
                        journal.append(entry(&[(TRACES, &batch)])).unwrap().await.unwrap();
                        appended.push(batch.bytes().clone());
                    }
                    Step::Read { commit } => {
                        let seen = read_all(&cursor, commit).await;
                        prop_assert_eq!(&seen[..], &appended[read..]);
                        read = appended.len();
                        // A commit covers what was read before it too, and needs something new to be made.
                        if commit && !seen.is_empty() {
                            committed = read;
                        }
                    }
                    Step::Restart => {
                        drop(cursor);
                        drop(journal);
                        journal = open(folder.path()).0;
                        cursor = journal.cursor(TRACES, "a", BOUNDS).unwrap();
                        read = committed;
                    }
                }
            }
            prop_assert_eq!(&read_all(&cursor, true).await[..], &appended[read..]);
            Ok(())
        })?;
    }

    /// Whatever a segment file holds, opening ends in a report.
    #[test]
    fn no_bytes_in_a_segment_make_opening_panic(noise in prop::collection::vec(any::<u8>(), 0..300), at in 0..400_usize) {
        let folder = tempfile::tempdir().unwrap();
        {
            let (journal, _) = open(folder.path());
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let _cursor = journal.cursor(TRACES, "a", BOUNDS).unwrap();
            runtime.block_on(async {
                for seed in 0..3 {
                    journal.append(entry(&[(TRACES, &traces(seed))])).unwrap().await.unwrap();
                }
            });
        }
        let file = folder.path().join("00000000000000000001.segment");
        let mut bytes = fs::read(&file).unwrap();
        let at = (8 + at).min(bytes.len());
        let end = (at + noise.len()).min(bytes.len());
        bytes.splice(at..end, noise);
        fs::write(&file, &bytes).unwrap();
        let (_journal, report) = open(folder.path());
        prop_assert!(report.records <= 3);
    }
}
