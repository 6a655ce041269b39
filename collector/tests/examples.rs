//! The Collector's own example configurations start as they are; only their addresses become free ports on loopback.

use std::path::Path;

use super::support::phasor::Start;

#[test]
fn the_collectors_examples_start() {
    for name in [
        "agent",
        "attributes",
        "basics",
        "environment",
        "gateway-load-balanced",
        "memory-limiter-shares",
        "quick-start",
        "resource",
        "span-metrics",
    ] {
        let file =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs").join(name).with_extension("yaml");
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        let config = on_loopback(&text);
        // Panics with the log if it does not come to say that it is ready.
        drop(Start::config(config).start());
    }
}

/// Listeners get a free port, backends one where nobody listens.
fn on_loopback(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut in_exporters = false;
    let mut config = String::new();
    for (index, line) in lines.iter().enumerate() {
        let is_section = indent(line) == 0 && line.ends_with(':');
        in_exporters = if is_section { *line == "exporters:" } else { in_exporters };
        let is_bare = lines.get(index + 1).is_none_or(|next| indent(next) <= indent(line));
        match line.split_once("endpoint: ") {
            // The Prometheus exporter listens.
            Some((before, address)) if in_exporters && !address.contains("8889") => {
                config += &format!("{before}endpoint: 127.0.0.1:1\n");
            }
            Some((before, _)) => config += &format!("{before}endpoint: 127.0.0.1:0\n"),
            None if is_bare && ["grpc:", "http:"].contains(&line.trim()) => {
                config += &format!("{line} {{endpoint: '127.0.0.1:0'}}\n");
            }
            None => config += &format!("{line}\n"),
        }
    }
    config
}
