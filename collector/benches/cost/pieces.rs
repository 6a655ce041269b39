//! The pieces that run on one thread without a socket: nanoseconds and instructions a span.

use std::{hint::black_box, process::Command, time::Instant};

use pipelines::{connectors::span_metrics, consumer::Aggregator, time::UnixNanos};
use proto::{AnyBatch, Batch, Traces, testing::sample, validate, view};

use crate::line;

/// A piece of work that can be repeated.
struct Piece {
    name: &'static str,
    gate: &'static str,
    stretch: &'static str,
    /// Makes the loop; it is called with the number of requests.
    make: fn() -> Box<dyn FnMut(u64)>,
}

const SPANS: usize = 100;
const ATTRIBUTES: usize = 10;

const PIECES: [Piece; 4] = [
    Piece { name: "validate", gate: "3300", stretch: "2000", make: validate_loop },
    Piece { name: "views", gate: "-", stretch: "-", make: views_loop },
    Piece { name: "span_metrics", gate: "1500", stretch: "800", make: span_metrics_loop },
    Piece { name: "concat", gate: "-", stretch: "-", make: concat_loop },
];

/// Measures every wanted piece.
pub(crate) fn report(wanted: impl Fn(&str) -> bool) {
    for piece in PIECES.iter().filter(|piece| wanted(piece.name)) {
        let nanos = nanoseconds((piece.make)());
        let instructions = instructions(piece.name);
        let also = instructions.map_or("no valgrind".to_owned(), |count| format!("{count:.0} instr"));
        line(&format!("{}, a span", piece.name), format!("{nanos:.0} ns"), also, piece.gate, piece.stretch);
    }
}

/// `piece NAME REQUESTS`: what valgrind runs.
pub(crate) fn run_alone(arguments: &[String]) {
    let piece = PIECES.iter().find(|piece| piece.name == arguments[0]).expect("a piece of this name");
    let requests = arguments[1].parse().expect("a number of requests");
    (piece.make)()(requests);
}

fn nanoseconds(mut work: Box<dyn FnMut(u64)>) -> f64 {
    const ROUNDS: u64 = 40;
    const REQUESTS: u64 = 50;
    work(REQUESTS);
    let round = |_| {
        let start = Instant::now();
        work(REQUESTS);
        start.elapsed().as_nanos() as f64
    };
    let least = (0..ROUNDS).map(round).fold(f64::INFINITY, f64::min);
    least / (REQUESTS * SPANS as u64) as f64
}

/// Instructions a span, or nothing where valgrind is missing.
fn instructions(name: &str) -> Option<f64> {
    const FEW: u64 = 20;
    const MANY: u64 = 120;
    let count = |requests: u64| {
        let program = std::env::current_exe().ok()?;
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(program)
            .args(["piece", name, &requests.to_string()])
            .output()
            .ok()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let collected = said.lines().find_map(|line| line.split_once("Collected : "))?.1.trim().to_owned();
        collected.parse::<u64>().ok()
    };
    let (few, many) = (count(FEW)?, count(MANY)?);
    Some((many - few) as f64 / ((MANY - FEW) * SPANS as u64) as f64)
}

fn corpus() -> Vec<Batch<Traces>> {
    (0..8).map(|seed| sample::traces(SPANS, ATTRIBUTES, seed)).collect()
}

fn validate_loop() -> Box<dyn FnMut(u64)> {
    let requests: Vec<_> = corpus().into_iter().map(Batch::into_bytes).collect();
    Box::new(move |count| {
        for request in requests.iter().cycle().take(count as usize) {
            let validated = validate::<Traces>(request.clone()).expect("the corpus is valid");
            assert_eq!(black_box(validated).batch.items(), SPANS);
        }
    })
}

fn views_loop() -> Box<dyn FnMut(u64)> {
    let batches = corpus();
    Box::new(move |count| {
        let mut seen = 0;
        for batch in batches.iter().cycle().take(count as usize) {
            for resource in batch.view().resource_spans() {
                for span in resource.scope_spans().flat_map(|scope| scope.spans()) {
                    seen += span.name().len() + span.trace_id()[0] as usize;
                    seen += span
                        .attributes()
                        .into_iter()
                        .map(|(key, value)| key.len() + weight(value))
                        .sum::<usize>();
                }
            }
        }
        black_box(seen);
    })
}

fn weight(value: view::Value<'_>) -> usize {
    match value {
        view::Value::Str(text) => text.len(),
        _ => 1,
    }
}

fn span_metrics_loop() -> Box<dyn FnMut(u64)> {
    let batches: Vec<AnyBatch> = corpus().into_iter().map(AnyBatch::from).collect();
    let mut connector =
        span_metrics::SpanMetrics::new(span_metrics::Config::default()).expect("defaults are valid");
    let mut now = 1_700_000_000_000_000_000;
    Box::new(move |count| {
        for batch in batches.iter().cycle().take(count as usize) {
            now += 1_000_000;
            connector.apply(black_box(batch), UnixNanos(now));
        }
    })
}

fn concat_loop() -> Box<dyn FnMut(u64)> {
    let batches = corpus();
    Box::new(move |count| {
        for _ in 0..count.div_ceil(batches.len() as u64) {
            black_box(proto::rewrite::concat(&batches));
        }
    })
}
