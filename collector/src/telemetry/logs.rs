//! Structured log lines on standard error.
//!
//! `console` is for people, `json` for machines; the level is that of the configuration unless the environment
//! variable `PHASOR_LOG` says otherwise (the syntax of `tracing`'s `EnvFilter`, such as `debug` or
//! `info,phasor_exporters=debug`). Own traces ([`super::traces`]) are taken from the same source, by a filter of their
//! own: no line speaks of their spans, and no span is made of lines.

use std::io::{IsTerminal, stderr};

use opentelemetry_sdk::trace::SdkTracer;
use pipelines::spans::TARGET;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::config::telemetry::{Encoding, Logs};

/// Starts logging, and making spans if there is a tracer. A second call changes nothing.
pub fn start(logs: &Logs, tracer: Option<SdkTracer>) {
    let lines = fmt::layer().with_writer(stderr);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match logs.encoding {
        Encoding::Console => Box::new(lines.with_ansi(stderr().is_terminal()).with_filter(filter(logs))),
        Encoding::Json => Box::new(lines.json().flatten_event(true).with_filter(filter(logs))),
    };
    let spans = tracer.map(|tracer| {
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            // Whatever is traced below us, by h2, hyper, tonic or tower, is not ours.
            .with_filter(Targets::new().with_target(TARGET, LevelFilter::INFO))
    });
    if tracing_subscriber::registry().with(lines).with(spans).try_init().is_err() {
        tracing::debug!("logging had started already");
    }
}

fn filter(logs: &Logs) -> EnvFilter {
    let level = logs.level.as_str();
    // Libraries below us are heard only when they are in trouble: their own debug lines speak of frames.
    let quiet = format!("{level},h2=warn,hyper=warn,hyper_util=warn,tonic=warn,tower=warn,rustls=warn");
    let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new(quiet));
    match format!("{TARGET}=off").parse() {
        Ok(no_spans) => filter.add_directive(no_spans),
        Err(_) => filter,
    }
}

/// Overrides the configured level.
const VARIABLE: &str = "PHASOR_LOG";
