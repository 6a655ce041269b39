//! What the parts say about themselves as they are made: for the banner, the status and the collector's own metrics.

use std::{fmt::Display, sync::Arc};

use exporters::{seats::Seats, tls::Reloads};
use pipelines::{component::ComponentId, engine::edge::CountByCause};

use crate::telemetry::banner::Banner;

/// Gathered from downstream to upstream.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) banner: Banner,
    /// What listens where: a name and an address.
    pub(super) listeners: Vec<(String, String)>,
    /// The connections of every listener.
    pub(super) connections: Vec<(String, Seats)>,
    /// Requests that receivers refused, by receiver, transport and reason.
    pub(super) refusals: Vec<(ComponentId, &'static str, Arc<CountByCause>)>,
    /// How often those that speak TLS have read their certificates again.
    pub(super) certificates: Vec<(ComponentId, Arc<Reloads>)>,
}

// === impl Shown ===

impl Shown {
    /// Something listens at `address`; people read `written`.
    pub(super) fn listener(&mut self, label: &str, address: impl Display, written: impl Display) {
        self.banner.line(label, written);
        self.listeners.push((label.to_owned(), address.to_string()));
    }
}
