//! The work that `valgrind --tool=callgrind` counts: 100 spans of 10 attributes a request.
//!
//! `cost gate N` validates N requests, `cost views N` reads every span's fields and attributes,
//! `cost to-json N` and `cost from-json N` write and read them as OTLP/JSON, `cost none N` does nothing. The difference of two runs, divided by 100 N, is instructions a span.

use std::{env, hint::black_box};

use phasor_proto::{SignalKind, Traces, json, testing::sample, validate};

fn main() {
    let work = env::args().nth(1).unwrap_or_default();
    let rounds: usize = env::args().nth(2).and_then(|rounds| rounds.parse().ok()).unwrap_or(1);
    let batch = sample::traces(100, 10, 1);
    let mut text = Vec::new();
    json::encode(SignalKind::Traces, batch.bytes(), &mut text);
    for _ in 0..rounds {
        match work.as_str() {
            "gate" => drop(black_box(validate::<Traces>(black_box(batch.bytes().clone())))),
            "views" => {
                let scopes = batch.view().resource_spans().flat_map(|resource| resource.scope_spans());
                for span in scopes.flat_map(|scope| scope.spans()) {
                    black_box((span.name(), span.attributes().find("queue.seconds")));
                }
            }
            "attributes" => {
                let scopes = batch.view().resource_spans().flat_map(|resource| resource.scope_spans());
                for span in scopes.flat_map(|scope| scope.spans()) {
                    span.attributes().iter().for_each(|pair| {
                        black_box(pair);
                    });
                }
            }
            "to-json" => {
                let mut text = Vec::new();
                json::encode(SignalKind::Traces, black_box(batch.bytes()), &mut text);
                black_box(text);
            }
            "from-json" => drop(black_box(json::decode(SignalKind::Traces, black_box(&text), usize::MAX))),
            _ => {}
        }
    }
}
