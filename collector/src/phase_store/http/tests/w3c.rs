//! W3C trace context at the door, row by row: raw header lines in; the trace, its parent and its state out.

use proto::AnyBatch;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// What the root span of a task came out with: `trace parent flags state`, the trace or the parent `new` if it is ours.
async fn root(fixture: &Fixture, headers: &[&str]) -> String {
    let body = serde_json::json!({
        "phase": "validation", "repo": "acme/shop", "issue_number": 1, "commit_sha": "test123",
        "data": {"status": "failed"},
    });
    // Lines as they are, without a client that would tidy them up.
    let (body, key) = (body.to_string(), &fixture.key);
    let mut request = format!(
        "POST /api/v1/phases/store HTTP/1.1\r\nhost: localhost\r\nx-api-key: {key}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    headers.iter().for_each(|line| request += &format!("{line}\r\n"));
    let address = fixture.url.trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{request}\r\n{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{headers:?}: {answer}");
    let told: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    for batch in fixture.taken(SignalKind::Traces, 2).await {
        let AnyBatch::Traces(batch) = batch else { continue };
        let scopes = batch.view().resource_spans().flat_map(|resource| resource.scope_spans());
        let Some(span) = scopes.flat_map(|scope| scope.spans()).find(|span| span.name() == "task") else {
            continue;
        };
        let trace = hex(span.trace_id());
        assert_eq!(told["trace_id"], trace, "the answer names the trace");
        assert_ne!(hex(span.span_id()), PARENT, "the span is ours");
        let trace = if trace == TRACE { "taken" } else { "new" };
        let parent = span.parent_span_id().map_or("none".to_owned(), |id| hex(id));
        return format!("{trace} {parent} {:x} {}", span.flags(), span.trace_state()).trim_end().to_owned();
    }
    panic!("no root span for {headers:?}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Each case is a task of its own, because each ends its task.
async fn check_root(cases: &[(&[&str], &str)]) {
    let fixture = Fixture::new().await;
    for (headers, expected) in cases {
        assert_eq!(root(&fixture, headers).await, *expected, "{headers:?}");
    }
}

const TRACE: &str = "12345678901234567890123456789012";
const PARENT: &str = "1234567890123456";
const V: &str = "traceparent: 00-12345678901234567890123456789012-1234567890123456-01";
/// Remote parent, sampled, no state.
const TAKEN: &str = "taken 1234567890123456 301";
/// A trace of our own: sampled and random.
const NEW: &str = "new none 103";

#[tokio::test]
async fn w_1_without_a_header_a_trace_begins() {
    check_root(&[(&[], NEW)]).await;
}

#[tokio::test]
async fn w_2_a_trace_is_gone_on_with_under_a_new_parent_and_its_sampling_is_kept() {
    let unsampled = V.replace("-01", "-00");
    check_root(&[(&[V], TAKEN), (&[&unsampled], "taken 1234567890123456 300")]).await;
}

#[tokio::test]
async fn w_3_the_header_is_known_in_any_letter_case_and_by_no_other_name() {
    let named = |name: &str| V.replace("traceparent", name);
    for name in ["TraceParent", "TRACEPARENT", "tRaCePaReNt"] {
        check_root(&[(&[&named(name)], TAKEN)]).await;
    }
    for name in ["trace-parent", "trace.parent"] {
        check_root(&[(&[&named(name)], NEW)]).await;
    }
}

#[tokio::test]
async fn w_4_space_around_the_value_is_no_part_of_it() {
    let padded = [V.replace(": ", ":  \t "), format!("{V} \t"), V.replace(": ", ":")];
    for line in &padded {
        check_root(&[(&[line], TAKEN)]).await;
    }
}

#[tokio::test]
async fn w_5_two_headers_are_none() {
    check_root(&[(&[V, V], NEW), (&[V, "traceparent:"], NEW)]).await;
}

#[tokio::test]
async fn w_11_flags_with_a_meaning_are_kept_and_others_cleared() {
    let flags = |flags: &str| V.replace("-01", flags);
    check_root(&[
        (&[&flags("-02")], "taken 1234567890123456 302"),
        (&[&flags("-03")], "taken 1234567890123456 303"),
        (&[&flags("-fd")], "taken 1234567890123456 301"),
    ])
    .await;
}

#[tokio::test]
async fn w_12_w_13_an_invalid_parent_takes_the_state_with_it_and_not_the_other_way_round() {
    check_root(&[
        (&["traceparent: 00-0-0-0", "tracestate: a=1"], NEW),
        (&[V, "tracestate: a=1,B=2"], TAKEN),
        (&[V, "tracestate: a=1"], "taken 1234567890123456 301 a=1"),
    ])
    .await;
}

#[tokio::test]
async fn w_14_w_15_several_state_headers_are_one_list_in_order() {
    check_root(&[
        (&[V, "tracestate: b=2,a=1", "tracestate: c=3"], "taken 1234567890123456 301 b=2,a=1,c=3"),
        (&[V, "tracestate:", "TraceState: a=1 ,,\tb=2"], "taken 1234567890123456 301 a=1,b=2"),
    ])
    .await;
}

#[tokio::test]
async fn w_20_w_22_the_state_leaves_as_it_came_because_we_add_no_member_of_our_own() {
    let state = "tracestate: rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";
    let expected = format!("{TAKEN} rojo=00f067aa0ba902b7,congo=t61rcWkgMzE");
    check_root(&[(&[V, state], &expected)]).await;
}

#[tokio::test]
async fn w_23_spans_say_whether_their_parent_is_remote() {
    // 0x100: it is known; 0x200: it is.
    check_root(&[(&[V], TAKEN), (&[], NEW)]).await;
}
