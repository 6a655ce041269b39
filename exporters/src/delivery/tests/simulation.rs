//! Random answers by seed, on paused time: whatever a destination says, each span is delivered at
//! least once, or counted as failed, or still in the journal.

use std::collections::BTreeMap;

use super::*;

#[derive(Default)]
struct World {
    delivered: BTreeMap<[u8; 8], usize>,
    refused: BTreeSet<[u8; 8]>,
}

/// Runs one seed; with `stop` the drain's deadline comes in the middle.
async fn simulate(seed: u64, stop: bool) {
    let random = Mutex::new(Random::new(seed));
    let world = Arc::new(Mutex::new(World::default()));
    let seen = Arc::clone(&world);
    let script = Script::new(move |_, request| {
        let spans = spans_of(request);
        let mut world = seen.lock().unwrap();
        match random.lock().unwrap().number() % 8 {
            0 => code(14, None),
            1 => code(14, Some(3)),
            2 => code(8, Some(2)),
            3 => code(8, None),
            4 if spans.len() < 4 => {
                world.refused.extend(&spans);
                code(3, None)
            }
            _ => {
                spans.iter().for_each(|span| *world.delivered.entry(*span).or_default() += 1);
                taken()
            }
        }
    });
    let mut dice = Random::new(!seed);
    let in_flight_max = 1 + (dice.number() % 5) as usize;
    let gathering = Gathering { bytes_max: 6000, bytes_target: 4000, ..Gathering::default() };
    let line = Line::start(Settings { in_flight_max, gathering, seed, ..settings() }, script);
    let mut accepted = BTreeSet::new();
    for number in 0..60 {
        let batch = sample::traces(1 + (dice.number() % 9) as usize, 3, seed * 1000 + number);
        accepted.extend(spans_of(batch.bytes()));
        line.append(batch).await;
        sleep(Duration::from_millis(dice.number() % 3000)).await;
    }
    if stop {
        line.trigger.begin(Duration::from_millis(dice.number() % 4000));
    }
    line.journal.close().await;
    line.running.await.unwrap();

    let world = world.lock().unwrap();
    let (sent, failed) = (line.edge.sent.total() as usize, line.edge.failed.total() as usize);
    let left = line.edge.lag_bytes.value();
    assert!(world.delivered.keys().all(|span| accepted.contains(span)), "seed {seed}: nothing is made up");
    if left == 0 {
        assert_eq!(sent + failed, accepted.len(), "seed {seed}: each span is counted once");
        let settled: BTreeSet<_> = world.delivered.keys().chain(&world.refused).collect();
        // A single item that is too large is given up without a refusal of its own.
        assert!(settled.len() <= accepted.len() && accepted.len() - settled.len() <= failed, "seed {seed}");
        assert_eq!(sent, world.delivered.len(), "seed {seed}: sent is what was delivered");
        assert!(world.delivered.values().all(|times| *times == 1), "seed {seed}: nothing went twice");
    } else {
        assert!(stop, "seed {seed}: without a deadline nothing is left");
        assert!(sent + failed < accepted.len(), "seed {seed}: what is left is not counted");
        assert!(sent <= world.delivered.len(), "seed {seed}: only what was delivered is counted as sent");
    }
}

#[tokio::test(start_paused = true)]
async fn every_span_is_delivered_or_counted() {
    for seed in 0..60 {
        simulate(seed, false).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_in_the_middle_leaves_the_rest_in_the_journal() {
    for seed in 100..160 {
        simulate(seed, true).await;
    }
}
