//! The whole collector at one moment: what runs, how each part fares, and how far behind everybody is.
//!
//! - **In:** the edges, the journal, the memory budget and the health of the process.
//! - **Out:** a [`Snapshot`]: as JSON at `/api/v1/status`, as a page at `/debug/pipelines` ([`html`]).
//! - **Guaranteed:** as large as the configuration, whatever flows; no keys, headers or payloads. A destination's own
//!   words are shown as the log shows them.
//! - **Not here:** who may see it; the doors know that.

mod html;
mod snapshot;

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use http::{HeaderValue, header};
use pipelines::{
    component::{ComponentId, PipelineId},
    engine::{
        edge::{ConsumerEdge, ProcessorEdge, ReceiverEdge},
        graph::Graph,
        run::Edges,
    },
    journal::{Journal, Mode},
    memory::MemoryGauge,
    time::UnixNanos,
};

use super::health::Health;
pub use snapshot::Snapshot;

/// Everything that is shown, and where it is read.
#[derive(Debug)]
pub struct Overview {
    /// The pipelines.
    pub graph: Graph,
    /// What each promises.
    pub modes: BTreeMap<PipelineId, Mode>,
    /// The extensions that run.
    pub extensions: Vec<ComponentId>,
    /// What listens where: a name and an address.
    pub listeners: Vec<(String, String)>,
    /// Edges of all receivers.
    pub receivers: Vec<Arc<ReceiverEdge>>,
    /// Edges of processors, exporters and connectors.
    pub edges: Edges,
    /// The journal.
    pub journal: Arc<Journal>,
    /// The memory budget.
    pub memory: MemoryGauge,
    /// The process.
    pub health: Health,
}

// === impl Overview ===

impl Overview {
    /// `/api/v1/status` and `/debug/pipelines`.
    pub fn router(self: &Arc<Self>) -> Router {
        let (status, page) = (Arc::clone(self), Arc::clone(self));
        let status = move || async move { fresh(Json(status.snapshot(UnixNanos::now()))) };
        let page = move || async move { fresh(Html(html::page(&page.snapshot(UnixNanos::now())))) };
        Router::new().route("/api/v1/status", get(status)).route("/debug/pipelines", get(page))
    }

    /// The consumers of each pipeline, in the order of its exporters. A component has an edge for each pipeline that
    /// ends at it, in the order of the pipelines.
    fn consumers(&self, pipeline: usize) -> Vec<&Arc<ConsumerEdge>> {
        let exporters = &self.graph.pipelines()[pipeline].exporters;
        let edge = |id: &ComponentId| {
            let nth = self.graph.ending_at(id).position(|index| index == pipeline)?;
            self.edges.consumers.iter().filter(|edge| edge.consumer == *id).nth(nth)
        };
        exporters.iter().filter_map(edge).collect()
    }

    /// The processors of each pipeline, which stand in the order of the pipelines.
    fn processors(&self, pipeline: usize) -> &[Arc<ProcessorEdge>] {
        let pipelines = self.graph.pipelines();
        let before = pipelines.iter().take(pipeline).map(|spec| spec.processors.len()).sum::<usize>();
        let count = pipelines[pipeline].processors.len();
        self.edges.processors.get(before..before + count).unwrap_or_default()
    }
}

/// A view of this moment, which nobody keeps, and which runs nothing and loads nothing.
fn fresh(body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

#[cfg(test)]
mod tests;
