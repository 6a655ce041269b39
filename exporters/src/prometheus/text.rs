//! The two text formats: Prometheus text 0.0.4 and OpenMetrics 1.0.0. Who writes a page holds a [`Writer`] in any
//! case; for the third format it hands out the [`Message`] of [`super::protobuf`].
//!
//! - **In:** families (name, type, unit, help) and their samples, the labels already rendered.
//! - **Out:** bytes appended to a buffer that the caller owns and reuses.
//! - **Guaranteed:** metadata stands before samples, once, escaped; numbers are spelled alike in both
//!   formats; exemplars, `UNIT` and `# EOF` appear in OpenMetrics only.
//! - **Not here:** uniqueness of families and series. The table ([`super::series`]) sees to that.
//!
//! ```text
//! # TYPE http_request_duration_seconds histogram          # HELP http_request_duration_seconds How long.
//! # UNIT http_request_duration_seconds seconds            # TYPE http_request_duration_seconds histogram
//! # HELP http_request_duration_seconds How long.          http_request_duration_seconds_bucket{le="1.0"} 2
//! http_..._bucket{le="1.0"} 2 # {trace_id=".."} 0.5 17.1  ...
//! # EOF
//! ```

pub mod number;

pub use number::Number;
use number::{push_count, push_double, push_number, push_seconds};

use super::protobuf::Message;

/// A format of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `text/plain; version=0.0.4`.
    Text,
    /// `application/openmetrics-text; version=1.0.0`.
    OpenMetrics,
    /// `application/vnd.google.protobuf`, delimited `MetricFamily` messages.
    Protobuf,
}

/// The type of a family, in OpenMetrics' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Only grows; its sample ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Cumulative buckets.
    Histogram,
    /// Quantiles computed by the sender.
    Summary,
    /// Constant 1, information in the labels; its sample ends in `_info`.
    Info,
    /// One of several states, 0 or 1 each.
    StateSet,
    /// The sender did not say.
    Unknown,
}

/// The metadata of a family.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// Without `_total` and `_info`.
    pub name: &'a str,
    /// Its type.
    pub kind: Kind,
    /// As the name ends with it.
    pub unit: &'a str,
    /// Description.
    pub help: &'a str,
}

/// Appends lines of one format to a buffer.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    format: Format,
    /// The family at hand, in the format that is not text.
    message: Message,
}

/// What follows a sample's value in OpenMetrics: labels as rendered, value, time.
#[derive(Clone, Copy, Debug)]
pub struct ExemplarText<'a> {
    /// `trace_id="...",span_id="..."`, or nothing.
    pub labels: &'a [u8],
    /// What was observed.
    pub value: Number,
    /// When, in nanoseconds since 1970.
    pub time_ns: u64,
}

// === impl Format ===

impl Format {
    /// The value of `Content-Type`. From version 1.0.0 on it names the escaping (Prometheus, *Content
    /// Negotiation*).
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
            }
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; \
                 escaping=underscores"
            }
        }
    }
}

// === impl Kind ===

impl Kind {
    /// The word on the `TYPE` line.
    pub fn word(self, format: Format) -> &'static str {
        match (self, format) {
            (Self::Counter, _) => "counter",
            (Self::Histogram, _) => "histogram",
            (Self::Summary, _) => "summary",
            (Self::Info, Format::OpenMetrics) => "info",
            (Self::StateSet, Format::OpenMetrics) => "stateset",
            (Self::Unknown, Format::OpenMetrics) => "unknown",
            (Self::Gauge | Self::Info | Self::StateSet, _) => "gauge",
            (Self::Unknown, _) => "untyped",
        }
    }

    /// What the family's name has that its only sample's name has not.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Info => "_info",
            Self::Gauge | Self::Histogram | Self::Summary | Self::StateSet | Self::Unknown => "",
        }
    }

    /// Every ending that a sample of such a family may have (OpenMetrics 1.0, *Suffixes*).
    pub fn suffixes(self) -> &'static [&'static str] {
        match self {
            Self::Counter => &["", "_total", "_created"],
            Self::Histogram => &["", "_bucket", "_sum", "_count", "_created"],
            Self::Summary => &["", "_sum", "_count", "_created"],
            Self::Info => &["", "_info"],
            Self::Gauge | Self::StateSet | Self::Unknown => &[""],
        }
    }
}

// === impl Head ===

impl Head<'_> {
    /// The unit, where the name ends with it, as OpenMetrics demands, and the type may have one.
    pub fn shown_unit(&self) -> &str {
        let takes_unit = !matches!(self.kind, Kind::Info | Kind::StateSet);
        if takes_unit && ends_with_unit(self.name, self.unit) { self.unit } else { "" }
    }
}

// === impl Writer ===

impl<'a> Writer<'a> {
    /// A writer that appends to `out`.
    pub fn new(out: &'a mut Vec<u8>, format: Format) -> Self {
        Self { out, format, message: Message::default() }
    }

    /// Which format it writes.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Bytes in the buffer, those before this writer included, and of the family at hand.
    pub fn len(&self) -> usize {
        self.out.len() + self.message.len()
    }

    /// Whether nothing is in the buffer.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Begins a family, or goes on with one (`again`) that was begun in the chunk before.
    pub fn begin(&mut self, head: &Head<'_>, again: bool) {
        match self.format {
            Format::Protobuf => self.message.begin(head),
            Format::OpenMetrics | Format::Text if again => {}
            Format::OpenMetrics => self.openmetrics_head(head),
            Format::Text => self.text_head(head),
        }
    }

    /// Ends what [`begin`](Self::begin) began.
    pub fn end(&mut self) {
        if self.format == Format::Protobuf {
            self.message.end(self.out);
        }
    }

    /// Where the series of the family at hand go, if the format is not text.
    pub fn message(&mut self) -> Option<&mut Message> {
        (self.format == Format::Protobuf).then_some(&mut self.message)
    }

    fn openmetrics_head(&mut self, head: &Head<'_>) {
        self.metadata("TYPE", head.name, "", head.kind.word(self.format));
        let unit = head.shown_unit();
        if !unit.is_empty() {
            self.metadata("UNIT", head.name, "", unit);
        }
        if !head.help.is_empty() {
            self.metadata("HELP", head.name, "", head.help);
        }
    }

    fn text_head(&mut self, head: &Head<'_>) {
        if !head.help.is_empty() {
            self.metadata("HELP", head.name, head.kind.suffix(), head.help);
        }
        self.metadata("TYPE", head.name, head.kind.suffix(), head.kind.word(self.format));
    }

    fn metadata(&mut self, keyword: &str, name: &str, suffix: &str, value: &str) {
        self.raw(b"# ");
        self.raw(keyword.as_bytes());
        self.raw(b" ");
        self.raw(name.as_bytes());
        self.raw(suffix.as_bytes());
        self.raw(b" ");
        // No line of the page ends with a carriage return, so descriptions have none.
        for part in value.split('\r') {
            // Text 0.0.4 escapes backslash and line feed in HELP; OpenMetrics the quote too.
            push_escaped(self.out, part, self.format == Format::OpenMetrics);
        }
        self.raw(b"\n");
    }

    /// Name and labels of a sample and the space after them. `labels` are rendered
    /// (`a="x",b="y"`), `extra` is one more pair, its value in need of no escape (`le`).
    pub fn sample(&mut self, name: &[u8], suffix: &[u8], labels: &[u8], extra: Option<(&str, &[u8])>) {
        self.raw(name);
        self.raw(suffix);
        match (labels.is_empty(), extra) {
            (true, None) => {}
            (false, None) => self.all(&[b"{", labels, b"}"]),
            (true, Some((key, value))) => self.all(&[b"{", key.as_bytes(), b"=\"", value, b"\"}"]),
            (false, Some((key, value))) => {
                self.all(&[b"{", labels, b",", key.as_bytes(), b"=\"", value, b"\"}"]);
            }
        }
        self.raw(b" ");
    }

    /// A sample's value.
    pub fn number(&mut self, value: Number) {
        push_number(self.out, value);
    }

    /// A sample's value that counts.
    pub fn count(&mut self, value: u64) {
        push_count(self.out, value);
    }

    /// A sample's value that is a floating point number.
    pub fn double(&mut self, value: f64) {
        push_double(self.out, value);
    }

    /// When a series began, as the value of its `_created` sample.
    pub fn created(&mut self, start_ns: u64) {
        push_seconds(self.out, start_ns);
    }

    /// The time of a sample, after its value: seconds, or milliseconds in text 0.0.4.
    pub fn timestamp(&mut self, time_ns: u64) {
        self.raw(b" ");
        match self.format {
            Format::OpenMetrics => push_seconds(self.out, time_ns),
            Format::Text | Format::Protobuf => push_count(self.out, time_ns / 1_000_000),
        }
    }

    /// The exemplar of a sample. Text 0.0.4 has none, so nothing is written there.
    pub fn exemplar(&mut self, exemplar: ExemplarText<'_>) {
        if self.format != Format::OpenMetrics {
            return;
        }
        self.all(&[b" # {", exemplar.labels, b"} "]);
        push_number(self.out, exemplar.value);
        self.raw(b" ");
        push_seconds(self.out, exemplar.time_ns);
    }

    /// The end of a sample's line.
    pub fn end_line(&mut self) {
        self.raw(b"\n");
    }

    /// The end of the page.
    pub fn eof(&mut self) {
        if self.format == Format::OpenMetrics {
            self.raw(b"# EOF\n");
        }
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    fn all(&mut self, parts: &[&[u8]]) {
        for part in parts {
            self.out.extend_from_slice(part);
        }
    }
}

/// Appends one rendered label, `name="value"`, after a comma where one is needed. `name` must be a
/// valid label name.
pub fn push_label(labels: &mut Vec<u8>, name: &str, value: &str) {
    if !labels.is_empty() {
        labels.push(b',');
    }
    labels.extend_from_slice(name.as_bytes());
    labels.extend_from_slice(b"=\"");
    push_escaped(labels, value, true);
    labels.push(b'"');
}

/// Appends `text` with `\`, line feed and, where wanted, `"` escaped.
pub fn push_escaped(out: &mut Vec<u8>, text: &str, quotes: bool) {
    let mut rest = text.as_bytes();
    while let Some(at) =
        rest.iter().position(|&byte| matches!(byte, b'\\' | b'\n') || (byte == b'"' && quotes))
    {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(match rest[at] {
            b'\\' => br"\\",
            b'\n' => br"\n",
            _ => b"\\\"",
        });
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

fn ends_with_unit(name: &str, unit: &str) -> bool {
    !unit.is_empty() && name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'))
}
