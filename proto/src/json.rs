//! OTLP/JSON: the same requests as text. Both ways follow the table of [`crate::schema`]; no tree of
//! the document is built.
//!
//! - **In:** for [`decode()`] text from anybody; for [`encode()`] a request, as a rule one that passed the
//!   gate. Other bytes give some valid JSON.
//! - **Out:** for [`decode()`] a request that the gate does not call malformed; ids of a wrong length
//!   are left for it to reject, item by item. For [`encode()`] one line of JSON.
//! - **Guaranteed:** `decode(encode(x))` means what `x` means, unknown fields and the payloads of NaN
//!   apart. Memory is bounded by the caller's limit, the stack by the depths the gate allows.
//!
//! *OTLP, JSON Protobuf Encoding*, and where it is silent proto3's JSON mapping:
//!
//! - keys are lowerCamelCase; every other key, `snake_case` included, is unknown and passed over with
//!   whatever it holds;
//! - trace and span ids are hex in any case, we write lower case; other `bytes` are base64, standard or
//!   URL-safe, padded or not, we write standard and padded;
//! - enums are integers; their names are refused;
//! - 64-bit integers are strings or numbers, we write strings; `1.0` and `1e3` are integers too;
//! - `"NaN"`, `"Infinity"`, `"-Infinity"` are doubles;
//! - `null` for a field is as if the field were not there; in a list it is refused;
//! - a known key twice in one object, two members of a `oneof`, a byte order mark, and anything after
//!   the document are refused.

mod answers;
mod decode;
mod encode;
mod keys;
mod number;
mod reader;
mod text;

use std::fmt;

use thiserror::Error;

pub use answers::{encode_response, encode_status};
pub use decode::{EXPANSION_MAX, decode};
pub use encode::encode;

use crate::validate::VALUE_DEPTH_MAX;

/// Text that is not an OTLP/JSON request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Line, from 1.
    pub line: usize,
    /// Character in the line, from 1.
    pub column: usize,
    /// Such as `resourceSpans[0].scopeSpans[2].spans[1].traceId`; empty for the document as a whole.
    pub path: String,
    /// What is wrong.
    pub what: What,
}

/// What can be wrong with text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum What {
    /// Not UTF-8.
    #[error("the text is not valid UTF-8")]
    Utf8,
    /// U+FEFF before the document.
    #[error("a byte order mark stands before the document; JSON has none")]
    Mark,
    /// Something else is needed here.
    #[error("{expected} is expected here, not {found}")]
    Expected {
        /// What would be right.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// Something follows the document.
    #[error("nothing may follow the document")]
    Trailing,
    /// A string with a line break or another control character in it.
    #[error("a control character in a string is written as \\u and four hex digits")]
    Control,
    /// A backslash and what may not follow it, or half of a surrogate pair.
    #[error(
        "an escape is one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t, or \\u and four hex digits, surrogates in pairs"
    )]
    Escape,
    /// A known key twice in one object.
    #[error("the key is there twice")]
    Twice,
    /// Two members of a `oneof`.
    #[error("the object has another kind of value already; it takes one")]
    Oneof,
    /// `null` in a list.
    #[error("null is no item of a list; leave it out")]
    Null,
    /// An id that is not hex.
    #[error("an id is written in hex, {digits} digits; this is not hex")]
    Hex {
        /// How many it has when it is right.
        digits: usize,
    },
    /// Bytes that are not base64.
    #[error("bytes are written in base64; this is not base64")]
    Base64,
    /// The name of a member of an enum.
    #[error("an enum is written as its integer, not as a name")]
    EnumName,
    /// A number that is none, or of another type, or too large.
    #[error("{0} is expected here")]
    Number(&'static str),
    /// Nested too deep.
    #[error("values are nested more than {VALUE_DEPTH_MAX} deep, or unknown ones more than {SKIP_DEPTH_MAX}")]
    Depth,
    /// As protobuf the request is larger than the caller allows.
    #[error("as protobuf the request is larger than {bytes_max} bytes")]
    Size {
        /// The caller's limit.
        bytes_max: usize,
    },
}

// === impl Fault ===

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, ", {}", self.path)?;
        }
        write!(f, ": {}", self.what)
    }
}

impl std::error::Error for Fault {}

/// Deepest nesting of what stands under unknown keys.
pub const SKIP_DEPTH_MAX: u32 = 128;

#[cfg(test)]
mod tests;
