//! Keys of exporters.

use super::*;

#[test]
fn no_endpoint() {
    check(
        &with("exporters", "  debug:\n  otlp: {}\n"),
        expect![[r#"
        error: `endpoint` is missing; write for example tempo:4317
          --> phasor.yaml:7:3
           |
         7 |   otlp: {}
           |   ^^^^
           = path: exporters.otlp.endpoint

        1 error in the configuration
    "#]],
    );
}

#[test]
fn an_endpoint_without_a_port() {
    check(
        &with("exporters", "  debug:\n  otlp: {endpoint: tempo}\n"),
        expect![[r#"
        error: `tempo` has no port; write for example tempo:4317
          --> phasor.yaml:7:20
           |
         7 |   otlp: {endpoint: tempo}
           |                    ^^^^^
           = path: exporters.otlp.endpoint

        1 error in the configuration
    "#]],
    );
}

#[test]
fn an_endpoint_of_another_scheme() {
    check(
        &with("exporters", "  debug:\n  otlp: {endpoint: \"ftp://tempo:4317\"}\n"),
        expect![[r#"
        error: `ftp://tempo:4317` has a scheme other than http or https; write for example tempo:4317
          --> phasor.yaml:7:20
           |
         7 |   otlp: {endpoint: "ftp://tempo:4317"}
           |                    ^^^^^^^^^^^^^^^^^^
           = path: exporters.otlp.endpoint

        1 error in the configuration
    "#]],
    );
}

#[test]
fn a_certificate_without_its_key() {
    check(
        &with("exporters", "  debug:\n  otlp: {endpoint: \"a:1\", tls: {cert_file: c.pem}}\n"),
        expect![[r#"
            error: `cert_file` needs key_file beside it
              --> phasor.yaml:7:44
               |
             7 |   otlp: {endpoint: "a:1", tls: {cert_file: c.pem}}
               |                                            ^^^^^
               = path: exporters.otlp.tls.cert_file

            1 error in the configuration
        "#]],
    );
}

#[test]
fn one_authority_in_two_ways() {
    check(
        &with("exporters", "  debug:\n  otlp: {endpoint: \"a:1\", tls: {ca_file: a.pem, ca_pem: b}}\n"),
        expect![[r#"
            error: `ca_pem` says the same as ca_file; write one of them
              --> phasor.yaml:7:57
               |
             7 |   otlp: {endpoint: "a:1", tls: {ca_file: a.pem, ca_pem: b}}
               |                                                         ^
               = path: exporters.otlp.tls.ca_pem

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_header_that_grpc_cannot_send() {
    check(
        &with("exporters", "  debug:\n  otlp: {endpoint: \"a:1\", headers: {\"a b\": c}}\n"),
        expect![[r#"
            error: `a b` is not a name that gRPC can send as text
              --> phasor.yaml:7:44
               |
             7 |   otlp: {endpoint: "a:1", headers: {"a b": c}}
               |                                            ^
               = path: exporters.otlp.headers.a b

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_compression_of_no_exporter() {
    check(
        &with("exporters", "  debug:\n  otlp: {endpoint: \"a:1\", compression: gzpi}\n"),
        expect![[r#"
        error: `gzpi` is none of `gzip`, `zstd`, `snappy`, ``, `none`
          --> phasor.yaml:7:40
           |
         7 |   otlp: {endpoint: "a:1", compression: gzpi}
           |                                        ^^^^
           = path: exporters.otlp.compression
           = help: did you mean `gzip`?

        1 error in the configuration
    "#]],
    );
}

#[test]
fn an_attempt_without_time() {
    check(
        &with("exporters", "  debug:\n  otlp: {endpoint: \"a:1\", timeout: 0s}\n"),
        expect![[r#"
        error: `timeout` must be longer than 0, for example 5s
          --> phasor.yaml:7:36
           |
         7 |   otlp: {endpoint: "a:1", timeout: 0s}
           |                                    ^^
           = path: exporters.otlp.timeout

        1 error in the configuration
    "#]],
    );
}

#[test]
fn no_connections() {
    check(
        &with("exporters", "  debug:\n  otlp: {endpoint: \"a:1\", connections: 0}\n"),
        expect![[r#"
        error: `connections` must lie between 1 and 16
          --> phasor.yaml:7:40
           |
         7 |   otlp: {endpoint: "a:1", connections: 0}
           |                                        ^
           = path: exporters.otlp.connections

        1 error in the configuration
    "#]],
    );
}

#[test]
fn no_lag_at_all() {
    check(
        &with("exporters", "  debug:\n  otlp: {endpoint: \"a:1\", max_lag_bytes: 0}\n"),
        expect![[r#"
        error: `max_lag_bytes` must be more than 0, for example 64MiB
          --> phasor.yaml:7:42
           |
         7 |   otlp: {endpoint: "a:1", max_lag_bytes: 0}
           |                                          ^
           = path: exporters.otlp.max_lag_bytes

        1 error in the configuration
    "#]],
    );
}

#[test]
fn a_wait_that_grows_backwards() {
    check(
        &with(
            "exporters",
            "  debug:\n  otlp: {endpoint: \"a:1\", retry_on_failure: {initial_interval: 30s, max_interval: 5s}}\n",
        ),
        expect![[r#"
            error: `max_interval` must not be shorter than initial_interval
              --> phasor.yaml:7:83
               |
             7 |   otlp: {endpoint: "a:1", retry_on_failure: {initial_interval: 30s, max_interval: 5s}}
               |                                                                                   ^^
               = path: exporters.otlp.retry_on_failure.max_interval

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_retry_without_a_wait() {
    check(
        &with(
            "exporters",
            "  debug:\n  otlp: {endpoint: \"a:1\", retry_on_failure: {initial_interval: 0s}}\n",
        ),
        expect![[r#"
            error: `initial_interval` must be longer than 0, for example 5s
              --> phasor.yaml:7:64
               |
             7 |   otlp: {endpoint: "a:1", retry_on_failure: {initial_interval: 0s}}
               |                                                                ^^
               = path: exporters.otlp.retry_on_failure.initial_interval

            1 error in the configuration
        "#]],
    );
}

#[test]
fn jitter_beyond_the_whole() {
    check(
        &with(
            "exporters",
            "  debug:\n  otlp: {endpoint: \"a:1\", retry_on_failure: {randomization_factor: 1.5}}\n",
        ),
        expect![[r#"
            error: `randomization_factor` must lie between 0 and 1
              --> phasor.yaml:7:68
               |
             7 |   otlp: {endpoint: "a:1", retry_on_failure: {randomization_factor: 1.5}}
               |                                                                    ^^^
               = path: exporters.otlp.retry_on_failure.randomization_factor

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_queue_that_batches_requests() {
    check(
        &with(
            "exporters",
            "  debug:\n  otlp: {endpoint: \"a:1\", sending_queue: {batch: {sizer: requests}}}\n",
        ),
        expect![[r#"
            error: `sizer` must be `items` or `bytes`
              --> phasor.yaml:7:58
               |
             7 |   otlp: {endpoint: "a:1", sending_queue: {batch: {sizer: requests}}}
               |                                                          ^^^^^^^^
               = path: exporters.otlp.sending_queue.batch.sizer

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_batch_cut_below_its_least() {
    check(
        &with(
            "exporters",
            "  debug:\n  otlp: {endpoint: \"a:1\", sending_queue: {batch: {min_size: 100, max_size: 10}}}\n",
        ),
        expect![[r#"
            error: `max_size` must be 0 or not less than min_size
              --> phasor.yaml:7:76
               |
             7 |   otlp: {endpoint: "a:1", sending_queue: {batch: {min_size: 100, max_size: 10}}}
               |                                                                            ^^
               = path: exporters.otlp.sending_queue.batch.max_size

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_policy_that_is_unknown() {
    check(
        &with("exporters", "  debug:\n  otlp: {endpoint: \"a:1\", on_full: drop_newest}\n"),
        expect![[r#"
            error: `drop_newest` is none of `refuse`, `drop_oldest`
              --> phasor.yaml:7:36
               |
             7 |   otlp: {endpoint: "a:1", on_full: drop_newest}
               |                                    ^^^^^^^^^^^
               = path: exporters.otlp.on_full
               = help: did you mean `drop_oldest`?

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_balancer_that_is_unknown() {
    check(
        &with("exporters", "  debug:\n  otlp: {endpoint: \"a:1\", balancer_name: least_request}\n"),
        expect![[r#"
            error: `least_request` is none of `round_robin`, `pick_first`
              --> phasor.yaml:7:42
               |
             7 |   otlp: {endpoint: "a:1", balancer_name: least_request}
               |                                          ^^^^^^^^^^^^^
               = path: exporters.otlp.balancer_name

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_sample_of_every_none() {
    check(
        &with("exporters", "  debug: {sampling_thereafter: 0}\n"),
        expect![[r#"
        error: `sampling_thereafter` must be at least 1, which writes every request
          --> phasor.yaml:6:32
           |
         6 |   debug: {sampling_thereafter: 0}
           |                                ^
           = path: exporters.debug.sampling_thereafter

        1 error in the configuration
    "#]],
    );
}

#[test]
fn a_page_without_an_address() {
    check(
        &with("exporters", "  debug:\n  prometheus: {endpoint: nowhere}\n"),
        expect![[r#"
        error: `nowhere` is no address; write host:port, for example 127.0.0.1:4021
          --> phasor.yaml:7:26
           |
         7 |   prometheus: {endpoint: nowhere}
           |                          ^^^^^^^
           = path: exporters.prometheus.endpoint

        1 error in the configuration
    "#]],
    );
}

#[test]
fn a_translation_that_is_unknown() {
    check(
        &with("exporters", "  debug:\n  prometheus: {translation_strategy: UnderscoreEscaping}\n"),
        expect![[r#"
            error: `UnderscoreEscaping` is none of `UnderscoreEscapingWithSuffixes`, `UnderscoreEscapingWithoutSuffixes`, `NoUTF8EscapingWithSuffixes`, `NoTranslation`
              --> phasor.yaml:7:38
               |
             7 |   prometheus: {translation_strategy: UnderscoreEscaping}
               |                                      ^^^^^^^^^^^^^^^^^^
               = path: exporters.prometheus.translation_strategy
               = help: did you mean `UnderscoreEscapingWithSuffixes`?

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_translation_in_two_ways() {
    check(
        &with(
            "exporters",
            "  debug:\n  prometheus: {translation_strategy: UnderscoreEscapingWithSuffixes, add_metric_suffixes: true}\n",
        ),
        expect![[r#"
            warning: this exporter is not used
              --> phasor.yaml:7:3
               |
             7 |   prometheus: {translation_strategy: UnderscoreEscapingWithSuffixes, add_metric_suffixes: true}
               |   ^^^^^^^^^^
               = path: exporters.prometheus
               = help: name it in a pipeline under `service.pipelines`

            warning: `add_metric_suffixes` changes nothing here: translation_strategy says it
              --> phasor.yaml:7:91
               |
             7 |   prometheus: {translation_strategy: UnderscoreEscapingWithSuffixes, add_metric_suffixes: true}
               |                                                                                           ^^^^
               = path: exporters.prometheus.add_metric_suffixes

            0 errors and 2 warnings in the configuration

            loaded
        "#]],
    );
}
