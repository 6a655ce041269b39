//! JSON as the API takes it: well-formed, every member once, with the place of what is wrong.
//!
//! - **In:** the bytes of a body.
//! - **Out:** a [`Value`], or a [`Malformed`] with line and column.
//! - **Guaranteed:** at most 128 levels deep; no member twice (parsers disagree on which of them
//!   counts); no U+0000, which PostgreSQL cannot store. [`canonical`] spells equal values alike.

use std::fmt;

use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Number, Value};
use thiserror::Error;

/// What is wrong with a body, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message} at line {line}, column {column}")]
pub struct Malformed {
    /// From 1.
    pub line: usize,
    /// From 1; 0 at the very start of a line.
    pub column: usize,
    /// What the parser found or missed.
    pub message: String,
}

/// Reads one JSON value.
///
/// # Errors
/// The bytes are not UTF-8, not JSON, too deep, or name a member twice.
pub fn parse(bytes: &[u8]) -> Result<Value, Malformed> {
    let Strict(value) = serde_json::from_slice(bytes).map_err(|error| {
        let text = error.to_string();
        // serde_json appends the place to its message; here it has fields of its own.
        let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
        Malformed { line: error.line(), column: error.column(), message: message.to_owned() }
    })?;
    Ok(value)
}

/// Members sorted, no spaces, and `1.0` spelled as `1`: two bodies that mean the same are equal.
pub fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write_canonical(value, &mut out);
    out
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            out.push('{');
            for (index, (name, member)) in members.into_iter().enumerate() {
                separate(index, out);
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                write_canonical(member, out);
            }
            out.push('}');
        }
        Value::Array(entries) => {
            out.push('[');
            for (index, entry) in entries.iter().enumerate() {
                separate(index, out);
                write_canonical(entry, out);
            }
            out.push(']');
        }
        Value::Number(number) => out.push_str(&shortest(number).to_string()),
        scalar => out.push_str(&scalar.to_string()),
    }
}

fn separate(index: usize, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
}

/// Doubles that are integers, within the range where every integer is a double, become integers.
fn shortest(number: &Number) -> Number {
    match number.as_f64() {
        Some(double) if number.is_f64() && double.fract() == 0.0 && double.abs() < INTEGERS_MAX => {
            Number::from(double as i64)
        }
        _ => number.clone(),
    }
}

/// A value whose members are all different.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> de::Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        storable(text)?;
        Ok(Value::from(text))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(Strict(entry)) = seq.next_element()? {
            entries.push(entry);
        }
        Ok(Value::Array(entries))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            storable(&name)?;
            if members.contains_key(&name) {
                return Err(de::Error::custom(format_args!("the member `{name}` appears twice")));
            }
            let Strict(member) = map.next_value()?;
            members.insert(name, member);
        }
        Ok(Value::Object(members))
    }
}

fn storable<E: de::Error>(text: &str) -> Result<(), E> {
    if text.contains('\0') { Err(E::custom("the character U+0000 is not allowed")) } else { Ok(()) }
}

/// 2^53: below it every integer has a double of its own.
const INTEGERS_MAX: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> String {
        match parse(text.as_bytes()) {
            Ok(value) => canonical(&value),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn values_that_mean_the_same_have_one_spelling() {
        assert_eq!(
            check(r#"{"b": [1.0, 2.5], "a": {"y": null, "x": "é"}}"#),
            check("{\"a\":{\"x\":\"\\u00e9\",\"y\":null},\n\"b\":[1,2.5]}")
        );
        assert_eq!(check(r#"{"b":[1.0,-0.0],"a":true}"#), r#"{"a":true,"b":[1,0]}"#);
        assert_ne!(check("[1,2]"), check("[2,1]"));
        assert_ne!(check(r#"["1"]"#), check("[1]"));
    }

    #[test]
    fn what_is_wrong_has_a_line_and_a_column() {
        assert_eq!(check("{\"a\": 1,\n  \"b\" 2}"), "expected `:` at line 2, column 7");
        assert_eq!(check("{\"a\": 1,\n \"a\": 2}"), "the member `a` appears twice at line 2, column 4");
        assert_eq!(check(""), "EOF while parsing a value at line 1, column 0");
        assert_eq!(check(r#"{"a":"\u0000"}"#), "the character U+0000 is not allowed at line 1, column 13");
        assert_eq!(check("[1] 2"), "trailing characters at line 1, column 5");
        assert_eq!(check("[1e999]"), "number out of range at line 1, column 6");
    }

    #[test]
    fn nesting_without_end_is_refused_not_followed() {
        let deep = "[".repeat(100_000);
        assert_eq!(check(&deep), "recursion limit exceeded at line 1, column 128");
        assert!(parse("[\"\u{fffd}\"]".as_bytes()).is_ok());
        assert!(parse(b"[\"\xff\"]").is_err(), "not UTF-8");
    }
}
