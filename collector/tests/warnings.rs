//! What a configuration says in vain is said back at the start, with its place.

use super::support::phasor::{Start, default_config};

#[test]
fn a_warning_at_the_start_names_file_line_column_and_path() {
    let config = default_config("", "")
        .replace("service:\n", "service:\n  telemetry: {metrics: {level: normal, address: ':8888'}}\n");
    let (line, text) =
        config.lines().enumerate().find(|(_, line)| line.contains("address: ':8888'")).expect("it");
    let (line, column) = (line + 1, text.find("address").expect("it") + 1);
    let mut phasor = Start::config(config).start();
    phasor.stop();
    let log = phasor.log();
    let place = format!(
        "config.yaml:{line}:{column}: service.telemetry.metrics.address: this key has no effect here"
    );
    assert!(log.contains(&place), "{log}");
    assert!(log.contains("own metrics are on the page of the exporter `prometheus`"), "{log}");
}

#[tokio::test]
async fn start_commands_of_the_collector_run_unchanged() {
    let phasor = Start::config(default_config("", "")).start();
    for gates in ["--feature-gates=+a.b,-c", "--feature-gates=-c"] {
        let (succeeded, said) = phasor.command(&["validate", gates]).await;
        assert!(succeeded, "{said}");
    }
}
