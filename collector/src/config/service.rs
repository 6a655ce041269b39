//! The section `service`: which pipelines there are, which extensions run, what they promise.
//!
//! **Not here:** whether the pipelines fit together; `pipelines::engine::graph` knows that, and its errors
//! get their places here.

use std::collections::BTreeMap;

use pipelines::{
    component::{ComponentId, PipelineId},
    config::ConfigError,
    engine::graph::{Components, ConnectorShape, Graph, PipelineSpec, Signals},
    journal::Mode,
};
use proto::SignalKind;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    answer_mode::{Wish, answer_mode},
    diagnostic::{Diagnostic, Severity},
    names::{Class, Component, Unknown, nearest},
    path::{Found, join},
    sections::{Assembly, with_subject},
    telemetry::{Detail, Telemetry},
    tree::{Node, Value},
    typed,
};

/// One pipeline as the file has it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PipelineFile {
    /// Where its data comes from: receivers and connectors.
    receivers: Vec<String>,
    /// What is done with it, in this order.
    processors: Vec<String>,
    /// Where it goes to: exporters and connectors.
    exporters: Vec<String>,
}

// === impl Assembly ===

impl Assembly<'_, '_> {
    pub(crate) fn telemetry(&mut self) -> Option<Telemetry> {
        let Some(node) = self.root.get("service").and_then(|service| service.get("telemetry")) else {
            return Some(Telemetry::default());
        };
        let telemetry = typed::read(self.root, node, self.found, |node| Telemetry::deserialize(node))?;
        let path = "service.telemetry.traces";
        self.report(Severity::Error, path, telemetry.traces.check());
        self.report(Severity::Warning, path, telemetry.traces.warnings());
        Some(telemetry)
    }

    pub(crate) fn enabled_extensions(&mut self) -> Vec<ComponentId> {
        let path = "service.extensions";
        let Some(node) = self.root.get("service").and_then(|service| service.get("extensions")) else {
            return Vec::new();
        };
        let texts: Vec<String> =
            typed::read(self.root, node, self.found, |node| Vec::deserialize(node)).unwrap_or_default();
        let mut enabled = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let Ok(id) = Class::Extension.id(text).map_err(|message| self.error(&path, message)) else {
                continue;
            };
            if enabled.contains(&id) {
                self.error(&path, format!("`{text}` is named twice"));
            } else if self.defined.contains_key(&(Class::Extension, id.clone())) {
                enabled.push(id);
            } else {
                let message = format!("`{text}` is not defined under extensions");
                let help = self.nearest_defined(text, &[Class::Extension]);
                self.found.push(Diagnostic { help, ..Found::follow(self.root, &path).error(message) });
            }
        }
        enabled
    }

    pub(crate) fn pipelines(&mut self) -> Vec<PipelineSpec> {
        let path = "service.pipelines";
        let Some(node) = self.root.get("service").and_then(|service| service.get("pipelines")) else {
            return Vec::new();
        };
        if !matches!(node.value, Value::Map(_) | Value::Null) {
            self.error(
                path,
                format!("expected a mapping with an entry for each pipeline, found {}", node.describe()),
            );
        }
        let mut pipelines: Vec<PipelineSpec> = Vec::new();
        for entry in node.entries() {
            let path = join(path, &entry.key);
            let file = typed::read_what_is_right(self.root, &entry.node, self.found, |node| {
                PipelineFile::deserialize(node)
            });
            match pipeline_id(&entry.key) {
                Ok(id) => pipelines.push(self.pipeline(id, file.unwrap_or_default())),
                Err((message, help)) => self.key_error(&path, message, help),
            }
        }
        pipelines
    }

    fn pipeline(&self, id: PipelineId, file: PipelineFile) -> PipelineSpec {
        let resolve = |texts: Vec<String>, classes: &[Class]| {
            texts.iter().map(|text| self.resolve(text, classes)).collect()
        };
        PipelineSpec {
            id,
            receivers: resolve(file.receivers, &[Class::Receiver, Class::Connector]),
            processors: resolve(file.processors, &[Class::Processor]),
            exporters: resolve(file.exporters, &[Class::Exporter, Class::Connector]),
        }
    }

    /// A reference under its canonical name in the first of the classes that defines it.
    fn resolve(&self, text: &str, classes: &[Class]) -> ComponentId {
        let in_class = |class: &Class| {
            let id = class.id(text).ok()?;
            self.defined.contains_key(&(*class, id.clone())).then_some(id)
        };
        classes.iter().find_map(in_class).unwrap_or_else(|| match text.split_once('/') {
            Some((kind, name)) => ComponentId::named(kind, name),
            None => ComponentId::new(text),
        })
    }

    pub(crate) fn nearest_defined(&self, text: &str, classes: &[Class]) -> Option<String> {
        let ids: Vec<_> = self.defined.iter().filter(|((class, _), _)| classes.contains(class)).collect();
        let names = ids.iter().filter_map(|(_, path)| path.split_once('.').map(|(_, name)| name));
        match nearest(text, names) {
            Some(name) => Some(format!("did you mean `{name}`?")),
            None => {
                let mut kinds = classes.iter().map(|class| (class, class.find(kind_of(text))));
                kinds.find_map(|(class, kind)| match kind {
                    Ok(_) => Some(format!("define it under `{}`", class.section())),
                    Err(Unknown::Nowhere { nearest: Some(name), .. }) => {
                        Some(format!("did you mean `{name}`?"))
                    }
                    Err(_) => None,
                })
            }
        }
    }

    pub(crate) fn graph(&mut self, pipelines: Vec<PipelineSpec>) -> Option<Graph> {
        // What keeps every pipeline from being read was said already.
        let explained = self.root.get("service").is_none()
            || self
                .found
                .iter()
                .any(|one| one.severity == Severity::Error && one.path.starts_with("service"));
        if pipelines.is_empty() && explained {
            return None;
        }
        let mut components = Components::default();
        for (class, id) in self.defined.keys() {
            // A component of an unknown kind is reported where it is defined.
            let known = class.find(&id.kind).ok();
            let takes = known.map_or(Signals::ALL, |component| component.takes);
            let any = ConnectorShape { takes: Signals::ALL, gives: Signals::ALL };
            let shape = known.map_or(any, Component::shape);
            match class {
                Class::Receiver => drop(components.receivers.insert(id.clone(), takes)),
                Class::Processor => drop(components.processors.insert(id.clone(), takes)),
                Class::Exporter => drop(components.exporters.insert(id.clone(), takes)),
                Class::Connector => drop(components.connectors.insert(id.clone(), shape)),
                Class::Extension => {}
            }
        }
        let errors = match Graph::check(pipelines, &components) {
            Ok(graph) => return Some(graph),
            Err(errors) => errors,
        };
        let before = self.found.len();
        for error in errors {
            self.graph_error(&error, before);
        }
        None
    }

    /// `before`: how much had been found when the graph was checked.
    fn graph_error(&mut self, error: &ConfigError, before: usize) {
        let place = Found::follow(self.root, &error.path);
        // Whoever misspells `receivers` needs not hear that there are none.
        let pipeline = place.path.rsplit_once('.').map_or("", |(pipeline, _)| pipeline);
        let blames_a_role = !place.path.ends_with(']');
        let explained = self.found[..before].iter().any(|one| {
            one.severity == Severity::Error
                && (one.path.starts_with(&place.path) || blames_a_role && one.path.starts_with(pipeline))
        });
        if explained && place.path.starts_with("service.pipelines.") {
            return;
        }
        let classes: &[Class] = match place.path.rsplit('.').next().unwrap_or_default().split('[').next() {
            Some("receivers") => &[Class::Receiver, Class::Connector],
            Some("processors") => &[Class::Processor],
            _ => &[Class::Exporter, Class::Connector],
        };
        let mut help = None;
        if let Value::Text(text) = &place.node.value {
            let id = self.resolve(text, classes);
            if !classes.iter().any(|class| self.defined.contains_key(&(*class, id.clone()))) {
                help = self.nearest_defined(text, classes);
            }
        }
        self.found.push(Diagnostic { help, ..place.error(with_subject(error)) });
    }

    /// Said only when all is well otherwise: a misspelt reference makes its component look unused.
    pub(crate) fn warn_unused(&mut self, graph: &Graph, enabled: &[ComponentId]) {
        let in_pipelines = |ids: fn(&PipelineSpec) -> &Vec<ComponentId>, id: &ComponentId| {
            graph.pipelines().iter().any(|pipeline| ids(pipeline).contains(id))
        };
        for ((class, id), path) in &self.defined {
            let used = match class {
                Class::Receiver => in_pipelines(|pipeline| &pipeline.receivers, id),
                Class::Processor => in_pipelines(|pipeline| &pipeline.processors, id),
                Class::Exporter | Class::Connector => in_pipelines(|pipeline| &pipeline.exporters, id),
                Class::Extension => enabled.contains(id),
            };
            if !used {
                let warning =
                    Found::follow(self.root, path).key_warning(format!("this {} is not used", class.noun()));
                self.found.push(warning.with_help(match class {
                    Class::Extension => "name it under `service.extensions`",
                    _ => "name it in a pipeline under `service.pipelines`",
                }));
            }
        }
    }

    /// Of some components a process has one. A second storage would never be written to, and a second
    /// phase store would not be reached.
    pub(crate) fn check_singles(&mut self, graph: Option<&Graph>, enabled: &[ComponentId]) {
        let receivers = graph.map(Graph::receivers).unwrap_or_default();
        let receivers = receivers.into_iter().map(|id| (Class::Receiver, id));
        let extensions = enabled.iter().map(|id| (Class::Extension, id));
        let mut first: BTreeMap<&str, &ComponentId> = BTreeMap::new();
        for (class, id) in receivers.chain(extensions).filter(|(_, id)| SINGLES.contains(&id.kind.as_str())) {
            let one = *first.entry(&id.kind).or_insert(id);
            let Some(path) = self.defined.get(&(class, id.clone())).filter(|_| one != id) else { continue };
            let found = Found::follow(self.root, path);
            let diagnostic = if id.kind == FILE_STORAGE {
                found.key_warning(format!("has no effect: there is one journal, where `{one}` has it"))
            } else {
                let message = format!("a process has one {}, and `{one}` is it", id.kind);
                found.key_error(message).with_help("take one of them out")
            };
            self.found.push(diagnostic);
        }
    }

    /// An exporter may have no destination for the signal of a pipeline that names it.
    pub(crate) fn check_signals(
        &mut self,
        graph: Option<&Graph>,
        exporters: &BTreeMap<ComponentId, exporters::Config>,
    ) {
        let pipelines = graph.map(Graph::pipelines).unwrap_or_default();
        let mut errors = Vec::new();
        for (pipeline, id) in pipelines.iter().flat_map(|one| one.exporters.iter().map(move |id| (one, id))) {
            let Some(error) =
                exporters.get(id).and_then(|exporter| exporter.check_signal(pipeline.id.signal))
            else {
                continue;
            };
            let path = join(Class::Exporter.section(), &id.to_string());
            let message = format!("{}, and the pipeline `{}` needs it", error.message, pipeline.id);
            errors.push(ConfigError { message, ..error.under(&path) });
        }
        self.report(Severity::Error, "", errors);
    }

    /// Keys of the Collector that say where own metrics go have no effect; the warning says where they are.
    pub(crate) fn say_where_own_metrics_are(
        &mut self,
        telemetry: &Telemetry,
        graph: &Graph,
        exporters: &BTreeMap<ComponentId, exporters::Config>,
    ) {
        let pages = graph.exporters().into_iter().filter_map(|id| match exporters.get(id)? {
            exporters::Config::Prometheus(config) => {
                Some(format!("the exporter `{id}` (http://{}/metrics)", config.endpoint))
            }
            _ => None,
        });
        let pages: Vec<_> = pages.collect();
        let place = match pages.is_empty() {
            _ if telemetry.metrics.level == Detail::None => "own metrics are off by `level: none`".to_owned(),
            true => {
                "own metrics are on the page of a `prometheus` exporter, which no pipeline has".to_owned()
            }
            false => format!("own metrics are on the page of {}", pages.join(" and of ")),
        };
        let keys = ["address", "readers"].map(|key| format!("service.telemetry.metrics.{key}"));
        for warning in self.found.iter_mut().filter(|one| keys.contains(&one.path)) {
            warning.message = format!("this key has no effect here: {place}");
        }
    }

    /// A queue's storage must be an extension that is enabled.
    pub(crate) fn check_storages(&mut self, enabled: &[ComponentId]) {
        for entry in self.root.get(Class::Exporter.section()).map(Node::entries).unwrap_or_default() {
            let storage = entry.node.get("sending_queue").and_then(|queue| queue.get("storage"));
            let Some(Node { value: Value::Text(text), .. }) = storage else { continue };
            let path = join(Class::Exporter.section(), &join(&entry.key, "sending_queue.storage"));
            match Class::Extension.id(text) {
                Ok(id) if enabled.contains(&id) && id.kind == FILE_STORAGE => {}
                Ok(id) if self.defined.contains_key(&(Class::Extension, id.clone())) => {
                    let message = if id.kind == FILE_STORAGE {
                        format!("the extension `{text}` is not named under `service.extensions`")
                    } else {
                        format!("the extension `{text}` is not a storage; write `{FILE_STORAGE}`")
                    };
                    self.error(&path, message);
                }
                _ => {
                    let message = format!("`{text}` is not defined under extensions");
                    let help = self.nearest_defined(text, &[Class::Extension]);
                    self.found.push(Diagnostic { help, ..Found::follow(self.root, &path).error(message) });
                }
            }
        }
    }
}

/// Components of which a process has one.
const SINGLES: [&str; 2] = ["phase_store", FILE_STORAGE];

/// The pipelines of a graph with what each promises.
pub(crate) fn modes(
    graph: &Graph,
    exporters: &BTreeMap<ComponentId, exporters::Config>,
    enabled: &[ComponentId],
) -> BTreeMap<PipelineId, Mode> {
    let wish = |config: &exporters::Config| Wish {
        durable: config.wants_durable(),
        delivered: config.wants_delivered(),
    };
    let file_storage = enabled.iter().any(|id| id.kind == FILE_STORAGE);
    let named_anywhere = exporters.values().any(|config| config.wants_durable());
    let mode = |pipeline: &PipelineSpec| {
        let wishes: Vec<_> = pipeline.exporters.iter().filter_map(|id| exporters.get(id)).map(wish).collect();
        (pipeline.id.clone(), answer_mode(&wishes, file_storage, named_anywhere))
    };
    graph.pipelines().iter().map(mode).collect()
}

/// The id of a pipeline: `signal` or `signal/name`.
fn pipeline_id(text: &str) -> Result<PipelineId, (String, Option<String>)> {
    let (signal, name) = match text.split_once('/') {
        Some((signal, name)) => (signal.trim(), Some(name.trim().to_owned())),
        None => (text.trim(), None),
    };
    if name.as_deref() == Some("") {
        return Err((format!("`{text}` ends in a slash; a name must follow it"), None));
    }
    match SignalKind::ALL.into_iter().find(|kind| kind.as_str() == signal) {
        Some(signal) => Ok(PipelineId { signal, name }),
        None => {
            let message = format!("`{signal}` is not a signal; a pipeline is of traces, metrics or logs");
            let nearest = nearest(signal, SignalKind::ALL.map(SignalKind::as_str));
            Err((message, nearest.map(|name| format!("did you mean `{name}`?"))))
        }
    }
}

fn kind_of(id: &str) -> &str {
    id.split_once('/').map_or(id, |(kind, _)| kind)
}

const FILE_STORAGE: &str = "file_storage";
