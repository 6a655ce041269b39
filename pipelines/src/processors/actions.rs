//! What the processors `attributes` and `resource` do to a list of attributes.
//!
//! The words are the OpenTelemetry Collector's: insert, update, upsert, delete, hash, extract, convert, applied
//! in the order written, each to what the one before has left.
//!
//! - **Guaranteed:** a list that no action changes is left as it is, to the byte. `delete` and `hash` reach
//!   every attribute of that key, should a sender have repeated it, so that nothing meant to be hidden is left.

use std::borrow::Cow;

use proto::{
    encode::AttributesWriter,
    rewrite::Edit,
    view::{Attributes, Value},
};
use regex_lite::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    client::Client,
    config::ConfigError,
    processors::setting::Setting,
    refusal::{Reason, Refusal},
};

/// One action as the user writes it.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ActionConfig {
    /// The attribute to act on.
    pub key: String,
    /// `insert`, `update`, `upsert`, `delete`, `hash`, `extract` or `convert`; case does not matter.
    pub action: String,
    /// The value to set (insert, update, upsert).
    pub value: Option<Setting>,
    /// The attribute whose value to set (insert, update, upsert).
    pub from_attribute: Option<String>,
    /// What is known of the sender (insert, update, upsert): `metadata.NAME`, a header of the request if its receiver has
    /// `include_metadata: true`, or `client.address`. Without it no action is performed.
    pub from_context: Option<String>,
    /// For `extract`, a regular expression whose named groups become attributes; for `delete` and `hash`, one
    /// for further keys.
    pub pattern: Option<String>,
    /// For `convert`: `string`, `int` or `double`.
    pub converted_type: Option<String>,
}

/// Actions, checked and ready.
#[derive(Clone, Debug)]
pub(super) struct Actions(Vec<Action>);

#[derive(Clone, Debug)]
struct Action {
    key: String,
    verb: Verb,
}

#[derive(Clone, Debug)]
enum Verb {
    Insert(Source),
    Update(Source),
    Upsert(Source),
    Delete(Option<Regex>),
    Hash(Option<Regex>),
    Extract(Regex),
    Convert(Type),
}

#[derive(Clone, Debug)]
enum Source {
    Value(Setting),
    Attribute(String),
    /// A header; the name is in lower case.
    Metadata(String),
    /// The sender's IP address.
    Address,
}

#[derive(Clone, Copy, Debug)]
enum Type {
    Text,
    Int,
    Double,
}

/// Actions at work on the lists of one batch.
///
/// A value of a few kilobytes, which may be the sender's own header, on each of a million small items is gigabytes that
/// nobody has admitted: beyond a bound nothing more is written, and the batch is declined.
pub(super) struct AtWork<'a> {
    actions: &'a Actions,
    client: &'a Client,
    bytes_left: usize,
    is_over: bool,
}

/// A list of attributes while it is worked on.
struct List<'a> {
    client: &'a Client,
    pairs: Vec<(Cow<'a, str>, Held<'a>)>,
    changed: bool,
}

#[derive(Clone)]
enum Held<'a> {
    View(Value<'a>),
    Made(Cow<'a, Setting>),
}

// === impl ActionConfig ===

impl ActionConfig {
    fn build(&self) -> Result<Action, ConfigError> {
        let verb = self.action.to_lowercase();
        let verb = match verb.as_str() {
            "insert" => Verb::Insert(self.source()?),
            "update" => Verb::Update(self.source()?),
            "upsert" => Verb::Upsert(self.source()?),
            "delete" => Verb::Delete(self.keys_pattern()?),
            "hash" => Verb::Hash(self.keys_pattern()?),
            "extract" => Verb::Extract(self.groups()?),
            "convert" => Verb::Convert(self.target()?),
            "" => return Err(ConfigError::new("action", format!("is missing; one of {}", VERBS.join(", ")))),
            other => {
                let near =
                    VERBS.iter().max_by(|a, b| strsim::jaro(a, other).total_cmp(&strsim::jaro(b, other)));
                let near = near.copied().unwrap_or_default();
                let message = format!(
                    "`{}` is no action; one of {} (did you mean `{near}`?)",
                    self.action,
                    VERBS.join(", ")
                );
                return Err(ConfigError::new("action", message));
            }
        };
        self.check_surplus(&verb)?;
        let by_pattern = matches!(verb, Verb::Delete(Some(_)) | Verb::Hash(Some(_)));
        if self.key.is_empty() && !by_pattern {
            return Err(ConfigError::new("key", "is missing; name the attribute to act on"));
        }
        Ok(Action { key: self.key.clone(), verb })
    }

    fn source(&self) -> Result<Source, ConfigError> {
        let surplus = |key| Err(ConfigError::new(key, "is a second source of the value; leave one"));
        match (&self.value, &self.from_attribute, &self.from_context) {
            (Some(value), None, None) => Ok(Source::Value(value.clone())),
            (None, Some(name), None) => Ok(Source::Attribute(name.clone())),
            (None, None, Some(name)) => context(name),
            (None, None, None) => {
                Err(ConfigError::new("value", "is missing; set value, from_attribute or from_context"))
            }
            (_, _, Some(_)) => surplus("from_context"),
            (Some(_), Some(_), None) => surplus("from_attribute"),
        }
    }

    fn keys_pattern(&self) -> Result<Option<Regex>, ConfigError> {
        self.pattern.as_deref().map(|pattern| regex("pattern", pattern)).transpose()
    }

    fn groups(&self) -> Result<Regex, ConfigError> {
        let missing = || ConfigError::new("pattern", "is missing; write for example ^/(?P<first>[^/]+)");
        let regex = regex("pattern", self.pattern.as_deref().ok_or_else(missing)?)?;
        let groups = regex.captures_len() - 1;
        if groups == 0 || regex.capture_names().skip(1).any(|name| name.is_none()) {
            let message =
                "every group needs a name, and there must be one: (?P<name>...) becomes the attribute `name`";
            return Err(ConfigError::new("pattern", message));
        }
        Ok(regex)
    }

    fn target(&self) -> Result<Type, ConfigError> {
        match self.converted_type.as_deref() {
            Some("string") => Ok(Type::Text),
            Some("int") => Ok(Type::Int),
            Some("double") => Ok(Type::Double),
            Some(other) => {
                Err(ConfigError::new("converted_type", format!("`{other}` is none of string, int, double")))
            }
            None => Err(ConfigError::new("converted_type", "is missing; one of string, int, double")),
        }
    }

    /// A key that the action does not use shows a misunderstanding.
    fn check_surplus(&self, verb: &Verb) -> Result<(), ConfigError> {
        let sets = matches!(verb, Verb::Insert(_) | Verb::Update(_) | Verb::Upsert(_));
        let matches = matches!(verb, Verb::Delete(_) | Verb::Hash(_) | Verb::Extract(_));
        let surplus = [
            ("value", self.value.is_some() && !sets),
            ("from_attribute", self.from_attribute.is_some() && !sets),
            ("from_context", self.from_context.is_some() && !sets),
            ("pattern", self.pattern.is_some() && !matches),
            ("converted_type", self.converted_type.is_some() && !matches!(verb, Verb::Convert(_))),
        ];
        match surplus.into_iter().find(|(_, surplus)| *surplus) {
            Some((path, _)) => Err(ConfigError::new(
                path,
                format!("is not used by the action `{}`; leave it out", self.action),
            )),
            None => Ok(()),
        }
    }
}

// === impl Actions ===

impl Actions {
    /// Checks the actions under `path` and makes them ready.
    ///
    /// # Errors
    /// What is wrong with each, with its path.
    pub(super) fn build(path: &str, configs: &[ActionConfig]) -> Result<Self, Vec<ConfigError>> {
        let (mut actions, mut errors) = (Vec::new(), Vec::new());
        if configs.is_empty() {
            errors.push(ConfigError::new(path, "is empty; name at least one action"));
        }
        errors.extend(ConfigError::at_most(path, configs.len(), ACTIONS_MAX).err());
        for (index, config) in configs.iter().enumerate() {
            match config.build() {
                Ok(action) => actions.push(action),
                Err(error) => errors.push(error.under(&format!("{path}[{index}]"))),
            }
        }
        if errors.is_empty() { Ok(Self(actions)) } else { Err(errors) }
    }

    /// Applies them to a list of attributes that `client` sent.
    fn apply(&self, attributes: Attributes<'_>, client: &Client, out: &mut AttributesWriter<'_>) -> Edit {
        let pairs = attributes.into_iter().map(|(key, value)| (Cow::Borrowed(key), Held::View(value)));
        let mut list = List { client, pairs: pairs.collect(), changed: false };
        for action in &self.0 {
            list.apply(action);
        }
        if !list.changed {
            return Edit::Unchanged;
        }
        for (key, held) in &list.pairs {
            match held {
                Held::View(value) => {
                    out.value(key, *value);
                }
                Held::Made(setting) => setting.write(key, out),
            }
        }
        Edit::Replaced
    }
}

// === impl AtWork ===

impl<'a> AtWork<'a> {
    /// On a batch of so many bytes that `client` sent.
    pub(super) fn new(actions: &'a Actions, client: &'a Client, batch_bytes: usize) -> Self {
        let bytes_left = batch_bytes.saturating_mul(GROWTH).saturating_add(GROWTH_LEAST).min(GROWTH_MOST);
        Self { actions, client, bytes_left, is_over: false }
    }

    /// Applies the actions to a list.
    pub(super) fn apply(&mut self, attributes: Attributes<'_>, out: &mut AttributesWriter<'_>) -> Edit {
        if self.is_over {
            return Edit::Unchanged;
        }
        let before = out.written();
        let edit = self.actions.apply(attributes, self.client, out);
        let written = out.written() - before;
        self.is_over = edit == Edit::Replaced && written > self.bytes_left;
        if self.is_over {
            return Edit::Unchanged;
        }
        if edit == Edit::Replaced {
            self.bytes_left -= written;
        }
        edit
    }

    /// What becomes of the batch that was edited.
    ///
    /// # Errors
    /// It would have grown too much.
    pub(super) fn done<B>(self, batch: B) -> Result<Option<B>, Refusal> {
        if self.is_over { Err(Refusal::permanent(Reason::TooLarge)) } else { Ok(Some(batch)) }
    }
}

// === impl List ===

impl<'a> List<'a> {
    fn apply(&mut self, action: &'a Action) {
        let key = action.key.as_str();
        match &action.verb {
            Verb::Insert(source) => self.set(key, source, true, false),
            Verb::Update(source) => self.set(key, source, false, true),
            Verb::Upsert(source) => self.set(key, source, true, true),
            Verb::Delete(pattern) => {
                let before = self.pairs.len();
                self.pairs.retain(|(name, _)| !is_meant(name, key, pattern.as_ref()));
                self.changed |= self.pairs.len() < before;
            }
            Verb::Hash(pattern) => {
                for (name, held) in &mut self.pairs {
                    if is_meant(name, key, pattern.as_ref()) {
                        *held = Held::Made(Cow::Owned(Setting::Str(held.hash())));
                        self.changed = true;
                    }
                }
            }
            Verb::Extract(regex) => self.extract(key, regex),
            Verb::Convert(to) => {
                let Some(place) = self.place(key) else { return };
                if let Some(converted) = self.pairs[place].1.convert(*to) {
                    self.pairs[place].1 = Held::Made(Cow::Owned(converted));
                    self.changed = true;
                }
            }
        }
    }

    fn set(&mut self, key: &'a str, source: &'a Source, insert: bool, update: bool) {
        let held = match source {
            Source::Value(value) => Some(Held::Made(Cow::Borrowed(value))),
            Source::Attribute(name) => self.place(name).map(|place| self.pairs[place].1.clone()),
            Source::Metadata(name) => self.client.metadata(name).map(|text| Held::View(Value::Str(text))),
            Source::Address => {
                let text = self.client.address().map(|address| Setting::Str(address.to_string()));
                text.map(|text| Held::Made(Cow::Owned(text)))
            }
        };
        let Some(held) = held else { return };
        match self.place(key) {
            Some(place) if update => self.pairs[place].1 = held,
            None if insert => self.pairs.push((Cow::Borrowed(key), held)),
            _ => return,
        }
        self.changed = true;
    }

    fn extract(&mut self, key: &str, regex: &'a Regex) {
        let Some(place) = self.place(key) else { return };
        let held = self.pairs[place].1.clone();
        let text = match &held {
            Held::View(Value::Str(text)) => Cow::Borrowed(*text),
            Held::Made(Cow::Borrowed(Setting::Str(text))) => Cow::Borrowed(text.as_str()),
            Held::Made(Cow::Owned(Setting::Str(text))) => Cow::Owned(text.clone()),
            Held::View(_) | Held::Made(_) => return,
        };
        let Some(found) = regex.captures(&text) else { return };
        for (index, name) in regex.capture_names().enumerate() {
            let Some(name) = name else { continue };
            // A group that took no part is empty, as in Go.
            let text = found.get(index).map_or("", |group| group.as_str());
            let held = Held::Made(Cow::Owned(Setting::Str(text.to_owned())));
            match self.place(name) {
                Some(place) => self.pairs[place].1 = held,
                None => self.pairs.push((Cow::Borrowed(name), held)),
            }
        }
        self.changed = true;
    }

    fn place(&self, key: &str) -> Option<usize> {
        self.pairs.iter().position(|(name, _)| name == key)
    }
}

// === impl Held ===

impl Held<'_> {
    /// SHA-256 in hexadecimal, of the bytes that the Collector hashes: text as UTF-8, numbers as 8 bytes little
    /// endian, a boolean as one. What is empty stays empty.
    fn hash(&self) -> String {
        let bytes = match self {
            Self::View(Value::Str(text)) => text.as_bytes().to_vec(),
            Self::View(Value::Bytes(bytes)) => bytes.to_vec(),
            Self::View(Value::Bool(value)) => vec![u8::from(*value)],
            Self::View(Value::Int(number)) => number.to_le_bytes().to_vec(),
            Self::View(Value::Double(number)) => number.to_bits().to_le_bytes().to_vec(),
            Self::View(Value::Empty) => Vec::new(),
            Self::View(nested @ (Value::Array(_) | Value::KvList(_))) => format!("{nested:?}").into_bytes(),
            Self::Made(setting) => match &**setting {
                Setting::Bool(value) => vec![u8::from(*value)],
                Setting::Int(number) => number.to_le_bytes().to_vec(),
                Setting::Double(number) => number.to_bits().to_le_bytes().to_vec(),
                Setting::Str(_) | Setting::Array(_) => setting.text().into_bytes(),
            },
        };
        if bytes.is_empty() {
            return String::new();
        }
        Sha256::digest(&bytes)
            .iter()
            .fold(String::with_capacity(64), |text, byte| text + &format!("{byte:02x}"))
    }

    /// The value in another type; nothing if it is of that type already or cannot be.
    fn convert(&self, to: Type) -> Option<Setting> {
        let setting = match self {
            Self::View(Value::Str(text)) => Setting::Str((*text).to_owned()),
            Self::View(Value::Bool(value)) => Setting::Bool(*value),
            Self::View(Value::Int(number)) => Setting::Int(*number),
            Self::View(Value::Double(number)) => Setting::Double(*number),
            Self::View(_) => return None,
            Self::Made(setting) => (**setting).clone(),
        };
        match (to, &setting) {
            (Type::Text, Setting::Str(_))
            | (Type::Int, Setting::Int(_))
            | (Type::Double, Setting::Double(_)) => None,
            (Type::Text, other) => Some(Setting::Str(other.text())),
            (Type::Int, Setting::Bool(value)) => Some(Setting::Int(i64::from(*value))),
            (Type::Int, Setting::Double(number)) => Some(Setting::Int(*number as i64)),
            (Type::Int, Setting::Str(text)) => text.parse().ok().map(Setting::Int),
            (Type::Double, Setting::Bool(value)) => Some(Setting::Double(f64::from(u8::from(*value)))),
            (Type::Double, Setting::Int(number)) => Some(Setting::Double(*number as f64)),
            (Type::Double, Setting::Str(text)) => text.parse().ok().map(Setting::Double),
            (_, Setting::Array(_)) => None,
        }
    }
}

/// What `from_context` means. A bare name is that of a header, as in the Collector's first versions.
fn context(name: &str) -> Result<Source, ConfigError> {
    match name {
        "" | "metadata." => {
            let message = "names nothing; write metadata.NAME for a header, or client.address";
            Err(ConfigError::new("from_context", message))
        }
        "client.address" => Ok(Source::Address),
        _ if name.starts_with("auth.") => {
            let message = "has no value here: no authenticator tells who came; write metadata.NAME for a header, or \
                client.address";
            Err(ConfigError::new("from_context", message))
        }
        _ => Ok(Source::Metadata(name.strip_prefix("metadata.").unwrap_or(name).to_ascii_lowercase())),
    }
}

/// Compiles a regular expression of the configuration.
pub(super) fn regex(path: &str, pattern: &str) -> Result<Regex, ConfigError> {
    Regex::new(pattern)
        .map_err(|error| ConfigError::new(path, format!("`{pattern}` is no regular expression: {error}")))
}

fn is_meant(name: &str, key: &str, pattern: Option<&Regex>) -> bool {
    name == key || pattern.is_some_and(|pattern| pattern.is_match(name))
}

const VERBS: [&str; 7] = ["insert", "update", "upsert", "delete", "hash", "extract", "convert"];

/// What actions may write, as a multiple of the batch; at least; and at most.
const GROWTH: usize = 16;
const GROWTH_LEAST: usize = 4 << 20;
const GROWTH_MOST: usize = 128 << 20;
/// Every item walks all of them.
const ACTIONS_MAX: usize = 256;

#[cfg(test)]
mod tests;
