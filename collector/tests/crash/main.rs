//! The crash laboratory: the real binary under load, killed with SIGKILL again and again, and at the end compared.
//!
//! ```text
//!  load: spans over gRPC, phases over HTTP ---> phasor ---> two sinks, one of them with bad days
//!        (again and again until answered)        ^   \---> /metrics, watched all the time
//!                                             SIGKILL at random moments, also while it starts
//! ```
//!
//! Every *attempt* of a request writes its own number on its spans. A request that is sent again after a lost answer
//! is in the journal twice and counts twice; the distinct pairs of span and attempt that a sink has got are therefore
//! exactly what is in the journal, whoever says what, and the counters must equal their number.
//!
//! `KILLS` says how often (20; `make crash` asks for 500), `SEED` repeats the schedule of an earlier run. On failure
//! the data directory and the log are kept, and their place is printed.
//!
//! Read in this order: this file, `ledger` (what was sent), `load` and `phases` (who sends), `process` and `killer`
//! (who dies), `sinks` and `watch` (who looks on), `verdict` (what must hold).

#![allow(clippy::unwrap_used, unreachable_pub)]
// The table is what one runs it for.
#![allow(clippy::print_stdout)]

#[path = "../support/lib.rs"]
mod support;

mod killer;
mod ledger;
mod load;
mod phases;
mod process;
mod sinks;
mod verdict;
mod watch;

use std::{sync::Arc, time::Duration};

use exporters::delivery::backoff::Random;
use tokio::{sync::watch as signal, task::JoinSet};

use self::{killer::Killer, ledger::Ledger, process::Laboratory, sinks::Sinks, watch::Watch};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_and_every_number_is_exact() {
    let kills = number_from("KILLS").unwrap_or(20);
    let seed = number_from("SEED").unwrap_or_else(random_seed);
    println!("crash laboratory: {kills} kills, SEED={seed}");
    let random = Random::new(seed);
    let ledger = Arc::new(Ledger::default());
    let sinks = Sinks::start(seed).await;
    let laboratory = Laboratory::new(&sinks);
    let (doors, open) = signal::channel(None);
    let (stop, stopping) = signal::channel(false);

    let mut load = JoinSet::new();
    for sender in 0..SENDERS {
        let random = Random::new(seed ^ (sender + 1) << 32);
        load.spawn(load::send(Arc::clone(&ledger), open.clone(), stopping.clone(), random));
    }
    for client in 0..PHASE_CLIENTS {
        let random = Random::new(seed ^ (client + 1) << 48);
        load.spawn(phases::send(Arc::clone(&ledger), open.clone(), stopping.clone(), random));
    }
    let watch = Watch::new(Arc::clone(&ledger), open.clone());
    let watching = tokio::spawn(Arc::clone(&watch).run());

    let mut killer = Killer::new(&laboratory, &ledger, doors, random);
    killer.run(kills).await;

    // From here on it lives, and everybody gets an answer.
    stop.send_replace(true);
    let answered = async { while load.join_next().await.is_some_and(|ended| ended.is_ok()) {} };
    if tokio::time::timeout(PATIENCE, answered).await.is_err() || !load.is_empty() {
        ledger.fault("a sender never got its answer, or has panicked");
    }
    let page = verdict::settle(&ledger, &sinks, &killer).await;
    verdict::compare(&ledger, &sinks, &page);
    verdict::read_back(&ledger, &killer).await;

    // A clean stop and one more start change no number.
    killer.stop_and_start().await;
    let again = verdict::settle(&ledger, &sinks, &killer).await;
    verdict::compare(&ledger, &sinks, &again);
    watching.abort();

    println!("{}", verdict::table(seed, &killer, &ledger, &sinks, &watch));
    let faults = ledger.faults();
    if !faults.is_empty() {
        drop(killer);
        let kept = laboratory.keep();
        panic!("SEED={seed} KILLS={kills}; kept in {}:\n{}", kept.display(), faults.join("\n"));
    }
}

fn number_from(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is `{text}`, which is no number")))
}

fn random_seed() -> u64 {
    let since_1970 = std::time::UNIX_EPOCH.elapsed().unwrap();
    Random::new(since_1970.as_nanos() as u64 ^ u64::from(std::process::id()) << 40).number() >> 16
}

const SENDERS: u64 = 4;
const PHASE_CLIENTS: u64 = 2;
/// How long the living collector may take for the last answers.
const PATIENCE: Duration = Duration::from_secs(120);
