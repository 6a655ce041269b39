use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::{
    AnyBatch, SignalKind,
    response::{DETAILS_MAX, PartialSuccess, Status, Violation},
    testing::{Random, bodies, sample},
    view::Value,
    wire::Writer,
};

/// A request with one span that has these members beside the ids it needs.
fn span(members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"traceId":"{TRACE}","spanId":"{SPAN}"{comma}{members}}}]}}]}}]}}"#
    )
}

/// A request with one span that has one attribute of this value.
fn value(value: &str) -> String {
    span(&format!(r#""attributes":[{{"key":"k","value":{value}}}]"#))
}

fn bytes(kind: SignalKind, json: &str) -> Bytes {
    decode(kind, json.as_bytes(), BYTES_MAX).unwrap_or_else(|fault| panic!("{json}: {fault}")).into()
}

fn traces(json: &str) -> Bytes {
    bytes(SignalKind::Traces, json)
}

fn fault(json: &str) -> String {
    decode(SignalKind::Traces, json.as_bytes(), BYTES_MAX).expect_err(json).to_string()
}

fn text(kind: SignalKind, bytes: &[u8]) -> String {
    let mut out = Vec::new();
    encode(kind, bytes, &mut out);
    String::from_utf8(out).expect("JSON is UTF-8")
}

/// Two ways to write a request are the same one.
fn same(one: &str, other: &str) {
    assert_eq!(traces(one), traces(other), "{one}\n{other}");
}

/// The attribute `k` of the only span.
fn with_value(json: &str, check: impl FnOnce(Value<'_>)) {
    let batch = crate::validate::<crate::Traces>(traces(&value(json))).expect("valid").batch;
    let span = batch.view().resource_spans().flat_map(|one| one.scope_spans()).flat_map(|one| one.spans());
    let found = span.into_iter().next().expect("a span").attributes().find("k").expect("the attribute");
    check(found);
}

#[test]
fn o_j1_ids_are_hex_of_any_case() {
    let ids = |trace: &str, span: &str| {
        let link = format!(r#"{{"traceId":"{trace}","spanId":"{span}"}}"#);
        let json = format!(
            r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"traceId":"{trace}","spanId":"{span}",
            "parentSpanId":"{span}","links":[{link}]}}]}}]}}]}}"#
        );
        traces(&json)
    };
    let lower = ids("5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174");
    assert_eq!(ids("5B8EFFF798038103D269B633813FC60C", "EEE19B7EC3C1B174"), lower);
    assert_eq!(ids("5b8efFF798038103d269B633813Fc60C", "eEE19b7ec3C1b174"), lower);
    assert!(lower.windows(8).any(|bytes| bytes == [0xee, 0xe1, 0x9b, 0x7e, 0xc3, 0xc1, 0xb1, 0x74]));
    let again = text(SignalKind::Traces, &lower);
    assert_eq!(again.matches(r#""traceId":"5b8efff798038103d269b633813fc60c""#).count(), 2, "{again}");
    assert_eq!(again.matches(r#"panId":"eee19b7ec3c1b174""#).count(), 3, "{again}");
}

#[test]
fn o_j2_an_id_in_base64_is_refused_by_its_path() {
    let json = span(r#""links":[{"traceId":"W47/95gDgQPSabYzgT/GDA=="}]"#);
    assert_eq!(
        fault(&json),
        "line 1, column 138, resourceSpans[0].scopeSpans[0].spans[0].links[0].traceId: \
         an id is written in hex, 32 digits; this is not hex"
    );
    // One that happens to be hex as well has not the length of an id; see below.
    assert!(fault(&span(r#""parentSpanId":"abc""#)).ends_with("16 digits; this is not hex"));
}

#[test]
fn o_j2_a_span_with_an_id_of_another_length_is_rejected_and_its_neighbours_stay() {
    let good = format!(r#"{{"traceId":"{TRACE}","spanId":"{SPAN}"}}"#);
    let short = format!(r#"{{"traceId":"{TRACE}","spanId":"eee1"}}"#);
    let json = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{good},{short},{good}]}}]}}]}}"#);
    let (batch, rejected) = AnyBatch::validate(SignalKind::Traces, traces(&json)).expect("valid");
    let rejected = rejected.expect("one is rejected").to_string();
    assert_eq!(
        rejected,
        "1 span rejected: number 2 of the request, Span.span_id has 2 bytes, 8 are required"
    );
    assert_eq!(batch.items(), 2);
}

#[test]
fn o_j3_enums_are_integers_both_ways() {
    let json = span(r#""kind":2,"status":{"code":1}"#);
    assert_eq!(text(SignalKind::Traces, &traces(&json)), json);
    let json = span(r#""kind":77,"status":{"code":-5}"#);
    assert_eq!(text(SignalKind::Traces, &traces(&json)), json, "members we do not know stay");
}

#[test]
fn o_j4_the_name_of_an_enum_is_refused() {
    assert!(
        fault(&span(r#""kind":"SPAN_KIND_SERVER""#))
            .ends_with("spans[0].kind: an enum is written as its integer, not as a name")
    );
}

#[test]
fn o_j5_unknown_fields_are_passed_over_at_every_level() {
    let unknown =
        r#""new":{"a":[1,-2.5e+3,{"b":null,"":"\ud83d\ude00\\"},[],[[]],{}],"c":true},"x":false,"y":"z""#;
    let span = format!(
        r#"{{{unknown},"traceId":"{TRACE}",{unknown},"spanId":"{SPAN}","status":{{{unknown},"code":2}},
        "attributes":[{{{unknown},"key":"k","value":{{{unknown},"stringValue":"v",{unknown}}}}}]}}"#
    );
    let json = format!(
        r#"{{{unknown},"resourceSpans":[{{{unknown},"scopeSpans":[{{"spans":[{span}],{unknown}}}]}}],{unknown}}}"#
    );
    same(&json, &self::span(r#""status":{"code":2},"attributes":[{"key":"k","value":{"stringValue":"v"}}]"#));
}

#[test]
fn o_j6_keys_are_lower_camel_case() {
    let json = span(
        r#""parentSpanId":"eee19b7ec3c1b175","startTimeUnixNano":"1","endTimeUnixNano":"2","droppedAttributesCount":3,"droppedEventsCount":4,"droppedLinksCount":5,"traceState":"a=b","flags":257"#,
    );
    let again = text(SignalKind::Traces, &traces(&json));
    assert_eq!(again, json);
}

#[test]
fn o_j6_a_key_may_be_written_with_escapes() {
    same(&span(r#""k\u0069nd":2"#), &span(r#""kind":2"#));
}

#[test]
fn o_j7_snake_case_keys_are_unknown() {
    same(&span(r#""start_time_unix_nano":"1","trace_state":[],"Kind":2,"end_time_unix_nano":{}"#), &span(""));
}

#[test]
fn o_j8_64_bit_integers_are_strings_or_numbers_and_written_as_strings() {
    same(
        &span(r#""startTimeUnixNano":1760000000000000017"#),
        &span(r#""startTimeUnixNano":"1760000000000000017""#),
    );
    same(&value(r#"{"intValue":-12}"#), &value(r#"{"intValue":"-12"}"#));
    let metrics = |int: &str, count: &str| {
        let json = format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"sum":{{"dataPoints":[{{"asInt":{int}}}]}}}},{{"histogram":{{"dataPoints":[{{"count":{count},"bucketCounts":[{count},{count}]}}]}}}},{{"exponentialHistogram":{{"dataPoints":[{{"zeroCount":{count},"positive":{{"offset":-3,"bucketCounts":[{count}]}}}}]}}}}]}}]}}]}}"#
        );
        (bytes(SignalKind::Metrics, &json), json)
    };
    let (number, _) = metrics("-3", "7");
    let (string, json) = metrics(r#""-3""#, r#""7""#);
    assert_eq!(number, string);
    assert_eq!(text(SignalKind::Metrics, &number), json);
}

#[test]
fn o_j8_an_integer_may_be_written_with_a_point_or_an_exponent() {
    for written in ["15", "15.0", "1.5e1", "\"1.50E+1\"", "150e-1", "0.0015e4"] {
        same(&value(&format!(r#"{{"intValue":{written}}}"#)), &value(r#"{"intValue":"15"}"#));
    }
    for written in ["1.5", "1e-1", "\"\"", "\" 1\"", "\"0x1\"", "\"01\"", "1e999999999999999999999", "true"] {
        let said = fault(&value(&format!(r#"{{"intValue":{written}}}"#)));
        assert!(
            said.contains("attributes[0].value.intValue: an integer from -9223372036854775808"),
            "{said}"
        );
    }
}

#[test]
fn o_j9_integers_are_exact_up_to_their_bounds_and_refused_beyond() {
    for int in [i64::MIN, -(1 << 53) - 1, (1 << 53) + 1, i64::MAX] {
        with_value(&format!(r#"{{"intValue":"{int}"}}"#), |found| assert_eq!(found, Value::Int(int)));
        with_value(&format!(r#"{{"intValue":{int}}}"#), |found| assert_eq!(found, Value::Int(int)));
    }
    let json = span(r#""startTimeUnixNano":"18446744073709551615""#);
    assert_eq!(text(SignalKind::Traces, &traces(&json)), json);
    for beyond in [
        value(r#"{"intValue":"9223372036854775808"}"#),
        span(r#""startTimeUnixNano":"18446744073709551616""#),
        span(r#""startTimeUnixNano":-1"#),
        span(r#""startTimeUnixNano":99999999999999999999"#),
        span(r#""flags":4294967296"#),
        span(r#""kind":2147483648"#),
    ] {
        assert!(fault(&beyond).contains("is expected here"), "{beyond}");
    }
}

#[test]
fn o_j10_bytes_are_base64_of_either_alphabet() {
    for written in ["+/8A", "-_8A"] {
        with_value(&format!(r#"{{"bytesValue":"{written}"}}"#), |found| {
            assert_eq!(found, Value::Bytes(&[0xfb, 0xff, 0]));
        });
    }
    for (written, plain) in [("", &b""[..]), ("Zg==", b"f"), ("Zg", b"f"), ("Zm8=", b"fo"), ("Zm8", b"fo")] {
        with_value(&format!(r#"{{"bytesValue":"{written}"}}"#), |found| {
            assert_eq!(found, Value::Bytes(plain))
        });
    }
    for written in ["Z", "Zg=", "Zm8==", "=", "Z!==", "Zm 8", "Zg==Zg=="] {
        let said = fault(&value(&format!(r#"{{"bytesValue":"{written}"}}"#)));
        assert!(said.ends_with("bytesValue: bytes are written in base64; this is not base64"), "{said}");
    }
    let json = value(r#"{"bytesValue":"+/8A/g=="}"#);
    assert_eq!(text(SignalKind::Traces, &traces(&json)), json);
}

#[test]
fn o_j11_doubles_may_be_what_no_number_is() {
    with_value(r#"{"doubleValue":"NaN"}"#, |found| {
        assert!(matches!(found, Value::Double(value) if value.is_nan()))
    });
    for (written, double) in [
        (r#""Infinity""#, f64::INFINITY),
        (r#""-Infinity""#, f64::NEG_INFINITY),
        (r#""-1.5e3""#, -1_500.0),
        ("-0.0", -0.0),
        ("0.1", 0.1),
        ("5", 5.0),
        ("1.7976931348623157e308", f64::MAX),
        ("5e-324", 5e-324),
    ] {
        with_value(&format!(r#"{{"doubleValue":{written}}}"#), |found| {
            assert!(
                matches!(found, Value::Double(value) if value.to_bits() == double.to_bits()),
                "{written}"
            );
        });
    }
    for written in ["1e309", "\"inf\"", "\"nan\"", "\"1.\"", "\"\"", "\"1_0\"", "\"+1\""] {
        assert!(fault(&value(&format!(r#"{{"doubleValue":{written}}}"#))).contains("\"NaN\""), "{written}");
    }
    for double in ["\"NaN\"", "\"Infinity\"", "\"-Infinity\"", "0.1", "-0.0", "1.7976931348623157e+308"] {
        let json = value(&format!(r#"{{"doubleValue":{double}}}"#));
        assert_eq!(text(SignalKind::Traces, &traces(&json)), json);
    }
}

#[test]
fn o_j12_null_is_as_absent_for_a_field_and_refused_in_a_list() {
    same(
        &span(
            r#""kind":null,"name":null,"attributes":null,"status":null,"startTimeUnixNano":null,"parentSpanId":null,"kind":3"#,
        ),
        &span(r#""kind":3"#),
    );
    same(&value(r#"{"stringValue":null,"intValue":5,"arrayValue":null}"#), &value(r#"{"intValue":5}"#));
    assert!(
        fault(&span(r#""attributes":[null]"#))
            .ends_with("attributes[0]: null is no item of a list; leave it out")
    );
}

#[test]
fn o_j13_nesting_of_any_depth_is_refused_without_a_deep_stack() {
    for depth in [33, 10_000, 1_000_000] {
        let deep = format!(
            "{}{{}}{}",
            r#"{"kvlistValue":{"values":[{"key":"k","value":"#.repeat(depth),
            "}]}}".repeat(depth)
        );
        let said = fault(&value(&deep));
        assert!(
            said.ends_with("values are nested more than 32 deep, or unknown ones more than 128"),
            "{said}"
        );
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}"), (r#"[{"a":"#, "}]")] {
            let said = fault(&format!(
                r#"{{"x":{}1{}}}"#,
                open.repeat(depth.max(129)),
                close.repeat(depth.max(129))
            ));
            assert!(said.ends_with("unknown ones more than 128"), "{said}");
        }
    }
}

#[test]
fn o_j13_what_the_gate_takes_is_taken_to_the_last_level() {
    let deep = |levels: usize| {
        let open = r#"{"kvlistValue":{"values":[{"key":"k","value":"#.repeat(levels);
        value(&format!("{open}{}{}", r#"{"boolValue":true}"#, "}]}}".repeat(levels)))
    };
    let taken =
        (0..64).take_while(|levels| decode(SignalKind::Traces, deep(*levels).as_bytes(), BYTES_MAX).is_ok());
    let most = taken.last().expect("a plain value is taken");
    assert_eq!(most, 31);
    let bytes = traces(&deep(most));
    assert!(AnyBatch::validate(SignalKind::Traces, bytes.clone()).is_ok());
    assert_eq!(text(SignalKind::Traces, &bytes), deep(most));
}

#[test]
fn o_j14_a_key_twice_is_refused() {
    assert!(fault(&span(r#""kind":1,"kind":1"#)).ends_with("spans[0].kind: the key is there twice"));
    assert!(fault(r#"{"resourceSpans":[],"resourceSpans":[]}"#).ends_with("the key is there twice"));
    assert!(
        fault(&value(r#"{"intValue":1,"stringValue":""}"#))
            .ends_with("stringValue: the object has another kind of value already; it takes one")
    );
    same(&span(r#""x":1,"x":2"#), &span(""));
}

#[test]
fn o_j14_nothing_stands_before_or_after_the_document_but_white_space() {
    assert_eq!(traces(" \r\n\t{ } \n"), "");
    assert_eq!(fault("{}\n{}"), "line 2, column 1: nothing may follow the document");
    assert_eq!(
        fault("\u{feff}{}"),
        "line 1, column 1: a byte order mark stands before the document; JSON has none"
    );
    assert_eq!(fault(""), "line 1, column 1: an object is expected here, not the end of the text");
    assert_eq!(fault("[]"), "line 1, column 1: an object is expected here, not a list");
}

#[test]
fn faults_name_line_column_and_path() {
    let json = "{\"resourceSpans\": [\n  {},\n  {\"resource\": {\"attributes\": [{\"key\": \"ä\", \"value\": 5}]}}]}";
    assert_eq!(
        fault(json),
        "line 3, column 54, resourceSpans[1].resource.attributes[0].value: an object is expected here, not a number"
    );
}

#[test]
fn what_is_no_json_is_refused() {
    for json in [
        "{",
        "}",
        "{]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":+1}",
        "{\"a\":1e}",
        "{\"a\":-}",
        "{\"a\":tru}",
        "{\"a\":truex}",
        "{\"a\":[1,]}",
        "{\"a\":[1 2]}",
        "{\"a\" 1}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\ud800\\u0041\"}",
        "{\"a\":\"\\udc00\"}",
        "{\"a\":\"",
        "{\"a\":\"\\",
        "{\"a\":NaN}",
        "{,}",
        "{\"a\":1 \"b\":2}",
        "/* */{}",
        "{\"a\":[}]}",
        "{\"a\":{]}",
        "{\"resourceSpans\":nul}",
        "{\"resourceSpans\":[{}}",
        "{\"resourceSpans\":{}}",
        "{\"resourceSpans\":[{}],}",
        "{\"resourceSpans\":[{},]}",
        "{\"resourceSpans\":[,{}]}",
        "{\"resourceSpans\":nullx}",
    ] {
        fault(json);
    }
    let bad = decode(SignalKind::Traces, b"{\"a\":\"\xff\"}", BYTES_MAX).expect_err("not UTF-8");
    assert_eq!(bad.to_string(), "line 1, column 7: the text is not valid UTF-8");
}

#[test]
fn strings_keep_every_character() {
    let text =
        "\u{0} \u{1f} \" \\ / \u{7f} ä € 😀 \u{2028} \n\r\t\u{8}\u{c} and a long tail without anything";
    let escaped = text.chars().fold(String::new(), |all, one| {
        one.encode_utf16(&mut [0; 2]).iter().fold(all, |all, unit| all + &format!("\\u{unit:04X}"))
    });
    with_value(&format!(r#"{{"stringValue":"{escaped}"}}"#), |found| assert_eq!(found, Value::Str(text)));
    let written =
        self::text(SignalKind::Traces, &traces(&value(&format!(r#"{{"stringValue":"{escaped}"}}"#))));
    assert_eq!(traces(&written), traces(&value(&format!(r#"{{"stringValue":"{escaped}"}}"#))));
    with_value(r#"{"stringValue":"a\/\b\f\n\r\t\"\\"}"#, |found| {
        assert_eq!(found, Value::Str("a/\u{8}\u{c}\n\r\t\"\\"));
    });
}

#[test]
fn what_comes_out_never_moves_while_it_grows() {
    let long = "x".repeat(100_000);
    for text in [
        value(&format!(r#"{{"stringValue":"{long}"}}"#)),
        value(&format!(r#"{{"stringValue":"\n{long}\t{long}"}}"#)),
        value(&format!(r#"{{"bytesValue":"AA\/{}"}}"#, "A".repeat(100_001))),
        value(&format!(r#"{{"{long}\n":"\n{long}","intValue":1}}"#)),
    ] {
        let read = decode(SignalKind::Traces, text.as_bytes(), text.len()).unwrap();
        assert!(read.capacity() <= text.len() + 1024, "{} {}", read.capacity(), text.len());
        // Where it does not fit it is not made either.
        if read.len() > 1_000 {
            let what = decode(SignalKind::Traces, text.as_bytes(), read.len() - 500).unwrap_err().what;
            assert_eq!(what, What::Size { bytes_max: read.len() - 500 });
        }
    }
}

#[test]
fn what_is_short_where_it_is_right_is_not_kept_when_it_is_long() {
    let long = "1".repeat(5_000);
    for value in
        [format!(r#"{{"intValue":"\u0031{long}"}}"#), format!(r#"{{"doubleValue":"\u0031.{long}"}}"#)]
    {
        let text = self::value(&value);
        assert!(matches!(
            decode(SignalKind::Traces, text.as_bytes(), usize::MAX).unwrap_err().what,
            What::Number(_)
        ));
    }
}

#[test]
fn what_comes_out_is_not_larger_than_allowed() {
    let doubles = format!(
        r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"histogram":{{"dataPoints":[{{"explicitBounds":[{}0]}}]}}}}]}}]}}]}}"#,
        "0,".repeat(10_000)
    );
    let fault = decode(SignalKind::Metrics, doubles.as_bytes(), 1_000).expect_err("too large");
    assert_eq!(fault.what, What::Size { bytes_max: 1_000 });
    let empty = format!(r#"{{"resourceSpans":[{}{{}}]}}"#, "{},".repeat(10_000));
    let fault = decode(SignalKind::Traces, empty.as_bytes(), 1_000).expect_err("too large");
    assert_eq!(fault.what, What::Size { bytes_max: 1_000 });
}

#[test]
fn samples_come_back_byte_for_byte() {
    for (kind, bytes) in samples() {
        let json = text(kind, &bytes);
        assert_eq!(super::decode(kind, json.as_bytes(), BYTES_MAX).as_deref(), Ok(&bytes[..]), "{json}");
    }
}

#[test]
fn bytes_of_any_kind_become_valid_json() {
    let mut random = Random(7);
    let samples = samples();
    for round in 0..30_000 {
        let (kind, seed) = &samples[round % samples.len()];
        let bytes = bodies::mutated(seed, &mut random);
        let json = text(*kind, &bytes);
        serde_json::from_str::<serde::de::IgnoredAny>(&json)
            .unwrap_or_else(|error| panic!("{error}: {json}"));
        if round % 10 == 0 {
            bodies::json(&bytes);
        }
    }
}

#[test]
fn text_of_any_kind_is_read_or_refused_and_what_is_read_passes_the_gate() {
    let mut random = Random(11);
    let samples = samples();
    let mut read = 0;
    for round in 0..30_000 {
        let (kind, seed) = &samples[round % samples.len()];
        let mut json = bodies::mutated(text(*kind, seed).as_bytes(), &mut random);
        if round % 3 == 0 {
            json.truncate(random.below(json.len() as u64 + 1) as usize);
        }
        read += usize::from(decode(*kind, &json, BYTES_MAX).is_ok());
        bodies::json(&json);
    }
    assert!(read > 1_000, "{read}");
}

#[test]
fn parts_that_protobuf_merges_are_one_in_json() {
    let mut untidy = Writer::default();
    untidy.message(1, |resource| {
        // The resource in two parts around a scope, the schema URL twice, an unknown field, a wrong type.
        resource.message(1, |out| out.message(1, |out| out.string(1, "a")));
        resource.message(2, |_| {});
        resource.string(3, "one");
        resource.message(1, |out| out.uint(2, 4));
        resource.message(2, |scope| scope.string(3, "\u{e4}"));
        resource.string(3, "two");
        resource.uint(99, 1);
        resource.uint(3, 1);
    });
    let json = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"a"}],"droppedAttributesCount":4},"scopeSpans":[{},{"schemaUrl":"ä"}],"schemaUrl":"two"}]}"#;
    assert_eq!(text(SignalKind::Traces, untidy.as_slice()), json);
}

#[test]
fn of_a_oneof_the_last_member_counts() {
    let mut point = Writer::default();
    let metric = |point: &[u8]| {
        let mut out = Writer::default();
        out.message(1, |out| {
            out.message(2, |out| out.message(2, |out| out.message(5, |out| out.bytes(1, point))));
        });
        out.into_vec()
    };
    point.double(4, 1.5);
    point.fixed64(6, 2);
    let json = text(SignalKind::Metrics, &metric(point.as_slice()));
    assert!(json.ends_with(r#""dataPoints":[{"asInt":"2"}]}}]}]}]}"#), "{json}");
    let batch = crate::validate::<crate::Metrics>(bytes(SignalKind::Metrics, &json)).expect("valid").batch;
    assert_eq!(batch.items(), 1);
}

#[test]
fn text_that_is_not_utf_8_is_replaced() {
    let bytes = [b"\x0a\x0a\x1a\x08ok", &b"\xff\xfe"[..], b"\"\\\n."].concat();
    assert_eq!(
        text(SignalKind::Traces, &bytes),
        "{\"resourceSpans\":[{\"schemaUrl\":\"ok\u{fffd}\u{fffd}\\\"\\\\\\n.\"}]}"
    );
}

#[test]
fn o_h2_full_success_is_an_empty_object() {
    assert_eq!(encode_response(SignalKind::Traces, None), b"{}");
}

#[test]
fn partial_success_names_the_items_of_the_signal() {
    let partial = PartialSuccess { rejected: 3, message: "no \"trace\" id".to_owned() };
    for (kind, key) in
        SignalKind::ALL.into_iter().zip(["rejectedSpans", "rejectedDataPoints", "rejectedLogRecords"])
    {
        let json = String::from_utf8(encode_response(kind, Some(&partial))).expect("UTF-8");
        assert_eq!(json, format!(r#"{{"partialSuccess":{{"{key}":"3","errorMessage":"no \"trace\" id"}}}}"#));
    }
    let warning = PartialSuccess { rejected: 0, message: "careful".to_owned() };
    assert_eq!(
        encode_response(SignalKind::Logs, Some(&warning)),
        br#"{"partialSuccess":{"errorMessage":"careful"}}"#
    );
}

#[test]
fn a_status_has_its_details_by_type() {
    let status = Status {
        code: 14,
        message: "later".to_owned(),
        retry_after: Some(Duration::from_millis(1_500)),
        violations: vec![Violation { field: "Span.name".to_owned(), description: "not UTF-8".to_owned() }],
    };
    let json = String::from_utf8(encode_status(&status)).expect("UTF-8");
    assert_eq!(
        json,
        r#"{"code":14,"message":"later","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.500s"},{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"Span.name","description":"not UTF-8"}]}]}"#
    );
    assert_eq!(encode_status(&Status::default()), b"{}");
    let many = Status { violations: vec![Violation::default(); 1_000], ..Status::default() };
    let json = String::from_utf8(encode_status(&many)).expect("UTF-8");
    assert_eq!(json.matches("{}").count(), DETAILS_MAX);
    for (nanos, written) in [(0, "5s"), (1, "5.000000001s"), (1_000, "5.000001s"), (20_000_000, "5.020s")] {
        let status = Status { retry_after: Some(Duration::new(5, nanos)), ..Status::default() };
        let json = String::from_utf8(encode_status(&status)).expect("UTF-8");
        assert!(json.ends_with(&format!(r#""retryDelay":"{written}"}}]}}"#)), "{json}");
    }
}

fn samples() -> [(SignalKind, Bytes); 4] {
    [
        (SignalKind::Traces, sample::traces_of_all_kinds(1).into_bytes()),
        (SignalKind::Traces, sample::traces(20, 12, 1).into_bytes()),
        (SignalKind::Metrics, sample::metrics_of_all_kinds(1).into_bytes()),
        (SignalKind::Logs, sample::logs(6, 1).into_bytes()),
    ]
}

const TRACE: &str = "5b8efff798038103d269b633813fc60c";
const SPAN: &str = "eee19b7ec3c1b174";
const BYTES_MAX: usize = 64 << 20;
