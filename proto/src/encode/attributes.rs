//! Attributes and values.

use crate::{
    schema::{any_value, array_value, key_value, key_value_list},
    validate::VALUE_DEPTH_MAX,
    view::{PairView, Value},
    wire::Writer,
};

/// Writes attributes, or the pairs of a map.
#[derive(Debug)]
pub struct AttributesWriter<'w> {
    out: &'w mut Writer,
    number: u32,
    /// How deep the values written here are; 1 for those of an attribute.
    depth: u32,
}

/// Writes the values of an array.
#[derive(Debug)]
pub struct ValuesWriter<'w> {
    out: &'w mut Writer,
    depth: u32,
}

// === impl AttributesWriter ===

impl<'w> AttributesWriter<'w> {
    pub(crate) fn new(out: &'w mut Writer, number: u32) -> Self {
        Self { out, number, depth: 1 }
    }

    /// Bytes written so far.
    pub fn written(&self) -> usize {
        self.out.len()
    }

    /// Adds text.
    pub fn str(&mut self, key: &str, value: &str) -> &mut Self {
        self.value(key, Value::Str(value))
    }

    /// Adds a whole number.
    pub fn int(&mut self, key: &str, value: i64) -> &mut Self {
        self.value(key, Value::Int(value))
    }

    /// Adds a number.
    pub fn double(&mut self, key: &str, value: f64) -> &mut Self {
        self.value(key, Value::Double(value))
    }

    /// Adds true or false.
    pub fn bool(&mut self, key: &str, value: bool) -> &mut Self {
        self.value(key, Value::Bool(value))
    }

    /// Adds bytes.
    pub fn bytes(&mut self, key: &str, value: &[u8]) -> &mut Self {
        self.value(key, Value::Bytes(value))
    }

    /// Adds any value, lists and maps with all they hold.
    pub fn value(&mut self, key: &str, value: Value<'_>) -> &mut Self {
        self.pair(key, |out, depth| write_value(out, depth, value))
    }

    /// Adds a list.
    pub fn array(&mut self, key: &str, fill: impl FnOnce(&mut ValuesWriter<'_>)) -> &mut Self {
        self.pair(key, |out, depth| write_array(out, depth, fill))
    }

    /// Adds a map.
    pub fn map(&mut self, key: &str, fill: impl FnOnce(&mut AttributesWriter<'_>)) -> &mut Self {
        self.pair(key, |out, depth| write_map(out, depth, fill))
    }

    /// Adds an attribute of another list, byte for byte.
    pub fn copy(&mut self, pair: PairView<'_>) -> &mut Self {
        if self.depth == 1 {
            self.out.bytes(self.number, pair.bytes());
            return self;
        }
        // Deeper than it came from, so its own depth must be counted anew.
        self.value(pair.key(), pair.value())
    }

    fn pair(&mut self, key: &str, value: impl FnOnce(&mut Writer, u32)) -> &mut Self {
        let depth = self.depth;
        self.out.message(self.number, |out| {
            out.string_unless_empty(key_value::KEY, key);
            out.message(key_value::VALUE, |out| value(out, depth));
        });
        self
    }
}

// === impl ValuesWriter ===

impl ValuesWriter<'_> {
    /// Bytes written so far.
    pub fn written(&self) -> usize {
        self.out.len()
    }

    /// Adds text.
    pub fn str(&mut self, value: &str) -> &mut Self {
        self.value(Value::Str(value))
    }

    /// Adds a whole number.
    pub fn int(&mut self, value: i64) -> &mut Self {
        self.value(Value::Int(value))
    }

    /// Adds a number.
    pub fn double(&mut self, value: f64) -> &mut Self {
        self.value(Value::Double(value))
    }

    /// Adds true or false.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.value(Value::Bool(value))
    }

    /// Adds any value.
    pub fn value(&mut self, value: Value<'_>) -> &mut Self {
        let depth = self.depth;
        self.out.message(array_value::VALUES, |out| write_value(out, depth, value));
        self
    }

    /// Adds a list.
    pub fn array(&mut self, fill: impl FnOnce(&mut ValuesWriter<'_>)) -> &mut Self {
        let depth = self.depth;
        self.out.message(array_value::VALUES, |out| write_array(out, depth, fill));
        self
    }

    /// Adds a map.
    pub fn map(&mut self, fill: impl FnOnce(&mut AttributesWriter<'_>)) -> &mut Self {
        let depth = self.depth;
        self.out.message(array_value::VALUES, |out| write_map(out, depth, fill));
        self
    }
}

/// Writes the fields of an `AnyValue` at `depth`. A member of a `oneof` is written even if it is
/// empty or zero.
pub(crate) fn write_value(out: &mut Writer, depth: u32, value: Value<'_>) {
    match value {
        Value::Empty => {}
        Value::Str(text) => out.string(any_value::STRING, text),
        Value::Bool(value) => out.bool(any_value::BOOL, value),
        Value::Int(number) => out.int(any_value::INT, number),
        Value::Double(number) => out.double(any_value::DOUBLE, number),
        Value::Bytes(bytes) => out.bytes(any_value::BYTES, bytes),
        Value::Array(values) => write_array(out, depth, |array| {
            values.iter().for_each(|value| {
                array.value(value);
            });
        }),
        Value::KvList(pairs) => write_map(out, depth, |map| {
            pairs.iter().for_each(|(key, value)| {
                map.value(key, value);
            });
        }),
    }
}

fn write_array(out: &mut Writer, depth: u32, fill: impl FnOnce(&mut ValuesWriter<'_>)) {
    if depth < VALUE_DEPTH_MAX {
        out.message(any_value::ARRAY, |out| fill(&mut ValuesWriter { out, depth: depth + 1 }));
    }
}

fn write_map(out: &mut Writer, depth: u32, fill: impl FnOnce(&mut AttributesWriter<'_>)) {
    if depth < VALUE_DEPTH_MAX {
        out.message(any_value::KVLIST, |out| {
            fill(&mut AttributesWriter { out, number: key_value_list::VALUES, depth: depth + 1 });
        });
    }
}
