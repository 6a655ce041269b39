//! What is given up: kept as a dead letter, told to the sender that waits, or lost; counted in any case.

use std::{fs::File, path::Path};

use pipelines::{
    dead_letters::{DeadLetters, Letter, LetterFile},
    journal::Ticket,
    refusal::Refusal,
};

use super::*;

const BOUNDS: Bounds = Bounds { lag_bytes_max: 1 << 30, on_full: OnFull::Refuse };

/// An exporter that keeps its dead letters in `folder`.
fn keeping(folder: &Path, bytes_max: u64, script: Script) -> Line {
    let journal = journal(Mode::Memory);
    let (mut feed, trigger) = feed(&journal, "destination", BOUNDS);
    feed.dead_letters = Some(DeadLetters::new(folder, "destination", "traces", bytes_max));
    Line::fed(journal, feed, trigger, settings(), script)
}

/// An exporter whose senders wait for what becomes of their data.
fn delivering(settings: Settings, script: Script) -> Line {
    let journal = journal(Mode::Delivered);
    let (mut feed, trigger) = feed(&journal, "destination", BOUNDS);
    feed.delivered = true;
    Line::fed(journal, feed, trigger, settings, script)
}

fn kept(folder: &Path) -> Vec<Letter> {
    let files = LetterFile::all(folder).unwrap().into_iter();
    let contents = files.map(|file| file.read().unwrap().unwrap());
    contents.flat_map(|contents| contents.letters).map(|found| found.letter).collect()
}

/// What failed, by the code it was refused with.
fn failed(edge: &ConsumerEdge) -> Vec<(&'static str, u64)> {
    edge.failed.by_cause().into_iter().filter(|(_, items)| *items > 0).collect()
}

fn push(line: &Line, batch: Batch<Traces>) -> Ticket {
    let parts = vec![Part { pipeline: PipelineIndex(0), batch: batch.into() }];
    let entry = Entry { parts, arrival: UnixNanos(1), sequence: None, derivable: false };
    line.journal.append(entry).unwrap()
}

fn words(code: i32, message: &str) -> Answer {
    let Answer::Refused(refused) = self::code(code, None) else { panic!("a refusal") };
    Answer::Refused(Refused { message: message.to_owned(), ..refused })
}

#[tokio::test]
async fn what_is_refused_for_good_becomes_a_letter_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let script = Script::new(|number, _| if number == 0 { words(3, "no such tenant") } else { taken() });
    let line = keeping(folder.path(), 1 << 20, script);
    let batch = sample::traces(4, 2, 1);
    line.append(batch.clone()).await;
    while line.edge.failed.total() == 0 {
        tokio::task::yield_now().await;
    }
    line.append(sample::traces(3, 2, 2)).await;
    let edge = Arc::clone(&line.edge);
    assert_eq!(line.finish().await, (3, 4));
    let [letter] = &kept(folder.path())[..] else { panic!("one letter") };
    assert_eq!(letter.payload, batch.bytes());
    assert_eq!((letter.items, letter.arrival, letter.signal), (4, UnixNanos(1), SignalKind::Traces));
    assert_eq!((letter.code.as_str(), letter.reason.as_str()), ("INVALID_ARGUMENT", "no such tenant"));
    assert!(letter.refused > letter.arrival);
    assert_eq!(failed(&edge), [("INVALID_ARGUMENT", 4)]);
    assert_eq!((edge.letters.kept.total(), edge.letters.full.total()), (1, 0));
}

#[tokio::test]
async fn nothing_is_committed_before_the_letter_is_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("destination")).unwrap();
    let lock = File::create(folder.path().join("destination/lock")).unwrap();
    lock.lock().unwrap();
    let script = Script::new(|_, _| words(3, "no"));
    let line = keeping(folder.path(), 1 << 20, script.clone());
    line.append(sample::traces(4, 2, 1)).await;
    while script.received().is_empty() {
        tokio::task::yield_now().await;
    }
    // As long as nothing can be written, nothing is committed nor counted.
    for _ in 0..20 {
        sleep(Duration::from_millis(1)).await;
        assert_eq!((line.edge.failed.total(), kept(folder.path()).len()), (0, 0));
    }
    lock.unlock().unwrap();
    assert_eq!(line.finish().await, (0, 4));
    assert_eq!(kept(folder.path()).len(), 1);
}

#[tokio::test]
async fn a_letter_without_room_is_lost_and_counted_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let line = keeping(folder.path(), 10, Script::new(|_, _| words(3, "no")));
    line.append(sample::traces(4, 2, 1)).await;
    let edge = Arc::clone(&line.edge);
    assert_eq!(line.finish().await, (0, 4));
    assert_eq!((edge.letters.kept.total(), edge.letters.full.total()), (0, 1));
    assert_eq!(kept(folder.path()), []);
}

#[tokio::test]
async fn a_letter_that_the_disk_does_not_take_is_lost_and_counted_as_such() {
    let folder = tempfile::NamedTempFile::new().unwrap();
    let line = keeping(folder.path(), 1 << 20, Script::new(|_, _| words(3, "no")));
    line.append(sample::traces(4, 2, 1)).await;
    let edge = Arc::clone(&line.edge);
    assert_eq!(line.finish().await, (0, 4));
    assert_eq!((edge.letters.kept.total(), edge.letters.storage.total()), (0, 1));
}

#[tokio::test]
async fn a_fault_of_ours_costs_no_data_either() {
    let folder = tempfile::tempdir().unwrap();
    let line = keeping(folder.path(), 1 << 20, Script::new(|_, _| panic!("scripted")));
    line.append(sample::traces(4, 2, 1)).await;
    assert_eq!(line.finish().await, (0, 4));
    let letters = kept(folder.path());
    assert_eq!((letters.len(), letters[0].code.as_str()), (1, "FAULT"));
}

#[tokio::test]
async fn items_that_a_destination_left_out_are_counted_by_their_own_cause() {
    let folder = tempfile::tempdir().unwrap();
    let partial = || Answer::Taken { rejected: 3, message: "too old".into() };
    let line = keeping(folder.path(), 1 << 20, Script::new(move |_, _| partial()));
    line.append(sample::traces(4, 2, 1)).await;
    let edge = Arc::clone(&line.edge);
    assert_eq!(line.finish().await, (1, 3));
    assert_eq!(failed(&edge), [("PARTIAL_SUCCESS", 3)]);
    assert_eq!(kept(folder.path()), [], "nobody says which ones they were");
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_says_too_much_to_everything_is_not_asked_once_for_each_item() {
    let script = Script::new(|_, _| code(8, None));
    let line = Line::start(settings(), script.clone());
    line.append(sample::traces(5000, 1, 1)).await;
    assert_eq!(line.finish().await, (0, 5000));
    assert!(script.received().len() <= 60, "{} requests", script.received().len());
}

#[tokio::test(start_paused = true)]
async fn each_sender_that_waits_hears_what_became_of_its_own_request() {
    let batches: Vec<_> = (0..4).map(|seed| sample::traces(3, 2, seed)).collect();
    let poison = batches[1].bytes().clone();
    let script = Script::new(move |_, request| match request == poison {
        true => words(7, "no entry\nfor you"),
        false => taken(),
    });
    script.gate.forget_permits(Semaphore::MAX_PERMITS);
    let line = delivering(settings(), script.clone());
    let tickets: Vec<_> = batches.into_iter().map(|batch| push(&line, batch)).collect();
    script.gate.add_permits(1 << 20);
    let answers = futures_util::future::join_all(tickets).await;
    assert_eq!(script.received().len(), 4, "no request is joined with another");
    let [Ok(()), Err(Refusal::Downstream(told)), Ok(()), Ok(())] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert_eq!((told.code, told.name, told.retry_after), (7, "PERMISSION_DENIED", None));
    assert_eq!(
        told.to_string(),
        "destination could not deliver the data: PERMISSION_DENIED: no entry\\nfor you"
    );
    assert_eq!(line.finish().await, (9, 3));
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_waits_is_told_to_come_back_after_a_passing_failure() {
    let retry = Policy { enabled: false, ..Policy::default() };
    let line = delivering(Settings { retry, ..settings() }, Script::new(|_, _| code(14, None)));
    let answer = push(&line, sample::traces(3, 2, 1)).await;
    assert!(answer.as_ref().is_err_and(|refusal| refusal.retry_after().is_some()), "{answer:?}");
    assert_eq!(line.finish().await, (0, 3));
}

#[tokio::test(start_paused = true)]
async fn a_partial_success_is_no_error_for_a_sender_that_waits() {
    let partial = || Answer::Taken { rejected: 2, message: "too old".into() };
    let line = delivering(settings(), Script::new(move |_, _| partial()));
    assert_eq!(push(&line, sample::traces(3, 2, 1)).await, Ok(()));
    assert_eq!(line.finish().await, (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_was_asked_for_is_one_request_and_one_fate() {
    let gathering =
        Gathering { enough: Size::Items(6), wait_max: Duration::from_millis(200), ..Gathering::default() };
    let script = Script::new(|_, _| words(3, "no"));
    let line = delivering(Settings { gathering, ..settings() }, script.clone());
    let tickets = [push(&line, sample::traces(3, 2, 1)), push(&line, sample::traces(3, 2, 2))];
    let answers = futures_util::future::join_all(tickets).await;
    assert!(answers.iter().all(Result::is_err), "{answers:?}");
    assert_eq!(script.received().len(), 1);
    line.finish().await;
}
