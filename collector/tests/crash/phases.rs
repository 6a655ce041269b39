//! Phases over HTTP: sent with the same idempotency key until they are answered, and now and then once more.

use std::{sync::Arc, time::Duration};

use exporters::delivery::backoff::Random;
use hyper::Method;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    ledger::Ledger,
    process::Doors,
    support::{http, phasor::API_KEY},
};

/// The three kinds of phases, in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Scan,
    Validation,
    Mitigation,
}

/// Stores phase after phase. Told to stop, it still brings the last one to its answer.
pub async fn send(
    ledger: Arc<Ledger>,
    mut doors: watch::Receiver<Option<Doors>>,
    stop: watch::Receiver<bool>,
    mut random: Random,
) {
    let mut answered: Vec<usize> = Vec::new();
    while !*stop.borrow() {
        // One in four is an old acquaintance, possibly from before a crash.
        let old = (random.unit() < REPEATED && !answered.is_empty())
            .then(|| answered[random.number() as usize % answered.len()]);
        let number = old.unwrap_or_else(|| ledger.open_phase());
        loop {
            match store(&ledger, number, old.is_some(), &mut doors).await {
                Outcome::Answered => break,
                Outcome::Later => tokio::time::sleep(PAUSE).await,
                Outcome::Wrong => return,
            }
        }
        answered.push(number);
        tokio::time::sleep(PAUSE.mul_f64(random.unit())).await;
    }
}

enum Outcome {
    Answered,
    Later,
    Wrong,
}

async fn store(
    ledger: &Ledger,
    number: usize,
    is_repeat: bool,
    doors: &mut watch::Receiver<Option<Doors>>,
) -> Outcome {
    let Ok(Some(api)) =
        doors.wait_for(Option::is_some).await.map(|doors| doors.as_ref().map(|doors| doors.api.clone()))
    else {
        return Outcome::Later;
    };
    let url = format!("http://{api}/api/v1/phases/store");
    let key = format!("laboratory-{number}");
    let headers = [("content-type", "application/json"), ("x-api-key", API_KEY), ("idempotency-key", &key)];
    let Ok(answer) = http::try_send(Method::POST, &url, &headers, body(number).to_string().into()).await
    else {
        return Outcome::Later;
    };
    let replayed = answer.header("idempotent-replayed") == Some("true");
    match answer.status {
        201 if !is_repeat && !replayed => ledger.receive(number, answer.json()),
        200 if replayed => ledger.receive(number, answer.json()),
        503 => return Outcome::Later,
        status => {
            let repeat = if is_repeat { ", answered before," } else { "" };
            ledger.fault(format!("phase {number}{repeat} was answered with {status}: {}", answer.text()));
            return Outcome::Wrong;
        }
    }
    Outcome::Answered
}

/// What phase `number` says. Three phases make a task.
fn body(number: usize) -> Value {
    let task = number / 3;
    let data = match kind(number) {
        Kind::Scan => json!({"duration_ms": 700, "vulnerabilities_found": 2}),
        Kind::Validation => {
            json!({"validated": true, "duration_ms": 4500, "tests_generated": TESTS, "tests_passed": 2})
        }
        Kind::Mitigation => json!({"duration_ms": 9000, "trust_score": 85, "files_changed": 3}),
    };
    let mut body = json!({"phase": kind(number).as_str(), "repo": repo(number), "commit_sha": commit(number), "data": data});
    if kind(number) != Kind::Scan {
        body["issue_number"] = (task + 1).into();
    }
    body
}

/// Which kind phase `number` is.
pub fn kind(number: usize) -> Kind {
    [Kind::Scan, Kind::Validation, Kind::Mitigation][number % 3]
}

/// The repository of phase `number`: some hundreds share one, which is less than one answer holds.
pub fn repo(number: usize) -> String {
    format!("crash/laboratory-{}", number / 300)
}

/// The commit of phase `number`: with the kind it tells the phase.
pub fn commit(number: usize) -> String {
    format!("c{:07}", number / 3)
}

// === impl Kind ===

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Validation => "validation",
            Self::Mitigation => "mitigation",
        }
    }
}

/// Tests that each validation says it has generated.
pub const TESTS: u64 = 3;
const REPEATED: f64 = 0.25;
const PAUSE: Duration = Duration::from_millis(60);
