//! What every processor and every aggregator must keep to, whatever else it does.

use proto::{AnyBatch, Batch, Signal};

use crate::{
    client::Client,
    consumer::Aggregator,
    processor::Processor,
    refusal::{Reason, Refusal},
    time::UnixNanos,
};

/// Checks a processor with one batch: what it gives passes the gate, holds no more items than came, and is the
/// same a second time.
///
/// # Panics
/// If it does not keep to the contract.
pub fn check_processor<S: Signal>(processor: &dyn Processor<S>, batch: &Batch<S>) {
    let client = Client::default();
    let first = processor.process(batch.clone(), &client);
    let second = processor.process(batch.clone(), &client);
    match (first, second) {
        (Ok(Some(first)), Ok(Some(second))) => {
            assert_eq!(first.bytes(), second.bytes(), "the same batch gives the same bytes");
            assert!(first.items() <= batch.items(), "a processor makes no items");
            assert!(first.items() > 0 || batch.items() == 0, "nothing left is told as `None`");
            let valid = proto::validate::<S>(first.bytes().clone()).expect("what it gives passes the gate");
            assert!(valid.rejected.is_none(), "no item of what it gives is rejected");
            assert_eq!(valid.batch.items(), first.items(), "items are counted right");
        }
        (Ok(None), Ok(None)) => {}
        (Err(first), Err(second)) => {
            assert_eq!(first, second, "the same batch gives the same refusal");
            let temporary =
                matches!(first.reason(), Reason::MemoryLimit | Reason::QueueFull | Reason::ShuttingDown);
            let retry = matches!(first, Refusal::Retry { .. });
            assert!(!temporary || retry, "a passing condition is a retryable refusal");
        }
        (first, second) => panic!("the same batch gives {first:?}, then {second:?}"),
    }
}

/// Checks an aggregator with batches that arrive one after the other: the same input gives the same output;
/// what has not changed is not emitted; a restart after any batch changes nothing; a state that is none is
/// refused and leaves it as new.
///
/// # Panics
/// If it does not keep to the contract.
pub fn check_aggregator(make: impl Fn() -> Box<dyn Aggregator>, batches: &[AnyBatch]) {
    let apply = |aggregator: &mut dyn Aggregator, from: usize, to: usize| {
        for (index, batch) in batches.iter().enumerate().take(to).skip(from) {
            aggregator.apply(batch, UnixNanos(1_000 + index as u64));
        }
    };
    let end = batches.len();
    let (mut one, mut other) = (make(), make());
    apply(&mut *one, 0, end);
    apply(&mut *other, 0, end);
    assert_eq!(one.fingerprint(), other.fingerprint(), "the same configuration has the same fingerprint");
    // What is idle may expire with the emission.
    let saved = save(&*one);
    let emitted = emit(&mut *one);
    assert_eq!(emitted, emit(&mut *other), "the same input gives the same output");
    assert_eq!(emit(&mut *one), Vec::<Vec<u8>>::new(), "what has not changed is not emitted");
    for at in 0..=end {
        let (mut before, mut after) = (make(), make());
        apply(&mut *before, 0, at);
        after.restore(&save(&*before)).expect("what was saved is restored");
        apply(&mut *after, at, end);
        assert_eq!(save(&*after), saved, "a restart after batch {at} changes nothing");
    }
    let mut damaged = make();
    apply(&mut *damaged, 0, end);
    assert!(damaged.restore(b"\xffno state at all").is_err(), "a state that is none is refused");
    assert_eq!(save(&*damaged), save(&*make()), "and leaves it as new");
}

fn emit(aggregator: &mut dyn Aggregator) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    aggregator.emit(UnixNanos(9_000), &mut out);
    for batch in &out {
        let (valid, rejected) =
            AnyBatch::validate(batch.kind(), batch.bytes().clone()).expect("what it emits passes the gate");
        assert!(rejected.is_none() && valid.items() == batch.items(), "items are counted right");
    }
    out.into_iter().map(|batch| batch.bytes().to_vec()).collect()
}

fn save(aggregator: &dyn Aggregator) -> Vec<u8> {
    let mut state = Vec::new();
    aggregator.save(&mut state);
    state
}
