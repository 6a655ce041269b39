//! From the bytes of a request to its answer: validate, push, count.
//!
//! - **In:** the bytes of one export request, admitted.
//! - **Out:** what the export response says, or why there is none.
//! - **Guaranteed:** success is answered only when the journal has the data as its pipelines promise; the
//!   bytes stay admitted until then. Items that are not acceptable on their own are left out, counted, and
//!   reported as partial success, their neighbours are kept. A request that had to be written anew is taken with
//!   a warning. Every request is counted once.
//! - **Not here:** sockets, gRPC, HTTP.

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use http::HeaderMap;
use pipelines::{
    client::Client,
    component::ComponentId,
    engine::{
        edge::{CountByCause, ReceiverEdge},
        inlet::{Arrival, Inlet},
    },
    time::UnixNanos,
};
use proto::{AnyBatch, Rejected, SignalKind, response::PartialSuccess};
use tracing::Instrument;

use super::{
    inflate::Inflater,
    status::{Decline, REASONS, UNREADABLE},
};
use crate::{
    receivers::{
        admission::{Admission, Permit},
        auth::Auth,
    },
    telemetry::traces::{self, Answered, Caller},
};

/// Where one protocol's requests go. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Intake {
    inlet: Inlet,
    inflater: Arc<Inflater>,
    auth: Option<Arc<Auth>>,
    transport: &'static str,
    include_metadata: bool,
    /// In the order of [`SignalKind::ALL`].
    edges: [Arc<ReceiverEdge>; 3],
    /// Requests, by [`REASONS`].
    refusals: Arc<CountByCause>,
}

/// Items that were pushed and not yet answered. Dropped unanswered, because the client went away, they
/// count as failed: the journal may have them, but nobody was told so.
struct Unanswered<'a> {
    edge: &'a ReceiverEdge,
    items: u64,
}

// === impl Intake ===

impl Intake {
    pub(super) fn new(
        receiver: &ComponentId,
        transport: &'static str,
        inlet: Inlet,
        admission: Admission,
        auth: Option<Arc<Auth>>,
        include_metadata: bool,
    ) -> Self {
        let edge = |signal| Arc::new(ReceiverEdge::new(receiver.clone(), transport, signal));
        let inflater = Arc::new(Inflater::new(admission));
        let refusals = Arc::new(CountByCause::default());
        REASONS.iter().for_each(|reason| refusals.add(reason, 0));
        let edges = SignalKind::ALL.map(edge);
        Self { inlet, inflater, auth, transport, include_metadata, edges, refusals }
    }

    pub(super) fn transport(&self) -> &'static str {
        self.transport
    }

    pub(super) fn refusals(&self) -> &Arc<CountByCause> {
        &self.refusals
    }

    /// Counts a request that is not taken.
    pub(super) fn refused(&self, decline: &Decline) {
        self.refusals.add(decline.reason(), 1);
    }

    /// Counts one whose head could not be read.
    pub(super) fn unreadable(&self) {
        self.refusals.add(UNREADABLE, 1);
    }

    pub(super) fn edges(&self) -> impl Iterator<Item = Arc<ReceiverEdge>> + '_ {
        self.edges.iter().map(Arc::clone)
    }

    pub(super) fn inflater(&self) -> &Inflater {
        &self.inflater
    }

    /// Whether to read a request of this signal with these headers at all. Who may not send is counted as refused.
    pub(super) async fn check(&self, signal: SignalKind, headers: &HeaderMap) -> Result<(), Decline> {
        if let Some(auth) = &self.auth {
            let checked = auth.check(headers).await;
            checked.inspect_err(|_| self.edges[signal as usize].refused.add(1))?;
        }
        if self.inlet.accepts(signal) { Ok(()) } else { Err(Decline::NoPipeline(signal)) }
    }

    /// Who sent a request with these headers.
    pub(super) fn client(&self, headers: &HeaderMap, from: Option<IpAddr>) -> Client {
        let headers = headers.iter().filter(|_| self.include_metadata);
        let texts = headers
            .filter_map(|(name, value)| Some((name.as_str(), std::str::from_utf8(value.as_bytes()).ok()?)));
        texts.fold(Client::at(from), |client, (name, value)| client.with(name, value))
    }

    /// Takes one request, whose bytes were read, or could not be.
    pub(super) async fn take(
        &self,
        signal: SignalKind,
        read: Result<(Bytes, Permit), Decline>,
        client: Client,
        caller: Caller,
    ) -> Result<Option<PartialSuccess>, Decline> {
        let edge = &self.edges[signal as usize];
        let (bytes, _permit) = read.inspect_err(|decline| match decline.is_malformed() {
            true => edge.failed.add(1),
            false => edge.refused.add(1),
        })?;
        let sent = bytes.as_ptr();
        let (batch, rejected) = AnyBatch::validate(signal, bytes).inspect_err(|_| edge.failed.add(1))?;
        let partial = match &rejected {
            Some(rejected) => Some(partial_success(rejected)),
            None if batch.bytes().as_ptr() == sent => None,
            None => Some(PartialSuccess { rejected: 0, message: REWRITTEN.to_owned() }),
        };
        let out = rejected.as_ref().map_or(0, |rejected| rejected.items as u64);
        let span = traces::received(edge, &batch, caller);
        let unanswered = Unanswered { edge, items: batch.items() as u64 + out };
        let arrival = Arrival { batches: vec![batch], client, now: UnixNanos::now(), sequence: None };
        let pushed = self.inlet.push(arrival).instrument(span.clone()).await;
        let items = unanswered.answer();
        match pushed {
            Ok(()) => {
                edge.accepted.add(items - out);
                edge.refused.add(out);
                let answered = Answered { accepted: items - out, refused: out };
                traces::answered(&span, signal, answered, None);
                Ok(partial)
            }
            Err(refusal) => {
                edge.refused.add(items);
                let answered = Answered { accepted: 0, refused: items };
                traces::answered(&span, signal, answered, Some(&refusal));
                Err(refusal.into())
            }
        }
    }
}

// === impl Unanswered ===

impl Unanswered<'_> {
    /// The items, to be counted by their answer.
    fn answer(mut self) -> u64 {
        std::mem::take(&mut self.items)
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        self.edge.failed.add(self.items);
    }
}

fn partial_success(rejected: &Rejected) -> PartialSuccess {
    PartialSuccess {
        rejected: i64::try_from(rejected.items).unwrap_or(i64::MAX),
        message: rejected.to_string(),
    }
}

/// OTLP, *Partial Success*: a warning to a sender whose items were all taken.
const REWRITTEN: &str = "all items were taken, but the request had to be written anew, because a message that is there \
    once, such as a span's status, was sent in several parts; send it as one";
