//! `phasor print-config`: the configuration as it is understood.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use crate::config::{self, Source};

pub(super) fn print_config(
    sources: &[Source],
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<ExitCode> {
    match config::load(sources) {
        Ok(loaded) => {
            for warning in loaded.warnings.iter() {
                writeln!(err, "{warning}\n")?;
            }
            writeln!(out, "# from: {}", loaded.sources.join(", "))?;
            write!(out, "{}", loaded.config.to_yaml())?;
            Ok(ExitCode::SUCCESS)
        }
        Err(diagnostics) => Ok(super::refuse(&diagnostics, err)),
    }
}
