//! Attribute values as text: one spelling for connectors, the Prometheus exporter and whoever else shows them.
//!
//! OpenTelemetry, *Common concepts*, AnyValue representation for non-OTLP protocols: text as it is,
//! booleans, numbers, bytes as base64, lists and maps as JSON.

use std::fmt::Write as _;

use proto::view::Value;

/// Appends a value.
pub fn push_value(out: &mut String, value: Value<'_>) {
    match value {
        Value::Empty => {}
        Value::Str(text) => out.push_str(text),
        Value::Bytes(bytes) => push_base64(out, bytes),
        Value::Double(number) if !number.is_finite() => out.push_str(not_finite(number)),
        other => push_json(out, other),
    }
}

/// Appends bytes as base64 with padding.
pub fn push_base64(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().enumerate().fold(0_u32, |bits, (at, byte)| bits | u32::from(*byte) << (16 - 8 * at));
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at)) as usize & 63];
            out.push(if at <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
}

fn push_json(out: &mut String, value: Value<'_>) {
    match value {
        Value::Empty => out.push_str("null"),
        Value::Str(text) => push_json_text(out, text),
        Value::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        Value::Int(number) => out.push_str(itoa::Buffer::new().format(number)),
        Value::Double(number) if number.is_finite() => {
            out.push_str(zmij::Buffer::new().format_finite(number))
        }
        Value::Double(number) => push_json_text(out, not_finite(number)),
        Value::Bytes(bytes) => {
            out.push('"');
            push_base64(out, bytes);
            out.push('"');
        }
        Value::Array(values) => {
            out.push('[');
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                push_json(out, value);
            }
            out.push(']');
        }
        Value::KvList(pairs) => {
            out.push('{');
            for (at, (key, value)) in pairs.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                push_json_text(out, key);
                out.push(':');
                push_json(out, value);
            }
            out.push('}');
        }
    }
}

fn push_json_text(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

fn not_finite(number: f64) -> &'static str {
    match number {
        number if number.is_nan() => "NaN",
        number if number > 0.0 => "Infinity",
        _ => "-Infinity",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_l2_values_that_are_not_text_are_spelled_out() {
        for (value, expected) in [
            (Value::Bool(true), "true"),
            (Value::Int(42), "42"),
            (Value::Double(3.25), "3.25"),
            (Value::Double(f64::NAN), "NaN"),
            (Value::Double(f64::INFINITY), "Infinity"),
            (Value::Bytes(b"hello"), "aGVsbG8="),
            (Value::Bytes(b"a"), "YQ=="),
            (Value::Bytes(b"abc"), "YWJj"),
            (Value::Str("a\"b"), "a\"b"),
            (Value::Empty, ""),
        ] {
            let mut out = String::new();
            push_value(&mut out, value);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn json_text_is_escaped() {
        let mut out = String::new();
        push_json_text(&mut out, "a\"b\\c\nd\u{1}");
        assert_eq!(out, r#""a\"b\\c\nd\u0001""#);
    }
}
