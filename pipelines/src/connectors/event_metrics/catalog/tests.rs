use std::collections::BTreeMap;

use expect_test::{Expect, expect};

use super::*;

/// Shows what is wrong in a catalog, or nothing.
fn check(text: &str, expected: Expect) {
    let errors = Catalog::parse("own.yaml", text).err().unwrap_or_default();
    let errors: String = errors.iter().map(|error| format!("{error}\n")).collect();
    expected.assert_eq(&errors);
}

#[test]
fn every_fault_is_found_with_its_place() {
    check(
        "events:
  a.b:
    labels: [x, environment]
    metrics:
      - {name: a.b, kind: conter}
      - {name: a.c, kind: histogram, labels: [x]}
      - {name: 9a, kind: gauge, value: v, buckets: [1]}
      - {name: a.d, kind: histogram, value: v, buckets: [2, 1]}
",
        expect![[r#"
            own.yaml:5:9: events.a.b.metrics[0].kind: `conter` is no kind; it is counter, histogram or gauge (did you mean `counter`?)
            own.yaml:6:9: events.a.b.metrics[1].value: is missing; a histogram needs the attribute to take
            own.yaml:6:9: events.a.b.metrics[1].labels: `environment` is a label of every metric; leave it out
            own.yaml:6:9: events.a.b.metrics[1].labels: `x` is named twice (the event's labels count)
            own.yaml:6:9: events.a.b.metrics[1].buckets: are missing; a histogram needs ascending upper bounds
            own.yaml:7:9: events.a.b.metrics[2].name: `9a` is no metric name; it begins with a letter and goes on with letters, digits and . _ - /
            own.yaml:7:9: events.a.b.metrics[2].labels: `environment` is a label of every metric; leave it out
            own.yaml:7:9: events.a.b.metrics[2].buckets: a gauge has none; leave them out
            own.yaml:8:9: events.a.b.metrics[3].labels: `environment` is a label of every metric; leave it out
            own.yaml:8:9: events.a.b.metrics[3].buckets: must be ascending finite numbers
        "#]],
    );
}

#[test]
fn a_key_that_nobody_knows_is_refused() {
    check(
        "events:\n  a:\n    metrics:\n      - {name: a, kind: counter, bucket: [1]}\n",
        expect![[r#"
        own.yaml:4:34: unknown field `bucket`, expected one of name, kind, value, unit, description, labels, buckets
    "#]],
    );
}

#[test]
fn a_text_that_is_no_yaml_is_refused() {
    check(
        "events: [\n",
        expect![[r#"
        own.yaml:1:9: expected mapping start
    "#]],
    );
}

#[test]
fn two_events_may_feed_one_metric_if_both_declare_it_alike() {
    let alike = "{name: m, kind: histogram, value: v, buckets: [1]}";
    check(&format!("events: {{a: {{metrics: [{alike}]}}, b: {{metrics: [{alike}]}}}}"), expect![[r#""#]]);
    check(
        &format!(
            "events: {{a: {{metrics: [{alike}]}}, b: {{labels: [x], metrics: [{alike}, {{name: n.o, kind: counter}}, {{name: n_o, kind: counter}}]}}}}"
        ),
        expect![[r#"
            own.yaml:1:105: events.b.metrics[0].name: `m` is declared before with other labels, or in another order
            own.yaml:1:185: events.b.metrics[2].name: `n_o` and `n.o` would have the same name in Prometheus
        "#]],
    );
}

#[test]
fn events_may_leave_the_namespace_out() {
    let catalog = Catalog::shipped("rsolv").expect("shipped");
    assert_eq!(catalog.event_name("billing.credits_added").as_deref(), Some("rsolv.billing.credits_added"));
    assert_eq!(catalog.event_name("rsolv.scan.complete").as_deref(), Some("rsolv.scan.complete"));
    assert_eq!(catalog.event_name("credits_added"), None);
}

/// The names that the requirements promise, as Prometheus shows them, with their kind and labels.
#[test]
fn the_shipped_catalog_holds_every_promised_metric() {
    let catalog = Catalog::shipped("rsolv").expect("shipped");
    let shown: BTreeMap<String, String> = catalog
        .metrics()
        .iter()
        .map(|metric| {
            let unit = match metric.unit.as_str() {
                "ms" => "_milliseconds",
                "By" => "_bytes",
                unit => {
                    assert!(unit.is_empty() || unit.starts_with('{'), "{unit} would show in the name");
                    ""
                }
            };
            let total = if metric.kind == Kind::Counter { "_total" } else { "" };
            let bounds =
                if metric.bounds.is_empty() { String::new() } else { format!(" {:?}", metric.bounds) };
            (metric.name.replace('.', "_") + unit + total, format!("{{{}}}{bounds}", metric.labels.join(",")))
        })
        .collect();
    let shown: String = shown.iter().map(|(name, rest)| format!("{name}{rest}\n")).collect();
    expect![[r#"
        rsolv_billing_credits_added_quantity{customer_id,plan,reason,environment} [5.0, 10.0, 20.0, 30.0, 60.0, 120.0]
        rsolv_billing_credits_added_total{customer_id,plan,reason,environment}
        rsolv_billing_credits_consumed_total{customer_id,plan,reason,environment}
        rsolv_billing_invoice_failed_total{customer_id,plan,status,failure_code,environment}
        rsolv_billing_invoice_paid_amount_cents{customer_id,plan,status,environment} [100.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0, 25000.0, 50000.0]
        rsolv_billing_invoice_paid_total{customer_id,plan,status,environment}
        rsolv_billing_payment_processed_amount_cents{customer_id,plan,status,payment_method,environment} [100.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0, 25000.0, 50000.0]
        rsolv_billing_payment_processed_duration_milliseconds{customer_id,plan,status,payment_method,environment} [100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0]
        rsolv_billing_payment_processed_total{customer_id,plan,status,payment_method,environment}
        rsolv_billing_stripe_webhook_failed_total{event_type,failure_code,reason,environment}
        rsolv_billing_stripe_webhook_received_duration_milliseconds{event_type,status,environment} [100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0]
        rsolv_billing_stripe_webhook_received_total{event_type,status,environment}
        rsolv_billing_subscription_cancelled_total{customer_id,plan,status,reason,environment}
        rsolv_billing_subscription_created_total{customer_id,plan,status,payment_method,environment}
        rsolv_billing_subscription_renewed_total{customer_id,plan,status,payment_method,environment}
        rsolv_billing_usage_tracked_quantity{customer_id,plan,status,environment} [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0]
        rsolv_billing_usage_tracked_total{customer_id,plan,status,environment}
        rsolv_business_conversions_total{type,environment}
        rsolv_business_feedback_submissions_total{type,environment}
        rsolv_business_funnel_steps_total{step,environment}
        rsolv_business_signup_milestone{environment}
        rsolv_business_signups_by_domain_total{domain,environment}
        rsolv_business_signups_total{source,environment}
        rsolv_customer_onboarding_complete_total{status,source,reason,environment}
        rsolv_customer_onboarding_duration_milliseconds{status,source,reason,environment} [100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0]
        rsolv_customer_onboarding_failed_total{status,source,reason,environment}
        rsolv_mitigation_duration_milliseconds{repo,language,framework,environment} [1000.0, 5000.0, 10000.0, 30000.0, 60000.0, 120000.0, 300000.0]
        rsolv_mitigation_executions_total{repo,language,framework,status,environment}
        rsolv_mitigation_files_changed_total{repo,language,framework,environment}
        rsolv_mitigation_trust_score_value{repo,language,framework,environment} [0.0, 25.0, 50.0, 60.0, 70.0, 80.0, 90.0, 95.0, 100.0]
        rsolv_rate_limiter_current_count{limit,customer_id,environment}
        rsolv_rate_limiter_limit_exceeded_total{limit,customer_id,environment}
        rsolv_rate_limiter_requests_allowed_total{limit,customer_id,environment}
        rsolv_scan_duration_milliseconds{repo,language,framework,environment} [1000.0, 5000.0, 10000.0, 30000.0, 60000.0, 120000.0, 300000.0]
        rsolv_scan_executions_total{repo,language,framework,status,environment}
        rsolv_scan_vulnerabilities_found_total{repo,language,framework,environment}
        rsolv_security_pattern_rejections_total{pattern,language,environment}
        rsolv_test_integration_analyze_duration_milliseconds{customer_id,language,framework,status,method,environment} [10.0, 50.0, 100.0, 500.0, 1000.0, 5000.0, 10000.0, 30000.0, 60000.0, 300000.0]
        rsolv_test_integration_analyze_total{customer_id,language,framework,status,method,environment}
        rsolv_test_integration_generate_duration_milliseconds{customer_id,language,framework,status,method,environment} [10.0, 50.0, 100.0, 500.0, 1000.0, 5000.0, 10000.0, 30000.0, 60000.0, 300000.0]
        rsolv_test_integration_generate_lines_integrated{customer_id,language,framework,status,method,environment} [1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0]
        rsolv_test_integration_generate_total{customer_id,language,framework,status,method,environment}
        rsolv_validation_cache_entries{environment}
        rsolv_validation_cache_hits_total{environment}
        rsolv_validation_cache_invalidations_total{reason,environment}
        rsolv_validation_cache_memory_bytes{environment}
        rsolv_validation_cache_misses_total{environment}
        rsolv_validation_duration_milliseconds{repo,language,framework,environment} [1000.0, 5000.0, 10000.0, 30000.0, 60000.0, 120000.0, 300000.0]
        rsolv_validation_executions_total{repo,language,framework,status,environment}
        rsolv_validation_false_positives_total{pattern,environment}
        rsolv_validation_request_duration_milliseconds{result,environment} [5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0]
        rsolv_validation_requests_total{result,environment}
        rsolv_validation_test_generated_total{repo,language,framework,environment}
        rsolv_validation_tests_failed_total{repo,language,framework,environment}
        rsolv_validation_tests_passed_total{repo,language,framework,environment}
        rsolv_validation_vulnerabilities_found_total{repo,language,framework,environment}
    "#]].assert_eq(&shown);
}
