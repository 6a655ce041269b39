use expect_test::{Expect, expect};

use super::*;

mod auth;
mod broken;
mod corpus;
mod credentials;
mod fuzz;
mod sources;
mod whole;

/// What is said about a file, to the letter. `X` is set to 5, `LIST` to `[a, b]`, nothing else is set.
fn check(yaml: &str, expected: Expect) {
    let said = match read(yaml) {
        Ok(loaded) => format!("{}\n\nloaded\n", loaded.warnings),
        Err(diagnostics) => format!("{diagnostics}\n"),
    };
    expected.assert_eq(&said);
}

fn read(yaml: &str) -> Result<Loaded, Diagnostics> {
    let source = Source::Text { name: "phasor.yaml".to_owned(), text: yaml.to_owned() };
    load_with(&[source], &environment)
}

fn environment(name: &str) -> Option<String> {
    match name {
        "X" => Some("5".to_owned()),
        "LIST" => Some("[a, b]".to_owned()),
        _ => None,
    }
}

/// A configuration in which everything fits, with one section put in or in the place of the usual one.
fn with(section: &str, content: &str) -> String {
    let sections = [
        ("receivers", "  otlp:\n    protocols:\n      grpc:\n"),
        ("exporters", "  debug:\n"),
        ("service", "  pipelines:\n    traces:\n      receivers: [otlp]\n      exporters: [debug]\n"),
    ];
    let is_usual = section.is_empty() || sections.iter().any(|(name, _)| *name == section);
    let written =
        sections.iter().map(|(name, usual)| (*name, if *name == section { content } else { usual }));
    written
        .chain((!is_usual).then_some((section, content)))
        .map(|(name, content)| format!("{name}:\n{content}"))
        .collect()
}
