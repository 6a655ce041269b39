//! The gate: the body of `POST /api/v1/phases/store` becomes a [`Phase`], or a list of all that is
//! wrong with it.
//!
//! - **In:** a JSON value, the arrival time, the configured environment.
//! - **Out:** a [`Phase`] whose every field keeps its rule, or each offending field by its path.
//! - **Guaranteed:** a phase does not end before it starts; counts and lists are bounded.
//! - **Not here:** whether a task of that id exists; only the store knows.

mod fields;
#[cfg(test)]
mod tests;

use std::fmt;

use jiff::{Timestamp, fmt::temporal::Pieces};
use pipelines::time::UnixNanos;
use serde_json::{Map, Value};

use self::fields::{Fields, cut, expected};
use super::{
    ids::TaskId,
    phase::{Detail, Kind, Phase, Repo, Status, Test},
};

/// One field that breaks its rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Path from the root of the body: `data.test_details[3].status`. Empty: the body itself.
    pub field: String,
    /// What is wrong and what would be right.
    pub detail: String,
}

/// Checks a whole body.
///
/// # Errors
/// Every offending field at once, at most [`ERRORS_MAX`] of them.
pub fn check(body: &Value, arrival: UnixNanos, environment: &str) -> Result<Phase, Vec<FieldError>> {
    let Value::Object(members) = body else {
        return Err(vec![FieldError { field: String::new(), detail: expected("an object", body) }]);
    };
    let mut errors = Vec::new();
    let phase = Fields::new(members, String::new(), &mut errors).phase(arrival, environment);
    match phase {
        Some(phase) if errors.is_empty() => Ok(phase),
        _ => Err(shortened(errors)),
    }
}

// === impl FieldError ===

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.detail)
    }
}

// === impl Fields ===

impl<'a> Fields<'a, '_> {
    /// `None` if a required field is missing or wrong; all fields are looked at in any case.
    fn phase(&mut self, arrival: UnixNanos, environment: &str) -> Option<Phase> {
        let kind = self.kind();
        let repo = self.required("repo").and_then(|repo| self.repo(repo));
        let issue_number = self.integer("issue_number", 1..=ID_MAX);
        let needs_issue = matches!(kind, Some(Kind::Validation | Kind::Mitigation));
        if needs_issue && issue_number.is_none() && self.present("issue_number").is_none() {
            self.fault("issue_number", "is required for validation and mitigation: an integer from 1".into());
        }
        let commit_sha = self.required("commit_sha").and_then(|sha| self.commit(sha));
        let task_id = self.text("task_id", 1..=LINE_MAX).and_then(|id| self.task_id(&id));
        let event_uuid = self.text("event_uuid", 1..=EVENT_UUID_MAX);
        let environment = self.text("environment", 1..=LINE_MAX).unwrap_or_else(|| environment.to_owned());
        let started = self.timestamp("started_at", arrival);
        let completed = self.timestamp("completed_at", arrival);
        let data = self.data();
        let none = Map::new();
        let mut facts = Fields::new(data.unwrap_or(&none), "data.".to_owned(), self.errors());
        let status = facts.status();
        let duration_ms = facts.number("duration_ms", 0.0..=DURATION_MS_MAX);
        let language = facts.text("language", 1..=LINE_MAX).unwrap_or_else(unknown);
        let framework = facts.text("framework", 1..=LINE_MAX).unwrap_or_else(unknown);
        let detail = kind.map(|kind| facts.detail(kind));
        let (start_ns, end_ns) = self.times(started, completed, duration_ms, arrival);
        Some(Phase {
            duration_ms: duration_ms.or_else(|| started.map(|_| (end_ns - start_ns) as f64 / 1e6)),
            kind: kind?,
            repo: repo?,
            issue_number,
            commit_sha: commit_sha?,
            task_id,
            event_uuid,
            environment,
            start_ns,
            end_ns,
            status: status?,
            language,
            framework,
            detail: detail?,
            data: data?.clone(),
        })
    }

    fn kind(&mut self) -> Option<Kind> {
        let text = self.required("phase")?;
        let kind = match text.as_str() {
            "scan" => Kind::Scan,
            "validation" | "validate" => Kind::Validation,
            "mitigation" | "mitigate" => Kind::Mitigation,
            other => {
                self.fault(
                    "phase",
                    format!("must be `scan`, `validation` or `mitigation`, not `{}`", cut(other)),
                );
                return None;
            }
        };
        Some(kind)
    }

    fn repo(&mut self, text: String) -> Option<Repo> {
        let part = |part: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            (1..=REPO_PART_MAX).contains(&part.len())
                && part.bytes().all(plain)
                && part != "."
                && part != ".."
        };
        match text.split_once('/') {
            Some((owner, name)) if part(owner) && part(name) => {
                Some(Repo { owner: owner.to_owned(), name: name.to_owned() })
            }
            _ => {
                let rule = "must be `owner/name`, each 1 to 100 of A-Z a-z 0-9 . _ -";
                self.fault("repo", format!("{rule}, not `{}`", cut(&text)));
                None
            }
        }
    }

    fn commit(&mut self, text: String) -> Option<String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if text.len() <= COMMIT_MAX && text.bytes().all(plain) {
            return Some(text);
        }
        self.fault(
            "commit_sha",
            format!("must be 1 to {COMMIT_MAX} of 0-9 A-Z a-z . _ -, not `{}`", cut(&text)),
        );
        None
    }

    fn task_id(&mut self, text: &str) -> Option<TaskId> {
        let id = TaskId::parse(&text.to_ascii_lowercase());
        if id.is_none() {
            self.fault("task_id", format!("must be 16 hex digits, not all zero, not `{}`", cut(text)));
        }
        id
    }

    fn timestamp(&mut self, name: &str, arrival: UnixNanos) -> Option<u64> {
        let text = self.text(name, 1..=LINE_MAX)?;
        // RFC 3339 has no `[zone]` at the end; the parser, which reads RFC 9557, does.
        let read = text.parse::<Timestamp>().ok().filter(|_| !text.contains('['));
        let Some(read) = read else {
            let fault = match is_beyond_range(&text) {
                true => "is more than 24 h in the future".to_owned(),
                false => format!("must be a time such as 2026-11-21T09:30:00Z, not `{}`", cut(&text)),
            };
            self.fault(name, fault);
            return None;
        };
        match u64::try_from(read.as_nanosecond()) {
            Ok(ns) if ns <= arrival.0.saturating_add(FUTURE_NS_MAX) => Some(ns),
            Ok(_) => {
                self.fault(name, "is more than 24 h in the future".into());
                None
            }
            Err(_) => {
                self.fault(name, "is before 1970".into());
                None
            }
        }
    }

    /// Start and end. What is not given follows from the rest: the end is the arrival, the start is
    /// the duration before the end, or the end is the duration after the start.
    fn times(
        &mut self,
        started: Option<u64>,
        completed: Option<u64>,
        duration_ms: Option<f64>,
        arrival: UnixNanos,
    ) -> (u64, u64) {
        let duration_ns = duration_ms.map(|ms| (ms * 1e6).round() as u64);
        match (started, completed) {
            (Some(start), Some(end)) => {
                if end < start {
                    self.fault("completed_at", "is before started_at".into());
                }
                (start, end.max(start))
            }
            (Some(start), None) => {
                let end = duration_ns.map_or(arrival.0, |duration| start.saturating_add(duration));
                (start, end.max(start))
            }
            (None, completed) => {
                let end = completed.unwrap_or(arrival.0);
                (end.saturating_sub(duration_ns.unwrap_or(0)), end)
            }
        }
    }

    fn status(&mut self) -> Option<Status> {
        let Some(text) = self.text("status", 1..=LINE_MAX) else { return Some(Status::Completed) };
        let status = Status::parse(&text);
        if status.is_none() {
            self.fault("status", format!("must be `completed`, `failed` or `timeout`, not `{}`", cut(&text)));
        }
        status
    }

    fn detail(&mut self, kind: Kind) -> Detail {
        match kind {
            Kind::Scan => Detail::Scan {
                files_scanned: self.count("files_scanned"),
                vulnerabilities_found: self.count("vulnerabilities_found"),
                issues_created: self.count("issues_created"),
            },
            Kind::Validation => Detail::Validation {
                validated: self.boolean("validated"),
                tests_generated: self.count("tests_generated"),
                tests_passed: self.count("tests_passed"),
                tests_failed: self.count("tests_failed"),
                vulnerabilities_found: self.count("vulnerabilities_found"),
                tests: self.tests(),
                branch: self.text("branch", 1..=TEXT_MAX),
                error: self.text("error", 0..=usize::MAX),
            },
            Kind::Mitigation => Detail::Mitigation {
                pr_url: self.text("pr_url", 1..=TEXT_MAX),
                pr_number: self.integer("pr_number", 1..=ID_MAX),
                files_changed: self.count("files_changed"),
                trust_score: self.number("trust_score", 0.0..=100.0),
            },
        }
    }

    fn tests(&mut self) -> Vec<Test> {
        let entries = match self.present("test_details") {
            None => return Vec::new(),
            Some(Value::Array(entries)) => entries,
            Some(other) => {
                let detail = expected("an array of objects", other);
                self.fault("test_details", detail);
                return Vec::new();
            }
        };
        if entries.len() > TESTS_MAX {
            self.fault(
                "test_details",
                format!("has {} entries, at most {TESTS_MAX} are allowed", entries.len()),
            );
            return Vec::new();
        }
        entries.iter().enumerate().filter_map(|(index, entry)| self.test(index, entry)).collect()
    }

    fn test(&mut self, index: usize, entry: &Value) -> Option<Test> {
        let Value::Object(members) = entry else {
            self.fault(&format!("test_details[{index}]"), expected("an object", entry));
            return None;
        };
        let path = format!("data.test_details[{index}].");
        let mut fields = Fields::new(members, path, self.errors());
        let name = fields.required("name");
        let status = fields.text("status", 1..=LINE_MAX).unwrap_or_else(unknown);
        let duration_ms = fields.number("duration_ms", 0.0..=DURATION_MS_MAX).unwrap_or(0.0);
        let file = fields.text("file", 0..=TEXT_MAX);
        let error = fields.text("error", 0..=usize::MAX);
        Some(Test { name: name?, status, duration_ms, file, error })
    }

    fn data(&mut self) -> Option<&'a Map<String, Value>> {
        match self.present("data") {
            Some(Value::Object(members)) => Some(members),
            Some(other) => {
                self.fault("data", expected("an object", other));
                None
            }
            None => {
                self.fault("data", "is required: an object".into());
                None
            }
        }
    }
}

fn unknown() -> String {
    UNKNOWN.to_owned()
}

fn shortened(mut errors: Vec<FieldError>) -> Vec<FieldError> {
    let more = errors.len().saturating_sub(ERRORS_MAX);
    if more > 0 {
        errors.truncate(ERRORS_MAX);
        errors.push(FieldError { field: String::new(), detail: format!("and {more} more faults") });
    }
    errors
}

/// Whether a text is a time of the year 9999, the last hours of which no [`Timestamp`] reaches.
fn is_beyond_range(text: &str) -> bool {
    let read = Pieces::parse(text).ok().filter(|_| !text.contains('['));
    read.is_some_and(|read| {
        read.date().year() == 9999 && read.time().is_some() && read.to_numeric_offset().is_some()
    })
}

/// What takes the place of a missing language or framework.
pub(super) const UNKNOWN: &str = "unknown";
/// Faults named in one answer.
const ERRORS_MAX: usize = 100;
/// Entries of `test_details`.
const TESTS_MAX: usize = 1_000;
/// Issue and pull request numbers fit in the integers of every database.
const ID_MAX: u64 = i64::MAX as u64;
/// One year: a phase that took longer is a wrong unit.
const DURATION_MS_MAX: f64 = 366.0 * 86_400_000.0;
const FUTURE_NS_MAX: u64 = 86_400_000_000_000;
/// Bytes of `owner` and of `name`.
const REPO_PART_MAX: usize = 100;
const COMMIT_MAX: usize = 64;
/// Characters of `event_uuid` and `Idempotency-Key`.
pub(super) const EVENT_UUID_MAX: usize = 128;
/// Characters of what becomes a label: language, framework, environment, status.
const LINE_MAX: usize = 128;
/// Characters of URLs, paths and names.
pub(super) const TEXT_MAX: usize = 2_048;
