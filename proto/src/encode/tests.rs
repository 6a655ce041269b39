//! What is written must pass the gate unchanged and read back as it was given.

use crate::{Batch, Signal, encode, testing::sample, validate, view::Value};

fn check<S: Signal>(batch: Batch<S>) {
    let passed = validate::<S>(batch.bytes().clone()).unwrap();
    assert_eq!(passed.rejected, None);
    assert_eq!(passed.batch.items(), batch.items());
    assert_eq!(passed.batch.bytes().as_ptr(), batch.bytes().as_ptr(), "canonical, so not written anew");
}

#[test]
fn what_is_written_passes_the_gate() {
    check(sample::traces(100, 10, 1));
    check(sample::traces_of_all_kinds(2));
    check(sample::metrics(10, 3));
    check(sample::metrics_of_all_kinds(4));
    check(sample::logs(10, 5));
}

#[test]
fn a_span_reads_back() {
    let batch = encode::traces(|request| {
        request.resource(
            |resource| {
                resource.str("service.name", "s");
            },
            |scopes| {
                scopes.scope("lib", "1", |spans| {
                    spans.span(&[1; 16], &[2; 8], "name", |span| {
                        span.parent(&[3; 8]).trace_state("a=b").flags(1).kind(2).times(5, 9).status(2, "no");
                        span.attributes().str("k", "v").int("n", -7);
                    });
                });
            },
        );
    });
    let resource = batch.view().resource_spans().next().unwrap();
    assert_eq!(resource.resource().attributes().find("service.name"), Some(Value::Str("s")));
    let scope = resource.scope_spans().next().unwrap();
    assert_eq!((scope.scope().name(), scope.scope().version()), ("lib", "1"));
    let span = scope.spans().next().unwrap();
    assert_eq!((span.trace_id(), span.span_id(), span.parent_span_id()), (&[1; 16], &[2; 8], Some(&[3; 8])));
    assert_eq!((span.name(), span.trace_state(), span.flags(), span.kind()), ("name", "a=b", 1, 2));
    assert_eq!((span.start_ns(), span.end_ns()), (5, 9));
    assert_eq!((span.status().code(), span.status().message()), (2, "no"));
    assert_eq!(format!("{:?}", span.attributes()), r#"{"k": "v", "n": -7}"#);
}

#[test]
fn values_nested_too_deep_become_empty() {
    fn deeper(out: &mut encode::AttributesWriter<'_>, levels: usize) {
        if levels > 0 {
            out.map("m", |map| deeper(map, levels - 1));
        }
    }
    check(encode::logs(|request| {
        request.resource(
            |_| {},
            |scopes| {
                scopes.scope("", "", |records| {
                    records.log_record(1, 1, |record| deeper(&mut record.attributes(), 200));
                });
            },
        );
    }));
}

#[test]
fn a_corpus_span_has_about_440_bytes() {
    let batch = sample::traces(100, 10, 1);
    let bytes = batch.bytes().len() / 100;
    assert!((400..480).contains(&bytes), "{bytes} bytes a span");
}
