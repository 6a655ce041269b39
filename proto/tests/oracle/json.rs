//! OTLP/JSON against the serde implementation of `opentelemetry-proto`.

use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
    trace::v1::ExportTraceServiceRequest,
};
use phasor_proto::{
    AnyBatch, SignalKind, json,
    schema::Message as Schema,
    testing::{Random, generated},
};
use proptest::prelude::*;
use prost::Message;
use serde::de::DeserializeOwned;

use crate::{decoded, disorder::disorder, samples};

/// What the oracle reads from the text, as protobuf.
fn read(kind: SignalKind, text: &[u8]) -> Vec<u8> {
    fn of<T: Message + DeserializeOwned>(text: &[u8]) -> Vec<u8> {
        let request: T = serde_json::from_slice(text)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(text)));
        request.encode_to_vec()
    }
    match kind {
        SignalKind::Traces => of::<ExportTraceServiceRequest>(text),
        SignalKind::Metrics => of::<ExportMetricsServiceRequest>(text),
        SignalKind::Logs => of::<ExportLogsServiceRequest>(text),
    }
}

fn encode(kind: SignalKind, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    json::encode(kind, bytes, &mut out);
    out
}

fn decode(kind: SignalKind, text: &[u8]) -> Vec<u8> {
    json::decode(kind, text, 64 << 20)
        .unwrap_or_else(|fault| panic!("{fault}: {}", String::from_utf8_lossy(text)))
}

#[test]
fn o_j15_the_example_documents_are_read_as_the_oracle_reads_them_and_come_back_equal() {
    for (kind, document) in DOCUMENTS {
        let bytes = decode(kind, document.as_bytes());
        let meaning = decoded(kind, &bytes).expect("protobuf");
        assert_eq!(meaning, read(kind, document.as_bytes()), "{document}");
        let (batch, rejected) = AnyBatch::validate(kind, bytes.clone().into()).expect("well formed");
        assert_eq!(rejected, None);
        assert!(batch.items() > 0);
        let again = encode(kind, &bytes);
        assert_eq!(decode(kind, &again), bytes, "{}", String::from_utf8_lossy(&again));
        assert_eq!(read(kind, &again), meaning);
    }
}

#[test]
fn a_request_of_another_signal_is_a_request_without_items() {
    // Its only key is unknown there.
    assert_eq!(decode(SignalKind::Logs, DOCUMENTS[0].1.as_bytes()), b"");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn every_request_comes_back_byte_for_byte(seed: u64) {
        for kind in SignalKind::ALL {
            let bytes = generated::request(kind, false, seed);
            let text = encode(kind, &bytes);
            prop_assert_eq!(decode(kind, &text), bytes, "{}", String::from_utf8_lossy(&text));
        }
    }

    /// It does not read requests in which fields are absent, nor every double exactly.
    #[test]
    fn the_oracle_reads_what_we_write(seed: u64) {
        for kind in SignalKind::ALL {
            let bytes = generated::request(kind, true, seed);
            let meaning = decoded(kind, &bytes).expect("protobuf");
            prop_assert_eq!(read(kind, &encode(kind, &bytes)), meaning);
        }
    }

    #[test]
    fn disorder_becomes_json_of_the_same_meaning(seed: u64, level in 1_u64..12) {
        let mut random = Random(seed);
        for (kind, bytes) in samples() {
            let bytes = disorder(Schema::request(kind), &bytes, level, &mut random);
            let meaning = decoded(kind, &bytes).expect("disorder keeps a request readable");
            let text = encode(kind, &bytes);
            prop_assert_eq!(decoded(kind, &decode(kind, &text)).expect("protobuf"), meaning);
        }
    }
}

const DOCUMENTS: [(SignalKind, &str); 4] = [
    (SignalKind::Traces, include_str!("documents/trace.json")),
    (SignalKind::Metrics, include_str!("documents/metrics.json")),
    (SignalKind::Logs, include_str!("documents/logs.json")),
    (SignalKind::Logs, include_str!("documents/events.json")),
];
