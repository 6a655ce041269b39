use crate::{
    Batch, Signal, Traces, encode,
    rewrite::{Edit, concat, split},
    testing::sample,
    validate,
    view::{Attributes, Value},
};

/// What a rewrite gave must pass the gate as it is.
fn check<S: Signal>(batch: &Batch<S>) {
    let passed = validate::<S>(batch.bytes().clone()).unwrap();
    assert_eq!(passed.rejected, None);
    assert_eq!(passed.batch.items(), batch.items());
    assert_eq!(passed.batch.bytes(), batch.bytes());
}

fn names(batch: &Batch<Traces>) -> Vec<[u8; 8]> {
    let scopes = batch.view().resource_spans().flat_map(|resource| resource.scope_spans());
    scopes.flat_map(|scope| scope.spans()).map(|span| *span.span_id()).collect()
}

fn resources(batch: &Batch<Traces>) -> Vec<Attributes<'_>> {
    batch.view().resource_spans().map(|resource| resource.resource().attributes()).collect()
}

#[test]
fn keeping_everything_gives_the_same_bytes() {
    let batch = sample::traces_of_all_kinds(1);
    let kept = batch.retain_spans(|_| true).unwrap();
    assert_eq!(kept.bytes().as_ptr(), batch.bytes().as_ptr());
    let edited = batch.edit_spans(|_, _| Edit::Unchanged).edit_resources(|_, _| Edit::Unchanged);
    assert_eq!(edited.bytes().as_ptr(), batch.bytes().as_ptr());
}

#[test]
fn keeping_nothing_gives_none() {
    assert!(sample::traces(3, 2, 1).retain_spans(|_| false).is_none());
    assert!(sample::metrics_of_all_kinds(1).retain_metrics(|_| false).is_none());
    assert!(sample::logs(3, 1).retain_log_records(|_| false).is_none());
}

#[test]
fn what_is_kept_keeps_its_order() {
    let batch = sample::traces(20, 10, 1);
    let mut place = 0;
    let kept = batch
        .retain_spans(|_| {
            place += 1;
            place % 3 == 0
        })
        .unwrap();
    check(&kept);
    let expected: Vec<_> = names(&batch).into_iter().skip(2).step_by(3).collect();
    assert_eq!(names(&kept), expected);
    assert_eq!(resources(&kept), resources(&batch));
}

#[test]
fn an_envelope_goes_with_its_last_item() {
    let batch = sample::traces_of_all_kinds(1);
    let kept = batch.retain_places(|place| place == 3).unwrap();
    check(&kept);
    let scopes: Vec<_> = kept.view().resource_spans().flat_map(|resource| resource.scope_spans()).collect();
    assert_eq!((scopes.len(), scopes[0].scope().name()), (1, "two"));
    let metrics = sample::metrics_of_all_kinds(1);
    let kept = metrics.retain_metrics(|metric| metric.name() == "latency").unwrap();
    check(&kept);
    assert_eq!(kept.items(), 1);
    let kept = metrics.retain_places(|place| place == 1 || place == 4).unwrap();
    check(&kept);
    let scope = kept.view().resource_metrics().next().unwrap().scope_metrics().next().unwrap();
    assert_eq!(scope.metrics().map(|metric| metric.name()).collect::<Vec<_>>(), ["temperature", "size"]);
}

#[test]
fn attributes_are_inserted_updated_and_deleted() {
    let batch = sample::traces_of_all_kinds(1);
    let edited = batch.edit_spans(|span, out| {
        for pair in span.attributes().pairs().filter(|pair| pair.key() != "http.route") {
            match pair.key() {
                "http.request.method" => out.str("http.request.method", "PATCH"),
                _ => out.copy(pair),
            };
        }
        out.bool("new", true);
        Edit::Replaced
    });
    check(&edited);
    let before =
        batch.view().resource_spans().next().unwrap().scope_spans().next().unwrap().spans().next().unwrap();
    let after =
        edited.view().resource_spans().next().unwrap().scope_spans().next().unwrap().spans().next().unwrap();
    let list = after.attributes();
    assert_eq!(list.find("http.request.method"), Some(Value::Str("PATCH")));
    assert_eq!(list.find("http.route"), None);
    assert_eq!(list.find("new"), Some(Value::Bool(true)));
    assert_eq!(list.find("map"), before.attributes().find("map"));
    assert_eq!((after.name(), after.status().code(), after.events().count()), ("größer", 1, 1));
}

#[test]
fn resources_are_edited_and_made_where_missing() {
    let mut insert = |list: Attributes<'_>, out: &mut encode::AttributesWriter<'_>| {
        for pair in list.pairs() {
            out.copy(pair);
        }
        out.str("k", "v");
        Edit::Replaced
    };
    let batch = sample::traces_of_all_kinds(1).edit_resources(&mut insert);
    check(&batch);
    assert!(
        resources(&batch)
            .iter()
            .all(|list| list.find("k") == Some(Value::Str("v")) && list.iter().count() == 6)
    );
    let bare = validate::<Traces>(vec![0x0a, 2, 0x12, 0].into()).unwrap().batch;
    let made = bare.edit_resources(&mut insert);
    check(&made);
    assert_eq!(resources(&made)[0].find("k"), Some(Value::Str("v")));
}

#[test]
fn emptying_a_list_is_a_change() {
    let batch = sample::metrics_of_all_kinds(1).edit_points(|_, _| Edit::Replaced);
    check(&batch);
    let logs = sample::logs(4, 1).edit_log_records(|_, _| Edit::Replaced);
    check(&logs);
    let record = logs
        .view()
        .resource_logs()
        .next()
        .unwrap()
        .scope_logs()
        .next()
        .unwrap()
        .log_records()
        .next()
        .unwrap();
    assert!(record.attributes().is_empty());
}

#[test]
fn joined_batches_hold_all_items_in_order() {
    let (one, two) = (sample::traces(3, 2, 1), sample::traces_of_all_kinds(2));
    let joined = concat(&[one.clone(), two.clone()]);
    check(&joined);
    assert_eq!(names(&joined), [names(&one), names(&two)].concat());
    assert_eq!(concat(std::slice::from_ref(&one)).bytes().as_ptr(), one.bytes().as_ptr());
    assert_eq!(concat::<Traces>(&[]).items(), 0);
}

#[test]
fn pieces_fit_and_hold_all_items_in_order() {
    let batch = concat(&[sample::traces(50, 10, 1), sample::traces_of_all_kinds(2), sample::traces(1, 3, 3)]);
    for bytes_max in [700, 1_000, 2_000, 10_000, 1_000_000] {
        let pieces = split(&batch, bytes_max);
        pieces.iter().for_each(check);
        for piece in &pieces {
            let fits = piece.bytes().len() <= bytes_max;
            assert!(fits || piece.items() == 1, "{piece:?} at {bytes_max}");
        }
        let joined: Vec<_> = pieces.iter().flat_map(names).collect();
        assert_eq!(joined, names(&batch), "at {bytes_max}");
    }
    assert_eq!(split(&batch, usize::MAX)[0].bytes().as_ptr(), batch.bytes().as_ptr());
}

#[test]
fn a_metric_is_cut_between_its_points() {
    let batch = sample::metrics(100, 1);
    let pieces = split(&batch, 1_500);
    pieces.iter().for_each(check);
    assert!(pieces.len() > 3 && pieces.iter().all(|piece| piece.bytes().len() <= 1_500));
    assert_eq!(pieces.iter().map(Batch::items).sum::<usize>(), 100);
    let metric = |batch: &Batch<crate::Metrics>| {
        let scope = batch.view().resource_metrics().next().unwrap().scope_metrics().next().unwrap();
        scope.metrics().next().unwrap().unit().to_owned()
    };
    assert_eq!(metric(&pieces[2]), "{request}");
}

#[test]
fn a_large_header_does_not_explode() {
    let large = "x".repeat(64 << 10);
    let batch = encode::traces(|request| {
        request.resource(
            |resource| {
                resource.str("large", &large);
            },
            |scopes| {
                scopes.scope("", "", |spans| {
                    for _ in 0..10_000 {
                        spans.span(&[1; 16], &[2; 8], "n", |_| {});
                    }
                });
            },
        );
    });
    let pieces = split(&batch, 65 << 10);
    pieces.iter().for_each(check);
    let total: usize = pieces.iter().map(|piece| piece.bytes().len()).sum();
    assert!(total < 3 * batch.bytes().len(), "{} pieces of {total} bytes", pieces.len());
    assert_eq!(pieces.iter().map(Batch::items).sum::<usize>(), 10_000);
}
