//! Keys of receivers.

use super::*;

#[test]
fn a_listener_without_a_port() {
    check(
        &with("receivers", "  otlp: {protocols: {grpc: {endpoint: localhost}}}\n"),
        expect![[r#"
        error: `localhost` has no port; write host:port, such as 127.0.0.1:4317
          --> phasor.yaml:2:39
           |
         2 |   otlp: {protocols: {grpc: {endpoint: localhost}}}
           |                                       ^^^^^^^^^
           = path: receivers.otlp.protocols.grpc.endpoint

        1 error in the configuration
    "#]],
    );
}

#[test]
fn a_listener_that_is_a_url() {
    check(
        &with("receivers", "  otlp: {protocols: {grpc: {endpoint: \"http://0.0.0.0:4317\"}}}\n"),
        expect![[r#"
            error: `http://0.0.0.0:4317` is a URL; write host:port without a scheme
              --> phasor.yaml:2:39
               |
             2 |   otlp: {protocols: {grpc: {endpoint: "http://0.0.0.0:4317"}}}
               |                                       ^^^^^^^^^^^^^^^^^^^^^
               = path: receivers.otlp.protocols.grpc.endpoint

            1 error in the configuration
        "#]],
    );
}

#[test]
fn an_ipv6_listener_without_brackets() {
    check(
        &with("receivers", "  otlp: {protocols: {grpc: {endpoint: \"::1:4317\"}}}\n"),
        expect![[r#"
        error: `::1` needs brackets as an IPv6 address; write [::1]:4317
          --> phasor.yaml:2:39
           |
         2 |   otlp: {protocols: {grpc: {endpoint: "::1:4317"}}}
           |                                       ^^^^^^^^^^
           = path: receivers.otlp.protocols.grpc.endpoint

        1 error in the configuration
    "#]],
    );
}

#[test]
fn a_port_that_is_too_large() {
    check(
        &with("receivers", "  otlp: {protocols: {grpc: {endpoint: \"0.0.0.0:99999\"}}}\n"),
        expect![[r#"
            error: `99999` is not a port; write a number from 0 to 65535
              --> phasor.yaml:2:39
               |
             2 |   otlp: {protocols: {grpc: {endpoint: "0.0.0.0:99999"}}}
               |                                       ^^^^^^^^^^^^^^^
               = path: receivers.otlp.protocols.grpc.endpoint

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_port_that_is_a_name() {
    check(
        &with("receivers", "  otlp: {protocols: {grpc: {endpoint: \"0.0.0.0:grpc\"}}}\n"),
        expect![[r#"
            error: `grpc` is not a port; write a number from 0 to 65535
              --> phasor.yaml:2:39
               |
             2 |   otlp: {protocols: {grpc: {endpoint: "0.0.0.0:grpc"}}}
               |                                       ^^^^^^^^^^^^^^
               = path: receivers.otlp.protocols.grpc.endpoint

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_transport_that_is_none() {
    check(
        &with("receivers", "  otlp: {protocols: {grpc: {transport: udp}}}\n"),
        expect![[r#"
        error: `udp` is not supported; write tcp, tcp4, tcp6 or unix
          --> phasor.yaml:2:40
           |
         2 |   otlp: {protocols: {grpc: {transport: udp}}}
           |                                        ^^^
           = path: receivers.otlp.protocols.grpc.transport

        1 error in the configuration
    "#]],
    );
}

#[test]
fn a_message_size_beyond_all_reason() {
    check(
        &with("receivers", "  otlp: {protocols: {grpc: {max_recv_msg_size_mib: 5000}}}\n"),
        expect![[r#"
            error: `max_recv_msg_size_mib` must be at most 1024 MiB, not 5000
              --> phasor.yaml:2:52
               |
             2 |   otlp: {protocols: {grpc: {max_recv_msg_size_mib: 5000}}}
               |                                                    ^^^^
               = path: receivers.otlp.protocols.grpc.max_recv_msg_size_mib

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_number_that_is_a_fraction() {
    check(
        &with("receivers", "  otlp: {protocols: {grpc: {max_concurrent_streams: 1.5}}}\n"),
        expect![[r#"
            error: expected a whole number from 0 to 4294967295, found the number 1.5
              --> phasor.yaml:2:53
               |
             2 |   otlp: {protocols: {grpc: {max_concurrent_streams: 1.5}}}
               |                                                     ^^^
               = path: receivers.otlp.protocols.grpc.max_concurrent_streams

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_duration_without_a_unit() {
    check(
        &with("receivers", "  otlp: {protocols: {grpc: {keepalive: {server_parameters: {time: \"10\"}}}}}\n"),
        expect![[r#"
            error: `10` is not a duration; write for example 300ms, 1.5s, 10m or 1h30m
              --> phasor.yaml:2:67
               |
             2 |   otlp: {protocols: {grpc: {keepalive: {server_parameters: {time: "10"}}}}}
               |                                                                   ^^^^
               = path: receivers.otlp.protocols.grpc.keepalive.server_parameters.time

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_duration_below_zero() {
    check(
        &with(
            "receivers",
            "  otlp: {protocols: {grpc: {keepalive: {server_parameters: {max_connection_age: -5s}}}}}\n",
        ),
        expect![[r#"
            error: `-5s` is not a duration; write for example 300ms, 1.5s, 10m or 1h30m
              --> phasor.yaml:2:81
               |
             2 |   otlp: {protocols: {grpc: {keepalive: {server_parameters: {max_connection_age: -5s}}}}}
               |                                                                                 ^^^
               = path: receivers.otlp.protocols.grpc.keepalive.server_parameters.max_connection_age

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_duration_that_is_a_negative_number() {
    check(
        &with(
            "receivers",
            "  otlp: {protocols: {grpc: {keepalive: {server_parameters: {max_connection_age: -5}}}}}\n",
        ),
        expect![[r#"
            error: a duration cannot be negative
              --> phasor.yaml:2:81
               |
             2 |   otlp: {protocols: {grpc: {keepalive: {server_parameters: {max_connection_age: -5}}}}}
               |                                                                                 ^^
               = path: receivers.otlp.protocols.grpc.keepalive.server_parameters.max_connection_age

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_duration_that_is_a_list() {
    check(
        &with(
            "receivers",
            "  otlp: {protocols: {grpc: {keepalive: {server_parameters: {timeout: [1s]}}}}}\n",
        ),
        expect![[r#"
            error: expected a duration such as 300ms, 1.5s, 10m or 1h30m, found a list
              --> phasor.yaml:2:61
               |
             2 |   otlp: {protocols: {grpc: {keepalive: {server_parameters: {timeout: [1s]}}}}}
               |                                                             ^^^^^^^
               = path: receivers.otlp.protocols.grpc.keepalive.server_parameters.timeout

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_duration_beyond_all_time() {
    check(
        &with(
            "receivers",
            "  otlp: {protocols: {grpc: {keepalive: {server_parameters: {timeout: 9000000h}}}}}\n",
        ),
        expect![[r#"
            error: `9000000h` is too long; at most 292 years fit
              --> phasor.yaml:2:70
               |
             2 |   otlp: {protocols: {grpc: {keepalive: {server_parameters: {timeout: 9000000h}}}}}
               |                                                                      ^^^^^^^^
               = path: receivers.otlp.protocols.grpc.keepalive.server_parameters.timeout

            1 error in the configuration
        "#]],
    );
}

#[test]
fn no_protocol_at_all() {
    check(
        &with("receivers", "  otlp: {protocols: {}}\n"),
        expect![[r#"
        error: `protocols` names no protocol; write `grpc:`, `http:` or both
          --> phasor.yaml:2:10
           |
         2 |   otlp: {protocols: {}}
           |          ^^^^^^^^^
           = path: receivers.otlp.protocols

        1 error in the configuration
    "#]],
    );
}

#[test]
fn a_protocol_that_is_unknown() {
    check(
        &with("receivers", "  otlp: {protocols: {grcp: }}\n"),
        expect![[r#"
        error: unknown key `grcp`
          --> phasor.yaml:2:22
           |
         2 |   otlp: {protocols: {grcp: }}
           |                      ^^^^
           = path: receivers.otlp.protocols.grcp
           = help: did you mean `grpc`?

        1 error in the configuration
    "#]],
    );
}

#[test]
fn a_path_without_a_slash() {
    check(
        &with("receivers", "  otlp: {protocols: {http: {traces_url_path: v1/traces}}}\n"),
        expect![[r#"
            error: `v1/traces` is not a path; write for example /v1/traces
              --> phasor.yaml:2:46
               |
             2 |   otlp: {protocols: {http: {traces_url_path: v1/traces}}}
               |                                              ^^^^^^^^^
               = path: receivers.otlp.protocols.http.traces_url_path

            1 error in the configuration
        "#]],
    );
}

#[test]
fn two_signals_on_one_path() {
    check(
        &with("receivers", "  otlp: {protocols: {http: {metrics_url_path: /v1/traces}}}\n"),
        expect![[r#"
            error: `/v1/traces` is the path of traces already
              --> phasor.yaml:2:47
               |
             2 |   otlp: {protocols: {http: {metrics_url_path: /v1/traces}}}
               |                                               ^^^^^^^^^^
               = path: receivers.otlp.protocols.http.metrics_url_path

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_header_that_cannot_be_sent() {
    check(
        &with("receivers", "  otlp: {protocols: {http: {response_headers: {\"a b\": c}}}}\n"),
        expect![[r#"
            error: `a b: c` is not an HTTP header
              --> phasor.yaml:2:55
               |
             2 |   otlp: {protocols: {http: {response_headers: {"a b": c}}}}
               |                                                       ^
               = path: receivers.otlp.protocols.http.response_headers.a b

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_compression_that_nobody_knows() {
    check(
        &with("receivers", "  otlp: {protocols: {http: {compression_algorithms: [gzip, gzpi]}}}\n"),
        expect![[r#"
            error: `gzpi` is not known; write some of ["", "gzip", "zstd", "zlib", "deflate", "snappy", "x-snappy-framed"]
              --> phasor.yaml:2:60
               |
             2 |   otlp: {protocols: {http: {compression_algorithms: [gzip, gzpi]}}}
               |                                                            ^^^^
               = path: receivers.otlp.protocols.http.compression_algorithms[1]

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_size_in_an_unknown_unit() {
    check(
        &with("receivers", "  otlp: {protocols: {http: {max_request_body_size: 12 parsecs}}}\n"),
        expect![[r#"
            error: `12 parsecs` is not a size; write for example 64KiB, 512MiB or 2GiB
              --> phasor.yaml:2:52
               |
             2 |   otlp: {protocols: {http: {max_request_body_size: 12 parsecs}}}
               |                                                    ^^^^^^^^^^
               = path: receivers.otlp.protocols.http.max_request_body_size

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_size_below_zero() {
    check(
        &with("receivers", "  otlp: {protocols: {http: {max_request_body_size: -1}}}\n"),
        expect![[r#"
        error: a size cannot be negative
          --> phasor.yaml:2:52
           |
         2 |   otlp: {protocols: {http: {max_request_body_size: -1}}}
           |                                                    ^^
           = path: receivers.otlp.protocols.http.max_request_body_size

        1 error in the configuration
    "#]],
    );
}

#[test]
fn a_size_beyond_the_limit() {
    check(
        &with("receivers", "  otlp: {protocols: {http: {max_request_body_size: 2GiB}}}\n"),
        expect![[r#"
            error: `max_request_body_size` must be at most 1GiB
              --> phasor.yaml:2:52
               |
             2 |   otlp: {protocols: {http: {max_request_body_size: 2GiB}}}
               |                                                    ^^^^
               = path: receivers.otlp.protocols.http.max_request_body_size

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_switch_that_is_a_number() {
    check(
        &with("receivers", "  otlp: {protocols: {http: {keep_alives_enabled: 1}}}\n"),
        expect![[r#"
        error: expected `true` or `false`, found the number 1
          --> phasor.yaml:2:50
           |
         2 |   otlp: {protocols: {http: {keep_alives_enabled: 1}}}
           |                                                  ^
           = path: receivers.otlp.protocols.http.keep_alives_enabled

        1 error in the configuration
    "#]],
    );
}
