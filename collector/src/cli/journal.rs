//! `phasor journal`: what a data directory keeps, found where the server finds it.
//!
//! **Not here:** anything that needs a server. Every command works beside a running one, unless it says so.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use clap::Subcommand;
use jiff::{Timestamp, Unit};
use pipelines::time::UnixNanos;

use crate::config::Config;

mod dead_letters;
mod files;

/// `phasor journal ...`
#[derive(Debug, Subcommand)]
pub(super) enum Journal {
    /// List the segments: how many records, from when to when, for which pipelines.
    Ls(files::Look),
    /// Read everything as a consumer would, and fail if something cannot be read.
    Verify(files::Look),
    /// List who reads the journal and how far it is behind, or remove one who will not come back.
    Cursors(files::Cursors),
    /// List what destinations have refused for good, or send it again.
    DeadLetters(dead_letters::DeadLetters),
}

pub(super) fn journal(
    command: &Journal,
    config: &Config,
    data_dir: &Path,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<ExitCode> {
    let directory = config.journal_directory(data_dir);
    match command {
        Journal::Ls(look) => files::ls(look, &directory, out, err),
        Journal::Verify(look) => files::verify(look, &directory, out, err),
        Journal::Cursors(arguments) => files::cursors(arguments, &directory, out, err),
        Journal::DeadLetters(arguments) => {
            dead_letters::dead_letters(arguments, &config.dead_letters_directory(data_dir), out, err)
        }
    }
}

/// RFC 3339, whole seconds.
fn time(at: UnixNanos) -> String {
    let time = Timestamp::from_nanosecond(i128::from(at.0)).and_then(|time| time.round(Unit::Second));
    // Every u64 of nanoseconds is a time.
    time.unwrap_or_default().to_string()
}
