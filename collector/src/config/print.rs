//! A configuration as YAML again: canonical names, every default written out, secrets left out.
//!
//! - **Guaranteed:** what has no secrets reads back as the same configuration. Secrets are replaced by
//!   [`REDACTED`]: everything below `headers`, every key that sounds like one, passwords inside URLs.
//! - Each pipeline is preceded by a comment that says what its answer promises.

use std::fmt::Write;

use pipelines::{component::ComponentId, engine::graph::PipelineSpec};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Config, answer_mode, names::Class};

/// The whole configuration.
pub(crate) fn print(config: &Config) -> String {
    let mut page = String::new();
    section(&mut page, Class::Receiver, &config.receivers);
    section(&mut page, Class::Processor, &config.processors);
    section(&mut page, Class::Connector, &config.connectors);
    section(&mut page, Class::Exporter, &config.exporters);
    section(&mut page, Class::Extension, &config.extensions);
    service(&mut page, config);
    page
}

fn section<'c, C: Serialize + 'c>(
    page: &mut String,
    class: Class,
    components: impl IntoIterator<Item = (&'c ComponentId, &'c C)>,
) {
    let entries = components.into_iter().map(|(id, config)| {
        // Configurations have text keys and no types that could fail to serialize.
        let value = serde_json::to_value(config).unwrap_or(Value::Null);
        (id.to_string(), if value.is_null() { Value::Object(Map::new()) } else { value })
    });
    let section: Map<String, Value> = entries.collect();
    if !section.is_empty() {
        entry(page, 0, class.section(), &Value::Object(section), false);
    }
}

fn service(page: &mut String, config: &Config) {
    let service = &config.service;
    page.push_str("service:\n");
    if !service.extensions.is_empty() {
        entry(page, 1, "extensions", &ids(&service.extensions), false);
    }
    let telemetry = serde_json::to_value(&service.telemetry).unwrap_or(Value::Null);
    entry(page, 1, "telemetry", &telemetry, false);
    indent(page, 1);
    page.push_str("pipelines:\n");
    for pipeline in service.graph.pipelines() {
        if let Some(mode) = service.modes.get(&pipeline.id) {
            indent(page, 2);
            let _ = writeln!(page, "# {}: {}", answer_mode::name(*mode), answer_mode::promise(*mode));
        }
        entry(page, 2, &pipeline.id.to_string(), &pipeline_value(pipeline), false);
    }
}

fn pipeline_value(pipeline: &PipelineSpec) -> Value {
    let roles = [
        ("receivers", &pipeline.receivers),
        ("processors", &pipeline.processors),
        ("exporters", &pipeline.exporters),
    ];
    roles
        .into_iter()
        .filter(|(_, ids)| !ids.is_empty())
        .map(|(role, list)| (role.to_owned(), ids(list)))
        .collect()
}

fn ids(ids: &[ComponentId]) -> Value {
    ids.iter().map(ToString::to_string).collect()
}

/// One key and its value. Nulls are what was not given, and are left out.
fn entry(page: &mut String, depth: usize, key: &str, value: &Value, secret: bool) {
    if value.is_null() {
        return;
    }
    indent(page, depth);
    let _ = write!(page, "{}:", quoted(key));
    let secret = secret || sounds_secret(key);
    match value {
        Value::Object(map) if map.values().any(|value| !value.is_null()) => {
            page.push('\n');
            for (key, value) in map {
                entry(page, depth + 1, key, value, secret);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            page.push('\n');
            for item in items {
                indent(page, depth + 1);
                let _ = writeln!(page, "- {}", flow(item, secret));
            }
        }
        _ => {
            let _ = writeln!(page, " {}", flow(value, secret));
        }
    }
}

/// A value on one line.
fn flow(value: &Value, secret: bool) -> String {
    let joined = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::Null => "null".to_owned(),
        Value::Array(items) => format!("[{}]", joined(items.iter().map(|item| flow(item, secret)).collect())),
        Value::Object(map) => {
            let given = map.iter().filter(|(_, value)| !value.is_null());
            let entries = given.map(|(key, value)| {
                format!("{}: {}", quoted(key), flow(value, secret || sounds_secret(key)))
            });
            format!("{{{}}}", joined(entries.collect()))
        }
        Value::Bool(_) | Value::Number(_) if !secret => value.to_string(),
        Value::String(plain) if !secret => text(&without_password(plain)),
        Value::String(plain) if plain.is_empty() => text(""),
        _ => text(REDACTED),
    }
}

/// A text value. A dollar sign is doubled, so that it is not a reference; keys hold none.
fn text(text: &str) -> String {
    quoted(&text.replace('$', "$$"))
}

/// A text as YAML: plain where nothing could be mistaken, else in double quotes, which JSON's escapes fit.
fn quoted(text: &str) -> String {
    let plain_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '/' | '.' | '-');
    let looks_plain = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(plain_char);
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    if looks_plain && !words.iter().any(|word| word.eq_ignore_ascii_case(text)) {
        text.to_owned()
    } else {
        Value::String(text.to_owned()).to_string()
    }
}

/// `scheme://user:password@host` without its password.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let Some((user, _)) = authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':')) else {
        return text.to_owned();
    };
    let host = &rest[authority.rfind('@').unwrap_or(0)..];
    format!("{scheme}://{user}:{REDACTED}{host}")
}

/// Whether what stands below a key is nobody's business.
fn sounds_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let words = ["password", "passwd", "secret", "token", "api_key", "apikey", "credential", "authorization"];
    key == "headers" || key == "key_pem" || words.iter().any(|word| key.contains(word))
}

fn indent(page: &mut String, depth: usize) {
    page.extend(std::iter::repeat_n("  ", depth));
}

/// What stands where a secret was, as in the Collector.
const REDACTED: &str = "[REDACTED]";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out() {
        for (key, value, shown) in [
            ("endpoint", "tempo:4317", "endpoint: \"tempo:4317\"\n"),
            ("token", "s3cret", "token: \"[REDACTED]\"\n"),
            ("bearer_token", "", "bearer_token: \"\"\n"),
            (
                "storage",
                "postgres://phasor:p@ss:w@db:5432/x?y=z",
                "storage: \"postgres://phasor:[REDACTED]@db:5432/x?y=z\"\n",
            ),
            ("storage", "postgres://db/x", "storage: \"postgres://db/x\"\n"),
            ("pattern", "a$1", "pattern: \"a$$1\"\n"),
            ("name", "no", "name: \"no\"\n"),
            ("name", "1s", "name: \"1s\"\n"),
        ] {
            let mut page = String::new();
            entry(&mut page, 0, key, &Value::String(value.to_owned()), false);
            assert_eq!(page, shown);
        }
    }

    #[test]
    fn everything_below_headers_is_a_secret() {
        let mut page = String::new();
        let value = serde_json::json!({"headers": {"x-scope": "tenant", "m": 5}, "none": null, "e": {}});
        entry(&mut page, 0, "otlp_grpc", &value, false);
        let shown = "otlp_grpc:\n  headers:\n    x-scope: \"[REDACTED]\"\n    m: \"[REDACTED]\"\n  e: {}\n";
        assert_eq!(page, shown);
    }
}
