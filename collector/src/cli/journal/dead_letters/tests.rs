use clap::Parser;
use expect_test::{Expect, expect};
use exporters::delivery::payload::Payload;
use pipelines::dead_letters;
use proto::SignalKind;

use pipelines::time::UnixNanos;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    arguments: DeadLetters,
}

/// A directory with three letters of two exporters.
fn filled() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let letter = |items: u64, signal, code: &str, reason: &str| Letter {
        arrival: UnixNanos(1_700_000_000_000_000_000),
        refused: UnixNanos(1_700_000_005_700_000_000),
        signal,
        items,
        code: code.to_owned(),
        reason: reason.to_owned(),
        payload: vec![7; 10 * items as usize].into(),
    };
    let traces = dead_letters::DeadLetters::new(folder.path(), "otlp_grpc/eu", "traces", 1 << 20);
    traces.keep(&letter(12, SignalKind::Traces, "INVALID_ARGUMENT", "no such\ntenant")).unwrap();
    traces.keep(&letter(3, SignalKind::Traces, "PERMISSION_DENIED", &"x".repeat(500))).unwrap();
    let logs = dead_letters::DeadLetters::new(folder.path(), "otlp_grpc", "logs/a", 1 << 20);
    logs.keep(&letter(1, SignalKind::Logs, "TOO_LARGE", "")).unwrap();
    folder
}

/// What the command writes about `folder`, whose name stands as `DIR`.
fn check(folder: &Path, arguments: &[&str], expected: Expect) {
    let line = Line::try_parse_from(["dead-letters"].iter().chain(arguments)).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = dead_letters(&line.arguments, folder, &mut out, &mut err).unwrap();
    let (out, err) = (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap());
    let text = format!("{code:?}\n{out}---\n{err}");
    expected.assert_eq(&text.replace(&folder.display().to_string(), "DIR"));
}

#[test]
fn letters_are_listed_for_people() {
    check(
        filled().path(),
        &[],
        expect![[r#"
        ExitCode(unix_exit_status(0))
        EXPORTER      PIPELINE  REFUSED AT            SIGNAL      ITEMS       BYTES  REASON
        otlp_grpc     logs/a    2023-11-14T22:13:26Z  logs            1          10  TOO_LARGE: 
        otlp_grpc/eu  traces    2023-11-14T22:13:26Z  traces         12         120  INVALID_ARGUMENT: no such tenant
        otlp_grpc/eu  traces    2023-11-14T22:13:26Z  traces          3          30  PERMISSION_DENIED: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
        3 letters, 16 items, 160 bytes
        ---
    "#]],
    );
}

#[test]
fn letters_of_one_exporter_are_listed_for_programs() {
    check(
        filled().path(),
        &["--json", "--exporter", "otlp_grpc"],
        expect![[r#"
        ExitCode(unix_exit_status(0))
        {
          "dead_letters": [
            {
              "exporter": "otlp_grpc",
              "pipeline": "logs/a",
              "signal": "logs",
              "arrived_at": "2023-11-14T22:13:20Z",
              "refused_at": "2023-11-14T22:13:26Z",
              "items": 1,
              "bytes": 10,
              "code": "TOO_LARGE",
              "reason": ""
            }
          ],
          "unreadable": []
        }
        ---
    "#]],
    );
}

#[test]
fn a_directory_without_letters_is_said_to_be_one() {
    let folder = tempfile::tempdir().unwrap();
    check(
        folder.path(),
        &[],
        expect![[r#"
        ExitCode(unix_exit_status(0))
        no dead letters in DIR
        ---
    "#]],
    );
    check(
        folder.path(),
        &["--replay-to", "http://127.0.0.1:1"],
        expect![[r#"
        ExitCode(unix_exit_status(0))
        no dead letters in DIR
        ---
    "#]],
    );
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = filled();
    let files = LetterFile::all(folder.path()).unwrap();
    std::fs::write(files[0].path(), b"PHSD\x63\0\0\0").unwrap();
    let torn = std::fs::read(files[1].path()).unwrap();
    std::fs::write(files[1].path(), &torn[..torn.len() - 1]).unwrap();
    check(
        folder.path(),
        &[],
        expect![[r#"
        ExitCode(unix_exit_status(0))
        EXPORTER      PIPELINE  REFUSED AT            SIGNAL      ITEMS       BYTES  REASON
        otlp_grpc/eu  traces    2023-11-14T22:13:26Z  traces         12         120  INVALID_ARGUMENT: no such tenant
        1 letters, 12 items, 120 bytes
        DIR/otlp_grpc/logs%2Fa.00000001.letters: it was written by another version of phasor (dead-letter format 99, this one reads 1)
        DIR/otlp_grpc%2Feu/traces.00000001.letters: 600 bytes are damaged or not finished
        ---
    "#]],
    );
}

#[test]
fn an_endpoint_that_is_none_is_refused_before_anything_is_sent() {
    check(
        filled().path(),
        &["--replay-to", "ftp://nowhere"],
        expect![[r#"
        ExitCode(unix_exit_status(1))
        ---
        error: --replay-to: `ftp://nowhere` has a scheme other than http or https; write for example tempo:4317
    "#]],
    );
}

#[test]
fn two_replays_at_a_time_are_refused() {
    let folder = filled();
    let _other = Replay::begin(folder.path()).unwrap().unwrap();
    check(
        folder.path(),
        &["--replay-to", "http://127.0.0.1:1"],
        expect![[r#"
        ExitCode(unix_exit_status(1))
        ---
        error: another replay is at work in DIR; wait for its end
    "#]],
    );
}

/// Takes what has more than ten items, wants the others never.
struct Choosy;

impl Destination for Choosy {
    async fn send(&self, _: SignalKind, request: Payload) -> Answer {
        match request.len() > 100 {
            true => Answer::Taken { rejected: 2, message: String::new() },
            false => Answer::Refused(Refused {
                action: Action::GiveUp,
                code: "INVALID_ARGUMENT",
                message: "no".to_owned(),
            }),
        }
    }
}

/// Is there for one letter.
struct Dying(std::sync::atomic::AtomicUsize);

impl Destination for Dying {
    async fn send(&self, _: SignalKind, _: Payload) -> Answer {
        match self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => Answer::Taken { rejected: 0, message: String::new() },
            _ => Answer::Refused(Refused {
                action: Action::Retry { after: None },
                code: "UNAVAILABLE",
                message: "gone".to_owned(),
            }),
        }
    }
}

/// Sends everything below `folder`: what was counted, what was said, how many letters stay.
async fn send_all(folder: &Path, client: &impl Destination) -> (Sent, io::Result<()>, usize) {
    let line = Line::try_parse_from(["dead-letters"]).unwrap();
    let mut sent = Sent::default();
    let mut outcome = Ok(());
    for file in LetterFile::all(folder).unwrap() {
        if outcome.is_ok() {
            outcome = sent.send_file(&line.arguments, &file, client, &mut Vec::new()).await;
        }
    }
    let left = List::read(&line.arguments, folder).unwrap().rows.len();
    (sent, outcome, left)
}

#[tokio::test]
async fn what_is_taken_goes_and_what_is_refused_again_stays() {
    let folder = filled();
    let (sent, outcome, left) = send_all(folder.path(), &Choosy).await;
    assert!(outcome.is_ok());
    assert_eq!((sent.letters, sent.items, sent.rejected, sent.refused, left), (1, 12, 2, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_dies_in_the_middle_ends_the_replay_without_loss() {
    let folder = filled();
    let (sent, outcome, left) = send_all(folder.path(), &Dying(Default::default())).await;
    let error = outcome.unwrap_err().to_string();
    assert_eq!(error, "the endpoint is not there: UNAVAILABLE: gone");
    assert_eq!((sent.letters, left), (1, 2));
}
