//! The journal in memory, against a model that is a list.
//!
//! What is taken is taken by all pipelines or by none, and every cursor sees it once and in order, or
//! has counted its loss.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use phasor_pipelines::{
    disk,
    journal::{
        Bounds, Cursor, Entry, Journal, Mode, OnFull, Part, PipelineIndex, PipelineSettings, Position,
        ProducerId, RECORD_COST, Sequence, Settings, Ticket,
    },
    refusal::{Reason, Refusal},
    time::UnixNanos,
};
use proptest::prelude::*;
use proto::{AnyBatch, SignalKind};

fn journal(modes: &[Mode]) -> Arc<Journal> {
    let pipeline = |(index, mode): (usize, &Mode)| PipelineSettings {
        name: format!("logs/{index}"),
        signal: SignalKind::Logs,
        mode: *mode,
    };
    let pipelines = modes.iter().enumerate().map(pipeline).collect();
    let settings = Settings {
        disk: disk::files(),
        directory: None,
        segment_bytes_max: 1 << 20,
        tail_bytes_max: 1 << 20,
        pipelines,
    };
    Journal::open(settings).unwrap().0
}

fn cursor(journal: &Journal, pipeline: usize, name: &str, lag_bytes_max: u64, on_full: OnFull) -> Cursor {
    journal.cursor(PipelineIndex(pipeline), name, Bounds { lag_bytes_max, on_full }).unwrap()
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    assert!(bytes.len() < 128, "one byte of length");
    [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
}

/// One log record whose body says which one it is, padded to `length` bytes of text.
fn batch(number: usize, length: usize) -> AnyBatch {
    let body = field(1, format!("{number:0length$}").as_bytes());
    let bytes = field(1, &field(2, &field(2, &field(5, &body))));
    AnyBatch::validate(SignalKind::Logs, Bytes::from(bytes)).unwrap().0
}

fn append(journal: &Journal, pipelines: &[usize], batch: &AnyBatch) -> Result<Ticket, Refusal> {
    append_numbered(journal, pipelines, batch, None)
}

fn append_numbered(
    journal: &Journal,
    pipelines: &[usize],
    batch: &AnyBatch,
    sequence: Option<Sequence>,
) -> Result<Ticket, Refusal> {
    let part = |index: &usize| Part { pipeline: PipelineIndex(*index), batch: batch.clone() };
    let parts = pipelines.iter().map(part).collect();
    journal.append(Entry { parts, arrival: UnixNanos(7), sequence, derivable: false })
}

fn weight(batch: &AnyBatch) -> u64 {
    batch.bytes().len() as u64 + RECORD_COST
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// Everything a cursor has not read, with its places; does not wait.
fn read_all(cursor: &Cursor, bytes_max: usize) -> Vec<(Position, Bytes)> {
    let mut read = Vec::new();
    while cursor.position() < cursor.end() {
        let run = runtime().block_on(cursor.next(bytes_max)).expect("the journal is open");
        assert!(!run.is_empty(), "a run has at least one record");
        read.extend(run.into_iter().map(|record| (record.position, record.batch.bytes().clone())));
    }
    read
}

fn resolved(ticket: Ticket) -> Option<Result<(), Refusal>> {
    runtime().block_on(async { tokio::time::timeout(std::time::Duration::from_secs(1), ticket).await.ok() })
}

#[test]
fn an_entry_that_one_pipeline_refuses_reaches_none() {
    let journal = journal(&[Mode::Memory, Mode::Memory]);
    let one = batch(1, 20);
    let wide = cursor(&journal, 0, "wide", 1 << 20, OnFull::Refuse);
    let narrow = cursor(&journal, 1, "narrow", weight(&one), OnFull::Refuse);
    drop(append(&journal, &[0, 1], &one).unwrap());
    let refusal = append(&journal, &[0, 1], &batch(2, 20)).unwrap_err();
    assert_eq!(refusal, Refusal::retry(Reason::QueueFull));
    assert_eq!(read_all(&wide, usize::MAX).len(), 1);
    // What was set aside in the first pipeline was given back: it is at its end, not at a reservation.
    assert_eq!(wide.lag_bytes(), weight(&one));
    narrow.commit(read_all(&narrow, usize::MAX).last().unwrap().0);
    drop(append(&journal, &[0, 1], &batch(2, 20)).unwrap());
}

#[test]
fn what_was_taken_in_is_no_lag_and_holds_its_place_until_it_is_committed() {
    let journal = journal(&[Mode::Memory]);
    let one = batch(1, 20);
    let cursor = cursor(&journal, 0, "state", weight(&one), OnFull::Refuse);
    drop(append(&journal, &[0], &one).unwrap());
    let last = read_all(&cursor, usize::MAX).last().unwrap().0;
    assert_eq!(cursor.lag_bytes(), weight(&one), "what was only read may still be lost");
    cursor.apply(last);
    let stats = journal.stats().cursors.remove(0);
    assert_eq!((stats.lag_bytes, stats.lag_items, stats.held_bytes), (0, 0, weight(&one)));
    assert_eq!(cursor.lag_bytes(), 0);
    let refusal = append(&journal, &[0], &one).unwrap_err();
    assert_eq!(refusal, Refusal::retry(Reason::QueueFull), "the bound is on what is held");
    cursor.commit(last);
    assert_eq!(journal.stats().cursors[0].held_bytes, 0);
    drop(append(&journal, &[0], &one).unwrap());
    assert_eq!(cursor.lag_bytes(), weight(&one));
}

#[test]
fn a_batch_above_every_bound_is_refused_for_good() {
    let journal = journal(&[Mode::Memory]);
    let _cursor = cursor(&journal, 0, "a", weight(&batch(1, 20)), OnFull::Refuse);
    assert_eq!(append(&journal, &[0], &batch(1, 21)).unwrap_err(), Refusal::permanent(Reason::TooLarge));
    drop(append(&journal, &[0], &batch(1, 20)).unwrap());
}

#[test]
fn a_batch_of_another_signal_is_refused() {
    let journal = journal(&[Mode::Memory]);
    let traces = AnyBatch::validate(SignalKind::Traces, Bytes::new()).unwrap().0;
    assert_eq!(append(&journal, &[0], &traces).unwrap_err(), Refusal::permanent(Reason::NoPipeline));
    assert_eq!(append(&journal, &[9], &batch(1, 1)).unwrap_err(), Refusal::permanent(Reason::NoPipeline));
}

#[test]
fn a_number_that_was_taken_is_answered_and_not_taken_again() {
    let journal = journal(&[Mode::Memory]);
    let cursor = cursor(&journal, 0, "a", 1 << 20, OnFull::Refuse);
    let append = |producer, number| {
        let sequence = Sequence { producer: ProducerId(producer), number };
        resolved(append_numbered(&journal, &[0], &batch(number as usize, 8), Some(sequence)).unwrap())
    };
    for (producer, number) in [(1, 1), (1, 2), (1, 1), (1, 2), (2, 1), (1, 3), (2, 1)] {
        assert_eq!(append(producer, number), Some(Ok(())), "{producer} {number}");
    }
    assert_eq!(read_all(&cursor, usize::MAX).len(), 4);
}

#[test]
fn a_refused_number_may_come_again() {
    let journal = journal(&[Mode::Memory]);
    let cursor = cursor(&journal, 0, "a", weight(&batch(1, 8)), OnFull::Refuse);
    let numbered = |number| Some(Sequence { producer: ProducerId(1), number });
    drop(append_numbered(&journal, &[0], &batch(1, 8), numbered(1)).unwrap());
    append_numbered(&journal, &[0], &batch(2, 8), numbered(2)).unwrap_err();
    cursor.commit(read_all(&cursor, usize::MAX).last().unwrap().0);
    drop(append_numbered(&journal, &[0], &batch(2, 8), numbered(2)).unwrap());
    assert_eq!(read_all(&cursor, usize::MAX).len(), 1, "the second time it was taken");
}

#[test]
fn delivered_is_answered_when_every_consumer_has_committed() {
    let journal = journal(&[Mode::Delivered, Mode::Memory]);
    let (a, b) = (
        cursor(&journal, 0, "a", 1 << 20, OnFull::Refuse),
        cursor(&journal, 0, "b", 1 << 20, OnFull::Refuse),
    );
    let mut ticket = append(&journal, &[0, 1], &batch(1, 8)).unwrap();
    let is_resolved = |ticket: &mut Ticket| {
        runtime()
            .block_on(async { tokio::time::timeout(std::time::Duration::from_secs(1), ticket).await.ok() })
    };
    a.commit(read_all(&a, usize::MAX)[0].0);
    assert_eq!(is_resolved(&mut ticket), None);
    b.commit(read_all(&b, usize::MAX)[0].0);
    assert_eq!(is_resolved(&mut ticket), Some(Ok(())));
}

#[test]
fn delivered_is_refused_when_a_consumer_loses_or_leaves_it() {
    let journal = journal(&[Mode::Delivered]);
    let one = batch(1, 8);
    let dropping = cursor(&journal, 0, "dropping", weight(&one), OnFull::DropOldest);
    let lost = append(&journal, &[0], &one).unwrap();
    let left = append(&journal, &[0], &one).unwrap();
    assert_eq!(resolved(lost), Some(Err(Refusal::retry(Reason::QueueFull))));
    drop(dropping);
    assert_eq!(resolved(left), Some(Err(Refusal::retry(Reason::ShuttingDown))));
}

#[test]
fn a_commit_never_passes_what_was_read() {
    let journal = journal(&[Mode::Memory]);
    let (a, b) = (
        cursor(&journal, 0, "a", 1 << 20, OnFull::Refuse),
        cursor(&journal, 0, "b", 1 << 20, OnFull::Refuse),
    );
    drop(append(&journal, &[0], &batch(1, 8)).unwrap());
    b.commit(read_all(&a, usize::MAX)[0].0);
    assert_eq!(read_all(&b, usize::MAX).len(), 1);
}

#[test]
fn a_cursor_waits_for_records_and_ends_with_the_journal() {
    let journal = journal(&[Mode::Memory]);
    let cursor = cursor(&journal, 0, "a", 1 << 20, OnFull::Refuse);
    runtime().block_on(async {
        let other = Arc::clone(&journal);
        let reading = tokio::spawn(async move {
            let first = cursor.next(1).await.map(|run| run.len());
            let second = cursor.next(1).await.map(|run| run.len());
            (first, second, cursor.next(1).await.is_none())
        });
        tokio::task::yield_now().await;
        drop(append(&other, &[0], &batch(1, 8)).unwrap());
        tokio::task::yield_now().await;
        drop(append(&other, &[0], &batch(2, 8)).unwrap());
        other.close().await;
        assert_eq!(reading.await.unwrap(), (Some(1), Some(1), true));
        assert_eq!(append(&other, &[0], &batch(3, 8)).unwrap_err(), Refusal::retry(Reason::ShuttingDown));
    });
}

#[test]
fn a_name_is_held_once_and_given_free() {
    let journal = journal(&[Mode::Memory]);
    let first = cursor(&journal, 0, "a", 1, OnFull::Refuse);
    let bounds = Bounds { lag_bytes_max: 1, on_full: OnFull::Refuse };
    let error = journal.cursor(PipelineIndex(0), "a", bounds).unwrap_err();
    assert_eq!(error.to_string(), "the cursor `a` of pipeline `logs/0` is in use");
    drop(first);
    journal.cursor(PipelineIndex(0), "a", bounds).unwrap();
}

#[test]
fn memory_is_free_once_everybody_has_passed() {
    let journal = journal(&[Mode::Memory]);
    let cursor = cursor(&journal, 0, "a", 1 << 20, OnFull::Refuse);
    for number in 0..100 {
        drop(append(&journal, &[0], &batch(number, 8)).unwrap());
    }
    assert!(journal.stats().tail_bytes > 0);
    cursor.commit(read_all(&cursor, 64).last().unwrap().0);
    assert_eq!(journal.stats().tail_bytes, 0);
    drop(cursor);
    drop(append(&journal, &[0], &batch(1, 8)).unwrap());
    assert_eq!(journal.stats().tail_bytes, 0, "nobody reads, nothing is kept");
}

#[derive(Clone, Debug)]
enum Step {
    Append { both: bool, length: usize },
    Read { reader: usize, bytes_max: usize },
    Commit { reader: usize, count: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (any::<bool>(), 4..60_usize).prop_map(|(both, length)| Step::Append { both, length }),
        (0..3_usize, 1..300_usize).prop_map(|(reader, bytes_max)| Step::Read { reader, bytes_max }),
        (0..3_usize, 1..5_usize).prop_map(|(reader, count)| Step::Commit { reader, count }),
    ]
}

/// One consumer as the model sees it.
struct Reader {
    cursor: Cursor,
    pipeline: usize,
    lag_bytes_max: u64,
    /// Read and not committed.
    in_flight: VecDeque<(Position, u64)>,
    seen: Vec<Bytes>,
    unread: u64,
}

proptest! {
    #[test]
    fn nothing_is_lost_doubled_or_reordered(steps in prop::collection::vec(step(), 1..200)) {
        let journal = journal(&[Mode::Memory, Mode::Memory]);
        let reader = |pipeline, name, lag_bytes_max, on_full| Reader {
            cursor: cursor(&journal, pipeline, name, lag_bytes_max, on_full),
            pipeline,
            lag_bytes_max,
            in_flight: VecDeque::new(),
            seen: Vec::new(),
            unread: 0,
        };
        let mut readers = [
            reader(0, "refuses", 1200, OnFull::Refuse),
            reader(0, "drops", 700, OnFull::DropOldest),
            reader(1, "refuses", 900, OnFull::Refuse),
        ];
        let mut accepted: [Vec<Bytes>; 2] = Default::default();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Append { both, length } => {
                    let batch = batch(number, length);
                    let pipelines: &[usize] = if both { &[0, 1] } else { &[0] };
                    // The model's own account of who has room.
                    let room = |reader: &Reader| {
                        let held = reader.unread + reader.in_flight.iter().map(|(_, weight)| weight).sum::<u64>();
                        held + weight(&batch) <= reader.lag_bytes_max
                    };
                    let fits = room(&readers[0]) && (!both || room(&readers[2]));
                    prop_assert_eq!(append(&journal, pipelines, &batch).is_ok(), fits);
                    if fits {
                        for pipeline in pipelines {
                            accepted[*pipeline].push(batch.bytes().clone());
                        }
                        for reader in readers.iter_mut().filter(|reader| pipelines.contains(&reader.pipeline)) {
                            reader.unread += weight(&batch);
                        }
                    }
                }
                Step::Read { reader, bytes_max } => {
                    let reader = &mut readers[reader];
                    if reader.cursor.position() < reader.cursor.end() {
                        for record in runtime().block_on(reader.cursor.next(bytes_max)).unwrap() {
                            let weight = weight(&record.batch);
                            reader.in_flight.push_back((record.position, weight));
                            reader.unread = reader.unread.saturating_sub(weight);
                            reader.seen.push(record.batch.bytes().clone());
                        }
                    }
                }
                Step::Commit { reader, count } => {
                    let reader = &mut readers[reader];
                    let count = count.min(reader.in_flight.len());
                    if let Some((position, _)) = reader.in_flight.drain(..count).next_back() {
                        reader.cursor.commit(position);
                    }
                }
            }
            for (index, reader) in readers.iter().enumerate() {
                // Who drops may hold in flight what it likes: that is not the journal's to drop.
                let in_flight = reader.in_flight.iter().map(|(_, weight)| weight).sum::<u64>();
                prop_assert!(reader.cursor.lag_bytes() <= reader.lag_bytes_max.max(in_flight), "reader {}", index);
            }
        }
        for reader in &mut readers {
            reader.seen.extend(read_all(&reader.cursor, usize::MAX).into_iter().map(|(_, bytes)| bytes));
            let accepted = &accepted[reader.pipeline];
            prop_assert_eq!(reader.seen.len() as u64 + reader.cursor.dropped_items(), accepted.len() as u64);
            let mut order = accepted.iter();
            prop_assert!(reader.seen.iter().all(|seen| order.any(|taken| taken == seen)), "in order, each once");
        }
    }
}
