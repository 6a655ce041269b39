//! The page at `/debug/pipelines`: plain HTML that a terminal browser shows as well.
//!
//! - **Guaranteed:** no script, nothing loaded; everything that is not our own text is escaped.

use std::fmt::{self, Write};

use super::snapshot::{Component, Exit, Fares, Pipeline, Snapshot};

/// Text from elsewhere, made harmless.
struct Escaped<'a>(&'a str);

/// The whole page.
pub(super) fn page(snapshot: &Snapshot) -> String {
    let mut page = String::with_capacity(16 << 10);
    // Writing into a string cannot fail.
    let _ = write_page(&mut page, snapshot);
    page
}

fn write_page(out: &mut String, snapshot: &Snapshot) -> fmt::Result {
    let Snapshot { service, version, status, uptime_seconds, .. } = snapshot;
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{service} pipelines</title>{STYLE}</head><body>\n"
    )?;
    writeln!(out, "<h1>{service} {version}: {status}</h1>")?;
    let ready = snapshot.reason.unwrap_or("ready");
    writeln!(
        out,
        "<p>Up for {uptime_seconds:.0} s since {}; {}.</p>",
        Escaped(&snapshot.started_at),
        Escaped(ready)
    )?;
    for stuck in snapshot.loops.iter().filter(|found| !found.live) {
        writeln!(
            out,
            "<p><b>{} has made no progress for {:.0} s.</b></p>",
            Escaped(&stuck.name),
            stuck.silent_seconds
        )?;
    }
    for pipeline in &snapshot.pipelines {
        write_pipeline(out, pipeline)?;
    }
    write_components(out, &snapshot.components)?;
    let journal = &snapshot.journal;
    writeln!(
        out,
        "<h2>Journal</h2>\n<p>{} bytes on disk in {} segments, {} in memory; {} requests taken, {} declined.</p>",
        journal.disk_bytes, journal.segments, journal.tail_bytes, journal.appended, journal.refused
    )?;
    table(out, "Memory", &["part", "bytes", "at most"])?;
    for part in &snapshot.memory.parts {
        row(out, &[&part.name, &part.bytes.to_string(), &part.bytes_max.to_string()])?;
    }
    out.push_str(
        "</table>\n<p>The same as JSON: <a href=\"/api/v1/status\">/api/v1/status</a></p>\n</body></html>\n",
    );
    Ok(())
}

fn write_pipeline(out: &mut String, pipeline: &Pipeline) -> fmt::Result {
    let names = |ids: Vec<&str>| ids.join(", ");
    let way = [
        names(pipeline.receivers.iter().map(|entrance| entrance.id.as_str()).collect()),
        names(pipeline.processors.iter().map(|stage| stage.id.as_str()).collect()),
        names(pipeline.exporters.iter().map(|exit| exit.id.as_str()).collect()),
    ];
    let way: Vec<_> = way.into_iter().filter(|names| !names.is_empty()).collect();
    writeln!(out, "<h2>{} ({})</h2>", Escaped(&pipeline.name), pipeline.mode)?;
    writeln!(out, "<p>{}</p>", Escaped(&way.join(" -> ")))?;
    out.push_str("<table>\n");
    header(
        out,
        &[
            "component",
            "kind",
            "in",
            "out",
            "refused",
            "failed",
            "dropped",
            "retries",
            "lag",
            "status",
            "last error",
        ],
    )?;
    for entrance in &pipeline.receivers {
        let out_items = number(entrance.accepted);
        let (refused, failed) = (number(entrance.refused), number(entrance.failed));
        row(out, &[&entrance.id, entrance.kind, "", &out_items, &refused, &failed])?;
    }
    for stage in &pipeline.processors {
        let (incoming, outgoing) = (stage.incoming.to_string(), stage.outgoing.to_string());
        row(out, &[&stage.id, "processor", &incoming, &outgoing, &stage.refused.to_string()])?;
    }
    for exit in &pipeline.exporters {
        write_exit(out, exit)?;
    }
    out.push_str("</table>\n");
    Ok(())
}

fn write_exit(out: &mut String, exit: &Exit) -> fmt::Result {
    let lag = format!("{} of {} B", exit.lag_bytes, exit.lag_bytes_max);
    row(
        out,
        &[
            &exit.id,
            exit.kind,
            "",
            &exit.sent.to_string(),
            "",
            &exit.failed.to_string(),
            &exit.dropped.to_string(),
            &exit.retries.to_string(),
            &lag,
            exit.fares.status,
            &last_error(&exit.fares),
        ],
    )
}

fn write_components(out: &mut String, components: &[Component]) -> fmt::Result {
    table(out, "Components", &["component", "kind", "status", "since", "last error"])?;
    for component in components {
        let Fares { status, since, .. } = &component.fares;
        row(out, &[&component.id, component.kind, status, since, &last_error(&component.fares)])?;
    }
    out.push_str("</table>\n");
    Ok(())
}

fn table(out: &mut String, title: &str, columns: &[&str]) -> fmt::Result {
    writeln!(out, "<h2>{title}</h2>\n<table>")?;
    header(out, columns)
}

fn header(out: &mut String, columns: &[&str]) -> fmt::Result {
    out.push_str("<tr>");
    columns.iter().try_for_each(|column| write!(out, "<th>{column}</th>"))?;
    out.push_str("</tr>\n");
    Ok(())
}

fn row(out: &mut String, cells: &[&str]) -> fmt::Result {
    out.push_str("<tr>");
    cells.iter().try_for_each(|cell| write!(out, "<td>{}</td>", Escaped(cell)))?;
    out.push_str("</tr>\n");
    Ok(())
}

fn number(value: Option<u64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn last_error(fares: &Fares) -> String {
    let error = fares.last_error.as_ref();
    error.map(|error| format!("{} ({:.0} s ago)", error.message, error.age_seconds)).unwrap_or_default()
}

// === impl Escaped ===

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c if c.is_control() => write!(f, "{}", c.escape_default())?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

const STYLE: &str = "<style>body{font-family:sans-serif;margin:1em}table{border-collapse:collapse}\
    td,th{border:1px solid #999;padding:2px 8px;text-align:left}</style>";
