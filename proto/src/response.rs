//! What is answered to an export: partial success, or a `google.rpc.Status` with details.
//!
//! ```text
//! Export*ServiceResponse { partial_success = 1 { rejected_* = 1, error_message = 2 } }
//! Status { code = 1, message = 2, details = 3 Any { type_url = 1, value = 2 } }
//! RetryInfo { retry_delay = 1 Duration { seconds = 1, nanos = 2 } }
//! BadRequest { field_violations = 1 { field = 1, description = 2 } }
//! ```
//!
//! - **In:** our own answers to write; answers of peers to read, which are as hostile as requests.
//! - **Guaranteed:** full success is zero bytes. Text is cut to [`TEXT_BYTES_MAX`] both ways, and not
//!   more than [`DETAILS_MAX`] details are read or written, so an answer stays small.
//! - **Not here:** which answer fits which refusal; that is the receivers' table.

use std::time::Duration;

use crate::wire::{Fields, Payload, Writer};

/// Some items were not taken, or all were and the receiver has a warning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartialSuccess {
    /// Items not taken. They must not be sent again.
    pub rejected: i64,
    /// Why; a warning if nothing was rejected.
    pub message: String,
}

/// `google.rpc.Status`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// A gRPC code.
    pub code: i32,
    /// What is wrong, for a person.
    pub message: String,
    /// `RetryInfo`: how long to wait before the next attempt.
    pub retry_after: Option<Duration>,
    /// `BadRequest`: what is wrong with the request.
    pub violations: Vec<Violation>,
}

/// One thing that is wrong with a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violation {
    /// Where, such as `Span.trace_id`.
    pub field: String,
    /// What.
    pub description: String,
}

// === impl PartialSuccess ===

impl PartialSuccess {
    /// Writes the response of any of the three services. `None` is full success: zero bytes.
    pub fn encode(partial: Option<&Self>) -> Vec<u8> {
        let mut out = Writer::default();
        if let Some(partial) = partial {
            out.message(1, |out| {
                out.uint_unless_zero(1, partial.rejected as u64);
                out.string_unless_empty(2, cut(&partial.message));
            });
        }
        out.into_vec()
    }

    /// Reads the response of any of the three services. `Ok(None)` is full success, also when the
    /// message is there but empty.
    ///
    /// # Errors
    /// [`NotAResponse`] if the bytes are not protobuf.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, NotAResponse> {
        let mut partial = Self::default();
        each(bytes, |number, payload| {
            let (1, Payload::Len(inner)) = (number, payload) else { return Ok(()) };
            each(inner, |number, payload| {
                match (number, payload) {
                    (1, Payload::Varint(rejected)) => partial.rejected = rejected as i64,
                    (2, Payload::Len(message)) => partial.message = text(message),
                    _ => {}
                }
                Ok(())
            })
        })?;
        Ok((partial != Self::default()).then_some(partial))
    }
}

// === impl Status ===

impl Status {
    /// Writes the message, for an HTTP body or `grpc-status-details-bin`.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        if self.code != 0 {
            out.int(1, i64::from(self.code));
        }
        out.string_unless_empty(2, cut(&self.message));
        if let Some(after) = self.retry_after {
            detail(&mut out, RETRY_INFO, |out| {
                out.message(1, |out| {
                    out.uint_unless_zero(1, after.as_secs().min(DURATION_SECONDS_MAX));
                    out.uint_unless_zero(2, u64::from(after.subsec_nanos()));
                });
            });
        }
        if !self.violations.is_empty() {
            detail(&mut out, BAD_REQUEST, |out| {
                for violation in self.violations.iter().take(DETAILS_MAX) {
                    out.message(1, |out| {
                        out.string_unless_empty(1, cut(&violation.field));
                        out.string_unless_empty(2, cut(&violation.description));
                    });
                }
            });
        }
        out.into_vec()
    }

    /// Reads the message, from an HTTP body or `grpc-status-details-bin`. Details of other kinds are
    /// passed over, negative delays are none.
    ///
    /// # Errors
    /// [`NotAResponse`] if the bytes are not protobuf.
    pub fn decode(bytes: &[u8]) -> Result<Self, NotAResponse> {
        let mut status = Self::default();
        let mut details = 0;
        each(bytes, |number, payload| {
            match (number, payload) {
                (1, Payload::Varint(code)) => status.code = code as i32,
                (2, Payload::Len(message)) => status.message = text(message),
                (3, Payload::Len(any)) if details < DETAILS_MAX => {
                    details += 1;
                    status.read_detail(any)?;
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(status)
    }

    fn read_detail(&mut self, any: &[u8]) -> Result<(), NotAResponse> {
        let (mut url, mut value): (&[u8], &[u8]) = (&[], &[]);
        each(any, |number, payload| {
            match (number, payload) {
                (1, Payload::Len(bytes)) => url = bytes,
                (2, Payload::Len(bytes)) => value = bytes,
                _ => {}
            }
            Ok(())
        })?;
        // Whatever stands before the last slash is the host of a type server, of no meaning here.
        match url.rsplit(|byte| *byte == b'/').next().unwrap_or_default() {
            name if name == type_name(RETRY_INFO) => self.retry_after = read_retry_info(value)?,
            name if name == type_name(BAD_REQUEST) => self.read_bad_request(value)?,
            _ => {}
        }
        Ok(())
    }

    fn read_bad_request(&mut self, bytes: &[u8]) -> Result<(), NotAResponse> {
        each(bytes, |number, payload| {
            let (1, Payload::Len(inner)) = (number, payload) else { return Ok(()) };
            if self.violations.len() == DETAILS_MAX {
                return Ok(());
            }
            let mut violation = Violation::default();
            each(inner, |number, payload| {
                match (number, payload) {
                    (1, Payload::Len(field)) => violation.field = text(field),
                    (2, Payload::Len(description)) => violation.description = text(description),
                    _ => {}
                }
                Ok(())
            })?;
            self.violations.push(violation);
            Ok(())
        })
    }
}

/// An answer that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is not a protobuf message")]
pub struct NotAResponse;

fn read_retry_info(bytes: &[u8]) -> Result<Option<Duration>, NotAResponse> {
    let (mut seconds, mut nanos, mut found) = (0, 0, false);
    each(bytes, |number, payload| {
        let (1, Payload::Len(duration)) = (number, payload) else { return Ok(()) };
        found = true;
        each(duration, |number, payload| {
            match (number, payload) {
                (1, Payload::Varint(value)) => seconds = value as i64,
                (2, Payload::Varint(value)) => nanos = value as i32,
                _ => {}
            }
            Ok(())
        })
    })?;
    let (Ok(seconds), Ok(nanos)) = (u64::try_from(seconds), u32::try_from(nanos)) else { return Ok(None) };
    let valid = found && seconds <= DURATION_SECONDS_MAX && nanos < 1_000_000_000;
    Ok(valid.then(|| Duration::new(seconds, nanos)))
}

/// Shows every field; an error if the bytes do not end with one.
fn each<'a>(
    bytes: &'a [u8],
    mut see: impl FnMut(u32, Payload<'a>) -> Result<(), NotAResponse>,
) -> Result<(), NotAResponse> {
    let mut end = 0;
    for field in Fields::new(bytes) {
        see(field.number, field.payload)?;
        end = field.end;
    }
    if end == bytes.len() { Ok(()) } else { Err(NotAResponse) }
}

fn detail(out: &mut Writer, type_url: &str, fill: impl FnOnce(&mut Writer)) {
    out.message(3, |out| {
        out.string(1, type_url);
        out.message(2, fill);
    });
}

fn type_name(type_url: &str) -> &[u8] {
    type_url.rsplit('/').next().unwrap_or_default().as_bytes()
}

/// Text of a peer: cut, and with replacement characters where it is not UTF-8.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(TEXT_BYTES_MAX)]).into_owned()
}

pub(crate) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

/// Longest text in an answer.
pub const TEXT_BYTES_MAX: usize = 4096;

/// Most details, and most violations, in an answer.
pub const DETAILS_MAX: usize = 16;

/// Longest `google.protobuf.Duration`: about 10 000 years.
pub(crate) const DURATION_SECONDS_MAX: u64 = 315_576_000_000;

pub(crate) const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";
pub(crate) const BAD_REQUEST: &str = "type.googleapis.com/google.rpc.BadRequest";

#[cfg(test)]
mod tests;
