//! Every component by class: its canonical name, its aliases, the signals it speaks, how far it is.
//!
//! This is the only place that knows aliases. Everything behind the reading of a file uses canonical names.

use pipelines::{
    component::ComponentId,
    engine::graph::{ConnectorShape, Signals},
};
use proto::SignalKind;

use super::foreign;

/// What a component does in a pipeline, or beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Brings data in.
    Receiver,
    /// Works on data before the journal.
    Processor,
    /// Ends one pipeline and begins another.
    Connector,
    /// Sends data out, or shows it.
    Exporter,
    /// Serves the process rather than the data.
    Extension,
}

/// How far a component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stability {
    /// Its keys and what it emits stay as they are.
    Beta,
    /// Works; may still change.
    Alpha,
    /// Named by the documentation, not in this version.
    Planned,
}

/// One component.
#[derive(Clone, Copy, Debug)]
pub struct Component {
    /// What it does.
    pub class: Class,
    /// The canonical name: the key in the file, the module, the `component.id`.
    pub name: &'static str,
    /// Other names a file may use.
    pub aliases: &'static [&'static str],
    /// Signals it takes, as a processor, a connector or an exporter; or gives, as a receiver.
    pub takes: Signals,
    /// Signals it gives, as a connector.
    pub gives: Signals,
    /// How far it is.
    pub stability: Stability,
}

/// A name that no component has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// Not in this version.
    Planned(&'static str),
    /// A component of the Collector that is not here, and what to write instead.
    Foreign { instead: Option<&'static str> },
    /// Not at all. The nearest name of the class, and the class if another one has it.
    Nowhere { nearest: Option<String>, other_class: Option<Class> },
}

// === impl Class ===

impl Class {
    /// All of them, in the order of the file.
    pub const ALL: [Self; 5] =
        [Self::Receiver, Self::Processor, Self::Connector, Self::Exporter, Self::Extension];

    /// The key of its section in a file.
    pub fn section(self) -> &'static str {
        match self {
            Self::Receiver => "receivers",
            Self::Processor => "processors",
            Self::Connector => "connectors",
            Self::Exporter => "exporters",
            Self::Extension => "extensions",
        }
    }

    /// One of it.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Receiver => "receiver",
            Self::Processor => "processor",
            Self::Connector => "connector",
            Self::Exporter => "exporter",
            Self::Extension => "extension",
        }
    }

    pub(crate) fn of_section(section: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.section() == section)
    }

    /// Looks a type up by any of its names.
    pub(crate) fn find(self, kind: &str) -> Result<&'static Component, Unknown> {
        let named = |component: &&Component| component.name == kind || component.aliases.contains(&kind);
        let mine = || COMPONENTS.iter().filter(move |component| component.class == self);
        match mine().find(named) {
            Some(Component { stability: Stability::Planned, name, .. }) => Err(Unknown::Planned(name)),
            Some(component) => Ok(component),
            None if let Some(foreign) = foreign::find(self, kind) => {
                Err(Unknown::Foreign { instead: foreign.instead })
            }
            None => {
                let names = mine()
                    .filter(|component| component.stability != Stability::Planned)
                    .flat_map(|component| component.aliases.iter().chain([&component.name]));
                let nearest = nearest(kind, names.copied());
                let other_class = COMPONENTS.iter().find(named).map(|component| component.class);
                Err(Unknown::Nowhere { nearest, other_class })
            }
        }
    }

    /// An id as written with its type under the canonical name; unknown types are left as they are.
    pub(crate) fn canonical(self, id: &str) -> String {
        let (kind, name) = id.split_once('/').map_or((id, None), |(kind, name)| (kind, Some(name)));
        let known = COMPONENTS.iter().find(|component| {
            component.class == self && (component.name == kind || component.aliases.contains(&kind))
        });
        let kind = known.map_or(kind, |component| component.name);
        name.map_or_else(|| kind.to_owned(), |name| format!("{kind}/{name}"))
    }

    /// An id as written, read: `type` or `type/name`.
    ///
    /// # Errors
    /// Says what is wrong with its form.
    pub(crate) fn id(self, text: &str) -> Result<ComponentId, String> {
        let canonical = self.canonical(text.trim());
        let (kind, name) = match canonical.split_once('/') {
            Some((kind, name)) => (kind.trim(), Some(name.trim())),
            None => (canonical.as_str(), None),
        };
        if kind.is_empty() || name == Some("") {
            let noun = self.noun();
            return Err(format!(
                "`{text}` is not the id of a component; write the type of the {noun}, or `type/name`"
            ));
        }
        Ok(name.map_or_else(|| ComponentId::new(kind), |name| ComponentId::named(kind, name)))
    }
}

// === impl Stability ===

impl Stability {
    /// As `phasor components` shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Beta => "beta",
            Self::Alpha => "alpha",
            Self::Planned => "planned",
        }
    }
}

// === impl Component ===

impl Component {
    /// What it takes and gives as a connector.
    pub(crate) fn shape(&self) -> ConnectorShape {
        ConnectorShape { takes: self.takes, gives: self.gives }
    }

    /// Its signals as `phasor components` shows them.
    pub fn signals(&self) -> String {
        let list = |signals: Signals| {
            let kinds = SignalKind::ALL.into_iter().filter(|kind| signals.contains(*kind));
            kinds.map(SignalKind::as_str).collect::<Vec<_>>().join(", ")
        };
        match self.class {
            Class::Connector => format!("{} -> {}", list(self.takes), list(self.gives)),
            _ => list(self.takes),
        }
    }
}

/// The name that `wrong` is most likely a misspelling of.
pub(crate) fn nearest<'n>(wrong: &str, names: impl IntoIterator<Item = &'n str>) -> Option<String> {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '_', '.'], "");
    // Distances are quadratic: a key of a megabyte is no misspelling.
    if wrong.len() > NAME_BYTES_MAX {
        return None;
    }
    let wrong_plain = plain(wrong);
    let likeness = |name: &str| {
        let name = plain(name);
        let inside = wrong_plain.len() >= 4 && (name.contains(&wrong_plain) || wrong_plain.contains(&name));
        strsim::jaro_winkler(&wrong_plain, &name) + if inside { 0.1 } else { 0.0 }
    };
    let likely =
        names.into_iter().map(|name| (likeness(name), name)).filter(|(like, _)| *like > LIKENESS_MIN);
    likely.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name.to_owned())
}

const LIKENESS_MIN: f64 = 0.8;
const NAME_BYTES_MAX: usize = 64;

const ALL: Signals = Signals::ALL;
const NONE: Signals = Signals::of(&[]);
const TRACES: Signals = Signals::of(&[SignalKind::Traces]);
const METRICS: Signals = Signals::of(&[SignalKind::Metrics]);
const LOGS: Signals = Signals::of(&[SignalKind::Logs]);
const TRACES_LOGS: Signals = Signals::of(&[SignalKind::Traces, SignalKind::Logs]);

/// The list.
pub const COMPONENTS: &[Component] = &[
    receiver("otlp", &[], ALL, Stability::Beta),
    receiver("phase_store", &[], TRACES_LOGS, Stability::Beta),
    receiver("pushgateway", &[], METRICS, Stability::Planned),
    receiver("prometheus", &[], METRICS, Stability::Planned),
    receiver("host_metrics", &["hostmetrics"], METRICS, Stability::Planned),
    processor("memory_limiter", &[], ALL, Stability::Beta),
    processor("batch", &[], ALL, Stability::Beta),
    processor("attributes", &[], ALL, Stability::Beta),
    processor("resource", &[], ALL, Stability::Beta),
    processor("filter", &[], ALL, Stability::Planned),
    processor("transform", &[], ALL, Stability::Planned),
    processor("probabilistic_sampler", &[], TRACES_LOGS, Stability::Planned),
    processor("tail_sampling", &[], TRACES, Stability::Planned),
    processor("groupbytrace", &[], TRACES, Stability::Planned),
    processor("interval", &[], METRICS, Stability::Planned),
    connector("span_metrics", &["spanmetrics"], TRACES, METRICS, Stability::Beta),
    connector("event_metrics", &[], LOGS, METRICS, Stability::Beta),
    connector("service_graph", &["servicegraph"], TRACES, METRICS, Stability::Planned),
    exporter("otlp_grpc", &["otlp"], ALL, Stability::Beta),
    exporter("otlp_http", &["otlphttp"], ALL, Stability::Beta),
    exporter("prometheus", &[], METRICS, Stability::Beta),
    exporter("prometheus_remote_write", &["prometheusremotewrite"], METRICS, Stability::Planned),
    exporter("trace_store", &[], TRACES, Stability::Planned),
    exporter("file", &[], ALL, Stability::Beta),
    exporter("debug", &[], ALL, Stability::Beta),
    extension("health_check", Stability::Beta),
    extension("file_storage", Stability::Beta),
    extension("bearertokenauth", Stability::Beta),
    extension("basicauth", Stability::Beta),
];

const fn receiver(
    name: &'static str,
    aliases: &'static [&'static str],
    gives: Signals,
    stability: Stability,
) -> Component {
    Component { class: Class::Receiver, name, aliases, takes: gives, gives: NONE, stability }
}

const fn processor(
    name: &'static str,
    aliases: &'static [&'static str],
    takes: Signals,
    stability: Stability,
) -> Component {
    Component { class: Class::Processor, name, aliases, takes, gives: NONE, stability }
}

const fn connector(
    name: &'static str,
    aliases: &'static [&'static str],
    takes: Signals,
    gives: Signals,
    stability: Stability,
) -> Component {
    Component { class: Class::Connector, name, aliases, takes, gives, stability }
}

const fn exporter(
    name: &'static str,
    aliases: &'static [&'static str],
    takes: Signals,
    stability: Stability,
) -> Component {
    Component { class: Class::Exporter, name, aliases, takes, gives: NONE, stability }
}

const fn extension(name: &'static str, stability: Stability) -> Component {
    Component { class: Class::Extension, name, aliases: &[], takes: NONE, gives: NONE, stability }
}
