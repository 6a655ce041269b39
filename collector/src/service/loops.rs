//! The loops that `/livez` looks at: the runtime, the journal's writer, and every consumer of the journal.

use std::sync::Arc;

use pipelines::{
    component::ComponentId,
    engine::{drain::Drain, edge::ConsumerEdge, run::Edges},
    journal::Journal,
    pulse::{BEAT, Pulse},
};
use tokio::time::{MissedTickBehavior, interval};

use crate::telemetry::watchdog::{Loop, Watchdog};

/// Watches all of them. To be called inside the runtime, which beats until the drain begins.
pub(super) fn watchdog(
    journal: &Arc<Journal>,
    edges: &Edges,
    is_connector: impl Fn(&ComponentId) -> bool,
    drain: Drain,
) -> Watchdog {
    let consumer = |edge: &Arc<ConsumerEdge>| {
        let kind = if is_connector(&edge.consumer) { "connector" } else { "exporter" };
        let name = format!("{kind} {} ({})", edge.consumer, edge.signal);
        let edge = Arc::clone(edge);
        Loop { name, beats: Box::new(move || Some(edge.pulse.beats())) }
    };
    let writer = Arc::clone(journal);
    let mut loops = vec![
        runtime(drain),
        Loop { name: "journal writer".to_owned(), beats: Box::new(move || writer.writer_beats()) },
    ];
    loops.extend(edges.consumers.iter().map(consumer));
    Watchdog::new(loops)
}

fn runtime(mut drain: Drain) -> Loop {
    let pulse = Arc::new(Pulse::default());
    let beats = Arc::clone(&pulse);
    tokio::spawn(async move {
        let mut ticks = interval(BEAT);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while tokio::select! { _ = ticks.tick() => true, _ = drain.begun() => false } {
            pulse.beat();
        }
    });
    Loop { name: "runtime".to_owned(), beats: Box::new(move || Some(beats.beats())) }
}

#[cfg(test)]
mod tests;
