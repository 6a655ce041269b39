//! A full disk: clear refusals, health says so, and it goes on by itself when there is room.

use std::{collections::BTreeSet, process::Command};

use bytes::Bytes;
use tonic::{Code, Status};

use super::support::{
    backend::Backend,
    eventually, http,
    phasor::{Phasor, Start, default_config},
    sender::{Sender, TRACES},
    spans,
};

const SPANS: u64 = 10;
/// Of each request.
const PADDING: usize = 100 << 10;
/// More than the disk takes.
const REQUESTS_MAX: u64 = 2_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_clearly_and_goes_on_by_itself() {
    let reserved = Backend::start().await;
    let address = reserved.address.to_string();
    drop(reserved);
    let exporter = format!(
        "  otlp_grpc: {{endpoint: \"http://{address}\", retry_on_failure: {{initial_interval: 50ms, max_interval: 200ms}}}}"
    );
    let small = Small::disk();
    let start = Start::config(default_config(", otlp_grpc", &exporter));
    let phasor = start.inside(small.wrapper()).start();
    let mut sender = Sender::connect(&phasor.grpc()).await;
    assert_eq!(ready(&phasor).await, 200, "it is ready while there is room");

    // Nobody takes anything away, so the disk fills.
    let mut accepted = 0;
    let refusal = loop {
        match sender.export(TRACES, request(accepted)).await {
            Ok(_) => accepted += 1,
            Err(status) => break status,
        }
        assert!(accepted < REQUESTS_MAX, "a full disk is not noticed");
    };
    check(&refusal);
    assert!(accepted > 10, "there was room for a beginning: {accepted} requests");
    if small.stays_full() {
        check(&sender.export(TRACES, request(accepted)).await.expect_err("the disk is still full"));
        assert_eq!(ready(&phasor).await, 503, "health says that no data is taken");
        let health = http::get(&format!("http://{}/health", phasor.api()), &[]).await.json();
        assert!(health["reason"].as_str().is_some_and(|reason| reason.contains("disk")), "{health}");
        assert!(phasor.scrape().await.is_some(), "numbers are still shown");
    }

    // The backend is there: what was accepted leaves, and its room with it.
    let backend = Backend::listen(&address).await;
    eventually("everything accepted arrives", || async {
        (backend.span_ids().len() as u64 >= accepted * SPANS).then_some(())
    })
    .await;
    eventually("there is room again, by itself", || {
        let mut sender = sender.clone();
        async move { sender.export(TRACES, request(accepted)).await.ok() }
    })
    .await;
    eventually("health says that all is well", || async { (ready(&phasor).await == 200).then_some(()) })
        .await;

    // And it stays so: several times the disk passes through.
    let first = accepted + 1;
    let last = first + 3 * accepted.min(200);
    for number in first..last {
        eventually("taken, at the latest when something has left", || {
            let mut sender = sender.clone();
            async move { sender.export(TRACES, request(number)).await.inspect_err(check).ok() }
        })
        .await;
    }
    let all: BTreeSet<_> = (0..last * SPANS).map(|number| (number + 1).to_be_bytes().to_vec()).collect();
    eventually("everything accepted arrives", || async { (backend.span_ids() == all).then_some(()) }).await;
    let page = eventually("everything accepted is counted", || async {
        let page = phasor.scrape().await?;
        let calls = page.sum("traces_span_metrics_calls_total", &[])?;
        (calls >= (last * SPANS) as f64).then_some(page)
    })
    .await;
    let calls = page.sum("traces_span_metrics_calls_total", &[]);
    assert_eq!(calls, Some((last * SPANS) as f64), "what was refused is counted nowhere");
}

/// How the disk is kept small.
enum Small {
    /// A file system of its own in memory, which nobody else sees and which ends with the process.
    Mount(&'static [&'static str]),
    /// No file may grow: not quite a full disk, but the next best where nothing can be mounted.
    Files,
}

// === impl Small ===

impl Small {
    /// The first way that this machine allows.
    fn disk() -> Self {
        for wrapper in [AS_ROOT, AS_ANYBODY] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let (program, arguments) = wrapper.split_first().expect("a command");
            let tried = Command::new(program).args(arguments).arg("true").env("DATA", folder.path()).output();
            match tried {
                Ok(output) if output.status.success() => return Self::Mount(wrapper),
                Ok(output) => eprintln!("{wrapper:?}: {}", String::from_utf8_lossy(&output.stderr)),
                Err(error) => eprintln!("{wrapper:?}: {error}"),
            }
        }
        eprintln!("no file system can be mounted here: the limit on the size of files takes its place");
        Self::Files
    }

    fn wrapper(&self) -> &'static [&'static str] {
        match self {
            Self::Mount(wrapper) => wrapper,
            Self::Files => SMALL_FILES,
        }
    }

    /// Another file has room at once.
    fn stays_full(&self) -> bool {
        matches!(self, Self::Mount(_))
    }
}

fn check(refusal: &Status) {
    assert_eq!(refusal.code(), Code::Unavailable, "{refusal:?}");
    assert!(refusal.message().contains("disk"), "it says what is wrong: {refusal:?}");
    assert!(!refusal.details().is_empty(), "it says when to come back");
}

async fn ready(phasor: &Phasor) -> u16 {
    http::get(&format!("http://{}/readyz", phasor.api()), &[]).await.status
}

fn request(number: u64) -> Bytes {
    spans::padded("shop", number * SPANS, SPANS, PADDING)
}

const MOUNT: &str = "mkdir -p \"$DATA\" && mount -t tmpfs -o size=16m none \"$DATA\" && exec \"$@\"";
const AS_ROOT: &[&str] = &["unshare", "--mount", "sh", "-c", MOUNT, "sh"];
const AS_ANYBODY: &[&str] = &["unshare", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh"];
/// 8 MiB; SIGXFSZ is ignored, so that a write beyond fails instead.
const SMALL_FILES: &[&str] = &["sh", "-c", "trap '' XFSZ; ulimit -f 16384; exec \"$@\"", "sh"];
