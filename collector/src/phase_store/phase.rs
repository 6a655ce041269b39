//! A phase that passed the gate, and the words of its vocabulary.
//!
//! Only [`super::request::check`] makes a [`Phase`], so every field keeps the rule of requirements
//! section 3.1.

use std::fmt;

use serde_json::{Map, Value};

use super::ids::TaskId;

/// The outcome of one phase of work, as a client told it.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// Scan, validation or mitigation.
    pub kind: Kind,
    /// Where the work was done.
    pub repo: Repo,
    /// Always there for a validation and a mitigation.
    pub issue_number: Option<u64>,
    /// What was looked at.
    pub commit_sha: String,
    /// The task the client wants to join.
    pub task_id: Option<TaskId>,
    /// The idempotency key of the body.
    pub event_uuid: Option<String>,
    /// `production`, `staging`, ...
    pub environment: String,
    /// Nanoseconds since the epoch.
    pub start_ns: u64,
    /// Not before `start_ns`.
    pub end_ns: u64,
    /// Absent when neither a duration nor a start was told: no histogram is fed with a guess.
    pub duration_ms: Option<f64>,
    /// How it went.
    pub status: Status,
    /// `unknown` when not told.
    pub language: String,
    /// `unknown` when not told.
    pub framework: String,
    /// What only this kind of phase tells.
    pub detail: Detail,
    /// The member `data` as it was sent, unknown members included.
    pub data: Map<String, Value>,
}

/// Which phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Looks for vulnerabilities in a commit.
    Scan,
    /// Shows with tests whether an issue is real.
    Validation,
    /// Mends it.
    Mitigation,
}

/// `owner/name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repo {
    /// The forge account.
    pub owner: String,
    /// Without the owner.
    pub name: String,
}

/// How a phase went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It came to its end, whatever it found.
    Completed,
    /// It broke.
    Failed,
    /// It was given up.
    Timeout,
}

/// What only one kind of phase tells. Counts are 0 to 10 000.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are those of requirements section 3.1")]
pub enum Detail {
    Scan {
        files_scanned: Option<u64>,
        vulnerabilities_found: Option<u64>,
        issues_created: Option<u64>,
    },
    Validation {
        validated: Option<bool>,
        tests_generated: Option<u64>,
        tests_passed: Option<u64>,
        tests_failed: Option<u64>,
        vulnerabilities_found: Option<u64>,
        tests: Vec<Test>,
        branch: Option<String>,
        error: Option<String>,
    },
    Mitigation {
        pr_url: Option<String>,
        pr_number: Option<u64>,
        files_changed: Option<u64>,
        trust_score: Option<f64>,
    },
}

/// An entry of `test_details`.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// What the test is called.
    pub name: String,
    /// As sent: `passed`, `failed`, `skipped`, ...
    pub status: String,
    /// 0 when not told.
    pub duration_ms: f64,
    /// Where the test stands.
    pub file: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
}

// === impl Phase ===

impl Phase {
    /// Whether the task is done after this phase: a mitigation was stored, or a validation failed
    /// or found nothing (requirements section 3.3).
    pub fn ends_task(&self) -> bool {
        match &self.detail {
            Detail::Scan { .. } => false,
            Detail::Mitigation { .. } => true,
            Detail::Validation { validated, vulnerabilities_found, .. } => {
                let found_nothing = match vulnerabilities_found {
                    Some(count) => *count == 0,
                    None => *validated == Some(false),
                };
                self.status != Status::Completed || found_nothing
            }
        }
    }

    /// Why it failed, if it said so.
    pub fn error(&self) -> Option<&str> {
        match &self.detail {
            Detail::Validation { error, .. } => error.as_deref(),
            _ => None,
        }
    }
}

// === impl Kind ===

impl Kind {
    /// All three, in the order of the work.
    pub const ALL: [Self; 3] = [Self::Scan, Self::Validation, Self::Mitigation];

    /// As answers, attributes and labels spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Validation => "validation",
            Self::Mitigation => "mitigation",
        }
    }
}

// === impl Repo ===

impl fmt::Display for Repo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

// === impl Status ===

impl Status {
    /// As bodies, answers and labels spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Timeout => "timeout",
        }
    }

    /// The reverse of [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Completed, Self::Failed, Self::Timeout].into_iter().find(|status| status.as_str() == text)
    }
}

// === impl Test ===

impl Test {
    /// Whether it tells of a failure; a skipped test does not.
    pub fn has_failed(&self) -> bool {
        matches!(
            self.status.to_ascii_lowercase().as_str(),
            "failed" | "fail" | "failure" | "error" | "timeout"
        )
    }

    /// Whether it tells of a success.
    pub fn has_passed(&self) -> bool {
        matches!(self.status.to_ascii_lowercase().as_str(), "passed" | "pass" | "success" | "ok")
    }
}
