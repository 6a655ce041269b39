//! `phasor validate`: everything that is wrong with a configuration, or that nothing is.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use pipelines::{component::ComponentId, engine::graph::PipelineSpec};
use serde_json::{Value, json};

use super::Format;
use crate::config::{
    self, Config, Loaded, Source, answer_mode,
    diagnostic::{Diagnostic, Diagnostics},
};

pub(super) fn validate(
    sources: &[Source],
    format: Format,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<ExitCode> {
    let result = config::load(sources).and_then(Loaded::with_sound_files);
    let code = if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    match (format, result) {
        (Format::Json, result) => writeln!(out, "{:#}", as_json(&result))?,
        (Format::Text, Err(diagnostics)) => writeln!(err, "{diagnostics}")?,
        (Format::Text, Ok(loaded)) => {
            for warning in loaded.warnings.iter() {
                writeln!(err, "{warning}\n")?;
            }
            writeln!(out, "configuration is valid: {}", loaded.sources.join(", "))?;
            for pipeline in loaded.config.service.graph.pipelines() {
                writeln!(out, "  {}", describe(&loaded.config, pipeline))?;
            }
        }
    }
    Ok(code)
}

/// `traces (durable): otlp -> memory_limiter -> debug`
fn describe(config: &Config, pipeline: &PipelineSpec) -> String {
    let roles = [&pipeline.receivers, &pipeline.processors, &pipeline.exporters];
    let stages: Vec<_> =
        roles.into_iter().filter(|ids| !ids.is_empty()).map(|ids| names(ids).join(", ")).collect();
    format!("{} ({}): {}", pipeline.id, mode(config, pipeline), stages.join(" -> "))
}

/// `{"valid": ..., "pipelines": [...], "diagnostics": [...]}`
fn as_json(result: &Result<Loaded, Diagnostics>) -> Value {
    let (pipelines, diagnostics) = match result {
        Ok(loaded) => {
            let pipelines = loaded.config.service.graph.pipelines().iter();
            (pipelines.map(|pipeline| pipeline_json(&loaded.config, pipeline)).collect(), &loaded.warnings)
        }
        Err(diagnostics) => (Vec::new(), diagnostics),
    };
    let diagnostics: Vec<_> = diagnostics.iter().map(diagnostic_json).collect();
    json!({"valid": result.is_ok(), "pipelines": pipelines, "diagnostics": diagnostics})
}

/// Every key is always there; what is not known is null.
fn diagnostic_json(diagnostic: &Diagnostic) -> Value {
    let place = diagnostic.place.as_ref();
    json!({
        "severity": diagnostic.severity,
        "file": place.map(|place| &place.file),
        "line": place.map(|place| place.line),
        "column": place.map(|place| place.column),
        "path": diagnostic.path,
        "message": diagnostic.message,
        "help": diagnostic.help,
    })
}

fn pipeline_json(config: &Config, pipeline: &PipelineSpec) -> Value {
    json!({
        "id": pipeline.id.to_string(),
        "answers": mode(config, pipeline),
        "receivers": names(&pipeline.receivers),
        "processors": names(&pipeline.processors),
        "exporters": names(&pipeline.exporters),
    })
}

fn names(ids: &[ComponentId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

fn mode(config: &Config, pipeline: &PipelineSpec) -> &'static str {
    config.service.modes.get(&pipeline.id).copied().map_or("", answer_mode::name)
}
