//! Names in UTF-8: what is kept of them, and what a scraper gets (conformance P-N10, M-C6 to M-C9).

use expect_test::{Expect, expect};

use super::{otlp::*, *};
use crate::prometheus::config::TranslationStrategy;

fn fixture(strategy: TranslationStrategy) -> Fixture {
    Fixture::with(&Config { translation_strategy: Some(strategy), ..Config::default() })
}

fn metrics() -> Vec<Metric> {
    let mut described = counter("http.requests", vec![int(&[("http.status", "200"), ("plain", "x")], 5)]);
    described.description = "How many".to_owned();
    vec![
        described,
        histogram("größe", "By", CUMULATIVE, vec![buckets(&[("a\"b", "\n")], &[1.0], &[1, 2], 3.0)]),
        gauge("plain_name", "", vec![int(&[], 1)]),
        gauge("a.b_c", "", vec![int(&[("a.b_c", "x")], 2)]),
    ]
}

/// The page of a table that keeps names as they are spelled, and adds suffixes.
fn check(escaping: Escaping, expected: Expect) {
    check_with(TranslationStrategy::NoUTF8EscapingWithSuffixes, escaping, expected);
}

fn check_with(strategy: TranslationStrategy, escaping: Escaping, expected: Expect) {
    let mut fixture = fixture(strategy);
    fixture.put(Resource::default(), metrics());
    expected.assert_eq(&fixture.page(Style { format: Format::OpenMetrics, escaping }));
}

#[test]
fn m_c6_underscores_give_the_old_names() {
    check(
        Escaping::Underscores,
        expect![[r##"
            # TYPE a_b_c gauge
            a_b_c{a_b_c="x"} 2
            # TYPE gr_e_bytes histogram
            # UNIT gr_e_bytes bytes
            gr_e_bytes_bucket{a_b="\n",le="1.0"} 1
            gr_e_bytes_bucket{a_b="\n",le="+Inf"} 3
            gr_e_bytes_sum{a_b="\n"} 3.0
            gr_e_bytes_count{a_b="\n"} 3
            # TYPE http_requests counter
            # HELP http_requests How many
            http_requests_total{http_status="200",plain="x"} 5
            # TYPE plain_name gauge
            plain_name 1
            # EOF
        "##]],
    );
}

#[test]
fn m_c7_dots_write_them_out() {
    check(
        Escaping::Dots,
        expect![[r##"
            # TYPE a_dot_b__c gauge
            a_dot_b__c{a_dot_b__c="x"} 2
            # TYPE gr____e__bytes histogram
            # UNIT gr____e__bytes bytes
            gr____e__bytes_bucket{a__b="\n",le="1.0"} 1
            gr____e__bytes_bucket{a__b="\n",le="+Inf"} 3
            gr____e__bytes_sum{a__b="\n"} 3.0
            gr____e__bytes_count{a__b="\n"} 3
            # TYPE http_dot_requests_ counter
            # HELP http_dot_requests_ How many
            http_dot_requests__total{http_dot_status="200",plain="x"} 5
            # TYPE plain_name gauge
            plain_name 1
            # EOF
        "##]],
    );
}

#[test]
fn m_c8_values_write_code_points() {
    check(
        Escaping::Values,
        expect![[r##"
            # TYPE U__a_2E_b__c gauge
            U__a_2E_b__c{U__a_2E_b__c="x"} 2
            # TYPE U__gr_F6__DF_e__bytes histogram
            # UNIT U__gr_F6__DF_e__bytes bytes
            U__gr_F6__DF_e__bytes_bucket{U__a_22_b="\n",le="1.0"} 1
            U__gr_F6__DF_e__bytes_bucket{U__a_22_b="\n",le="+Inf"} 3
            U__gr_F6__DF_e__bytes_sum{U__a_22_b="\n"} 3.0
            U__gr_F6__DF_e__bytes_count{U__a_22_b="\n"} 3
            # TYPE U__http_2E_requests_ counter
            # HELP U__http_2E_requests_ How many
            U__http_2E_requests__total{U__http_2E_status="200",plain="x"} 5
            # TYPE plain_name gauge
            plain_name 1
            # EOF
        "##]],
    );
}

#[test]
fn m_c9_utf8_is_quoted() {
    check(
        Escaping::AllowUtf8,
        expect![[r##"
            # TYPE "a.b_c" gauge
            {"a.b_c","a.b_c"="x"} 2
            # TYPE "größe_bytes" histogram
            # UNIT "größe_bytes" bytes
            {"größe_bytes_bucket","a\"b"="\n",le="1.0"} 1
            {"größe_bytes_bucket","a\"b"="\n",le="+Inf"} 3
            {"größe_bytes_sum","a\"b"="\n"} 3.0
            {"größe_bytes_count","a\"b"="\n"} 3
            # TYPE "http.requests" counter
            # HELP "http.requests" How many
            {"http.requests_total","http.status"="200",plain="x"} 5
            # TYPE plain_name gauge
            plain_name 1
            # EOF
        "##]],
    );
}

#[test]
fn p_n10_no_translation_adds_no_suffixes() {
    check_with(
        TranslationStrategy::NoTranslation,
        Escaping::AllowUtf8,
        expect![[r##"
            # TYPE "a.b_c" gauge
            {"a.b_c","a.b_c"="x"} 2
            # TYPE "größe" histogram
            {"größe_bucket","a\"b"="\n",le="1.0"} 1
            {"größe_bucket","a\"b"="\n",le="+Inf"} 3
            {"größe_sum","a\"b"="\n"} 3.0
            {"größe_count","a\"b"="\n"} 3
            # TYPE "http.requests" unknown
            # HELP "http.requests" How many
            {"http.requests","http.status"="200",plain="x"} 5
            # TYPE plain_name gauge
            plain_name 1
            # EOF
        "##]],
    );
}

#[test]
fn p_n10_without_suffixes_and_with_underscores() {
    let strategy = TranslationStrategy::UnderscoreEscapingWithoutSuffixes;
    let mut fixture = fixture(strategy);
    fixture.put(Resource::default(), metrics());
    let page = fixture.open_metrics();
    assert!(
        page.contains("# TYPE http_requests unknown\n") && page.contains("# TYPE gr_e histogram\n"),
        "{page}"
    );
    assert!(fixture.table.spellings.read().is_empty());
}

#[test]
fn m_c9_protobuf_has_the_names_as_they_are_spelled() {
    let mut fixture = fixture(TranslationStrategy::NoUTF8EscapingWithSuffixes);
    fixture.put(Resource::of(&[("service.name", "n"), ("host.name", "h")]), metrics());
    let page = fixture.bytes(Style { format: Format::Protobuf, escaping: Escaping::AllowUtf8 });
    let families = protobuf::decode(&page);
    let names: Vec<_> = families.iter().map(|family| &*family.name).collect();
    assert_eq!(names, ["target_info", "a.b_c", "größe_bytes", "http.requests_total", "plain_name"]);
    let labels: Vec<_> = families[2].metric[0].label.iter().map(|pair| (&*pair.name, &*pair.value)).collect();
    assert_eq!(labels, [("a\"b", "\n"), ("instance", ""), ("job", "n")]);
    assert!(families[0].metric[0].label.iter().any(|pair| pair.name == "host.name"));
}

#[test]
fn names_of_two_spellings_are_one_name_spelled_as_the_first() {
    let mut fixture = fixture(TranslationStrategy::NoUTF8EscapingWithSuffixes);
    fixture.put(Resource::default(), vec![gauge("a.b", "", vec![int(&[("c.d", "1")], 1)])]);
    let both = int(&[("c_d", "1"), ("c.d", "2")], 3);
    fixture.put(Resource::default(), vec![gauge("a_b", "", vec![int(&[("c_d", "2")], 2), both])]);
    expect![[r##"
        # TYPE "a.b" gauge
        {"a.b","c.d"="1"} 1
        {"a.b","c.d"="2"} 2
        {"a.b","c.d"="2;1"} 3
        # EOF
    "##]]
    .assert_eq(&fixture.page(Style { format: Format::OpenMetrics, escaping: Escaping::AllowUtf8 }));
}

#[test]
fn spellings_come_back_with_a_snapshot() {
    let style = Style { format: Format::OpenMetrics, escaping: Escaping::AllowUtf8 };
    let mut before = fixture(TranslationStrategy::NoUTF8EscapingWithSuffixes);
    before.put(Resource::default(), metrics());
    let mut state = Vec::new();
    before.input.save(&mut state);
    let mut after = fixture(TranslationStrategy::NoUTF8EscapingWithSuffixes);
    after.input.restore(&state).unwrap();
    assert_eq!(after.page(style), before.page(style));
    assert_eq!(after.table.usage.bytes.get(), before.table.usage.bytes.get());
}
