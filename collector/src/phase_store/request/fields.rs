//! Reads the members of one JSON object and remembers every fault by its path.
//!
//! **Guaranteed:** `null` counts as absent; no reader stops at the first fault.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::{FieldError, TEXT_MAX};

/// One object of a body, and the list of all faults of that body.
pub(super) struct Fields<'a, 'e> {
    members: &'a Map<String, Value>,
    /// Path of the object with the dot that follows, or empty.
    path: String,
    errors: &'e mut Vec<FieldError>,
}

// === impl Fields ===

impl<'a, 'e> Fields<'a, 'e> {
    pub(super) fn new(
        members: &'a Map<String, Value>,
        path: String,
        errors: &'e mut Vec<FieldError>,
    ) -> Self {
        Self { members, path, errors }
    }

    /// The list, for an object below.
    pub(super) fn errors(&mut self) -> &mut Vec<FieldError> {
        self.errors
    }

    pub(super) fn fault(&mut self, name: &str, detail: String) {
        self.errors.push(FieldError { field: format!("{}{name}", self.path), detail });
    }

    pub(super) fn present(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// A text that must be there.
    pub(super) fn required(&mut self, name: &str) -> Option<String> {
        if self.present(name).is_none() {
            self.fault(name, "is required: a string".into());
            return None;
        }
        self.text(name, 1..=TEXT_MAX)
    }

    /// A text of so many characters, none of them a control character unless it may be long.
    pub(super) fn text(&mut self, name: &str, characters: RangeInclusive<usize>) -> Option<String> {
        let text = match self.present(name)? {
            Value::String(text) => text,
            other => {
                self.fault(name, expected("a string", other));
                return None;
            }
        };
        let (min, max) = (*characters.start(), *characters.end());
        let count = text.chars().count();
        if !characters.contains(&count) {
            self.fault(name, format!("must have {min} to {max} characters, not {count}"));
            return None;
        }
        if max <= TEXT_MAX && text.contains(char::is_control) {
            self.fault(name, "must not have control characters".into());
            return None;
        }
        Some(text.clone())
    }

    pub(super) fn integer(&mut self, name: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.present(name)?;
        if let Some(number) = value.as_u64().filter(|number| range.contains(number)) {
            return Some(number);
        }
        let rule = match *range.end() {
            max if max == i64::MAX as u64 => format!("an integer from {}", range.start()),
            max => format!("an integer from {} to {max}", range.start()),
        };
        self.fault(name, expected(&rule, value));
        None
    }

    /// How many of something.
    pub(super) fn count(&mut self, name: &str) -> Option<u64> {
        self.integer(name, 0..=COUNT_MAX)
    }

    pub(super) fn number(&mut self, name: &str, range: RangeInclusive<f64>) -> Option<f64> {
        let value = self.present(name)?;
        let number = value.as_f64().filter(|number| range.contains(number));
        if number.is_none() {
            self.fault(name, expected(&format!("a number from {} to {}", range.start(), range.end()), value));
        }
        number
    }

    pub(super) fn boolean(&mut self, name: &str) -> Option<bool> {
        let value = self.present(name)?;
        if value.as_bool().is_none() {
            self.fault(name, expected("true or false", value));
        }
        value.as_bool()
    }
}

/// `must be a number from 0 to 100, not the string "85"`.
pub(super) fn expected(rule: &str, found: &Value) -> String {
    let found = match found {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::String(text) => format!("the string \"{}\"", cut(text)),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    };
    format!("must be {rule}, not {found}")
}

/// The beginning of what a sender wrote, so that no answer grows with its request.
pub(super) fn cut(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

const COUNT_MAX: u64 = 10_000;
/// Characters of a wrong value in an answer.
const SHOWN_MAX: usize = 40;
