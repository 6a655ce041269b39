//! What is wrong with a configuration, as a person wants to read it.
//!
//! - **Out:** one block per fault, in the order of the files:
//!
//! ```text
//! error: unknown key `endpiont`
//!   --> collector.yaml:4:7
//!    |
//!  4 |       endpiont: tempo:4317
//!    |       ^^^^^^^^
//!    = path: exporters.otlp_grpc.endpiont
//!    = help: did you mean `endpoint`?
//! ```
//!
//! - **Guaranteed:** a diagnostic carries its excerpt, so it can be shown without the file.

use std::fmt;

use serde::Serialize;

/// One fault or warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the configuration can be used all the same.
    pub severity: Severity,
    /// What is wrong, lower case, without a full stop.
    pub message: String,
    /// Where; nothing for faults of no place, such as a file that is not there.
    pub place: Option<Box<Place>>,
    /// Path from the root of the configuration as the user wrote it: `exporters.otlp/a.tls.insecure`.
    pub path: String,
    /// How to put it right.
    pub help: Option<String>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can be used, and does something else than it seems to say.
    Warning,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Name of the file as the user gave it, or `embedded default`.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, counted in characters.
    pub column: u32,
    /// Characters to mark, at least 1.
    pub length: u32,
    /// The line as it is written.
    pub excerpt: String,
}

/// Everything found in one reading, errors and warnings, in the order of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

// === impl Diagnostic ===

impl Diagnostic {
    /// A fault that has no place in a file.
    pub fn error(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            place: None,
            path: String::new(),
            help: None,
        }
    }

    /// On one line, for logs: `collector.yaml:4:7: exporters.debug: this exporter is not used; name it in a pipeline`.
    pub fn summary(&self) -> String {
        let place = self.place.as_ref();
        let place = place.map_or(String::new(), |at| format!("{}:{}:{}: ", at.file, at.line, at.column));
        let path = if self.path.is_empty() { String::new() } else { format!("{}: ", self.path) };
        let help = self.help.as_ref().map_or(String::new(), |help| format!("; {help}"));
        format!("{place}{path}{}{help}", self.message)
    }

    /// The same with a way to put it right.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}", self.message)?;
        let width = self.place.as_ref().map_or(1, |place| place.line.to_string().len());
        if let Some(place) = &self.place {
            place.write(width, f)?;
        }
        if !self.path.is_empty() {
            write!(f, "\n {:width$} = path: {}", "", self.path)?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n {:width$} = help: {help}", "")?;
        }
        Ok(())
    }
}

// === impl Place ===

impl Place {
    fn write(&self, width: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, length, .. } = self;
        write!(f, "\n {:width$}--> {file}:{line}:{column}", "")?;
        let (excerpt, cut) = self.window();
        let before = (*column as usize - 1).saturating_sub(cut);
        let left = excerpt.chars().count().saturating_sub(before).max(1);
        let marks = (*length as usize).clamp(1, left);
        let space = if excerpt.is_empty() { "" } else { " " };
        write!(f, "\n {:width$} |\n {line} |{space}{excerpt}", "")?;
        write!(f, "\n {:width$} | {:before$}{}", "", "", "^".repeat(marks))
    }

    /// The part of the line that is shown, free of control characters, and how many characters were
    /// cut off before it. Lines of minified JSON may be a megabyte long.
    fn window(&self) -> (String, usize) {
        let fits = self.excerpt.chars().nth(EXCERPT_CHARS_MAX).is_none();
        let cut = if fits { 0 } else { (self.column as usize).saturating_sub(EXCERPT_CHARS_MAX / 2) };
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        let excerpt: String = self.excerpt.chars().skip(cut).take(EXCERPT_CHARS_MAX).map(printable).collect();
        (excerpt.trim_end().to_owned(), cut)
    }
}

// === impl Diagnostics ===

impl Diagnostics {
    /// One by one.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }

    /// Whether any of them is an error.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// In the order of the files, which `files` names, and of their lines. Those of no place come first.
    /// Two that say the same of one place are one.
    pub(crate) fn sorted(mut diagnostics: Vec<Diagnostic>, files: &[String]) -> Self {
        diagnostics.sort_by_key(|diagnostic| {
            diagnostic
                .place
                .as_ref()
                .map(|place| (files.iter().position(|file| *file == place.file), place.line, place.column))
        });
        diagnostics.dedup();
        Self(diagnostics)
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in &self.0 {
            writeln!(f, "{diagnostic}\n")?;
        }
        let count = |severity| self.0.iter().filter(|one| one.severity == severity).count();
        let errors = counted(count(Severity::Error), "error");
        match count(Severity::Warning) {
            0 => write!(f, "{errors} in the configuration"),
            n => write!(f, "{errors} and {} in the configuration", counted(n, "warning")),
        }
    }
}

impl std::error::Error for Diagnostics {}

/// `1 error`, `2 errors`.
pub(crate) fn counted(n: usize, what: &str) -> String {
    match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

/// The longest excerpt shown.
const EXCERPT_CHARS_MAX: usize = 120;
