//! What is answered to an export, as JSON.
//!
//! ```text
//! {"partialSuccess": {"rejectedSpans": "3", "errorMessage": ".."}}
//! {"code": 14, "message": "..", "details": [
//!     {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.500s"},
//!     {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": "..", "description": ".."}]}]}
//! ```
//!
//! - **Guaranteed:** full success is `{}`. The bounds of [`crate::response`] hold here too.

use std::time::Duration;

use super::text;
use crate::{
    batch::SignalKind,
    response::{BAD_REQUEST, DETAILS_MAX, DURATION_SECONDS_MAX, PartialSuccess, RETRY_INFO, Status, cut},
};

/// Writes the response of the signal's service. `None` is full success.
pub fn encode_response(kind: SignalKind, partial: Option<&PartialSuccess>) -> Vec<u8> {
    let mut out = Object::begin(Vec::new());
    if let Some(partial) = partial {
        out = out.object("partialSuccess", |mut out| {
            if partial.rejected != 0 {
                let key = match kind {
                    SignalKind::Traces => "rejectedSpans",
                    SignalKind::Metrics => "rejectedDataPoints",
                    SignalKind::Logs => "rejectedLogRecords",
                };
                out.text(key, &partial.rejected.to_string());
            }
            out.text_unless_empty("errorMessage", &partial.message);
            out
        });
    }
    out.end()
}

/// Writes a `google.rpc.Status`.
pub fn encode_status(status: &Status) -> Vec<u8> {
    let mut out = Object::begin(Vec::new());
    if status.code != 0 {
        out.raw("code", &status.code.to_string());
    }
    out.text_unless_empty("message", &status.message);
    let retry = status.retry_after.map(|after| {
        let mut out = Object::begin(Vec::new());
        out.text("@type", RETRY_INFO);
        out.text("retryDelay", &duration(after));
        out.end()
    });
    let bad_request = (!status.violations.is_empty()).then(|| {
        let mut out = Object::begin(Vec::new());
        out.text("@type", BAD_REQUEST);
        let violations = status.violations.iter().take(DETAILS_MAX).map(|violation| {
            let mut out = Object::begin(Vec::new());
            out.text_unless_empty("field", &violation.field);
            out.text_unless_empty("description", &violation.description);
            out.end()
        });
        out.list("fieldViolations", violations);
        out.end()
    });
    if retry.is_some() || bad_request.is_some() {
        out.list("details", retry.into_iter().chain(bad_request));
    }
    out.end()
}

/// An object that is being written.
struct Object(Vec<u8>);

// === impl Object ===

impl Object {
    fn begin(mut out: Vec<u8>) -> Self {
        out.push(b'{');
        Self(out)
    }

    fn end(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }

    fn key(&mut self, key: &str) {
        if self.0.last() != Some(&b'{') {
            self.0.push(b',');
        }
        text::quoted(key.as_bytes(), &mut self.0);
        self.0.push(b':');
    }

    fn raw(&mut self, key: &str, value: &str) {
        self.key(key);
        self.0.extend_from_slice(value.as_bytes());
    }

    fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        text::quoted(cut(value).as_bytes(), &mut self.0);
    }

    fn text_unless_empty(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.text(key, value);
        }
    }

    fn object(mut self, key: &str, fill: impl FnOnce(Self) -> Self) -> Self {
        self.key(key);
        Self(fill(Self::begin(self.0)).end())
    }

    fn list(&mut self, key: &str, items: impl Iterator<Item = Vec<u8>>) {
        self.key(key);
        let items: Vec<_> = items.collect();
        self.0.push(b'[');
        self.0.extend_from_slice(&items.join(&b','));
        self.0.push(b']');
    }
}

/// `google.protobuf.Duration`: 0, 3, 6 or 9 digits after the point.
fn duration(value: Duration) -> String {
    let (seconds, nanos) = (value.as_secs().min(DURATION_SECONDS_MAX), value.subsec_nanos());
    match nanos {
        0 => format!("{seconds}s"),
        _ if nanos % 1_000_000 == 0 => format!("{seconds}.{:03}s", nanos / 1_000_000),
        _ if nanos % 1_000 == 0 => format!("{seconds}.{:06}s", nanos / 1_000),
        _ => format!("{seconds}.{nanos:09}s"),
    }
}
