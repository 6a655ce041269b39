use clap::Parser;
use pipelines::{
    journal::{
        Bounds, Entry, Journal, Mode, OnFull, Part, PipelineIndex, PipelineSettings, Settings, inspect,
    },
    time::UnixNanos,
};
use proto::{SignalKind, testing::sample};

use super::*;

#[derive(Parser)]
enum Line {
    Ls(Look),
    Verify(Look),
    Cursors(Cursors),
}

/// A journal with three entries of two spans each, of which the consumer `fast` has read all and `slow` none.
async fn filled(folder: &Path) -> std::sync::Arc<Journal> {
    let traces =
        PipelineSettings { name: "traces".to_owned(), signal: SignalKind::Traces, mode: Mode::Durable };
    let settings = Settings {
        disk: disk::files(),
        directory: Some(folder.to_owned()),
        segment_bytes_max: 1 << 20,
        tail_bytes_max: 1 << 20,
        pipelines: vec![traces],
    };
    let (journal, _) = Journal::open(settings).unwrap();
    let bounds = Bounds { lag_bytes_max: 1 << 20, on_full: OnFull::Refuse };
    let pipeline = PipelineIndex(0);
    let _slow = journal.cursor(pipeline, "slow", bounds).unwrap();
    let fast = journal.cursor(pipeline, "fast", bounds).unwrap();
    for second in 0..3 {
        let batch = sample::any(SignalKind::Traces, 2, second);
        let arrival = UnixNanos((1_700_000_000 + second) * 1_000_000_000);
        let parts = vec![Part { pipeline, batch }];
        let entry = Entry { parts, arrival, sequence: None, derivable: false };
        journal.append(entry).unwrap().await.unwrap();
    }
    while fast.position() < fast.end() {
        let run = fast.next(1 << 20).await.unwrap();
        fast.commit(run.last().unwrap().position);
    }
    journal
}

fn run(folder: &Path, arguments: &[&str]) -> (ExitCode, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = match Line::try_parse_from(["journal"].iter().chain(arguments)).unwrap() {
        Line::Ls(look) => ls(&look, folder, &mut out, &mut err),
        Line::Verify(look) => verify(&look, folder, &mut out, &mut err),
        Line::Cursors(cursors_of) => cursors(&cursors_of, folder, &mut out, &mut err),
    };
    (code.unwrap(), String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

fn is(code: ExitCode, other: ExitCode) -> bool {
    format!("{code:?}") == format!("{other:?}")
}

#[tokio::test]
async fn what_the_files_hold_is_listed_also_beside_a_running_server() {
    let folder = tempfile::tempdir().unwrap();
    let journal = filled(folder.path()).await;
    let (code, out, err) = run(folder.path(), &["ls"]);
    assert!(is(code, ExitCode::SUCCESS), "{err}");
    assert!(out.starts_with("SEGMENT"), "{out}");
    assert!(out.contains("00000000000000000001.segment  3"), "{out}");
    assert!(out.contains("2023-11-14T22:13:20Z  2023-11-14T22:13:22Z  traces 6"), "{out}");
    let (code, out, _) = run(folder.path(), &["verify"]);
    assert!(is(code, ExitCode::SUCCESS), "{out}");
    assert_eq!(out, "3 records in 1 segment: everything is readable\n");
    drop(journal);
    let (_, out, _) = run(folder.path(), &["cursors", "--json"]);
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    let lag = |name: &str| {
        let all = found["cursors"].as_array().unwrap();
        all.iter().find(|cursor| cursor["cursor"] == name).map(|cursor| cursor["lag_items"].as_u64().unwrap())
    };
    assert_eq!((lag("slow"), lag("fast"), lag("other")), (Some(6), Some(0), None), "{out}");
}

#[tokio::test]
async fn a_cursor_is_removed_only_while_no_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let journal = filled(folder.path()).await;
    let (code, _, err) = run(folder.path(), &["cursors", "--remove", "traces", "slow"]);
    assert!(is(code, ExitCode::FAILURE) && err.contains("another phasor uses the journal"), "{err}");
    journal.close().await;
    drop(journal);
    let (code, _, err) = run(folder.path(), &["cursors", "--remove", "traces", "nobody"]);
    assert!(is(code, ExitCode::FAILURE) && err.contains("has no cursor `nobody`"), "{err}");
    let (code, out, _) = run(folder.path(), &["cursors", "--remove", "traces", "slow"]);
    assert!(is(code, ExitCode::SUCCESS), "{out}");
    let left = inspect::inspect(&*disk::files(), folder.path(), false).unwrap().cursors.unwrap();
    assert_eq!(left.into_iter().map(|cursor| cursor.name).collect::<Vec<_>>(), ["fast"]);
}

#[tokio::test]
async fn damage_is_named_and_fails_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let journal = filled(folder.path()).await;
    journal.close().await;
    drop(journal);
    let file = folder.path().join("00000000000000000001.segment");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&file, bytes).unwrap();
    let (code, out, _) = run(folder.path(), &["verify"]);
    assert!(is(code, ExitCode::FAILURE), "{out}");
    assert!(out.contains("00000000000000000001.segment: ") && out.contains("are damaged"), "{out}");
    assert!(out.ends_with("2 records in 1 segment: the rest is readable\n"), "{out}");
    let (code, _, err) = run(&folder.path().join("nowhere"), &["ls"]);
    assert!(is(code, ExitCode::FAILURE) && err.contains("nowhere"), "{err}");
}
