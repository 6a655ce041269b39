//! What must hold for any bytes. The fuzz targets call these; so do property tests on stable.

use bytes::Bytes;

use crate::{
    batch::{AnyBatch, Batch, Logs, Metrics, Signal, SignalKind, Traces},
    json,
    response::{PartialSuccess, Status},
    rewrite::{Edit, split},
    testing::Random,
    validate,
    view::{Attributes, Data},
};

/// No panic in the gate; what passes can be read, rewritten and cut, and passes again as it is.
pub fn request(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    if let Ok(passed) = validate::<Traces>(bytes.clone()) {
        rewrites(&passed.batch);
        let _ = passed.batch.retain_spans(|span| read(span.attributes()) > 1 && span.name().len() < 5);
    }
    if let Ok(passed) = validate::<Metrics>(bytes.clone()) {
        rewrites(&passed.batch);
        let _ = passed.batch.retain_metrics(|metric| !matches!(metric.data(), Data::Gauge(_)));
    }
    if let Ok(passed) = validate::<Logs>(bytes) {
        rewrites(&passed.batch);
        let _ = passed.batch.retain_log_records(|record| read(record.attributes()) > 1);
    }
}

/// No panic when answers of peers are read.
pub fn response(bytes: &[u8]) {
    let _ = PartialSuccess::decode(bytes);
    let _ = Status::decode(bytes);
}

/// No panic when bytes are read as OTLP/JSON, or written as it; what is read is no malformed request, and
/// comes back.
pub fn json(bytes: &[u8]) {
    for kind in SignalKind::ALL {
        let mut text = Vec::new();
        json::encode(kind, bytes, &mut text);
        if AnyBatch::validate(kind, Bytes::copy_from_slice(bytes)).is_ok() {
            json::decode(kind, &text, usize::MAX).expect("what we write, we read");
        }
        let Ok(read) = json::decode(kind, bytes, usize::MAX) else { continue };
        AnyBatch::validate(kind, read.clone().into()).expect("what is read from JSON is well formed");
        text.clear();
        json::encode(kind, &read, &mut text);
        let again = json::decode(kind, &text, usize::MAX).expect("what we write, we read");
        assert_eq!(again.len(), read.len(), "what was read comes back, NaN in our own form");
    }
}

/// Bytes near to `seed`: a few are overwritten, cut out, or doubled.
pub fn mutated(seed: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(3) {
        if bytes.is_empty() {
            break;
        }
        let at = random.below(bytes.len() as u64) as usize;
        match random.below(4) {
            0 => bytes[at] = random.bits() as u8,
            1 => bytes[at] ^= 1 << random.below(8),
            2 => drop(bytes.drain(at..bytes.len().min(at + random.below(16) as usize))),
            _ => {
                let end = bytes.len().min(at + random.below(16) as usize);
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
        }
    }
    bytes
}

fn rewrites<S: Signal>(batch: &Batch<S>) {
    passes(batch);
    let same = batch.edit_resources(|list, _| {
        read(list);
        Edit::Unchanged
    });
    assert_eq!(same.bytes().as_ptr(), batch.bytes().as_ptr(), "what changes nothing gives the same bytes");
    let edited = batch.edit_resources(|list, out| {
        list.pairs().skip(1).for_each(|pair| {
            out.copy(pair);
        });
        Edit::Replaced
    });
    passes(&edited);
    if let Some(kept) = batch.retain_places(|place| place % 2 == 0) {
        passes(&kept);
    }
    let pieces = split(batch, batch.bytes().len() / 2);
    pieces.iter().for_each(passes);
    assert_eq!(pieces.iter().map(Batch::items).sum::<usize>(), batch.items(), "no item is lost or doubled");
}

fn passes<S: Signal>(batch: &Batch<S>) {
    let again = validate::<S>(batch.bytes().clone()).expect("a batch passes the gate");
    assert_eq!(again.rejected, None);
    assert_eq!(again.batch.items(), batch.items());
    assert_eq!(again.batch.bytes().as_ptr(), batch.bytes().as_ptr(), "a batch is canonical");
}

fn read(list: Attributes<'_>) -> usize {
    list.iter().filter(|(key, value)| !key.is_empty() && !format!("{value:?}").is_empty()).count()
}
