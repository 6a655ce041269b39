//! `phasor print-schema`: the JSON schema of the configuration.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use crate::config::schema::schema;

pub(super) fn print_schema(out: &mut dyn Write) -> io::Result<ExitCode> {
    writeln!(out, "{:#}", schema())?;
    Ok(ExitCode::SUCCESS)
}
