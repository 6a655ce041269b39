//! What was sent, what was answered, and what went wrong.

use std::sync::{Mutex, MutexGuard};

use serde_json::Value;

/// Shared by everyone in the laboratory.
#[derive(Default)]
pub struct Ledger {
    requests: Mutex<Vec<Request>>,
    phases: Mutex<Vec<Phase>>,
    faults: Mutex<Vec<String>>,
}

/// A request of spans, numbered `first..first + count`, however often it was sent.
#[derive(Clone, Debug)]
pub struct Request {
    pub first: u64,
    pub count: u64,
    /// Index into [`NAMES`].
    pub name: usize,
    /// How often it was sent: its attempts are numbered from 0.
    pub attempts: u64,
    /// The attempt that was answered with success.
    pub acknowledged: Option<u64>,
}

/// A phase, however often it was sent. Its number is its place in the ledger, and its idempotency key.
#[derive(Clone, Debug, Default)]
pub struct Phase {
    /// What the store answered.
    pub receipt: Option<Value>,
}

/// How much there is of each.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    pub requests: u64,
    /// Over all attempts.
    pub spans_sent: u64,
    pub spans_acknowledged: u64,
    pub phases_sent: u64,
    pub phases_accepted: u64,
}

/// The names of the spans: each is a series of its own.
pub const NAMES: [&str; 3] = ["GET /", "POST /cart", "POST /checkout"];

// === impl Ledger ===

impl Ledger {
    /// Opens a request of so many spans and gives its place.
    pub fn open(&self, count: u64) -> (usize, Request) {
        let mut requests = lock(&self.requests);
        let first = requests.last().map_or(0, |last| last.first + last.count);
        let name = requests.len() % NAMES.len();
        let request = Request { first, count, name, attempts: 0, acknowledged: None };
        requests.push(request.clone());
        (requests.len() - 1, request)
    }

    /// Takes note, before it is sent, that a request is sent once more. Gives the number of the attempt.
    pub fn attempt(&self, request: usize) -> u64 {
        let request = &mut lock(&self.requests)[request];
        request.attempts += 1;
        request.attempts - 1
    }

    /// Takes note of a success.
    pub fn acknowledge(&self, request: usize, attempt: u64) {
        lock(&self.requests)[request].acknowledged = Some(attempt);
    }

    /// Opens a phase and gives its number.
    pub fn open_phase(&self) -> usize {
        let mut phases = lock(&self.phases);
        phases.push(Phase::default());
        phases.len() - 1
    }

    /// Takes note of an answer, which must be the same as any before.
    pub fn receive(&self, phase: usize, receipt: Value) {
        let mut phases = lock(&self.phases);
        match &phases[phase].receipt {
            Some(before) if *before != receipt => {
                let fault = format!("phase {phase} was answered with {before}, and later with {receipt}");
                self.fault(fault);
            }
            _ => phases[phase].receipt = Some(receipt),
        }
    }

    pub fn requests(&self) -> Vec<Request> {
        lock(&self.requests).clone()
    }

    pub fn phases(&self) -> Vec<Phase> {
        lock(&self.phases).clone()
    }

    pub fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        for request in lock(&self.requests).iter() {
            sums.requests += 1;
            sums.spans_sent += request.count * request.attempts;
            sums.spans_acknowledged += request.acknowledged.map_or(0, |_| request.count);
        }
        for phase in lock(&self.phases).iter() {
            sums.phases_sent += 1;
            sums.phases_accepted += u64::from(phase.receipt.is_some());
        }
        sums
    }

    /// Something that must not be.
    pub fn fault(&self, what: impl Into<String>) {
        let what = what.into();
        eprintln!("FAULT: {what}");
        lock(&self.faults).push(what);
    }

    pub fn faults(&self) -> Vec<String> {
        lock(&self.faults).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics while holding it")
}
