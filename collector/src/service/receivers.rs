//! The receivers: made when everything downstream stands, opened last of all, closed first.

use std::{path::Path, sync::Arc, time::Duration};

use pipelines::{
    component::ComponentId,
    engine::{
        drain::{Drain, DrainTrigger, drain},
        edge::ReceiverEdge,
        run::Engine,
    },
};

use super::{StartError, budget::Budget, failed, shown::Shown};
use crate::{
    config::Config,
    phase_store,
    receivers::{self, otlp},
};

/// All of them.
pub(super) struct Receivers {
    otlp: Vec<otlp::Running>,
    store: Option<phase_store::Running>,
    close: DrainTrigger,
    drain: Drain,
}

// === impl Receivers ===

impl Receivers {
    /// Makes them, each with its inlet. OTLP's sockets are bound, and serve nothing yet.
    ///
    /// # Errors
    /// A port that cannot be had, a file that cannot be read, a store that cannot be opened.
    pub(super) async fn start(
        config: &Config,
        data_dir: &Path,
        engine: &Engine,
        budget: &Budget,
        shown: &mut Shown,
    ) -> Result<Self, StartError> {
        let (close, drain) = drain();
        let mut receivers = Self { otlp: Vec::new(), store: None, close, drain };
        let admission = budget.admission();
        for id in config.service.graph.receivers() {
            let (inlet, drain) = (engine.inlet(id), receivers.drain());
            match &config.receivers[id] {
                receivers::Config::Otlp(otlp) => {
                    let (id, admission) = (id.clone(), admission.clone());
                    let authenticators = config.authenticators();
                    let settings = otlp::Settings { id: id.clone(), inlet, admission, authenticators, drain };
                    let running = otlp::start(otlp, settings).await.map_err(|error| failed(&id, error))?;
                    show(shown, &id, otlp, &running);
                    receivers.otlp.push(running);
                }
                receivers::Config::PhaseStore(phases) => {
                    let world = phase_store::World::real();
                    let running = phase_store::start(phases, data_dir, inlet, world, drain)
                        .map_err(|error| failed(id, error))?;
                    budget.memory().follow(id.to_string(), phases.bodies_bytes_max(), running.body_bytes());
                    receivers.store = Some(running);
                }
            }
        }
        Ok(receivers)
    }

    /// What came in through each.
    pub(super) fn edges(&self) -> Vec<Arc<ReceiverEdge>> {
        let otlp = self.otlp.iter().flat_map(|running| running.edges.iter());
        let store = self.store.iter().flat_map(phase_store::Running::edges);
        otlp.chain(store).cloned().collect()
    }

    /// The phase store, whose API has a door of its own.
    pub(super) fn store(&self) -> Option<&phase_store::Running> {
        self.store.as_ref()
    }

    /// When they close.
    pub(super) fn drain(&self) -> Drain {
        self.drain.clone()
    }

    /// Now data comes in over OTLP.
    pub(super) fn open(&self) {
        self.otlp.iter().for_each(otlp::Running::ready);
    }

    /// Who is being answered gets `within`.
    pub(super) async fn close(self, within: Duration) {
        self.close.begin(within);
        for otlp in self.otlp {
            otlp.stopped().await;
        }
        if let Some(store) = self.store {
            store.stopped().await;
        }
    }
}

fn show(shown: &mut Shown, id: &ComponentId, config: &otlp::Config, running: &otlp::Running) {
    for (label, place) in &running.places {
        let is_url = *label == "OTLP/HTTP" && running.http_addr.is_some();
        let scheme = if is_url { format!("{}://", config.http_scheme()) } else { String::new() };
        shown.listener(label, place, format_args!("{scheme}{place}"));
    }
    let refusals = running.refusals.iter();
    shown.refusals.extend(refusals.map(|(transport, counts)| (id.clone(), *transport, Arc::clone(counts))));
    if config.speaks_tls() {
        shown.certificates.push((id.clone(), Arc::clone(&running.reloads)));
    }
    let connections = running.connections.iter();
    shown
        .connections
        .extend(connections.map(|(transport, seats)| (format!("{id} {transport}"), seats.clone())));
}
