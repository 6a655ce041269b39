//! The journal and snapshots on a disk that fails, in a process that dies, on a machine that loses power.
//!
//! Each case is a life of several processes on one disk. Plain entries come from a client that sends once; numbered
//! ones from a producer that sends one at a time until it is answered, as the phase store's outbox does. One consumer
//! delivers, one counts and keeps its state in snapshots.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use proto::view::Value;

use super::*;
use crate::{
    snapshot::Snapshots,
    testing::disk::{Faults, FaultyDisk},
};

/// Who sends and who reads, over all lives of the process.
struct World {
    disk: FaultyDisk,
    random: u64,
    next: u64,
    /// Plain entries that were answered with `Ok`, and all that were sent.
    acknowledged: BTreeSet<u64>,
    sent: BTreeSet<u64>,
    /// Numbers below this one are answered.
    number: u64,
    delivered: BTreeSet<u64>,
}

/// One process.
struct Life {
    journal: Arc<Journal>,
    delivery: Cursor,
    counting: Cursor,
    snapshots: Snapshots,
    counts: BTreeMap<u64, u64>,
    /// What the snapshot before the newest one holds: only what both hold is committed.
    saved_before: Option<Position>,
}

// === impl World ===

impl World {
    fn new(seed: u64) -> Self {
        Self {
            disk: FaultyDisk::new(seed),
            random: seed,
            next: 0,
            acknowledged: BTreeSet::new(),
            sent: BTreeSet::new(),
            number: 1,
            delivered: BTreeSet::new(),
        }
    }

    fn below(&mut self, end: u64) -> u64 {
        self.random = self.random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.random >> 33) % end
    }

    /// Starts the process. Whatever the disk has been through, it starts.
    fn start(&self) -> Life {
        let mut settings = settings(Path::new("/journal"));
        settings.disk = Arc::new(self.disk.clone());
        let (journal, _) = Journal::open(settings).unwrap();
        let delivery = journal.cursor(LOGS, "delivery", BOUNDS).unwrap();
        let counting = journal.cursor(LOGS, "counting", BOUNDS).unwrap();
        let mut snapshots = Snapshots::open(&self.disk, Path::new("/snapshots"), "counting").unwrap();
        let mut counts = BTreeMap::new();
        match snapshots.load() {
            Some(snapshot) => {
                let (position, numbers) = snapshot.state.split_first_chunk().unwrap();
                counting.rewind(Position::from_bytes(*position));
                let numbers = numbers.chunks(16).map(|pair| u128::from_le_bytes(pair.try_into().unwrap()));
                counts.extend(numbers.map(|pair| (pair as u64, (pair >> 64) as u64)));
            }
            None => snapshots.save(0, &counting.position().to_bytes()).unwrap(),
        }
        Life { journal, delivery, counting, snapshots, counts, saved_before: None }
    }

    /// Sends some entries at once and hears the answers.
    async fn send(&mut self, life: &Life) {
        let numbered = self.below(2) == 0;
        let count = if numbered { 1 } else { 1 + self.below(6) };
        let ids: Vec<_> = (0..count)
            .map(|index| if numbered { NUMBERED + self.number + index } else { self.next + index })
            .collect();
        if !numbered {
            self.next += count;
            self.sent.extend(&ids);
        }
        let padding = self.below(700) as usize;
        let tickets = ids.iter().map(|id| {
            let sequence = numbered.then(|| Sequence { producer: ProducerId(5), number: id - NUMBERED });
            let batch = holding(*id, padding);
            life.journal.append(Entry { sequence, ..entry(&[(LOGS, &batch)]) })
        });
        let answers = join_all(tickets.map(|ticket| async {
            match ticket {
                Ok(ticket) => ticket.await.is_ok(),
                Err(_) => false,
            }
        }));
        for (id, taken) in ids.iter().zip(answers.await) {
            if numbered && taken && *id == NUMBERED + self.number {
                self.number += 1;
            }
            if !numbered && taken {
                self.acknowledged.insert(*id);
            }
        }
    }

    async fn deliver(&mut self, life: &Life) {
        while life.delivery.position() < life.delivery.end() {
            let run = read(&life.delivery).await;
            self.delivered.extend(run.iter().map(|record| id(&record.batch)));
            if let Some(last) = run.last() {
                life.delivery.commit(last.position);
            }
        }
    }

    /// Everything is on the way of one of these.
    async fn step(&mut self, life: &mut Life) {
        match self.below(10) {
            0..=5 => self.send(life).await,
            6 | 7 => self.deliver(life).await,
            8 => life.count().await,
            _ => {
                life.count().await;
                life.save();
            }
        }
    }

    /// The process ends: with a goodbye, by a signal, or with the machine.
    async fn end(&mut self, life: Life) {
        match self.below(4) {
            0 => life.journal.close().await,
            1 => self.disk.kill(),
            _ => self.disk.cut_power(),
        }
        drop(life);
        // A process that was told to stop and could not write is dead all the same.
        self.disk.kill();
    }

    fn set_faults(&mut self) {
        let percent = |world: &mut Self| if world.below(3) == 0 { 1 + world.below(20) } else { 0 };
        let faults = Faults { writes: percent(self), syncs: percent(self) / 4, names: percent(self) / 2 };
        self.disk.set_faults(faults);
        let room = if self.below(4) == 0 { self.disk.used() + self.below(6_000) } else { u64::MAX };
        self.disk.set_room(room);
    }

    async fn live(mut self) {
        for _ in 0..4 + self.below(6) {
            self.disk.set_faults(Faults::default());
            self.disk.set_room(u64::MAX);
            let mut life = self.start();
            for _ in 0..self.below(25) {
                if self.below(8) == 0 {
                    self.set_faults();
                }
                self.step(&mut life).await;
            }
            self.end(life).await;
        }
        self.disk.set_faults(Faults::default());
        self.disk.set_room(u64::MAX);
        let mut life = self.start();
        // The producer sends what it has no answer for, and everyone reads to the end.
        self.send(&life).await;
        self.deliver(&life).await;
        life.count().await;
        self.check(&life.counts);
    }

    fn check(&self, counts: &BTreeMap<u64, u64>) {
        for id in &self.acknowledged {
            assert!(self.delivered.contains(id), "{id} was acknowledged and not delivered");
            assert_eq!(counts.get(id), Some(&1), "{id} was acknowledged");
        }
        for number in 1..self.number {
            let id = NUMBERED + number;
            assert!(self.delivered.contains(&id), "number {number} was answered and not delivered");
            assert_eq!(counts.get(&id), Some(&1), "number {number} was answered");
        }
        for (id, count) in counts {
            assert_eq!(*count, 1, "{id} is counted once, or not at all");
            assert!(*id > NUMBERED || self.sent.contains(id), "{id} was never sent");
            assert!(self.delivered.contains(id), "{id} was counted and not delivered");
        }
    }
}

// === impl Life ===

impl Life {
    async fn count(&mut self) {
        while self.counting.position() < self.counting.end() {
            for record in read(&self.counting).await {
                *self.counts.entry(id(&record.batch)).or_default() += 1;
            }
        }
    }

    fn save(&mut self) {
        let position = self.counting.position();
        let pairs =
            self.counts.iter().flat_map(|(id, count)| [id.to_le_bytes(), count.to_le_bytes()].concat());
        let state: Vec<u8> = position.to_bytes().into_iter().chain(pairs).collect();
        if self.snapshots.save(0, &state).is_ok()
            && let Some(before) = self.saved_before.replace(position)
        {
            self.counting.commit(before);
        }
    }
}

/// The next records; none if what was left could not be read.
async fn read(cursor: &Cursor) -> Vec<Record> {
    for _ in 0..500 {
        match tokio::time::timeout(Duration::from_millis(20), cursor.next(2_000)).await {
            Ok(run) => return run.unwrap_or_default(),
            Err(_) if cursor.position() >= cursor.end() => return Vec::new(),
            Err(_) => {}
        }
    }
    panic!("{:?} is not the end, {:?} is, and nothing comes", cursor.position(), cursor.end());
}

/// A batch that is known by a number.
fn holding(id: u64, padding: usize) -> AnyBatch {
    logs_holding(&[&id.to_le_bytes()[..], &vec![0xaa; padding]].concat())
}

fn id(batch: &AnyBatch) -> u64 {
    let AnyBatch::Logs(logs) = batch else { panic!("only logs are sent") };
    let record = logs.view().resource_logs().next().and_then(|resource| {
        let scope = resource.scope_logs().next()?;
        scope.log_records().next()
    });
    match record.expect("one record").body() {
        Value::Bytes(bytes) => u64::from_le_bytes(bytes[..8].try_into().unwrap()),
        other => panic!("{other:?} is not what was sent"),
    }
}

/// Entries of the producer are known by their number and this.
const NUMBERED: u64 = 1 << 40;

#[test]
#[expect(clippy::print_stdout, reason = "the seed of a case that fails is the last one printed")]
fn what_was_acknowledged_survives_faults_kills_and_power_cuts_and_is_counted_once() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for seed in 0..CASES {
        println!("seed {seed}");
        runtime.block_on(World::new(seed).live());
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the seed of a case that fails is the last one printed")]
fn flipped_bits_never_keep_it_from_starting() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for seed in 0..CASES {
        println!("seed {seed}");
        runtime.block_on(async {
            let mut world = World::new(seed);
            for _ in 0..4 {
                // What a flipped bit has hit may be lost; nothing is said about counts here.
                let mut life = world.start();
                for _ in 0..10 {
                    world.step(&mut life).await;
                }
                world.end(life).await;
                let end = [".segment", "cursors", ".a", ".b"][world.below(4) as usize];
                world.disk.flip_bit(end);
            }
            let life = world.start();
            world.deliver(&life).await;
        });
    }
}

/// Each is a handful of lives; together they take some seconds.
const CASES: u64 = 300;
