//! `phasor journal ls|verify|cursors`: what the journal's files hold, and who still wants it.
//!
//! - **Guaranteed:** beside a running server too, but for `--remove`, which is refused then.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use clap::Args;
use pipelines::{
    disk,
    journal::inspect::{Inspection, SavedCursor, SegmentFile, inspect, remove_cursor},
};
use serde_json::json;

use super::time;
use crate::{config::diagnostic::counted, service::chain};

/// `phasor journal ls` and `phasor journal verify`
#[derive(Debug, Args)]
pub(in crate::cli) struct Look {
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
}

/// `phasor journal cursors`
#[derive(Debug, Args)]
pub(in crate::cli) struct Cursors {
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
    /// Forget this cursor, and what only it still wants. The server must not run.
    #[arg(long, num_args = 2, value_names = ["PIPELINE", "CURSOR"], conflicts_with = "json")]
    remove: Option<Vec<String>>,
}

/// Lists the segments.
pub(super) fn ls(
    look: &Look,
    directory: &Path,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<ExitCode> {
    let Some(found) = read(directory, false, err)? else { return Ok(ExitCode::FAILURE) };
    if look.json {
        let segments: Vec<_> = found.segments.iter().map(segment_json).collect();
        writeln!(out, "{:#}", json!({"directory": directory.display().to_string(), "segments": segments}))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(["segment", "records", "bytes", "first arrival", "last arrival", "items"]);
    for segment in &found.segments {
        let (first, last) = segment.arrivals.unzip();
        let items: Vec<_> = segment.items.iter().map(|(name, items)| format!("{name} {items}")).collect();
        table.row([
            segment.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            segment.records.to_string(),
            segment.bytes.to_string(),
            first.map(time).unwrap_or_default(),
            last.map(time).unwrap_or_default(),
            items.join(", "),
        ]);
    }
    table.write(out)?;
    let bytes: u64 = found.segments.iter().map(|segment| segment.bytes).sum();
    let count = counted(found.segments.len(), "segment");
    writeln!(out, "{count}, {bytes} bytes of records in {}", directory.display())?;
    Ok(ExitCode::SUCCESS)
}

/// Reads everything, and fails if anything cannot be read.
pub(super) fn verify(
    look: &Look,
    directory: &Path,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<ExitCode> {
    let Some(found) = read(directory, true, err)? else { return Ok(ExitCode::FAILURE) };
    let records: u64 = found.segments.iter().map(|segment| segment.records).sum();
    let damaged: Vec<_> = found.segments.iter().flat_map(|segment| &segment.damaged).collect();
    let is_sound = damaged.is_empty() && found.cursors.is_some();
    if look.json {
        let damaged: Vec<_> = damaged
            .iter()
            .map(|place| json!({"file": place.file.display().to_string(), "offset": place.offset, "bytes": place.bytes}))
            .collect();
        let report =
            json!({"records": records, "damaged": damaged, "cursors_readable": found.cursors.is_some()});
        writeln!(out, "{report:#}")?;
    } else {
        for place in &damaged {
            let (file, bytes, offset) = (place.file.display(), place.bytes, place.offset);
            writeln!(out, "{file}: {bytes} bytes from {offset} on are damaged, or not finished")?;
        }
        if found.cursors.is_none() {
            writeln!(
                out,
                "the cursors are not readable: at the next start every consumer begins at the oldest record"
            )?;
        }
        let verdict = if is_sound { "everything is readable" } else { "the rest is readable" };
        let segments = counted(found.segments.len(), "segment");
        writeln!(out, "{} in {segments}: {verdict}", counted(records as usize, "record"))?;
    }
    Ok(if is_sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Lists the cursors, or removes one.
pub(super) fn cursors(
    arguments: &Cursors,
    directory: &Path,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<ExitCode> {
    if let Some([pipeline, cursor]) = arguments.remove.as_deref() {
        return remove(directory, pipeline, cursor, out, err);
    }
    let Some(found) = read(directory, false, err)? else { return Ok(ExitCode::FAILURE) };
    let Some(cursors) = found.cursors else {
        writeln!(err, "error: {}: the cursors are not readable", directory.display())?;
        return Ok(ExitCode::FAILURE);
    };
    if arguments.json {
        let cursors: Vec<_> = cursors.iter().map(cursor_json).collect();
        writeln!(out, "{:#}", json!({"cursors": cursors}))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(["pipeline", "cursor", "lag bytes", "lag items", "last held"]);
    for cursor in cursors {
        let (bytes, items) = (cursor.lag_bytes.to_string(), cursor.lag_items.to_string());
        table.row([cursor.pipeline, cursor.name, bytes, items, time(cursor.held)]);
    }
    table.write(out)?;
    Ok(ExitCode::SUCCESS)
}

fn remove(
    directory: &Path,
    pipeline: &str,
    cursor: &str,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<ExitCode> {
    match remove_cursor(disk::files(), directory, pipeline, cursor) {
        Ok(true) => {
            writeln!(out, "the cursor `{cursor}` of pipeline `{pipeline}` is removed")?;
            Ok(ExitCode::SUCCESS)
        }
        Ok(false) => {
            writeln!(
                err,
                "error: pipeline `{pipeline}` has no cursor `{cursor}`; `phasor journal cursors` lists what there is"
            )?;
            Ok(ExitCode::FAILURE)
        }
        Err(error) => {
            writeln!(err, "error: {}", chain(&error))?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn read(directory: &Path, payloads: bool, err: &mut dyn Write) -> io::Result<Option<Inspection>> {
    match inspect(&*disk::files(), directory, payloads) {
        Ok(found) => Ok(Some(found)),
        Err(error) => {
            writeln!(err, "error: {}", chain(&error))?;
            Ok(None)
        }
    }
}

fn segment_json(segment: &SegmentFile) -> serde_json::Value {
    let (first, last) = segment.arrivals.unzip();
    json!({
        "file": segment.path.display().to_string(), "records": segment.records, "bytes": segment.bytes,
        "first_arrival": first.map(time), "last_arrival": last.map(time), "items": segment.items,
    })
}

fn cursor_json(cursor: &SavedCursor) -> serde_json::Value {
    json!({
        "pipeline": cursor.pipeline, "cursor": cursor.name, "lag_bytes": cursor.lag_bytes,
        "lag_items": cursor.lag_items, "last_held": time(cursor.held),
    })
}

/// Columns as wide as they must be.
struct Table<const COLUMNS: usize> {
    rows: Vec<[String; COLUMNS]>,
}

// === impl Table ===

impl<const COLUMNS: usize> Table<COLUMNS> {
    fn new(titles: [&str; COLUMNS]) -> Self {
        Self { rows: vec![titles.map(str::to_uppercase)] }
    }

    fn row(&mut self, cells: [String; COLUMNS]) {
        self.rows.push(cells);
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let width = |column: usize| self.rows.iter().map(|row| row[column].len()).max().unwrap_or_default();
        let widths: [usize; COLUMNS] = std::array::from_fn(width);
        for row in &self.rows {
            let cells: Vec<_> =
                row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            writeln!(out, "{}", cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
