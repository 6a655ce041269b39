//! A value as a configuration writes it.

use std::borrow::Cow;

use proto::{
    encode::{AttributesWriter, ValuesWriter},
    view::Value,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A value of an attribute, of the type it has in YAML.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(untagged, expecting = "expected a text, a number, `true`, `false`, or a list of these")]
pub enum Setting {
    /// `true`, `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Another number.
    Double(f64),
    /// Text.
    Str(String),
    /// A list.
    Array(Vec<Setting>),
}

// === impl Setting ===

impl Setting {
    /// Whether an attribute has this value, of the same type.
    pub(super) fn is(&self, value: Value<'_>) -> bool {
        match (self, value) {
            (Self::Bool(wanted), Value::Bool(value)) => *wanted == value,
            (Self::Int(wanted), Value::Int(value)) => *wanted == value,
            (Self::Double(wanted), Value::Double(value)) => *wanted == value,
            (Self::Str(wanted), Value::Str(value)) => wanted == value,
            (Self::Array(wanted), Value::Array(values)) => {
                wanted.len() == values.iter().count()
                    && wanted.iter().zip(values).all(|(wanted, value)| wanted.is(value))
            }
            _ => false,
        }
    }

    /// The text of it, as `convert` makes one.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Int(number) => number.to_string(),
            Self::Double(number) => number.to_string(),
            Self::Str(text) => text.clone(),
            Self::Array(values) => {
                format!("[{}]", values.iter().map(Self::text).collect::<Vec<_>>().join(","))
            }
        }
    }

    pub(super) fn write(&self, key: &str, out: &mut AttributesWriter<'_>) {
        match self {
            Self::Array(values) => {
                out.array(key, |out| values.iter().for_each(|value| value.write_element(out)));
            }
            scalar => {
                out.value(key, scalar.scalar());
            }
        }
    }

    fn write_element(&self, out: &mut ValuesWriter<'_>) {
        match self {
            Self::Array(values) => out.array(|out| values.iter().for_each(|value| value.write_element(out))),
            scalar => out.value(scalar.scalar()),
        };
    }

    fn scalar(&self) -> Value<'_> {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(number) => Value::Int(*number),
            Self::Double(number) => Value::Double(*number),
            Self::Str(text) => Value::Str(text),
            Self::Array(_) => Value::Empty,
        }
    }
}

impl JsonSchema for Setting {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Setting".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["boolean", "number", "string", "array"]})
    }
}
