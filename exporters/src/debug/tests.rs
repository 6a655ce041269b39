use expect_test::{Expect, expect};
use proto::{AnyBatch, encode, testing::sample};

use super::*;

fn check(batch: AnyBatch, detailed: bool, expected: Expect) {
    expected.assert_eq(&text::text(&batch, detailed));
}

/// One span in which everything is written by the sender.
fn span(name: &str) -> AnyBatch {
    encode::traces(|request| {
        let resource = |attributes: &mut encode::AttributesWriter<'_>| {
            attributes.str("service.name", "shop");
        };
        request.resource(resource, |scopes| {
            scopes.scope("http", "1.2", |items| {
                items.span(&[0xab; 16], &[0xcd; 8], name, |span| {
                    span.kind(2).times(1_000, 3_500).status(2, "timed out");
                    span.attributes().int("status", 200).bool("ok", true);
                });
            });
        });
    })
    .into()
}

#[test]
fn normal_is_a_line_an_item() {
    check(
        span("GET /cart"),
        false,
        expect![[r#"

        GET /cart abababababababababababababababab cdcdcdcdcdcdcdcd status=200 ok=true"#]],
    );
}

#[test]
fn detailed_is_everything() {
    check(
        span("GET /cart"),
        true,
        expect![[r#"

        resource: service.name=shop
          scope: http 1.2
            span: GET /cart trace=abababababababababababababababab id=cdcdcdcdcdcdcdcd parent= kind=2
              start=1000 end=3500 nanoseconds=2500
              status=2 timed out
              attributes: status=200 ok=true"#]],
    );
}

#[test]
fn data_cannot_forge_log_lines() {
    check(
        span("a\n2026 INFO all is well\u{1b}[2J"),
        false,
        expect![[r#"

        a\n2026 INFO all is well\u{1b}[2J abababababababababababababababab cdcdcdcdcdcdcdcd status=200 ok=true"#]],
    );
}

#[test]
fn every_kind_of_item_has_a_text_and_its_length_is_bounded() {
    for batch in [
        sample::traces_of_all_kinds(1).into(),
        sample::metrics_of_all_kinds(1).into(),
        sample::traces(5000, 10, 1).into(),
        sample::metrics(5000, 1).into(),
        sample::logs(5000, 1).into(),
    ] {
        let batch: AnyBatch = batch;
        for detailed in [false, true] {
            let text = text::text(&batch, detailed);
            assert!(!text.is_empty() && text.len() < 80 << 10, "{} bytes", text.len());
            assert_eq!(text.contains("... and "), batch.items() == 5000);
        }
    }
}

#[test]
fn the_first_of_a_second_and_every_so_many_th_are_written() {
    let config = Config { sampling_initial: 2, sampling_thereafter: 3, ..Config::default() };
    let mut debug = config.build(&ComponentId::new("debug")).unwrap();
    let written = (0..11).filter(|number| {
        debug.second.requests = *number;
        debug.is_sampled()
    });
    assert_eq!(written.collect::<Vec<_>>(), [0, 1, 4, 7, 10]);
}

#[tokio::test]
async fn without_our_log_lines_go_where_one_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seen.txt");
    let yaml =
        format!("{{use_internal_logger: false, output_paths: ['{}'], verbosity: normal}}", path.display());
    let config: Config = serde_saphyr::from_str(&yaml).unwrap();
    assert_eq!((config.check(), config.without_effect()), (vec![], vec![]));
    let mut debug = config.build(&ComponentId::named("debug", "x")).unwrap();
    let batch: AnyBatch = span("GET /cart");
    let record = Record { position: Default::default(), arrival: pipelines::time::UnixNanos(1), batch };
    debug.show(&record).await;
    debug.summary(SignalKind::Traces).await;
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("debug/x traces items=1 \nGET /cart abab"), "{text}");
    assert!(text.ends_with(" received spans\n") && text.contains("requests=1 items=1"), "{text}");
}

#[test]
fn where_lines_go_is_checked() {
    let read = |yaml| serde_saphyr::from_str::<Config>(yaml).unwrap();
    assert_eq!(read("{use_internal_logger: false, output_paths: []}").check()[0].path, "output_paths");
    assert_eq!(read("{output_paths: [stderr]}").without_effect()[0].path, "output_paths");
    let nowhere = read("{use_internal_logger: false, output_paths: [stdout, /nowhere/x]}");
    assert_eq!(nowhere.build(&ComponentId::new("debug")).unwrap_err().path, "output_paths[1]");
}
