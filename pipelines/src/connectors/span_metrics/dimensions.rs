//! What tells the series of one metric apart.

use proto::view::{Attributes, EventView, ResourceSpansView, ScopeView, SpanView, Value};

use super::config::{Config, Dimension, SERVICE_NAME, SPAN_KIND, SPAN_NAME, STATUS_CODE};
use crate::connectors::{
    glob::Glob,
    key,
    wanted::{Found, NOTHING, Wanted},
};

/// The dimensions of one metric, ready to make keys.
#[derive(Debug)]
pub(super) struct Dimensions {
    standard: Standard,
    wanted: Wanted,
    /// In the order of `wanted`.
    defaults: Vec<Option<Box<str>>>,
    /// Whether sampled spans are told from others.
    sampling_method: bool,
    /// The scopes that are told apart.
    scopes: Vec<String>,
    /// Attributes of these patterns stand at the end of a key, with their names.
    globs: Vec<Glob>,
    /// Whether keys have any of these three.
    special: bool,
    /// Names of the parts of a key without those of the patterns, in order.
    names: Vec<Box<str>>,
}

/// Which of the standard dimensions are on.
#[derive(Clone, Copy, Debug)]
struct Standard {
    service_name: bool,
    span_name: bool,
    span_kind: bool,
    status_code: bool,
}

/// What surrounds a span.
pub(super) struct Around<'a> {
    resource: Attributes<'a>,
    /// What the resource has of the wanted attributes.
    fallback: Found<'a>,
    /// Name and version, if they tell series apart.
    scope: Option<(&'a str, &'a str)>,
}

/// Where keys are made.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The key of the span at hand.
    pub(super) key: Vec<u8>,
    /// Room to spell values that are no text.
    text: String,
    /// How much of the key belongs to the resource.
    prefix: usize,
}

// === impl Dimensions ===

impl Dimensions {
    /// Those of every metric, and `more` of this one.
    pub(super) fn new(config: &Config, more: &[Dimension]) -> Self {
        let (mut wanted, mut defaults, mut globs) = (Wanted::default(), Vec::new(), Vec::new());
        for dimension in config.dimensions.iter().chain(more) {
            if !dimension.glob.is_empty() {
                globs.push(Glob::parse(&dimension.glob).expect("the configuration was checked"));
            } else if wanted.place(&dimension.name) == defaults.len() {
                defaults.push(dimension.default_label());
            }
        }
        let on = |name| config.standard_dimensions().any(|standard| standard == name);
        let mut names: Vec<Box<str>> =
            config.standard_dimensions().map(|name| Box::from(config.label_of(name))).collect();
        names.extend((0..wanted.len()).map(|place| Box::from(wanted.name(place))));
        let scopes = config.include_instrumentation_scope.clone();
        let optional = [
            (SAMPLING_METHOD, config.enable_metrics_sampling_method),
            (SCOPE_NAME, !scopes.is_empty()),
            (SCOPE_VERSION, !scopes.is_empty()),
        ];
        names.extend(optional.into_iter().filter(|(_, on)| *on).map(|(name, _)| Box::from(name)));
        Self {
            standard: Standard {
                service_name: on(SERVICE_NAME),
                span_name: on(SPAN_NAME),
                span_kind: on(SPAN_KIND),
                status_code: on(STATUS_CODE),
            },
            wanted,
            defaults,
            special: config.enable_metrics_sampling_method || !scopes.is_empty() || !globs.is_empty(),
            sampling_method: config.enable_metrics_sampling_method,
            scopes,
            globs,
            names,
        }
    }

    /// Names of the parts of a key, in order; what patterns have found is not among them.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// How many parts a key has.
    pub(super) fn parts(&self) -> usize {
        self.names.len() + usize::from(!self.globs.is_empty())
    }

    /// Begins the keys of a resource's spans; gives what they share.
    pub(super) fn begin<'a>(&self, spans: ResourceSpansView<'a>, scratch: &mut Scratch) -> Around<'a> {
        let resource = spans.resource().attributes();
        let mut around = Around { resource, fallback: NOTHING, scope: None };
        self.wanted.find(resource, &mut around.fallback);
        scratch.key.clear();
        if self.standard.service_name {
            let name = resource.find(SERVICE_NAME).unwrap_or(Value::Str(UNKNOWN_SERVICE));
            key::push_label(&mut scratch.key, name, &mut scratch.text);
        }
        scratch.prefix = scratch.key.len();
        around
    }

    /// Takes note of the scope of the spans that follow.
    pub(super) fn enter<'a>(&self, scope: ScopeView<'a>, around: &mut Around<'a>) {
        if !self.scopes.is_empty() {
            let is_told = self.scopes.iter().any(|name| name == scope.name());
            around.scope = is_told.then(|| (scope.name(), scope.version()));
        }
    }

    /// Makes the key of a span, or of one of its events. `found` is room to look in.
    #[inline]
    pub(super) fn fill<'a>(
        &self,
        scratch: &mut Scratch,
        span: &SpanView<'a>,
        event: Option<EventView<'a>>,
        sampled: bool,
        around: &Around<'a>,
        found: &mut Found<'a>,
    ) {
        let Scratch { key, text, prefix } = scratch;
        key.truncate(*prefix);
        let Standard { span_name, span_kind, status_code, .. } = self.standard;
        if span_name {
            key::push_text(key, span.name_bytes());
        }
        if span_kind {
            key::push_known(key, kind_place(span.kind()));
        }
        if status_code {
            key::push_known(key, status_place(span.status().code()));
        }
        if self.wanted.len() > 0 {
            found[..self.wanted.len()].fill(None);
            self.wanted.find(span.attributes(), found);
            if let Some(event) = event {
                self.wanted.find(event.attributes(), found);
            }
            for ((found, fallback), default) in found.iter().zip(&around.fallback).zip(&self.defaults) {
                match (found.or(*fallback), default) {
                    (Some(value), _) => key::push_label(key, value, text),
                    (None, Some(default)) => key::push_str(key, default),
                    (None, None) => key::push_absent(key),
                }
            }
        }
        if self.special {
            self.fill_special(scratch, span, event, sampled, around);
        }
    }

    #[cold]
    fn fill_special<'a>(
        &self,
        scratch: &mut Scratch,
        span: &SpanView<'a>,
        event: Option<EventView<'a>>,
        sampled: bool,
        around: &Around<'a>,
    ) {
        let Scratch { key, text, .. } = scratch;
        if self.sampling_method {
            key::push_known(key, if sampled { key::EXTRAPOLATED } else { key::COUNTED });
        }
        if !self.scopes.is_empty() {
            let (name, version) = around.scope.unwrap_or_default();
            key::push_label(key, Value::Str(name), text);
            key::push_label(key, Value::Str(version), text);
        }
        if !self.globs.is_empty() {
            let all = [Some(span.attributes()), event.map(|event| event.attributes()), Some(around.resource)];
            let named = self.of_patterns(all.into_iter().flatten());
            key::push_map(key, |key| {
                named.into_iter().for_each(|(name, value)| key::push_named_label(key, name, value, text));
            });
        }
    }

    /// The attributes of the patterns by name, each as it is met first; those with a place of their own left out.
    fn of_patterns<'a>(&self, all: impl Iterator<Item = Attributes<'a>>) -> Vec<(&'a str, Value<'a>)> {
        let is_wanted = |name: &str| {
            self.globs.iter().any(|glob| glob.matches(name)) && self.names().all(|known| known != name)
        };
        let mut named: Vec<_> = all.flatten().filter(|(name, _)| is_wanted(name)).collect();
        named.sort_by_key(|(name, _)| *name);
        named.dedup_by_key(|(name, _)| *name);
        named
    }
}

/// The place of a span kind among the known strings. A kind from the future is unspecified to us.
fn kind_place(kind: i32) -> u8 {
    match kind {
        1..=5 => kind as u8,
        _ => 0,
    }
}

/// The place of a status code among the known strings.
fn status_place(code: i32) -> u8 {
    match code {
        1 | 2 => code as u8 + 6,
        _ => 6,
    }
}

/// Resource semantic conventions: what a service is called that does not say.
const UNKNOWN_SERVICE: &str = "unknown_service";

const SAMPLING_METHOD: &str = "sampling.method";
const SCOPE_NAME: &str = "span.instrumentation.scope.name";
const SCOPE_VERSION: &str = "span.instrumentation.scope.version";
