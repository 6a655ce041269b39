//! `phasor completions`: what a shell needs to complete commands and options.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::Cli;

pub(super) fn completions(shell: Shell, out: &mut dyn Write) -> io::Result<ExitCode> {
    // The generator panics where it cannot write, as in `phasor completions bash | head -1`.
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "phasor", &mut script);
    out.write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
