//! `phasor journal`: what a data directory keeps, found where the server finds it.
//!
//! **Not here:** anything that needs a server. Every command works beside a running one.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use clap::Subcommand;

use crate::config::Config;

mod dead_letters;

/// `phasor journal ...`
#[derive(Debug, Subcommand)]
pub(super) enum Journal {
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
    match command {
        Journal::DeadLetters(arguments) => {
            dead_letters::dead_letters(arguments, &config.dead_letters_directory(data_dir), out, err)
        }
    }
}
