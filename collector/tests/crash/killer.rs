//! The schedule: when the collector dies, and how it is started again.

use std::{sync::Arc, time::Duration};

use exporters::delivery::backoff::Random;
use tokio::sync::watch;

use super::{
    ledger::Ledger,
    process::{Doors, Laboratory, Process},
};

/// Kills and starts.
pub struct Killer<'a> {
    laboratory: &'a Laboratory,
    ledger: &'a Arc<Ledger>,
    doors: watch::Sender<Option<Doors>>,
    random: Random,
    process: Option<Process>,
    pub kills: Kills,
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kills {
    /// All of them.
    pub total: u64,
    /// Before it was ready.
    pub while_starting: u64,
    /// At most a moment after it was ready.
    pub just_started: u64,
    /// Starts that reached their banner, or would have had they lived.
    pub starts: u64,
    pub failed_starts: u64,
}

/// How the collector dies next.
enum Death {
    /// Under load, after so long.
    Working(Duration),
    /// So long after its start, whatever it does then.
    Starting(Duration),
    /// Right after its banner, and once more while it starts again.
    Twice(Duration, Duration),
}

// === impl Killer ===

impl<'a> Killer<'a> {
    pub fn new(
        laboratory: &'a Laboratory,
        ledger: &'a Arc<Ledger>,
        doors: watch::Sender<Option<Doors>>,
        random: Random,
    ) -> Self {
        Self { laboratory, ledger, doors, random, process: None, kills: Kills::default() }
    }

    /// So many kills, or up to the first fault; at the end the collector lives.
    pub async fn run(&mut self, kills: u64) {
        while self.kills.total < kills && self.ledger.faults().is_empty() {
            match self.next() {
                Death::Working(after) => {
                    self.start().await;
                    tokio::time::sleep(after).await;
                    self.kill();
                }
                Death::Starting(after) => self.start_and_kill(after).await,
                Death::Twice(first, second) => {
                    self.start().await;
                    tokio::time::sleep(first).await;
                    self.kills.just_started += 1;
                    self.kill();
                    self.start_and_kill(second).await;
                }
            }
        }
        self.start().await;
    }

    /// Where the collector is found.
    pub fn doors(&self) -> Option<Doors> {
        self.doors.borrow().clone()
    }

    /// SIGTERM and a new start.
    pub async fn stop_and_start(&mut self) {
        let Some(process) = self.process.take() else { return };
        self.doors.send_replace(None);
        let status = process.stop().await;
        if !status.success() {
            self.ledger.fault(format!("a clean stop ended with {status}"));
        }
        self.start().await;
    }

    fn next(&mut self) -> Death {
        let (kind, one, two) = (self.random.unit(), self.random.unit(), self.random.unit());
        match kind {
            0.0..0.7 => Death::Working(Duration::from_millis(200) + WORK_MAX.mul_f64(one)),
            0.7..0.85 => Death::Starting(START_MAX.mul_f64(one)),
            _ => Death::Twice(WORK_MAX.mul_f64(one * 0.1), START_MAX.mul_f64(two)),
        }
    }

    async fn start(&mut self) {
        let acknowledged = self.ledger.sums().spans_acknowledged;
        let mut process = self.laboratory.spawn();
        self.kills.starts += 1;
        match process.ready(acknowledged).await {
            Ok(doors) => {
                self.doors.send_replace(Some(doors));
                self.process = Some(process);
            }
            Err(why) => self.failed(&why),
        }
    }

    async fn start_and_kill(&mut self, after: Duration) {
        let mut process = self.laboratory.spawn();
        self.kills.starts += 1;
        tokio::time::sleep(after).await;
        if let Some(status) = process.ended() {
            self.failed(&format!("it ended by itself: {status}"));
        }
        process.kill();
        self.kills.while_starting += 1;
        self.kills.total += 1;
    }

    fn kill(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        match process.ended() {
            Some(status) => self
                .ledger
                .fault(format!("kill {}: the collector had ended by itself: {status}", self.kills.total + 1)),
            None => process.kill(),
        }
        self.doors.send_replace(None);
        self.kills.total += 1;
    }

    fn failed(&mut self, why: &str) {
        self.kills.failed_starts += 1;
        self.ledger.fault(format!("the start after kill {} failed: {why}", self.kills.total));
    }
}

/// The longest life.
const WORK_MAX: Duration = Duration::from_millis(1300);
/// A start takes about half of it, so that deaths fall before, into and after the replay.
const START_MAX: Duration = Duration::from_millis(250);
