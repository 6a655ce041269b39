use expect_test::{Expect, expect};

use super::*;

/// What a command without a server writes: its exit, standard output, standard error. `config` is the content
/// of its file.
fn check(command: &[&str], config: &str, expected: Expect) {
    let sources = [Source::Text { name: "phasor.yaml".to_owned(), text: config.to_owned() }];
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = match parse(command).command.unwrap() {
        Command::Validate(args) => validate::validate(&sources, args.format, &mut out, &mut err),
        Command::PrintConfig => print_config::print_config(&sources, &mut out, &mut err),
        Command::Components => components::components(&mut out),
        other => panic!("{other:?} needs a server"),
    };
    let (out, err) = (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap());
    expected.assert_eq(&format!("{:?}\n{out}---\n{err}", code.unwrap()));
}

fn parse(args: &[&str]) -> Cli {
    Cli::try_parse_from(["phasor"].iter().chain(args)).unwrap()
}

#[test]
fn feature_gates_are_taken_and_say_nothing() {
    for args in
        [["--feature-gates", "-a.b,+c", "validate"], ["validate", "--feature-gates=-a.b,+c", "--format=text"]]
    {
        assert_eq!(parse(&args).feature_gates, ["-a.b,+c"]);
    }
}

#[test]
fn a_valid_configuration_is_said_to_be_one_with_its_pipelines() {
    check(
        &["validate"],
        VALID,
        expect![[r#"
            ExitCode(unix_exit_status(0))
            configuration is valid: phasor.yaml
              traces (memory): otlp -> debug
              logs/a (memory): otlp -> debug
            ---
            warning: this key is accepted and has no effect here
              --> phasor.yaml:5:35
               |
             5 |   telemetry: {logs: {level: WARN, sampling: {enabled: true}}}
               |                                   ^^^^^^^^
               = path: service.telemetry.logs.sampling

        "#]],
    );
}

#[test]
fn a_wrong_configuration_fails_with_all_faults() {
    check(
        &["validate"],
        WRONG,
        expect![[r#"
        ExitCode(unix_exit_status(1))
        ---
        error: unknown key `htp`
          --> phasor.yaml:2:32
           |
         2 | receivers: {otlp: {protocols: {htp: }}}
           |                                ^^^
           = path: receivers.otlp.protocols.htp
           = help: did you mean `http`?

        error: `debg` is not defined under exporters or connectors
          --> phasor.yaml:6:45
           |
         6 |     traces: {receivers: [otlp], exporters: [debg]}
           |                                             ^^^^
           = path: service.pipelines.traces.exporters[0]
           = help: did you mean `debug`?

        2 errors in the configuration
    "#]],
    );
}

#[test]
fn programs_get_faults_as_json() {
    check(
        &["validate", "--format", "json"],
        WRONG,
        expect![[r#"
            ExitCode(unix_exit_status(1))
            {
              "valid": false,
              "pipelines": [],
              "diagnostics": [
                {
                  "severity": "error",
                  "file": "phasor.yaml",
                  "line": 2,
                  "column": 32,
                  "path": "receivers.otlp.protocols.htp",
                  "message": "unknown key `htp`",
                  "help": "did you mean `http`?"
                },
                {
                  "severity": "error",
                  "file": "phasor.yaml",
                  "line": 6,
                  "column": 45,
                  "path": "service.pipelines.traces.exporters[0]",
                  "message": "`debg` is not defined under exporters or connectors",
                  "help": "did you mean `debug`?"
                }
              ]
            }
            ---
        "#]],
    );
}

#[test]
fn programs_get_pipelines_as_json() {
    check(
        &["validate", "--format=json"],
        VALID,
        expect![[r#"
            ExitCode(unix_exit_status(0))
            {
              "valid": true,
              "pipelines": [
                {
                  "id": "traces",
                  "answers": "memory",
                  "receivers": [
                    "otlp"
                  ],
                  "processors": [],
                  "exporters": [
                    "debug"
                  ]
                },
                {
                  "id": "logs/a",
                  "answers": "memory",
                  "receivers": [
                    "otlp"
                  ],
                  "processors": [],
                  "exporters": [
                    "debug"
                  ]
                }
              ],
              "diagnostics": [
                {
                  "severity": "warning",
                  "file": "phasor.yaml",
                  "line": 5,
                  "column": 35,
                  "path": "service.telemetry.logs.sampling",
                  "message": "this key is accepted and has no effect here",
                  "help": null
                }
              ]
            }
            ---
        "#]],
    );
}

#[test]
fn the_effective_configuration_is_shown() {
    check(
        &["print-config"],
        VALID,
        expect![[r#"
            ExitCode(unix_exit_status(0))
            # from: phasor.yaml
            receivers:
              otlp:
                protocols:
                  http:
                    endpoint: "127.0.0.1:4318"
                    transport: tcp
                    traces_url_path: "/v1/traces"
                    metrics_url_path: "/v1/metrics"
                    logs_url_path: "/v1/logs"
                    max_request_body_size: "64MiB"
                    keep_alives_enabled: true
                    read_header_timeout: "1m"
                    read_timeout: "1m"
                    idle_timeout: "1m"
                    max_connection_age: "5m"
                    include_metadata: false
                    include_tls_metadata: false
            exporters:
              debug:
                verbosity: basic
                sampling_initial: 2
                sampling_thereafter: 1
                use_internal_logger: true
                output_paths: [stdout]
            service:
              telemetry:
                logs:
                  level: warn
                  encoding: console
                metrics:
                  level: normal
                traces:
                  level: normal
              pipelines:
                # memory: answers when the data is in memory; a killed process loses what was not delivered
                traces:
                  receivers: [otlp]
                  exporters: [debug]
                # memory: answers when the data is in memory; a killed process loses what was not delivered
                logs/a:
                  receivers: [otlp]
                  exporters: [debug]
            ---
            warning: this key is accepted and has no effect here
              --> phasor.yaml:5:35
               |
             5 |   telemetry: {logs: {level: WARN, sampling: {enabled: true}}}
               |                                   ^^^^^^^^
               = path: service.telemetry.logs.sampling

        "#]],
    );
}

#[test]
fn the_components_are_listed() {
    check(
        &["components"],
        "",
        expect![[r#"
            ExitCode(unix_exit_status(0))
            receivers:
              otlp                     beta     traces, metrics, logs
              phase_store              beta     traces, logs

            processors:
              memory_limiter           beta     traces, metrics, logs
              batch                    beta     traces, metrics, logs
              attributes               beta     traces, metrics, logs
              resource                 beta     traces, metrics, logs

            connectors:
              span_metrics             beta     traces -> metrics      also: spanmetrics
              event_metrics            beta     logs -> metrics

            exporters:
              otlp_grpc                beta     traces, metrics, logs  also: otlp
              otlp_http                beta     traces, metrics, logs  also: otlphttp
              prometheus               beta     metrics
              file                     beta     traces, metrics, logs
              debug                    beta     traces, metrics, logs

            extensions:
              health_check             beta
              file_storage             beta
              bearertokenauth          beta
              basicauth                beta
            ---
        "#]],
    );
}

#[test]
fn files_may_be_given_before_and_behind_the_command_and_several_times() {
    let sources = |args: &[&str]| parse(args).sources();
    let file = |path: &str| Source::File(PathBuf::from(path));
    assert_eq!(sources(&["--config", "a", "--config=file:b"]), [file("a"), file("b")]);
    assert_eq!(sources(&["validate", "--config", "a"]), [file("a")]);
    assert_eq!(sources(&["--config", "a", "validate"]), [file("a")]);
    assert_eq!(sources(&["--config", ""]), [Source::Default]);
    let set = |setting: &str| Source::Setting(setting.to_owned());
    assert_eq!(sources(&["--set", "a.b=1", "--set=c=2"]), [Source::Default, set("a.b=1"), set("c=2")]);
    assert_eq!(sources(&["--set", "a=1", "--config", "f"]), [file("f"), set("a=1")]);
}

#[test]
fn keys_and_smoke_have_their_arguments() {
    let command = |args: &[&str]| parse(args).command.unwrap();
    let create = command(&["keys", "create", "--role", "operator", "--owner", "a", "--owner", "b"]);
    let expected = CreateKey {
        name: String::new(),
        customer: "default".to_owned(),
        role: Role::Operator,
        owners: vec!["a".to_owned(), "b".to_owned()],
    };
    assert!(matches!(create, Command::Keys(Keys::Create(key)) if key == expected));
    assert!(matches!(command(&["keys", "revoke", "3"]), Command::Keys(Keys::Revoke { id: 3 })));
    let Command::Smoke(smoke) = command(&["smoke", "--api-key", "k"]) else { panic!("not smoke") };
    assert_eq!((smoke.url.as_str(), smoke.api_key.as_str()), ("http://127.0.0.1:4000", "k"));
}

#[test]
fn keys_are_made_listed_and_revoked() {
    let directory = tempfile::tempdir().unwrap();
    let keys = |args: &[&str]| {
        let Some(Command::Keys(command)) = parse(&[&["keys"], args].concat()).command else {
            panic!("no keys")
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = keys::keys(&command, directory.path(), &mut out, &mut err).unwrap();
        (format!("{code:?}"), String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    };
    let (_, secret, _) = keys(&["create", "--name", "ci", "--customer", "acme", "--owner", "acme"]);
    assert!(secret.starts_with("rsolv_"), "{secret}");
    let (_, list, _) = keys(&["list"]);
    assert!(list.contains("ingest") && list.contains("acme") && !list.contains(secret.trim()), "{list}");
    assert_eq!(keys(&["revoke", "1"]).1, "key 1 is revoked\n");
    assert!(keys(&["list"]).1.contains("revoked 2"));
    let (code, _, err) = keys(&["revoke", "1"]);
    assert_eq!(code, "ExitCode(unix_exit_status(1))");
    assert!(err.starts_with("error: there is no key 1"), "{err}");
}

#[test]
fn the_data_directory_is_the_platforms() {
    let path = |is_root, state: Option<&str>, home: Option<&str>| {
        default_data_dir(is_root, state.map(OsString::from), home.map(OsString::from))
    };
    for (found, expected) in [
        (path(false, Some("/s"), Some("/home/a")), "/s/phasor"),
        (path(false, None, Some("/home/a")), "/home/a/.local/state/phasor"),
        (path(false, Some("relative"), Some("/home/a")), "/home/a/.local/state/phasor"),
        (path(false, None, None), "/var/lib/phasor"),
        (path(true, None, Some("/root")), "/var/lib/phasor"),
        (path(true, Some("/s"), Some("/root")), "/s/phasor"),
    ] {
        assert_eq!(found, PathBuf::from(expected));
    }
}

#[test]
fn shells_get_their_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let Some(Command::Completions { shell }) = parse(&["completions", shell]).command else {
            panic!("{shell}")
        };
        let mut out = Vec::new();
        completions::completions(shell, &mut out).unwrap();
        let script = String::from_utf8(out).unwrap();
        assert!(script.contains("print-schema") && script.contains("dead-letters"), "{shell}");
    }
}

#[test]
fn the_schema_is_printed() {
    let mut out = Vec::new();
    print_schema::print_schema(&mut out).unwrap();
    let printed: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(printed, crate::config::schema::schema());
}

#[test]
fn the_definition_of_the_arguments_is_sound() {
    <Cli as clap::CommandFactory>::command().debug_assert();
}

const VALID: &str = "
receivers: {otlp: {protocols: {http: }}}
exporters: {debug: }
service:
  telemetry: {logs: {level: WARN, sampling: {enabled: true}}}
  pipelines:
    traces: {receivers: [otlp], exporters: [debug]}
    logs/a: {receivers: [otlp], exporters: [debug]}
";

const WRONG: &str = "
receivers: {otlp: {protocols: {htp: }}}
exporters: {debug: }
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [debg]}
";
