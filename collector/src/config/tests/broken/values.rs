//! Several faults of one component at once.

use super::*;

#[test]
fn a_file_storage_that_is_unknown() {
    check(
        &with("extensions", "  file_storage:\n    directroy: /x\n    create_directory: yes\n"),
        expect![[r#"
            error: unknown key `directroy`
               --> phasor.yaml:14:5
                |
             14 |     directroy: /x
                |     ^^^^^^^^^
                = path: extensions.file_storage.directroy
                = help: did you mean `directory`?

            error: expected `true` or `false`, found the text `yes`
               --> phasor.yaml:15:23
                |
             15 |     create_directory: yes
                |                       ^^^
                = path: extensions.file_storage.create_directory

            2 errors in the configuration
        "#]],
    );
}

#[test]
fn a_health_check_with_tls() {
    check(
        &with(
            "extensions",
            "  health_check:\n    tls: {cert_file: x}\n    endpoint: nowhere\n    path: health\n",
        ),
        expect![[r#"
            error: `tls` of the health check is not in this version
               --> phasor.yaml:14:5
                |
             14 |     tls: {cert_file: x}
                |     ^^^
                = path: extensions.health_check.tls

            error: `endpoint` must be host:port, such as 127.0.0.1:13133
               --> phasor.yaml:15:15
                |
             15 |     endpoint: nowhere
                |               ^^^^^^^
                = path: extensions.health_check.endpoint

            error: `path` must begin with `/`
               --> phasor.yaml:16:11
                |
             16 |     path: health
                |           ^^^^^^
                = path: extensions.health_check.path

            3 errors in the configuration
        "#]],
    );
}

#[test]
fn processors_are_checked_too() {
    check(
        &with(
            "processors",
            "  memory_limiter:\n    limit_mib: -1\n    check_intervall: 1s\n  attributes:\n    actions: [{key: a, action: insret, value: 1}, {action: delete}]\n  resource: {}\n",
        ),
        expect![[r#"
            error: expected a whole number from 0, found the number -1
               --> phasor.yaml:14:16
                |
             14 |     limit_mib: -1
                |                ^^
                = path: processors.memory_limiter.limit_mib

            error: unknown key `check_intervall`
               --> phasor.yaml:15:5
                |
             15 |     check_intervall: 1s
                |     ^^^^^^^^^^^^^^^
                = path: processors.memory_limiter.check_intervall
                = help: did you mean `check_interval`?

            error: `insret` is no action; one of insert, update, upsert, delete, hash, extract, convert (did you mean `insert`?)
               --> phasor.yaml:17:32
                |
             17 |     actions: [{key: a, action: insret, value: 1}, {action: delete}]
                |                                ^^^^^^
                = path: processors.attributes.actions[0].action

            error: `key` is missing; name the attribute to act on
               --> phasor.yaml:17:51
                |
             17 |     actions: [{key: a, action: insret, value: 1}, {action: delete}]
                |                                                   ^
                = path: processors.attributes.actions[1].key

            error: `attributes` is empty; name at least one action
               --> phasor.yaml:18:3
                |
             18 |   resource: {}
                |   ^^^^^^^^
                = path: processors.resource.attributes

            5 errors in the configuration
        "#]],
    );
}

#[test]
fn connectors_are_checked_too() {
    check(
        &with(
            "connectors",
            "  spanmetrics:\n    histogram: {explicit: {buckets: [10ms, 5ms]}, unit: min}\n    dimensions: [{name: span.name}, {nam: x}]\n  event_metrics: {catalog: 5}\n",
        ),
        expect![[r#"
            error: 5ms is not longer than the bound before it, 10ms
               --> phasor.yaml:14:44
                |
             14 |     histogram: {explicit: {buckets: [10ms, 5ms]}, unit: min}
                |                                            ^^^
                = path: connectors.spanmetrics.histogram.explicit.buckets[1]

            error: `min` is none of `ms`, `s`
               --> phasor.yaml:14:57
                |
             14 |     histogram: {explicit: {buckets: [10ms, 5ms]}, unit: min}
                |                                                         ^^^
                = path: connectors.spanmetrics.histogram.unit

            error: `span.name` is already one of the default dimensions; leave it out here, or add `span.name` to exclude_dimensions
               --> phasor.yaml:15:25
                |
             15 |     dimensions: [{name: span.name}, {nam: x}]
                |                         ^^^^^^^^^
                = path: connectors.spanmetrics.dimensions[0].name

            error: unknown key `nam`
               --> phasor.yaml:15:38
                |
             15 |     dimensions: [{name: span.name}, {nam: x}]
                |                                      ^^^
                = path: connectors.spanmetrics.dimensions[1].nam
                = help: did you mean `name`?

            error: expected a list, found the number 5
               --> phasor.yaml:16:28
                |
             16 |   event_metrics: {catalog: 5}
                |                            ^
                = path: connectors.event_metrics.catalog

            5 errors in the configuration
        "#]],
    );
}

#[test]
fn exporters_are_checked_too() {
    check(
        &with(
            "exporters",
            "  debug: {verbosity: loud}\n  otlp:\n    endpiont: tempo:4317\n    tls: {insecure: yes}\n    retry_on_failure: {multiplier: 0}\n    sending_queue: {num_consumers: 0, sizer: byte}\n",
        ),
        expect![[r#"
            error: `loud` is none of `basic`, `normal`, `detailed`
              --> phasor.yaml:6:22
               |
             6 |   debug: {verbosity: loud}
               |                      ^^^^
               = path: exporters.debug.verbosity

            error: unknown key `endpiont`
              --> phasor.yaml:8:5
               |
             8 |     endpiont: tempo:4317
               |     ^^^^^^^^
               = path: exporters.otlp.endpiont
               = help: did you mean `endpoint`?

            error: expected `true` or `false`, found the text `yes`
              --> phasor.yaml:9:21
               |
             9 |     tls: {insecure: yes}
               |                     ^^^
               = path: exporters.otlp.tls.insecure

            error: `multiplier` must lie between 1 and 100
               --> phasor.yaml:10:36
                |
             10 |     retry_on_failure: {multiplier: 0}
                |                                    ^
                = path: exporters.otlp.retry_on_failure.multiplier

            error: `num_consumers` must lie between 1 and 1000
               --> phasor.yaml:11:36
                |
             11 |     sending_queue: {num_consumers: 0, sizer: byte}
                |                                    ^
                = path: exporters.otlp.sending_queue.num_consumers

            error: `byte` is none of `requests`, `items`, `bytes`
               --> phasor.yaml:11:46
                |
             11 |     sending_queue: {num_consumers: 0, sizer: byte}
                |                                              ^^^^
                = path: exporters.otlp.sending_queue.sizer
                = help: did you mean `bytes`?

            6 errors in the configuration
        "#]],
    );
}

#[test]
fn the_phase_store_is_checked_too() {
    check(
        &with(
            "receivers",
            "  otlp: {protocols: {grpc: }}\n  phase_store: {storage: sqlit, endpoint: here, retention: 3 moons}\n",
        ),
        expect![[r#"
            error: `sqlit` is not a storage; write `sqlite`
              --> phasor.yaml:3:26
               |
             3 |   phase_store: {storage: sqlit, endpoint: here, retention: 3 moons}
               |                          ^^^^^
               = path: receivers.phase_store.storage

            error: `here` is not an address; write for example 127.0.0.1:4000
              --> phasor.yaml:3:43
               |
             3 |   phase_store: {storage: sqlit, endpoint: here, retention: 3 moons}
               |                                           ^^^^
               = path: receivers.phase_store.endpoint

            error: `3 moons` is not a duration; write for example 300ms, 1.5s, 10m or 1h30m
              --> phasor.yaml:3:60
               |
             3 |   phase_store: {storage: sqlit, endpoint: here, retention: 3 moons}
               |                                                            ^^^^^^^
               = path: receivers.phase_store.retention

            3 errors in the configuration
        "#]],
    );
}
