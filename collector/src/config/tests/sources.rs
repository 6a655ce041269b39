//! Where configurations come from, and what becomes of several.

use super::*;

fn file(name: &str, text: &str) -> Source {
    Source::Text { name: name.to_owned(), text: text.to_owned() }
}

/// The configuration of all sources together, as it is understood.
fn merged(sources: &[Source]) -> Config {
    load_with(sources, &environment).unwrap_or_else(|said| panic!("{said}")).config
}

#[track_caller]
fn check_refused(sources: &[Source], expected: Expect) {
    expected.assert_eq(&format!("{}\n", load_with(sources, &environment).unwrap_err()));
}

#[test]
fn a_source_is_written_as_the_collector_has_it() {
    let parse = |given: &str| Source::parse(given.as_ref());
    for (given, source) in [
        ("a.yaml", Source::File("a.yaml".into())),
        ("file:a.yaml", Source::File("a.yaml".into())),
        ("file:/etc/a:b.yaml", Source::File("/etc/a:b.yaml".into())),
        ("C:\\a.yaml", Source::File("C:\\a.yaml".into())),
        ("env:COLLECTOR", Source::Variable("COLLECTOR".to_owned())),
        ("yaml:exporters::debug: {a: b}", Source::Yaml("exporters::debug: {a: b}".to_owned())),
    ] {
        assert_eq!(parse(given), source);
    }
}

#[test]
fn a_text_and_a_setting_reach_deep_into_what_is_there() {
    let base = file("a.yaml", &with("", ""));
    let yaml = Source::Yaml("receivers::otlp::protocols::grpc::endpoint: 'localhost:1'".to_owned());
    let set = Source::Setting("exporters.debug.verbosity=detailed".to_owned());
    let yaml = merged(&[base, yaml, set]).to_yaml();
    assert!(yaml.contains("endpoint: \"localhost:1\""), "{yaml}");
    assert!(yaml.contains("verbosity: detailed"), "{yaml}");
    assert!(yaml.contains("max_recv_msg_size_mib"), "{yaml}");
}

#[test]
fn a_variable_may_hold_all_of_it() {
    let environment = |name: &str| (name == "COLLECTOR").then(|| with("", ""));
    let loaded = load_with(&[Source::Variable("COLLECTOR".to_owned())], &environment).unwrap();
    assert_eq!(loaded.sources, ["env:COLLECTOR"]);
    let said = load_with(&[Source::Variable("OTHER".to_owned())], &environment).unwrap_err().to_string();
    assert!(said.starts_with("error: the environment variable `OTHER` is not set"), "{said}");
}

#[test]
fn mappings_are_merged_and_everything_else_is_replaced() {
    let over = "
service: {pipelines: {traces: {receivers: [otlp/b]}, logs: {receivers: [otlp/b], exporters: [debug]}}}
receivers: {otlp/b: {protocols: {http: }}}
exporters: {debug: {verbosity: normal}}
";
    let config = merged(&[file("a.yaml", &with("", "")), file("b.yaml", over)]);
    assert_eq!(config.receivers.len(), 2);
    let pipelines = config.service.graph.pipelines();
    assert!(pipelines.iter().all(|pipeline| pipeline.receivers == [ComponentId::named("otlp", "b")]));
    assert_eq!(pipelines.len(), 2);
}

#[test]
fn a_fault_stands_in_the_source_it_came_from() {
    let base = with("", "").replace("debug:", "debug: {verbosity: loud, use_internal_logger: 7}");
    let over = "receivers: {otlp: {protocols: {grpc: {endpiont: x}}}}\nexporters: {debug: {use_internal_logger: 8}}\n";
    let yaml = Source::Yaml("exporters::debug::sampling_initial: many".to_owned());
    let set = Source::Setting("service.telemetry.logs.level=silent".to_owned());
    check_refused(
        &[file("a.yaml", &base), file("b.yaml", over), yaml, set],
        expect![[r#"
        error: `loud` is none of `basic`, `normal`, `detailed`
          --> a.yaml:6:22
           |
         6 |   debug: {verbosity: loud, use_internal_logger: 7}
           |                      ^^^^
           = path: exporters.debug.verbosity

        error: unknown key `endpiont`
          --> b.yaml:1:39
           |
         1 | receivers: {otlp: {protocols: {grpc: {endpiont: x}}}}
           |                                       ^^^^^^^^
           = path: receivers.otlp.protocols.grpc.endpiont
           = help: did you mean `endpoint`?

        error: expected `true` or `false`, found the number 8
          --> b.yaml:2:42
           |
         2 | exporters: {debug: {use_internal_logger: 8}}
           |                                          ^
           = path: exporters.debug.use_internal_logger

        error: expected a whole number from 0, found the text `many`
          --> yaml:1:37
           |
         1 | exporters::debug::sampling_initial: many
           |                                     ^^^^
           = path: exporters.debug.sampling_initial

        error: `silent` is none of `debug`, `info`, `warn`, `error`, `dpanic`, `panic`, `fatal`
          --> --set:1:31
           |
         1 | service.telemetry.logs.level: silent
           |                               ^^^^^^
           = path: service.telemetry.logs.level

        5 errors in the configuration
    "#]],
    );
}

#[test]
fn what_only_a_later_file_makes_a_mapping_is_placed_there() {
    let over = "# one\n# two\nexporters:\n  debug:\n    sampling_thereafter: 0\nreceivers: {otlp: {protocols: {}}}\n";
    let base = with("receivers", "  otlp: 5\n");
    check_refused(
        &[file("a.yaml", &base), file("b.yaml", over)],
        expect![[r#"
        error: `sampling_thereafter` must be at least 1, which writes every request
          --> b.yaml:5:26
           |
         5 |     sampling_thereafter: 0
           |                          ^
           = path: exporters.debug.sampling_thereafter

        error: `protocols` names no protocol; write `grpc:`, `http:` or both
          --> b.yaml:6:20
           |
         6 | receivers: {otlp: {protocols: {}}}
           |                    ^^^^^^^^^
           = path: receivers.otlp.protocols

        2 errors in the configuration
    "#]],
    );
}

#[test]
fn settings_that_set_nothing_are_refused() {
    check_refused(
        &[Source::Default, Source::Setting("verbosity".to_owned())],
        expect![[r#"
        error: `--set verbosity` sets nothing
           = help: write for example `--set exporters.debug.verbosity=detailed`

        1 error in the configuration
    "#]],
    );
    check_refused(
        &[Source::Default, Source::Setting("=5".to_owned())],
        expect![[r#"
        error: `--set =5` sets nothing
           = help: write for example `--set exporters.debug.verbosity=detailed`

        1 error in the configuration
    "#]],
    );
    check_refused(
        &[Source::Default, Source::Setting("a=[".to_owned())],
        expect![[r#"
        error: this is not YAML: unclosed bracket '['
          --> --set:1:4
           |
         1 | a: [
           |    ^

        1 error in the configuration
    "#]],
    );
    check_refused(
        &[Source::File("https://example.com/a.yaml".into())],
        expect![[r#"
        error: cannot read https://example.com/a.yaml: No such file or directory (os error 2)
           = help: configurations come from files, `yaml:TEXT` and `env:NAME`, not from the network

        1 error in the configuration
    "#]],
    );
}

#[test]
fn later_files_are_merged_over_earlier_ones() {
    let over = "
receivers: {otlp: {protocols: {grpc: {endpoint: 'localhost:1'}}}}
exporters: {debug/b: }
service: {pipelines: {traces: {exporters: [debug/b]}}}
";
    let sources = [file("a.yaml", &with("", "")), file("b.yaml", over)];
    let loaded = load_with(&sources, &environment).unwrap();
    let pipeline = &loaded.config.service.graph.pipelines()[0];
    assert_eq!(pipeline.exporters, [ComponentId::named("debug", "b")]);
    assert_eq!(pipeline.receivers, [ComponentId::new("otlp")]);
    let yaml = loaded.config.to_yaml();
    assert!(yaml.contains("endpoint: \"localhost:1\""), "{yaml}");
    assert_eq!(loaded.sources, ["a.yaml", "b.yaml"]);
}

#[test]
fn faults_of_several_files_name_their_files() {
    let sources = [
        file("a.yaml", &with("", "").replace("debug:", "debug: 1")),
        file("b.yaml", "exporters: {debugg: }\n"),
    ];
    let said = load_with(&sources, &environment).unwrap_err().to_string();
    assert!(said.contains("--> a.yaml:6:10"), "{said}");
    assert!(said.contains("--> b.yaml:1:13"), "{said}");
}

#[test]
fn a_file_that_is_not_there_is_said_to_be() {
    let said = load(&[Source::File("/nonexistent/phasor.yaml".into())]).unwrap_err().to_string();
    assert!(said.starts_with("error: cannot read /nonexistent/phasor.yaml: "), "{said}");
}

#[test]
fn a_file_in_another_encoding_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), b"receivers: \xff").unwrap();
    let said = load(&[Source::File(file.path().to_owned())]).unwrap_err().to_string();
    assert!(said.contains("is not text in UTF-8; byte 11 is wrong"), "{said}");
}

/// What is said about a catalog file of this content.
#[track_caller]
fn check_catalog(catalog: &str, expected: Expect) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.yaml").display().to_string();
    std::fs::write(&path, catalog).unwrap();
    let said = with_catalog(&path);
    expected.assert_eq(&said.replace(&folder.path().display().to_string(), "FOLDER"));
}

fn with_catalog(path: &str) -> String {
    let pipelines = "  pipelines:\n    logs: {receivers: [otlp], exporters: [event_metrics]}\n    metrics: {receivers: [event_metrics], exporters: [debug]}\n";
    let connectors = format!("connectors: {{event_metrics: {{catalog: [rsolv, {path}]}}}}\n");
    let loaded = read(&(with("service", pipelines) + &connectors)).unwrap();
    format!("{}\n", loaded.with_sound_files().unwrap_err())
}

#[test]
fn a_catalog_file_is_read_with_the_configuration() {
    check_catalog(
        "events:\n  a.b:\n    metrics:\n      - {name: m, kind: countr}\n      - name: n\n        kind: histogram\n        value: x\n        buckets: [2, 1]\n",
        expect![[r#"
            error: `countr` is no kind; it is counter, histogram or gauge (did you mean `counter`?)
              --> FOLDER/own.yaml:4:9
               |
             4 |       - {name: m, kind: countr}
               |         ^
               = path: events.a.b.metrics[0].kind

            error: `buckets` must be ascending finite numbers
              --> FOLDER/own.yaml:5:9
               |
             5 |       - name: n
               |         ^
               = path: events.a.b.metrics[1].buckets

            2 errors in the configuration
        "#]],
    );
    check_catalog(
        "events: {a: {metrics: [{name: a, kind: counter, bucket: [1]}]}}\n",
        expect![[r#"
        error: unknown field `bucket`, expected one of name, kind, value, unit, description, labels, buckets
          --> FOLDER/own.yaml:1:49
           |
         1 | events: {a: {metrics: [{name: a, kind: counter, bucket: [1]}]}}
           |                                                 ^

        1 error in the configuration
    "#]],
    );
}

#[test]
fn a_catalog_file_that_is_not_there_is_said_where_it_is_named() {
    expect![[r#"
        error: cannot read /nonexistent/own.yaml: No such file or directory (os error 2)
           --> phasor.yaml:11:47
            |
         11 | connectors: {event_metrics: {catalog: [rsolv, /nonexistent/own.yaml]}}
            |                                               ^^^^^^^^^^^^^^^^^^^^^
            = path: connectors.event_metrics.catalog[1]

        1 error in the configuration
    "#]]
    .assert_eq(&with_catalog("/nonexistent/own.yaml"));
}

#[test]
fn two_catalogs_that_contradict_each_other_are_said_where_they_are_named() {
    check_catalog(
        "events: {a: {metrics: [{name: rsolv.scan.executions, kind: gauge, value: x}]}}\n",
        expect![[r#"
            error: `rsolv.scan.executions` is declared before with another kind
               --> phasor.yaml:11:30
                |
             11 | connectors: {event_metrics: {catalog: [rsolv, FOLDER/own.yaml]}}
                |                              ^^^^^^^
                = path: connectors.event_metrics.catalog

            1 error in the configuration
        "#]],
    );
}
