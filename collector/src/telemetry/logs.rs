//! Structured log lines on standard error.
//!
//! `console` is for people, `json` for machines; the level is that of the configuration unless the environment
//! variable `PHASOR_LOG` says otherwise (the syntax of `tracing`'s `EnvFilter`, such as `debug` or
//! `info,phasor_exporters=debug`).

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use crate::config::telemetry::{Encoding, Logs};

/// Starts logging. A second call changes nothing.
pub fn start(logs: &Logs) {
    let level = logs.level.as_str();
    // Libraries below us are heard only when they are in trouble: their own debug lines speak of frames.
    let quiet = format!("{level},h2=warn,hyper=warn,hyper_util=warn,tonic=warn,tower=warn,rustls=warn");
    let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new(quiet));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    let started = match logs.encoding {
        Encoding::Console => builder.with_ansi(stderr().is_terminal()).try_init(),
        Encoding::Json => builder.json().flatten_event(true).try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging had started already");
    }
}

/// Overrides the configured level.
const VARIABLE: &str = "PHASOR_LOG";
