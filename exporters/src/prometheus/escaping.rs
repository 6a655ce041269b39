//! Names in UTF-8: how their senders spelled them, and how a scraper gets them who wants them otherwise.
//!
//! In the table every name has the characters that Prometheus always knew, and that name says which family or label it
//! is. Beside it, where the configuration keeps them, stands the spelling of whoever came first: `http.status` beside
//! `http_status`. So what two spellings have in common is decided once, when a point comes in, and no scrape, whatever
//! its escaping, shows one series twice.
//!
//! - **In:** names and keys; what a scraper asks for with `escaping=`.
//! - **Out:** the name in that escaping (Prometheus, *UTF-8 metric and label name escaping schemes*).
//! - **Guaranteed:** different names stay different in every escaping. For that an old name is escaped as well where it
//!   looks like an escaped one, and characters that `dots` has no word for become `__`, as Prometheus' own library
//!   writes them. Memory has a bound; beyond it names are those of the table.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock, RwLockReadGuard},
};

use super::{names, series::usage::Usage};

/// How names that are not of the old characters are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Escaping {
    /// As the table has them.
    #[default]
    Underscores,
    /// `http.status_code` is `http_dot_status__code`.
    Dots,
    /// `http.status_code` is `U__http_2E_status__code`.
    Values,
    /// As they were spelled, in quotes where the format needs them.
    AllowUtf8,
}

/// The spellings of labels, by their names in the table.
#[derive(Debug, Default)]
pub struct Spellings(RwLock<Known>);

/// Spellings that do not change while they are looked at.
pub type Known = HashMap<Box<str>, Box<str>>;

// === impl Escaping ===

impl Escaping {
    /// What the parameter `escaping` of a media type names.
    pub fn named(value: &str) -> Option<Self> {
        match value {
            "underscores" => Some(Self::Underscores),
            "dots" => Some(Self::Dots),
            "values" => Some(Self::Values),
            "allow-utf-8" => Some(Self::AllowUtf8),
            _ => None,
        }
    }

    /// Appends the name of a family to which `suffix` belongs, without it.
    pub fn push_family(self, out: &mut String, name: &str, spelled: &str, suffix: &str) {
        let spelled = if spelled.is_empty() { name } else { spelled };
        match self {
            Self::Underscores => out.push_str(name),
            Self::AllowUtf8 => out.push_str(spelled),
            Self::Dots | Self::Values => {
                // The suffix is part of the name that is escaped: its underscore is doubled.
                let escaped = self.push_escaped(out, spelled, is_metric_name);
                out.push_str(if escaped && !suffix.is_empty() { "_" } else { "" });
            }
        }
    }

    /// Appends the name of a label.
    pub fn push_label(self, out: &mut String, name: &str, spelled: Option<&str>) {
        let spelled = spelled.unwrap_or(name);
        match self {
            Self::Underscores => out.push_str(name),
            Self::AllowUtf8 => out.push_str(spelled),
            Self::Dots | Self::Values => {
                // A label does not begin with an underscore; those are Prometheus' own.
                let reserved =
                    self == Self::Dots && !spelled.starts_with(|first: char| first.is_ascii_alphabetic());
                out.push_str(if reserved { "key" } else { "" });
                self.push_escaped(out, spelled, is_label_name);
            }
        }
    }

    /// Appends an escaped name, or the name itself where it needs no escape. The answer is whether it did.
    fn push_escaped(self, out: &mut String, name: &str, is_old: fn(&str) -> bool) -> bool {
        let looks_escaped = match self {
            Self::Dots => name.contains("__") || name.contains("_dot_"),
            _ => name.starts_with("U__"),
        };
        if is_old(name) && !looks_escaped {
            out.push_str(name);
            return false;
        }
        let mut one = [0; 4];
        let is_old = |character: char| is_old(character.encode_utf8(&mut one));
        match self {
            Self::Dots => push_dots(out, name, is_old),
            _ => push_values(out, name, is_old),
        }
        true
    }
}

// === impl Spellings ===

impl Spellings {
    /// Remembers how `key` spells the label `name`, unless another spelling came first.
    pub fn learn(&self, name: &str, key: &str, usage: &Usage) {
        // A label that begins with an underscore is Prometheus' own.
        let plain = key == name || key.starts_with('_') || key.len() > SPELLING_BYTES_MAX;
        if plain || self.read().contains_key(name) {
            return;
        }
        let mut made = String::new();
        names::push_label_name(&mut made, "", key);
        let bytes = name.len() + key.len() + ENTRY_BYTES;
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if made == name
            && known.len() < SPELLINGS_MAX
            && usage.has_room(0, bytes)
            && !known.contains_key(name)
        {
            known.insert(name.into(), key.into());
            usage.changed((0, 0), (0, bytes));
        }
    }

    /// All of them.
    pub fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether it is a metric's name of the old characters.
pub fn is_metric_name(name: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':');
    name.bytes().all(valid) && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

/// Whether it is a label's name of the old characters.
pub fn is_label_name(name: &str) -> bool {
    is_metric_name(name) && !name.contains(':')
}

fn push_dots(out: &mut String, name: &str, mut is_old: impl FnMut(char) -> bool) {
    for (at, character) in name.chars().enumerate() {
        match character {
            '.' => out.push_str("_dot_"),
            '_' => out.push_str("__"),
            digit @ '0'..='9' => {
                out.push_str(if at == 0 { "__" } else { "" });
                out.push(digit);
            }
            character if is_old(character) => out.push(character),
            _ => out.push_str("__"),
        }
    }
}

fn push_values(out: &mut String, name: &str, mut is_old: impl FnMut(char) -> bool) {
    use std::fmt::Write as _;

    out.push_str("U__");
    for (at, character) in name.chars().enumerate() {
        match character {
            '_' => out.push_str("__"),
            '0'..='9' if at > 0 => out.push(character),
            character if is_old(character) => out.push(character),
            character => {
                // Writing to a string cannot fail.
                let _ = write!(out, "_{:X}_", u32::from(character));
            }
        }
    }
}

/// Labels whose spelling is remembered, at most.
const SPELLINGS_MAX: usize = 8192;

/// A longer spelling is not kept.
pub const SPELLING_BYTES_MAX: usize = 256;

/// What an entry costs beside its text, an estimate.
const ENTRY_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn family(escaping: Escaping, spelled: &str, suffix: &str) -> String {
        let mut out = String::new();
        escaping.push_family(&mut out, "unused", spelled, suffix);
        out + suffix
    }

    fn label(escaping: Escaping, spelled: &str) -> String {
        let mut out = String::new();
        escaping.push_label(&mut out, "unused", Some(spelled));
        out
    }

    #[test]
    fn m_c6_underscores_are_the_names_of_the_table() {
        let mut out = String::new();
        Escaping::Underscores.push_family(&mut out, "my_metric", "my.metric", "");
        Escaping::Underscores.push_label(&mut out, "a_b", Some("a.b"));
        assert_eq!(out, "my_metrica_b");
    }

    #[test]
    fn m_c7_dots_are_written_out_and_underscores_doubled() {
        for (spelled, expected) in [
            ("a.b_c", "a_dot_b__c"),
            ("metric.name.with.dots", "metric_dot_name_dot_with_dot_dots"),
            ("a b", "a__b"),
            ("3xx.count", "__3xx_dot_count"),
            ("plain_name", "plain_name"),
            ("looks_dot_escaped", "looks__dot__escaped"),
        ] {
            assert_eq!(family(Escaping::Dots, spelled, ""), expected);
        }
        assert_eq!(family(Escaping::Dots, "a.b", "_total"), "a_dot_b__total");
        assert_eq!(label(Escaping::Dots, "http.status_code"), "http_dot_status__code");
        assert_eq!(
            (label(Escaping::Dots, ".x"), label(Escaping::Dots, "a:b")),
            ("key_dot_x".into(), "a__b".into())
        );
    }

    #[test]
    fn m_c8_values_are_code_points() {
        for (spelled, expected) in [
            ("metric.name", "U__metric_2E_name"),
            ("a.b_c", "U__a_2E_b__c"),
            ("größe", "U__gr_F6__DF_e"),
            ("3xx", "U___33_xx"),
            ("plain_name", "plain_name"),
            ("U__looks", "U__U____looks"),
        ] {
            assert_eq!(family(Escaping::Values, spelled, ""), expected);
        }
        assert_eq!(family(Escaping::Values, "a.b", "_total"), "U__a_2E_b__total");
        assert_eq!(label(Escaping::Values, "a:b"), "U__a_3A_b");
    }

    #[test]
    fn m_c9_utf8_names_are_as_they_were_spelled() {
        assert_eq!(family(Escaping::AllowUtf8, "my.metric", "_total"), "my.metric_total");
        assert_eq!(label(Escaping::AllowUtf8, "größe"), "größe");
    }

    #[test]
    fn spellings_are_of_the_first_and_only_of_that_name() {
        let (spellings, usage) = (Spellings::default(), Usage::new(10, 1 << 20));
        for (name, key) in
            [("a_b", "a.b"), ("a_b", "a-b"), ("exported_le", "le"), ("key_x", "__x"), ("same", "same")]
        {
            spellings.learn(name, key, &usage);
        }
        let known: Vec<_> = spellings.read().clone().into_iter().collect();
        assert_eq!(known, [("a_b".into(), "a.b".into())]);
        assert_eq!(usage.bytes.get(), 6 + ENTRY_BYTES);
    }

    proptest! {
        /// Two spellings of different names of the table never meet.
        #[test]
        fn different_names_stay_different(a in "[aU_.:1é-]{1,8}", b in "[aU_.:1é-]{1,8}") {
            let made = |key: &str| {
                let mut name = String::new();
                names::push_label_name(&mut name, "", key);
                name
            };
            prop_assume!(made(&a) != made(&b) && !a.starts_with('_') && !b.starts_with('_'));
            for escaping in [Escaping::Dots, Escaping::Values, Escaping::AllowUtf8] {
                prop_assert_ne!(label(escaping, &a), label(escaping, &b));
            }
            for escaping in [Escaping::Dots, Escaping::Values] {
                prop_assert!(is_label_name(&label(escaping, &a)) && !label(escaping, &a).starts_with('_'));
            }
        }
    }
}
