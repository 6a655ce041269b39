//! prost's types are the oracle: the gate accepts what prost accepts, and views show what prost
//! decodes, for fields packed and unpacked, shuffled, repeated, unknown and empty.
//!
//! And OTLP/JSON: what we write, `opentelemetry-proto` reads, and we both read the same from documents.
//!
//! On purpose we refuse more: groups, and values nested deeper than 32. Items with wrong ids are cut
//! out, which is no refusal.

#[path = "oracle/decoded.rs"]
mod decoded;
#[path = "oracle/disorder.rs"]
mod disorder;
#[path = "oracle/json.rs"]
mod json;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
    trace::v1::ExportTraceServiceRequest,
};
use phasor_proto::{
    AnyBatch, SignalKind,
    rewrite::split,
    schema::Message as Schema,
    testing::{Random, bodies, sample},
    validate::{Fault, Malformed},
    wire::Writer,
};
use proptest::prelude::*;
use prost::Message;

/// What prost makes of the bytes, written anew, so that equal means equal, NaN included.
fn decoded(kind: SignalKind, bytes: &[u8]) -> Option<Vec<u8>> {
    match kind {
        SignalKind::Traces => {
            ExportTraceServiceRequest::decode(bytes).ok().map(|request| request.encode_to_vec())
        }
        SignalKind::Metrics => {
            ExportMetricsServiceRequest::decode(bytes).ok().map(|request| request.encode_to_vec())
        }
        SignalKind::Logs => {
            ExportLogsServiceRequest::decode(bytes).ok().map(|request| request.encode_to_vec())
        }
    }
}

fn samples() -> [(SignalKind, Bytes); 3] {
    [
        (SignalKind::Traces, sample::traces_of_all_kinds(1).into_bytes()),
        (
            SignalKind::Metrics,
            [&sample::metrics_of_all_kinds(1).into_bytes()[..], &summary()].concat().into(),
        ),
        (SignalKind::Logs, sample::logs(6, 1).into_bytes()),
    ]
}

/// The one kind of metric that we never write ourselves.
fn summary() -> Vec<u8> {
    let mut out = Writer::default();
    out.message(1, |resource| {
        resource.message(2, |scope| {
            scope.message(2, |metric| {
                metric.string(1, "summary");
                metric.message(11, |summary| {
                    summary.message(1, |point| {
                        point.fixed64(2, 5);
                        point.fixed64(3, 9);
                        point.fixed64(4, 3);
                        point.double(5, 1.5);
                        point.uint(8, 1);
                        for quantile in [0.5, 0.99] {
                            point.message(6, |out| {
                                out.double(1, quantile);
                                out.double(2, 7.25);
                            });
                        }
                    });
                });
            });
        });
    });
    out.into_vec()
}

/// Gate and prost agree on these bytes; if they pass, the views show what prost decodes.
fn check(kind: SignalKind, bytes: Vec<u8>) -> Result<(), String> {
    let oracle = decoded(kind, &bytes);
    let bytes = Bytes::from(bytes);
    match (AnyBatch::validate(kind, bytes.clone()), oracle) {
        (Err(Malformed { fault: Fault::Group(_) | Fault::Depth, .. }), _) | (Err(_), None) => Ok(()),
        (Err(malformed), Some(_)) => Err(format!("prost accepts what we refuse: {malformed}")),
        (Ok(_), None) => Err("we accept what prost refuses".to_owned()),
        (Ok((batch, rejected)), Some(oracle)) => {
            decoded::assert_shown(&batch);
            let passed = decoded(kind, batch.bytes()).ok_or("what passed is not readable")?;
            if rejected.is_none() && passed != oracle {
                return Err("the gate changed the meaning".to_owned());
            }
            Ok(())
        }
    }
}

#[test]
fn samples_are_shown_as_prost_decodes_them() {
    for (kind, bytes) in samples() {
        check(kind, bytes.to_vec()).unwrap();
    }
}

#[test]
fn gate_and_prost_agree_on_every_flipped_bit_and_every_cut() {
    for (kind, bytes) in samples() {
        for at in 0..bytes.len() {
            check(kind, bytes[..at].to_vec()).unwrap_or_else(|fault| panic!("{kind} cut at {at}: {fault}"));
            for bit in 0..8 {
                let mut flipped = bytes.to_vec();
                flipped[at] ^= 1 << bit;
                check(kind, flipped).unwrap_or_else(|fault| panic!("{kind} byte {at} bit {bit}: {fault}"));
            }
        }
    }
}

#[test]
fn nothing_panics_in_a_million_mutated_requests() {
    let mut random = Random(SEED);
    let seeds = [
        sample::traces(1, 2, 1).into_bytes(),
        sample::metrics(2, 1).into_bytes(),
        sample::logs(1, 1).into_bytes(),
    ];
    for round in 0..1_000_000 {
        let bytes = bodies::mutated(&seeds[round % seeds.len()], &mut random);
        // Each signal's own request is the interesting one; the full body runs on a part of them.
        if round % 50 == 0 {
            bodies::request(&bytes);
            bodies::response(&bytes);
        } else {
            let _ = AnyBatch::validate(SignalKind::ALL[round % seeds.len()], bytes.into());
        }
    }
}

#[test]
fn rewrites_agree_with_prost() {
    let batch = sample::traces(40, 6, 3);
    let whole = ExportTraceServiceRequest::decode(batch.bytes().clone()).unwrap();
    let spans = |request: &ExportTraceServiceRequest| -> Vec<_> {
        let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    };
    let kept = batch.retain_places(|place| place % 3 != 0).unwrap();
    let kept = ExportTraceServiceRequest::decode(kept.bytes().clone()).unwrap();
    let expected: Vec<_> = spans(&whole)
        .into_iter()
        .enumerate()
        .filter(|(place, _)| place % 3 != 0)
        .map(|(_, span)| span)
        .collect();
    assert_eq!(spans(&kept), expected);
    let pieces = split(&batch, 2_000);
    let pieces = pieces.iter().map(|piece| ExportTraceServiceRequest::decode(piece.bytes().clone()).unwrap());
    assert_eq!(pieces.flat_map(|piece| spans(&piece)).collect::<Vec<_>>(), spans(&whole));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn disorder_is_shown_as_prost_decodes_it(seed: u64, level in 1_u64..12) {
        let mut random = Random(seed);
        for (kind, bytes) in samples() {
            let bytes = disorder::disorder(Schema::request(kind), &bytes, level, &mut random);
            prop_assert!(decoded(kind, &bytes).is_some(), "disorder keeps a request readable");
            if let Err(fault) = check(kind, bytes.clone()) {
                return Err(TestCaseError::fail(format!("{kind}, seed {seed}: {fault}")));
            }
            bodies::request(&bytes);
        }
    }
}

const SEED: u64 = 0x5eed;
