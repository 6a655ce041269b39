//! Requests are written by hand here, byte by byte where it matters.

use bytes::Bytes;
use expect_test::{Expect, expect};

use crate::{Traces, testing::sample, validate, wire::Writer};

/// A span with these fields, in a request.
fn span(fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut out = Writer::default();
    out.message(1, |resource| resource.message(2, |scope| scope.message(2, fill)));
    out.into_vec()
}

fn ids(out: &mut Writer) {
    out.bytes(1, &[1; 16]);
    out.bytes(2, &[2; 8]);
}

fn check(bytes: Vec<u8>, expected: Expect) {
    let found = match validate::<Traces>(Bytes::from(bytes)) {
        Ok(passed) => match passed.rejected {
            None => format!("{:?}", passed.batch),
            Some(rejected) => format!("{:?}, {rejected}", passed.batch),
        },
        Err(malformed) => malformed.to_string(),
    };
    expected.assert_eq(&found);
}

#[test]
fn an_empty_request_is_a_request() {
    check(Vec::new(), expect!["Batch<traces>(0 items, 0 bytes)"]);
}

#[test]
fn unknown_fields_pass() {
    check(
        span(|out| {
            ids(out);
            out.uint(17, 1);
            out.string(1000, "x");
            out.fixed32((1 << 29) - 1, 7);
        }),
        expect!["Batch<traces>(1 items, 50 bytes)"],
    );
}

#[test]
fn faults_are_named_with_their_place() {
    check(
        vec![0x0a],
        expect![
            "byte 1, ExportTraceServiceRequest.resource_spans: a varint is cut off or longer than 64 bits"
        ],
    );
    check(
        vec![0x0a, 5, 0],
        expect!["byte 1, ExportTraceServiceRequest.resource_spans: the message ends inside the field"],
    );
    check(
        vec![0x08, 5],
        expect![
            "byte 1, ExportTraceServiceRequest.resource_spans: wire type 0 does not fit the field's type"
        ],
    );
    check(
        vec![0x13],
        expect![
            "byte 1, ExportTraceServiceRequest, field 2: wire type 3 is not allowed (groups are not supported)"
        ],
    );
    check(vec![0x02, 0], expect!["byte 1, ExportTraceServiceRequest: field number 0 is not allowed"]);
    check(
        vec![0x80, 0x80, 0x80, 0x80, 0x10],
        expect!["byte 0, ExportTraceServiceRequest: a tag is larger than 32 bits"],
    );
    check(span(|out| out.bytes(5, &[0xff])), expect!["byte 8, Span.name: the text is not valid UTF-8"]);
    check(
        span(|out| {
            ids(out);
            out.uint(16, 1);
        }),
        expect!["byte 36, Span.flags: wire type 0 does not fit the field's type"],
    );
}

#[test]
fn spans_with_wrong_ids_are_cut_out_and_counted() {
    let good = span(ids);
    let mut bytes = span(|out| {
        out.bytes(1, &[1; 15]);
        out.bytes(2, &[2; 8]);
    });
    bytes.extend(&good);
    bytes.extend(span(|out| {
        out.bytes(1, &[0; 16]);
        out.bytes(2, &[2; 8]);
    }));
    check(
        bytes.clone(),
        expect![
            "Batch<traces>(1 items, 34 bytes), 2 spans rejected: the first is number 1 of the request, Span.trace_id has 15 bytes, 16 are required"
        ],
    );
    let passed = validate::<Traces>(bytes.into()).unwrap();
    assert_eq!(passed.batch.bytes(), &good, "the neighbour keeps its bytes");
    check(
        span(|out| out.bytes(1, &[1; 16])),
        expect![
            "Batch<traces>(0 items, 0 bytes), 1 span rejected: number 1 of the request, Span.span_id has 0 bytes, 8 are required"
        ],
    );
    check(
        span(|out| {
            ids(out);
            out.bytes(4, &[1]);
        }),
        expect![
            "Batch<traces>(0 items, 0 bytes), 1 span rejected: number 1 of the request, Span.parent_span_id has 1 byte, 8 are required"
        ],
    );
}

#[test]
fn what_is_well_formed_is_not_copied() {
    let sample = sample::traces_of_all_kinds(7).into_bytes();
    let passed = validate::<Traces>(sample.clone()).unwrap();
    assert_eq!(passed.batch.bytes().as_ptr(), sample.as_ptr());
    assert_eq!(passed.batch.items(), 4);
}

#[test]
fn a_message_sent_in_parts_is_joined() {
    let bytes = span(|out| {
        ids(out);
        out.message(15, |status| status.string(2, "first"));
        out.string(5, "name");
        out.message(15, |status| status.uint(3, 2));
    });
    let passed = validate::<Traces>(bytes.into()).unwrap();
    let span = passed
        .batch
        .view()
        .resource_spans()
        .next()
        .unwrap()
        .scope_spans()
        .next()
        .unwrap()
        .spans()
        .next()
        .unwrap();
    assert_eq!((span.status().message(), span.status().code(), span.name()), ("first", 2, "name"));
}

/// A span with one attribute whose value is `depth` deep, in maps.
fn nested(depth: usize) -> Vec<u8> {
    fn value(out: &mut Writer, depth: usize) {
        if depth > 1 {
            out.message(6, |map| map.message(1, |pair| pair.message(2, |out| value(out, depth - 1))));
        }
    }
    span(|out| {
        ids(out);
        out.message(9, |pair| pair.message(2, |out| value(out, depth)));
    })
}

#[test]
fn values_nest_as_deep_as_the_limit_and_no_deeper() {
    assert!(validate::<Traces>(nested(32).into()).is_ok());
    let deeper = validate::<Traces>(nested(33).into()).unwrap_err();
    assert_eq!(deeper.fault, crate::validate::Fault::Depth);
    assert!(validate::<Traces>(nested(5_000).into()).is_err());
}

#[test]
fn attributes_of_the_usual_shape_are_checked_too() {
    let attribute = |pair: &[u8]| {
        span(|out| {
            ids(out);
            out.bytes(9, pair);
        })
    };
    check(
        attribute(b"\x0a\x01k\x12\x03\x0a\x01\xff"),
        expect!["byte 43, AnyValue.string_value: the text is not valid UTF-8"],
    );
    check(
        attribute(b"\x0a\x01\xff\x12\x03\x0a\x01v"),
        expect!["byte 38, KeyValue.key: the text is not valid UTF-8"],
    );
    check(
        attribute(b"\x0a\x01k\x12\x03\x12\x01v"),
        expect!["byte 42, AnyValue.bool_value: wire type 2 does not fit the field's type"],
    );
    check(
        attribute(b"\x0a\x01k\x12\x02\x18\x80"),
        expect!["byte 42, AnyValue.int_value: a varint is cut off or longer than 64 bits"],
    );
}
