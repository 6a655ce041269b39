//! Which stream a point is of: a hash of all that identifies it, labels or not.
//!
//! OpenTelemetry, *Metrics Data Model*, Timeseries: resource, scope, name, unit, attributes. The order of attributes
//! is the sender's and says nothing. Numbers and their text are different values. A scope's version is left out: where
//! no label tells it, a newer version goes on with what the one before counted.
//!
//! - **Guaranteed:** the same after a restart.
//! - **Not here:** start times. Whether two that differ there are one stream is for [`super::series`] to say.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use pipelines::value_text::push_value;
use proto::view::{Attributes, Value};

/// Hashes. Keeps room to spell values in.
#[derive(Debug, Default)]
pub struct Identity {
    state: FixedState,
    text: String,
}

// === impl Identity ===

impl Identity {
    /// Of attributes, in any order.
    pub fn attributes(&mut self, attributes: Attributes<'_>) -> u64 {
        let Self { state, text } = self;
        let mut sum = 0_u64;
        for (key, value) in attributes {
            let mut hasher = state.build_hasher();
            hasher.write_u8(kind(value));
            hasher.write_u64(key.len() as u64);
            hasher.write(key.as_bytes());
            match value {
                Value::Str(value) => hasher.write(value.as_bytes()),
                other => {
                    text.clear();
                    push_value(text, other);
                    hasher.write(text.as_bytes());
                }
            }
            sum = sum.wrapping_add(hasher.finish());
        }
        sum
    }

    /// Of texts, in this order.
    pub fn texts<const N: usize>(&self, texts: [&str; N]) -> u64 {
        let mut hasher = self.state.build_hasher();
        for text in texts {
            hasher.write_u64(text.len() as u64);
            hasher.write(text.as_bytes());
        }
        hasher.finish()
    }

    /// Of parts that are hashes, in this order.
    pub fn whole(&self, parts: [u64; 2]) -> u64 {
        let mut hasher = self.state.build_hasher();
        parts.into_iter().for_each(|part| hasher.write_u64(part));
        hasher.finish()
    }
}

fn kind(value: Value<'_>) -> u8 {
    match value {
        Value::Empty => 0,
        Value::Str(_) => 1,
        Value::Bool(_) => 2,
        Value::Int(_) => 3,
        Value::Double(_) => 4,
        Value::Bytes(_) => 5,
        Value::Array(_) => 6,
        Value::KvList(_) => 7,
    }
}
