//! Labels, scope, resource (conformance P-L).

use expect_test::expect;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValueList, any_value::Value};

use super::{otlp::*, *};

/// A service with a scope that has everything.
fn shop() -> Resource {
    let mut resource = Resource::of(&[
        ("service.namespace", "ns"),
        ("service.name", "n"),
        ("service.instance.id", "i"),
        ("host.name", "h"),
    ])
    .scope("lib", "1.0", &[("extra", "yes")]);
    resource.schema_url = "http://s";
    resource
}

/// The page after one gauge of this resource.
fn page_of(config: &Config, resource: Resource) -> String {
    let mut fixture = Fixture::with(config);
    fixture.put(resource, vec![gauge("a", "", vec![int(&[("p", "1")], 1)])]);
    fixture.open_metrics()
}

#[test]
fn p_l1_an_attribute_is_a_label_and_its_text_stays() {
    let page = page(vec![gauge("a", "", vec![int(&[("a.b", "ü \"x\"\\\n"), ("C-d", " ")], 1)])]);
    assert!(page.contains("\na{C_d=\" \",a_b=\"ü \\\"x\\\"\\\\\\n\"} 1\n"), "{page}");
}

#[test]
fn p_l2_values_that_are_not_text_are_spelled_out() {
    let any = |value| AnyValue { value: Some(value) };
    let list = |values: Vec<Value>| ArrayValue { values: values.into_iter().map(any).collect() };
    let mut point = int(&[], 1);
    point.attributes = vec![
        label("bool", Value::BoolValue(true)),
        label("int", Value::IntValue(42)),
        label("double", Value::DoubleValue(2.71)),
        label("nan", Value::DoubleValue(f64::NAN)),
        label("inf", Value::DoubleValue(f64::INFINITY)),
        label("bytes", Value::BytesValue(vec![1, 2, 3])),
        label("list", Value::ArrayValue(list(vec![Value::IntValue(1), Value::StringValue("x".into())]))),
        label("map", Value::KvlistValue(KeyValueList { values: labels(&[("k", "v")]) })),
    ];
    let page = page(vec![gauge("a", "", vec![point])]);
    expect![[r##"
        # TYPE a gauge
        a{bool="true",bytes="AQID",double="2.71",inf="Infinity",int="42",list="[1,\"x\"]",map="{\"k\":\"v\"}",nan="NaN"} 1
        # EOF
    "##]]
    .assert_eq(&page);
}

#[test]
fn p_l3_keys_that_become_one_label_are_joined_in_the_order_of_the_keys() {
    let page = page(vec![gauge("a", "", vec![int(&[("a_b", "y"), ("a.b", "x")], 1)])]);
    assert!(page.contains("\na{a_b=\"x;y\"} 1\n"), "{page}");
}

#[test]
fn p_l4_attributes_that_collide_with_labels_of_ours_are_joined() {
    let mut fixture = Fixture::new();
    let point = int(&[("job", "j"), ("instance", "k"), ("otel_scope_name", "s")], 1);
    fixture.put(shop(), vec![gauge("a", "", vec![point])]);
    let page = fixture.open_metrics();
    assert!(
        page.contains("instance=\"i;k\",job=\"ns/n;j\",") && page.contains("otel_scope_name=\"lib;s\""),
        "{page}"
    );
}

#[test]
fn p_l5_labels_le_and_quantile_are_renamed_and_counted() {
    let mut fixture = Fixture::new();
    let point = buckets(&[("le", "x")], &[], &[1], 1.0);
    let mut quantile = quantiles(&[(0.5, 1.0)], 1, 1.0);
    quantile.attributes = labels(&[("quantile", "x"), ("le", "y")]);
    let metrics = vec![histogram("h", "", CUMULATIVE, vec![point]), summary("s", vec![quantile])];
    fixture.put(Resource::default(), metrics);
    let page = fixture.open_metrics();
    assert!(page.contains(r#"h_bucket{exported_le="x",le="+Inf"} 1"#), "{page}");
    assert!(page.contains(r#"s{exported_quantile="x",le="y",quantile="0.5"} 1"#), "{page}");
    assert_eq!(fixture.table.counts.renamed_labels.total(), 2);
}

#[test]
fn p_l6_every_series_names_its_scope_unless_it_is_switched_off() {
    let page = page_of(&Config::default(), shop());
    let scope = r#"otel_scope_extra="yes",otel_scope_name="lib",otel_scope_schema_url="http://s",otel_scope_version="1.0""#;
    assert!(page.contains(&format!("\na{{instance=\"i\",job=\"ns/n\",{scope},p=\"1\"}} 1\n")), "{page}");
    let without = page_of(&Config { without_scope_info: true, ..Config::default() }, shop());
    assert!(without.contains("\na{instance=\"i\",job=\"ns/n\",p=\"1\"} 1\n"), "{without}");
}

#[test]
fn p_l7_scope_attributes_with_the_names_of_ours_are_left_out() {
    let attributes = [("name", "no"), ("version", "no"), ("schema_url", "no"), ("kept", "yes")];
    let page = page_of(&Config::default(), Resource::default().scope("lib", "1", &attributes));
    assert!(
        page.contains(r#"a{otel_scope_kept="yes",otel_scope_name="lib",otel_scope_version="1",p="1"} 1"#),
        "{page}"
    );
    assert!(!page.contains("no"), "{page}");
}

#[test]
fn p_l8_there_is_no_family_of_scopes() {
    assert!(!page_of(&Config::default(), shop()).contains("otel_scope_info"));
}

#[test]
fn p_l9_the_service_is_the_job_and_the_instance() {
    for (attributes, expected) in [
        (vec![("service.name", "n")], r#"instance="",job="n","#),
        (vec![("service.name", "n"), ("service.instance.id", "i")], r#"instance="i",job="n","#),
        (vec![("service.name", "n"), ("service.namespace", "ns")], r#"instance="",job="ns/n","#),
        (vec![("service.namespace", "ns")], ""),
        (vec![("service.instance.id", "i")], r#"instance="i","#),
    ] {
        let page = page_of(&Config::default(), Resource::of(&attributes));
        assert!(page.contains(&format!("\na{{{expected}p=\"1\"}} 1\n")), "{page}");
    }
}

#[test]
fn p_l10_a_job_and_instance_have_one_target_info() {
    let mut fixture = Fixture::new();
    let mut resource = shop();
    fixture.put(resource.clone(), vec![]);
    resource.attributes.extend(labels(&[("later", "1")]));
    fixture.put(resource, vec![]);
    fixture.put(Resource::of(&[("service.name", "other"), ("x", "y")]), vec![]);
    expect![[r##"
        # TYPE target info
        # HELP target Target metadata
        target_info{instance="",job="other",x="y"} 1
        target_info{host_name="h",instance="i",job="ns/n",later="1"} 1
        # EOF
    "##]]
    .assert_eq(&fixture.open_metrics());
    assert!(fixture.page(Format::Text).contains("# TYPE target_info gauge\n"));
}

#[test]
fn p_l11_a_resource_without_other_attributes_needs_no_target_info() {
    let resource = Resource::of(&[("service.name", "n"), ("service.instance.id", "i")]);
    assert!(!page_of(&Config::default(), resource).contains("target_info"));
}

#[test]
fn p_l12_resource_attributes_are_labels_only_where_asked_for() {
    assert!(!page_of(&Config::default(), shop()).contains("a{host_name"));
    let mut config = Config::default();
    config.resource_to_telemetry_conversion.enabled = true;
    let page = page_of(&config, shop());
    assert!(page.contains("\na{host_name=\"h\",instance=\"i\",job=\"ns/n\","), "{page}");
    assert!(page.contains("service_name=\"n\""), "{page}");
    config.resource_to_telemetry_conversion.exclude_service_attributes = true;
    assert!(!page_of(&config, shop()).contains("service_name"));
    config.resource_constant_labels.included = vec!["service.*".to_owned()];
    config.resource_constant_labels.excluded = vec!["*.namespace".to_owned()];
    let page = page_of(&config, shop());
    assert!(page.contains(",service_instance_id=\"i\",service_name=\"n\"} 1\n"), "{page}");
    assert!(!page.contains("a{host_name"), "{page}");
}

#[test]
fn p_l13_gauges_of_two_resources_with_one_label_set_are_one_series() {
    let mut fixture = Fixture::new();
    fixture.put(Resource::of(&[("a", "1")]), vec![gauge("g", "", vec![int(&[], 1)])]);
    fixture.put(Resource::of(&[("a", "2")]), vec![gauge("g", "", vec![int(&[], 2)])]);
    assert!(fixture.open_metrics().contains("# TYPE g gauge\ng 1\n"));
}
