//! Small checked values of a configuration, and the error that says what is wrong with one.
//!
//! **Not here:** YAML. `collector/src/config` turns a path into file, line and column.

use std::{borrow::Cow, fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What is wrong with a configuration, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where, from the place the error was found: `values`, `histogram.explicit.buckets[3]`. Whoever
    /// passes the error on puts its own place in front, until it is a path from the root:
    /// `connectors.span_metrics.histogram.explicit.buckets[3]`.
    pub path: String,
    /// What is wrong and what would be right, in one sentence without a full stop.
    pub message: String,
}

/// A number of bytes: a plain integer, or a number with `B`, `KiB`, `MiB`, `GiB`, `kB`, `MB`, `GB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// A time span as Go writes it: `1.5s`, `300ms`, `1h30m`; a plain integer counts nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// The value of `middlewares:`, which may be there with nothing in it: there are no extensions that it could name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Middlewares {
    is_empty: bool,
}

/// The value of a key that is accepted and has no effect: serde's type of this name, with a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct IgnoredAny(de::IgnoredAny);

// === impl ConfigError ===

impl ConfigError {
    /// An error at a path below the caller.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }

    /// The same error, seen from one level up.
    #[must_use]
    pub fn under(mut self, parent: &str) -> Self {
        self.path = match self.path.as_str() {
            "" => parent.to_owned(),
            path if path.starts_with('[') => format!("{parent}{path}"),
            path => format!("{parent}.{path}"),
        };
        self
    }

    /// Checks a bound on a number of entries.
    ///
    /// # Errors
    /// There are more than `max`.
    pub fn at_most(path: &str, count: usize, max: usize) -> Result<(), Self> {
        if count <= max {
            return Ok(());
        }
        Err(Self::new(path, format!("has {count} entries, at most {max} are allowed")))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl std::error::Error for ConfigError {}

// === impl ByteSize ===

impl ByteSize {
    /// Reads `512`, `512B`, `64KiB`, `1.5 MiB`, `2GiB`, `10MB`.
    ///
    /// # Errors
    /// Says which forms are understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let factor = match unit.trim() {
            "" | "B" => 1.0,
            "kB" | "KB" => 1e3,
            "MB" => 1e6,
            "GB" => 1e9,
            "KiB" => 1024.0,
            "MiB" => 1024.0 * 1024.0,
            "GiB" => 1024.0 * 1024.0 * 1024.0,
            _ => return Err(format!("`{text}` is not a size; write for example 64KiB, 512MiB or 2GiB")),
        };
        let number: f64 = number
            .parse()
            .map_err(|_| format!("`{text}` is not a size; write for example 64KiB, 512MiB or 2GiB"))?;
        Ok(Self((number * factor) as u64))
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ByteSizeVisitor)
    }
}

impl Serialize for ByteSize {
    /// Exact, unlike [`fmt::Display`]: reads back as the same number of bytes.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.to_string();
        if Self::parse(&text).as_ref() == Ok(self) {
            serializer.serialize_str(&text)
        } else {
            serializer.serialize_u64(self.0)
        }
    }
}

impl JsonSchema for ByteSize {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let pattern = r"^\s*[0-9.]+\s*(B|kB|KB|MB|GB|KiB|MiB|GiB)?\s*$";
        json_schema!({"type": ["integer", "string"], "minimum": 0, "pattern": pattern})
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        for (size, unit) in UNITS {
            if self.0 >= size {
                let value = self.0 as f64 / size as f64;
                return if self.0.is_multiple_of(size) {
                    write!(f, "{value:.0}{unit}")
                } else {
                    write!(f, "{value:.1}{unit}")
                };
            }
        }
        write!(f, "{}B", self.0)
    }
}

// === impl Span ===

impl Span {
    /// Reads Go's `time.ParseDuration`: a sequence of decimal numbers with units `ns`, `us`, `µs`,
    /// `ms`, `s`, `m`, `h`. Negative spans are refused.
    ///
    /// # Errors
    /// Says which forms are understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a duration; write for example 300ms, 1.5s, 10m or 1h30m");
        let mut rest = text.trim();
        if rest == "0" {
            return Ok(Self(Duration::ZERO));
        }
        if rest.is_empty() {
            return Err(wrong());
        }
        let mut nanos = 0.0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
            let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
            rest = &rest[digits..];
            let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
            nanos += number
                * match &rest[..end] {
                    "ns" => 1.0,
                    "us" | "µs" | "μs" => 1e3,
                    "ms" => 1e6,
                    "s" => 1e9,
                    "m" => 60e9,
                    "h" => 3_600e9,
                    "d" => 86_400e9,
                    _ => return Err(wrong()),
                };
            rest = &rest[end..];
        }
        if nanos > i64::MAX as f64 {
            return Err(format!("`{text}` is too long; at most 292 years fit"));
        }
        Ok(Self(Duration::from_nanos(nanos.round() as u64)))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(SPAN, SpanVisitor)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let pattern = r"^\s*(0|([0-9.]+(ns|us|µs|μs|ms|s|m|h|d))+)\s*$";
        json_schema!({"type": ["integer", "string"], "minimum": 0, "pattern": pattern})
    }
}

impl fmt::Display for Span {
    /// The largest unit that gives a whole number, so that it reads back exactly: `90m`, `1500ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u128, &str); 5] = [
            (3_600_000_000_000, "h"),
            (60_000_000_000, "m"),
            (1_000_000_000, "s"),
            (1_000_000, "ms"),
            (1_000, "us"),
        ];
        let nanos = self.0.as_nanos();
        if nanos == 0 {
            return f.write_str("0s");
        }
        let unit = UNITS.iter().find(|(size, _)| nanos.is_multiple_of(*size));
        let (size, unit) = unit.copied().unwrap_or((1, "ns"));
        write!(f, "{}{unit}", nanos / size)
    }
}

// === impl Middlewares ===

impl Middlewares {
    /// The fault of a list that names something.
    pub fn check(this: Option<Self>) -> Option<ConfigError> {
        let names_some = this.is_some_and(|list| !list.is_empty);
        names_some.then(|| {
            ConfigError::new("middlewares", "names what is not supported here; leave the list empty")
        })
    }
}

impl<'de> Deserialize<'de> for Middlewares {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<de::IgnoredAny>::deserialize(deserializer)?;
        Ok(Self { is_empty: names.is_empty() })
    }
}

impl JsonSchema for Middlewares {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Middlewares".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "array", "maxItems": 0})
    }
}

// === impl IgnoredAny ===

impl JsonSchema for IgnoredAny {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "IgnoredAny".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        true.into()
    }
}

struct ByteSizeVisitor;

impl de::Visitor<'_> for ByteSizeVisitor {
    type Value = ByteSize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as 64KiB, 512MiB or 2GiB")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<ByteSize, E> {
        Ok(ByteSize(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<ByteSize, E> {
        u64::try_from(value).map(ByteSize).map_err(|_| E::custom("a size cannot be negative"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
        ByteSize::parse(text).map_err(E::custom)
    }
}

struct SpanVisitor;

impl<'de> de::Visitor<'de> for SpanVisitor {
    type Value = Span;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as 300ms, 1.5s, 10m or 1h30m")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Span, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_u64<E: de::Error>(self, nanos: u64) -> Result<Span, E> {
        Ok(Span(Duration::from_nanos(nanos)))
    }

    fn visit_i64<E: de::Error>(self, nanos: i64) -> Result<Span, E> {
        u64::try_from(nanos)
            .map(|nanos| Span(Duration::from_nanos(nanos)))
            .map_err(|_| E::custom("a duration cannot be negative"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
        Span::parse(text).map_err(E::custom)
    }
}

/// The name under which a [`Span`] asks a deserializer for its value, so that a reader of files can tell where one is
/// wanted: a number without a unit is hardly ever meant there.
pub const SPAN: &str = "Span";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, nanos) in [
            ("1s", 1_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("1.5ms", 1_500_000),
            ("0", 0),
            ("7d", 604_800_000_000_000),
        ] {
            assert_eq!(Span::parse(text), Ok(Span(Duration::from_nanos(nanos))), "{text}");
        }
        for text in ["", "1", "s", "-1s", "1x", "1s2", "1e9h"] {
            assert!(Span::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_and_shown() {
        for (text, bytes) in [("512", 512), ("64KiB", 65_536), ("1.5 MiB", 1_572_864), ("2GB", 2_000_000_000)]
        {
            assert_eq!(ByteSize::parse(text), Ok(ByteSize(bytes)), "{text}");
        }
        assert!(ByteSize::parse("12 parsecs").is_err());
        assert_eq!(ByteSize(2 << 30).to_string(), "2GiB");
        assert_eq!(ByteSize(1_572_864).to_string(), "1.5MiB");
    }

    #[test]
    fn durations_are_shown_as_they_are_read() {
        for (text, shown) in
            [("1h30m", "90m"), ("1.5s", "1500ms"), ("0", "0s"), ("72h", "72h"), ("7ns", "7ns")]
        {
            let span = Span::parse(text).unwrap();
            assert_eq!(span.to_string(), shown);
            assert_eq!(Span::parse(shown), Ok(span));
        }
    }

    #[test]
    fn a_path_grows_from_the_inside_out() {
        let error =
            ConfigError::new("[3]", "not ascending").under("buckets").under("connectors.span_metrics");
        assert_eq!(error.path, "connectors.span_metrics.buckets[3]");
    }
}
