use std::{
    io::{self, IoSlice},
    path::Path,
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

use pipelines::{
    disk::{Disk, DiskFile, DiskLock},
    engine::drain::drain,
    journal::{Entry, Mode, Part, PipelineIndex, PipelineSettings, Settings},
    testing::disk::FaultyDisk,
    time::UnixNanos,
};
use proto::SignalKind;

use super::*;
use crate::telemetry::{health::Health, probe::Check, watchdog::STUCK_AFTER};

/// A disk whose syncs wait while the gate is shut.
#[derive(Clone, Debug)]
struct Gated<D> {
    inner: D,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    shut: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn set(&self, shut: bool) {
        *self.shut.lock().unwrap_or_else(PoisonError::into_inner) = shut;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let shut = self.shut.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.opened.wait_while(shut, |shut| *shut).unwrap_or_else(PoisonError::into_inner));
    }
}

impl<D> Gated<D> {
    fn file(&self, file: io::Result<Box<dyn DiskFile>>) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(Gated { inner: file?, gate: Arc::clone(&self.gate) }))
    }
}

impl Disk for Gated<FaultyDisk> {
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        self.inner.make_folder(folder)
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.inner.names(folder)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.file(self.inner.create(path))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.file(self.inner.open(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.inner.sync_folder(folder)
    }

    fn lock(&self, path: &Path) -> io::Result<DiskLock> {
        self.inner.lock(path)
    }
}

impl DiskFile for Gated<Box<dyn DiskFile>> {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        self.inner.read_at(buffer, at)
    }

    fn write_at(&self, pieces: &[IoSlice<'_>], at: u64) -> io::Result<()> {
        self.inner.write_at(pieces, at)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.inner.set_len(bytes)
    }

    fn bytes(&self) -> io::Result<u64> {
        self.inner.bytes()
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.inner.allocate(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.gate.pass();
        self.inner.sync()
    }
}

fn journal(disk: Gated<FaultyDisk>) -> Arc<Journal> {
    let pipeline =
        PipelineSettings { name: "traces".to_owned(), signal: SignalKind::Traces, mode: Mode::Durable };
    let settings = Settings {
        disk: Arc::new(disk),
        directory: Some("/journal".into()),
        segment_bytes_max: 1 << 20,
        tail_bytes_max: 1 << 20,
        pipelines: vec![pipeline],
    };
    Journal::open(settings).unwrap().0
}

fn stuck(checks: &[Check]) -> Vec<&str> {
    checks.iter().filter(|check| !check.ok).map(|check| check.name.as_str()).collect()
}

/// What is stuck when one has looked for long enough. The clock is the test's, and in its time the loops of the process
/// itself do not go round, so those are left out.
fn looks(health: &Health, edge: &ConsumerEdge, from: u64, left_out: &[&str]) -> Vec<Check> {
    let look = |second| {
        edge.pulse.beat();
        health.live_checks(Duration::from_secs(from + second))
    };
    let checks = (0..=STUCK_AFTER.as_secs()).fold(Vec::new(), |_, second| look(second));
    checks.into_iter().filter(|check| !left_out.contains(&check.name.as_str())).collect()
}

#[tokio::test]
async fn a_disk_that_never_answers_is_a_journal_writer_that_is_stuck_until_it_does() {
    let disk = Gated { inner: FaultyDisk::new(1), gate: Arc::default() };
    let gate = Arc::clone(&disk.gate);
    let journal = journal(disk);
    let edge = Arc::new(ConsumerEdge::new(ComponentId::new("debug"), SignalKind::Traces));
    let edges = Edges { processors: Vec::new(), consumers: vec![Arc::clone(&edge)] };
    let health = Health::new(Arc::clone(&journal));
    let (_trigger, drain) = drain();
    health.watch(watchdog(&journal, &edges, |_| false, drain)).unwrap();

    gate.set(true);
    let parts = vec![Part {
        pipeline: PipelineIndex(0),
        batch: proto::testing::sample::any(SignalKind::Traces, 3, 1),
    }];
    let entry = Entry { parts, arrival: UnixNanos(1), sequence: None, derivable: false };
    let ticket = journal.append(entry).unwrap();
    // The writer is on its way to the gate, and does not come back.
    let mut before = None;
    while journal.writer_beats() != before {
        before = journal.writer_beats();
        tokio::time::sleep(Duration::from_millis(1_500)).await;
    }
    let checks = looks(&health, &edge, 1_000, &["runtime"]);
    assert_eq!(stuck(&checks), ["journal writer"]);
    assert!(checks.iter().any(|check| check.name == "exporter debug (traces)"));

    gate.set(false);
    ticket.await.unwrap();
    while journal.writer_beats() == before {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let checks = health.live_checks(Duration::from_secs(2_000));
    assert!(!stuck(&checks).contains(&"journal writer"), "{checks:?}");
}

#[tokio::test]
async fn a_consumer_whose_loop_has_ended_is_named() {
    let disk = Gated { inner: FaultyDisk::new(1), gate: Arc::default() };
    let journal = journal(disk);
    let edge = |kind| Arc::new(ConsumerEdge::new(ComponentId::new(kind), SignalKind::Logs));
    let (goes, stands) = (edge("debug"), edge("event_metrics"));
    let edges = Edges { processors: Vec::new(), consumers: vec![Arc::clone(&goes), stands] };
    let health = Health::new(Arc::clone(&journal));
    let (_trigger, drain) = drain();
    health.watch(watchdog(&journal, &edges, |id| id.kind == "event_metrics", drain)).unwrap();
    assert_eq!(
        stuck(&looks(&health, &goes, 1_000, &["runtime", "journal writer"])),
        ["connector event_metrics (logs)"]
    );
}
