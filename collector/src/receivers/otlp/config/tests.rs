use expect_test::{Expect, expect};

use super::*;

/// What is wrong with `yaml`, or what it warns of, a line each.
#[track_caller]
fn check(yaml: &str, expected: Expect) {
    let text = match serde_saphyr::from_str::<Config>(yaml) {
        Err(error) => format!("unreadable: {error}\n"),
        Ok(config) => {
            let errors = config.check().into_iter().map(|error| format!("error {error}\n"));
            errors
                .chain(config.warnings().into_iter().map(|warning| format!("warning {warning}\n")))
                .collect()
        }
    };
    expected.assert_eq(&text);
}

#[track_caller]
fn read(yaml: &str) -> Config {
    serde_saphyr::from_str(yaml).unwrap()
}

#[test]
fn a_protocol_without_a_value_has_the_defaults_and_one_not_named_is_off() {
    let config = read("protocols: {grpc: }");
    assert_eq!(config.protocols, Protocols { grpc: Some(Grpc::default()), http: None });
    let config = read("protocols: {http: , grpc: {}}");
    assert_eq!(config.protocols, Protocols { grpc: Some(Grpc::default()), http: Some(Http::default()) });
    check(
        "protocols: {grpc: {keepalive: , endpoint: ':4317'}, http: {endpoint: 'localhost:0'}}",
        expect![""],
    );
}

#[test]
fn the_defaults_bind_to_loopback() {
    assert_eq!(Grpc::default().endpoint, "127.0.0.1:4317");
    assert_eq!(Http::default().endpoint, "127.0.0.1:4318");
    assert_eq!((Grpc::default().message_bytes_max(), Http::default().body_bytes_max()), (16 << 20, 64 << 20));
}

#[test]
fn no_protocol_at_all_is_an_error() {
    check(
        "protocols: {}",
        expect![[r#"
        error protocols: names no protocol; write `grpc:`, `http:` or both
    "#]],
    );
}

#[test]
fn every_fault_is_named_at_once() {
    let yaml = r#"
protocols:
  grpc: {endpoint: "localhost", transport: udp, max_recv_msg_size_mib: 5000, tls: {cert_file: a}}
  http:
    endpoint: "http://localhost:4318"
    traces_url_path: v1/traces
    metrics_url_path: /v1/logs
    cors: {allowed_origins: ["https://*.a.*", "https://a.b/", ""], allowed_headers: ["a b"]}
    auth: {authenticator: basicauth}
    response_headers: {"a b": c}
    compression_algorithms: ["", gzipp]
"#;
    check(
        yaml,
        expect![[r#"
            error protocols.grpc.endpoint: `localhost` has no port; write host:port, such as 127.0.0.1:4317
            error protocols.grpc.transport: `udp` is not supported; write tcp, tcp4, tcp6 or unix
            error protocols.grpc.max_recv_msg_size_mib: must be at most 1024 MiB, not 5000
            error protocols.grpc.tls.key_file: is missing; write it or key_pem
            error protocols.http.endpoint: `http://localhost:4318` is a URL; write host:port without a scheme
            error protocols.http.traces_url_path: `v1/traces` is not a path; write for example /v1/traces
            error protocols.http.logs_url_path: `/v1/logs` is the path of metrics already
            error protocols.http.response_headers.a b: `a b: c` is not an HTTP header
            error protocols.http.compression_algorithms[1]: `gzipp` is not known; write some of ["", "gzip", "zstd", "zlib", "deflate", "snappy", "x-snappy-framed"]
            error protocols.http.cors.allowed_origins[0]: `https://*.a.*` has more than one `*`
            error protocols.http.cors.allowed_origins[1]: `https://a.b/` has a path, which no origin has; write scheme://host:port
            error protocols.http.cors.allowed_origins[2]: `` is not an origin; write for example https://shop.example.com
            error protocols.http.cors.allowed_headers[0]: `a b` is not the name of a header
        "#]],
    );
}

#[test]
fn endpoints_are_host_and_port() {
    for (endpoint, right) in [
        ("127.0.0.1:4317", true),
        ("localhost:0", true),
        (":4317", true),
        ("[::1]:4317", true),
        ("::1:4317", false),
        ("localhost", false),
        ("localhost:http", false),
        ("localhost:65536", false),
        ("http://localhost:4317", false),
    ] {
        assert_eq!(check_endpoint(endpoint).is_none(), right, "{endpoint}");
    }
}

#[test]
fn keys_without_effect_warn() {
    let yaml = r#"
protocols:
  grpc:
    read_buffer_size: 524288
    include_metadata: true
    keepalive: {enforcement_policy: {min_time: 10s, permit_without_stream: true}, server_parameters: {max_connection_age: 1m}}
  http: {include_metadata: true, write_timeout: 10s, compression_algorithms: ["", gzip, lz4], cors: {max_age: 7}, tls: }
"#;
    check(
        yaml,
        expect![[r#"
            warning protocols.grpc.read_buffer_size: has no effect here
            warning protocols.grpc.keepalive.enforcement_policy: has no effect here
            warning protocols.http.write_timeout: has no effect here
            warning protocols.http.cors.allowed_origins: is empty, so the other keys beside it have no effect
            warning protocols.http.compression_algorithms[2]: `lz4` is not supported in this version
        "#]],
    );
}

#[test]
fn an_unknown_key_is_refused() {
    check(
        "protocols: {grpc: {endpiont: a}}",
        expect![[r#"
            unreadable: error: line 1 column 20: unknown field `endpiont`, expected one of endpoint, transport, max_recv_msg_size_mib, max_concurrent_streams, read_buffer_size, write_buffer_size, keepalive, include_metadata, tls, auth, middlewares, dialer
             --> <input>:1:20
              |
            1 | protocols: {grpc: {endpiont: a}}
              |                    ^ unknown field `endpiont`, expected one of endpoint, transport, max_recv_msg_size_mib, max_concurrent_streams, read_buffer_size, write_buffer_size, keepalive, include_metadata, tls, auth, middlewares, dialer
        "#]],
    );
}

#[test]
fn what_is_printed_reads_back() {
    let config = read("protocols: {grpc: , http: {response_headers: {a: b}}}");
    let json = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<Config>(&json).unwrap(), config);
}
