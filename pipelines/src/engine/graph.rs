//! From names in a configuration to a checked graph of pipelines.
//!
//! - **In:** the pipelines as written, and for every configured component the signals it takes and gives.
//! - **Out:** the pipelines in the order a batch meets them (a connector's input before its outputs).
//! - **Guaranteed:** every name is defined, every signal fits, connectors have both ends, nothing runs in a
//!   circle. All faults are found at once, each with its path from the root of the configuration.
//! - **Not here:** what the components do.

use std::collections::{BTreeMap, BTreeSet};

use proto::SignalKind;

use crate::{
    component::{ComponentId, PipelineId},
    config::ConfigError,
};

/// A pipeline as the configuration writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineSpec {
    /// Its signal and name.
    pub id: PipelineId,
    /// Receivers, and connectors that feed it.
    pub receivers: Vec<ComponentId>,
    /// Processors in the order a batch passes them.
    pub processors: Vec<ComponentId>,
    /// Exporters, and connectors it feeds.
    pub exporters: Vec<ComponentId>,
}

/// A set of signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signals(u8);

/// What a connector takes and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectorShape {
    /// Signals of the pipelines it may end.
    pub takes: Signals,
    /// Signals of the pipelines it may begin.
    pub gives: Signals,
}

/// Every configured component and the signals it speaks.
#[derive(Clone, Debug, Default)]
pub struct Components {
    /// Signals a receiver gives.
    pub receivers: BTreeMap<ComponentId, Signals>,
    /// Signals a processor works on.
    pub processors: BTreeMap<ComponentId, Signals>,
    /// What each connector takes and gives.
    pub connectors: BTreeMap<ComponentId, ConnectorShape>,
    /// Signals an exporter takes.
    pub exporters: BTreeMap<ComponentId, Signals>,
}

/// Pipelines that fit together, upstream first. Only [`Graph::check`] makes one.
#[derive(Clone, Debug)]
pub struct Graph {
    pipelines: Vec<PipelineSpec>,
    connectors: BTreeSet<ComponentId>,
}

// === impl Signals ===

impl Signals {
    /// Traces, metrics and logs.
    pub const ALL: Self = Self(0b111);

    /// Just these.
    pub const fn of(kinds: &[SignalKind]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < kinds.len() {
            bits |= 1 << kinds[i] as u8;
            i += 1;
        }
        Self(bits)
    }

    /// Whether `kind` is among them.
    pub fn contains(self, kind: SignalKind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    fn list(self) -> String {
        let kinds: Vec<_> =
            SignalKind::ALL.into_iter().filter(|kind| self.contains(*kind)).map(SignalKind::as_str).collect();
        kinds.join(", ")
    }
}

// === impl Graph ===

impl Graph {
    /// Checks the pipelines against the components and puts them in order.
    ///
    /// # Errors
    /// Every fault found, with its path (`service.pipelines.traces.exporters[1]`).
    pub fn check(pipelines: Vec<PipelineSpec>, components: &Components) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        if pipelines.is_empty() {
            errors.push(ConfigError::new(
                "service.pipelines",
                "names no pipeline; write for example `traces: {receivers: [otlp], exporters: [debug]}`",
            ));
        }
        for pipeline in &pipelines {
            check_pipeline(pipeline, components, &mut errors);
        }
        check_connector_ends(&pipelines, components, &mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        let connectors: BTreeSet<_> = components.connectors.keys().cloned().collect();
        let pipelines = upstream_first(pipelines, &connectors).map_err(|error| vec![error])?;
        Ok(Self { pipelines, connectors })
    }

    /// The pipelines, upstream first.
    pub fn pipelines(&self) -> &[PipelineSpec] {
        &self.pipelines
    }

    /// Whether this id, at the end or the beginning of a pipeline, is a connector.
    pub fn is_connector(&self, id: &ComponentId) -> bool {
        self.connectors.contains(id)
    }

    /// Indices of the pipelines that `id` feeds, as a receiver or a connector.
    pub fn fed_by<'a>(&'a self, id: &'a ComponentId) -> impl Iterator<Item = usize> + 'a {
        let feeds = move |(_, pipeline): &(usize, &PipelineSpec)| pipeline.receivers.contains(id);
        self.pipelines.iter().enumerate().filter(feeds).map(|(index, _)| index)
    }

    /// Indices of the pipelines that end at `id`, an exporter or a connector.
    pub fn ending_at<'a>(&'a self, id: &'a ComponentId) -> impl Iterator<Item = usize> + 'a {
        let ends = move |(_, pipeline): &(usize, &PipelineSpec)| pipeline.exporters.contains(id);
        self.pipelines.iter().enumerate().filter(ends).map(|(index, _)| index)
    }

    /// Every receiver that feeds a pipeline, connectors left out.
    pub fn receivers(&self) -> BTreeSet<&ComponentId> {
        let ids = self.pipelines.iter().flat_map(|pipeline| &pipeline.receivers);
        ids.filter(|id| !self.is_connector(id)).collect()
    }

    /// Every exporter at the end of a pipeline, connectors left out.
    pub fn exporters(&self) -> BTreeSet<&ComponentId> {
        let ids = self.pipelines.iter().flat_map(|pipeline| &pipeline.exporters);
        ids.filter(|id| !self.is_connector(id)).collect()
    }

    /// Every connector in use, upstream first.
    pub fn connectors(&self) -> Vec<&ComponentId> {
        let mut ids = Vec::new();
        for id in self.pipelines.iter().flat_map(|pipeline| &pipeline.exporters) {
            if self.is_connector(id) && !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }
}

fn check_pipeline(pipeline: &PipelineSpec, components: &Components, errors: &mut Vec<ConfigError>) {
    let path = format!("service.pipelines.{}", pipeline.id);
    for (role, ids) in [("receivers", &pipeline.receivers), ("exporters", &pipeline.exporters)] {
        if ids.is_empty() {
            errors.push(ConfigError::new(
                format!("{path}.{role}"),
                format!("is empty; a pipeline needs at least one of its {role}"),
            ));
        }
    }
    let signal = pipeline.id.signal;
    check_ids(&path, "receivers", &pipeline.receivers, signal, errors, |id| {
        components
            .receivers
            .get(id)
            .copied()
            .or_else(|| components.connectors.get(id).map(|shape| shape.gives))
    });
    check_ids(&path, "processors", &pipeline.processors, signal, errors, |id| {
        components.processors.get(id).copied()
    });
    check_ids(&path, "exporters", &pipeline.exporters, signal, errors, |id| {
        components
            .exporters
            .get(id)
            .copied()
            .or_else(|| components.connectors.get(id).map(|shape| shape.takes))
    });
}

fn check_ids(
    path: &str,
    role: &str,
    ids: &[ComponentId],
    signal: SignalKind,
    errors: &mut Vec<ConfigError>,
    find: impl Fn(&ComponentId) -> Option<Signals>,
) {
    for (index, id) in ids.iter().enumerate() {
        let at = format!("{path}.{role}[{index}]");
        if ids[..index].contains(id) {
            errors.push(ConfigError::new(at, format!("`{id}` is named twice")));
            continue;
        }
        match find(id) {
            None => {
                let places =
                    if role == "processors" { "processors" } else { &format!("{role} or connectors") };
                errors.push(ConfigError::new(at, format!("`{id}` is not defined under {places}")));
            }
            Some(signals) if !signals.contains(signal) => {
                let message = format!("`{id}` does not work on {signal}; it works on {}", signals.list());
                errors.push(ConfigError::new(at, message));
            }
            Some(_) => {}
        }
    }
}

/// A connector with one end only would swallow data, or never give any.
fn check_connector_ends(pipelines: &[PipelineSpec], components: &Components, errors: &mut Vec<ConfigError>) {
    for id in components.connectors.keys() {
        let fed = pipelines.iter().any(|pipeline| pipeline.exporters.contains(id));
        let feeds = pipelines.iter().any(|pipeline| pipeline.receivers.contains(id));
        let missing = match (fed, feeds) {
            (true, false) => {
                "is an exporter of a pipeline but a receiver of none, so nothing would come of its data; name it under the receivers of a pipeline"
            }
            (false, true) => {
                "is a receiver of a pipeline but an exporter of none, so it would never get data; name it under the exporters of a pipeline"
            }
            _ => continue,
        };
        errors.push(ConfigError::new(format!("connectors.{id}"), missing));
    }
}

fn upstream_first(
    mut waiting: Vec<PipelineSpec>,
    connectors: &BTreeSet<ComponentId>,
) -> Result<Vec<PipelineSpec>, ConfigError> {
    let mut ordered = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let free = waiting.iter().position(|candidate| {
            let fed_by_waiting = |id: &ComponentId| {
                connectors.contains(id) && waiting.iter().any(|other| other.exporters.contains(id))
            };
            !candidate.receivers.iter().any(fed_by_waiting)
        });
        match free {
            Some(index) => ordered.push(waiting.remove(index)),
            None => {
                let names: Vec<_> = waiting.iter().map(|pipeline| pipeline.id.to_string()).collect();
                let message = format!("run in a circle through their connectors: {}", names.join(", "));
                return Err(ConfigError::new("service.pipelines", message));
            }
        }
    }
    Ok(ordered)
}

#[cfg(test)]
mod tests;
