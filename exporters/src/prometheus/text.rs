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

use super::{
    escaping::{Escaping, Known, is_label_name, is_metric_name},
    protobuf::{Message, Pairs},
};

/// A format of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `text/plain`.
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

/// A format, and how it writes names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Style {
    /// The format.
    pub format: Format,
    /// Names are escaped so.
    pub escaping: Escaping,
}

/// The metadata of a family.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// Without `_total` and `_info`.
    pub name: &'a str,
    /// As it was spelled, if that is known.
    pub spelled: &'a str,
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
    escaping: Escaping,
    /// How labels were spelled, unless all names are as the table has them.
    spellings: Option<&'a Known>,
    /// The name of the family at hand, as it is written, and whether that is in quotes.
    name: String,
    quoted: bool,
    /// Labels under the names that they are written with, and the one at hand.
    labels: Vec<u8>,
    label: String,
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

// === impl Style ===

impl Style {
    /// The value of `Content-Type`. Text that writes no name in its older form only is version 1.0.0; from that version
    /// on the escaping is named (Prometheus, *Content Negotiation*).
    pub fn content_type(self, old_text: bool) -> &'static str {
        macro_rules! escaped {
            ($start:literal) => {
                match self.escaping {
                    Escaping::Underscores => concat!($start, "; escaping=underscores"),
                    Escaping::Dots => concat!($start, "; escaping=dots"),
                    Escaping::Values => concat!($start, "; escaping=values"),
                    Escaping::AllowUtf8 => concat!($start, "; escaping=allow-utf-8"),
                }
            };
        }
        match self.format {
            Format::Text if old_text => "text/plain; version=0.0.4; charset=utf-8",
            Format::Text => escaped!("text/plain; version=1.0.0; charset=utf-8"),
            Format::OpenMetrics => escaped!("application/openmetrics-text; version=1.0.0; charset=utf-8"),
            Format::Protobuf => escaped!(
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            ),
        }
    }
}

impl From<Format> for Style {
    fn from(format: Format) -> Self {
        Self { format, escaping: Escaping::Underscores }
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
    /// The unit, where the name as it is written ends with it, as OpenMetrics demands, and the type may have one.
    pub fn shown_unit(&self, name: &str) -> &str {
        let takes_unit = !matches!(self.kind, Kind::Info | Kind::StateSet);
        if takes_unit && ends_with_unit(name, self.unit) { self.unit } else { "" }
    }
}

// === impl Writer ===

impl<'a> Writer<'a> {
    /// A writer that appends to `out`. Without `spellings` labels are written as the table has them.
    pub fn new(out: &'a mut Vec<u8>, style: Style, spellings: Option<&'a Known>) -> Self {
        Self {
            out,
            format: style.format,
            escaping: style.escaping,
            spellings,
            name: String::new(),
            quoted: false,
            labels: Vec::new(),
            label: String::new(),
            message: Message::default(),
        }
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
        self.name.clear();
        self.escaping.push_family(&mut self.name, head.name, head.spelled, head.kind.suffix());
        self.quoted = self.escaping == Escaping::AllowUtf8 && !is_metric_name(&self.name);
        match self.format {
            Format::Protobuf => self.message.begin(&self.name, head),
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

    /// Gives `show` the labels under the names that this page writes them with.
    pub fn with_labels(&mut self, labels: &[u8], show: impl FnOnce(&mut Self, &[u8])) {
        let Some(spellings) = self.spellings else { return show(self, labels) };
        let mut written = std::mem::take(&mut self.labels);
        written.clear();
        for (known, value) in Pairs(labels) {
            let known = std::str::from_utf8(known).unwrap_or_default();
            self.label.clear();
            self.escaping.push_label(&mut self.label, known, spellings.get(known).map(|spelled| &**spelled));
            if !written.is_empty() {
                written.push(b',');
            }
            push_name(&mut written, &self.label, !is_label_name(&self.label));
            written.extend_from_slice(b"=\"");
            written.extend_from_slice(value);
            written.push(b'"');
        }
        show(self, &written);
        self.labels = written;
    }

    fn openmetrics_head(&mut self, head: &Head<'_>) {
        self.metadata("TYPE", "", head.kind.word(self.format));
        let unit = head.shown_unit(&self.name);
        if !unit.is_empty() {
            self.metadata("UNIT", "", unit);
        }
        if !head.help.is_empty() {
            self.metadata("HELP", "", head.help);
        }
    }

    fn text_head(&mut self, head: &Head<'_>) {
        if !head.help.is_empty() {
            self.metadata("HELP", head.kind.suffix(), head.help);
        }
        self.metadata("TYPE", head.kind.suffix(), head.kind.word(self.format));
    }

    fn metadata(&mut self, keyword: &str, suffix: &str, value: &str) {
        self.raw(b"# ");
        self.raw(keyword.as_bytes());
        self.raw(b" ");
        self.family_name(suffix);
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
    pub fn sample(&mut self, suffix: &str, labels: &[u8], extra: Option<(&str, &[u8])>) {
        if self.quoted {
            return self.quoted_sample(suffix, labels, extra);
        }
        self.out.extend_from_slice(self.name.as_bytes());
        self.raw(suffix.as_bytes());
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

    /// A name in quotes stands within the braces.
    fn quoted_sample(&mut self, suffix: &str, labels: &[u8], extra: Option<(&str, &[u8])>) {
        self.raw(b"{");
        self.family_name(suffix);
        if !labels.is_empty() {
            self.all(&[b",", labels]);
        }
        if let Some((key, value)) = extra {
            self.all(&[b",", key.as_bytes(), b"=\"", value, b"\""]);
        }
        self.raw(b"} ");
    }

    fn family_name(&mut self, suffix: &str) {
        if !self.quoted {
            self.out.extend_from_slice(self.name.as_bytes());
            return self.raw(suffix.as_bytes());
        }
        self.raw(b"\"");
        push_escaped(self.out, &self.name, true);
        self.raw(suffix.as_bytes());
        self.raw(b"\"");
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

/// Appends a name, in quotes where it needs them.
fn push_name(out: &mut Vec<u8>, name: &str, quoted: bool) {
    if !quoted {
        return out.extend_from_slice(name.as_bytes());
    }
    out.push(b'"');
    push_escaped(out, name, true);
    out.push(b'"');
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
