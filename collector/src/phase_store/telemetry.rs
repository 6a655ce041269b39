//! What a phase tells the pipelines: spans and events, as data. [`encode`] writes them
//! as OTLP.
//!
//! - **In:** a task and a phase; the ids of the child spans come from the phase's own stream.
//! - **Out:** the spans `task`, `phase scan|validation|mitigation` and `test`; the events of the
//!   catalog (requirements section 4, *Phases*).
//! - **Guaranteed:** no span ends before it starts; span names have few values, so that span
//!   metrics stay small; attributes carry the names of the semantic conventions where there are any.

pub mod encode;

use opentelemetry_semantic_conventions::attribute as semconv;

use super::{
    ids::{Ids, SpanId, TraceId},
    phase::{Detail, Kind, Phase, Status, Test},
    task::{Task, TaskStatus},
};

/// Spans and events that go out together: one row of the outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct Telemetry {
    /// `deployment.environment.name` of the resource.
    pub environment: String,
    /// In no particular order.
    pub spans: Vec<Span>,
    /// In the order they are to be read.
    pub events: Vec<Event>,
}

/// A span. Its kind is always `INTERNAL`: a phase was done elsewhere and is told afterwards.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are those of OTLP")]
pub struct Span {
    pub trace: TraceId,
    pub span: SpanId,
    pub parent: Option<SpanId>,
    pub trace_state: String,
    pub flags: u32,
    pub name: &'static str,
    pub start_ns: u64,
    pub end_ns: u64,
    pub attributes: Vec<Attribute>,
    pub links: Vec<Link>,
    /// Present: the status is ERROR, with this message.
    pub error: Option<String>,
}

/// A log record with an event name.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are those of OTLP")]
pub struct Event {
    pub name: &'static str,
    pub time_ns: u64,
    pub trace: TraceId,
    pub span: SpanId,
    pub flags: u32,
    pub attributes: Vec<Attribute>,
}

/// A key and its value.
pub type Attribute = (&'static str, Attr);

/// The values we use.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are those of OTLP")]
pub enum Attr {
    Str(String),
    Bool(bool),
    Int(i64),
    Double(f64),
}

/// A span elsewhere, and why it matters (attribute `link.reason`).
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are those of OTLP")]
pub struct Link {
    pub trace: TraceId,
    pub span: SpanId,
    pub trace_state: String,
    pub reason: &'static str,
}

/// The span and the events of one phase.
pub fn phase(
    task: &Task,
    phase: &Phase,
    span: SpanId,
    attempt: u64,
    links: Vec<Link>,
    ids: &mut Ids,
) -> Telemetry {
    let told = Told { task, phase, span };
    let mut spans = vec![told.phase_span(attempt, links)];
    let mut events = vec![told.event(complete_name(phase.kind), told.complete_attributes())];
    match &phase.detail {
        Detail::Scan { .. } => {}
        Detail::Validation { tests, .. } => {
            let runs = told.test_times(tests);
            for (test, (start_ns, end_ns)) in tests.iter().zip(runs) {
                spans.push(told.test_span(test, ids.draw(), start_ns, end_ns));
                events.push(told.event("rsolv.validation.test_generated", told.test_attributes(test)));
            }
        }
        Detail::Mitigation { trust_score, .. } => {
            if let Some(score) = trust_score {
                let mut attributes = told.labels();
                attributes.push(("value", Attr::Double(*score)));
                events.push(told.event("rsolv.mitigation.trust_score", attributes));
            }
        }
    }
    Telemetry { environment: phase.environment.clone(), spans, events }
}

/// The root span of a task that has just ended.
pub fn root(task: &Task) -> Span {
    let remote = if task.parent.is_some() { FLAG_IS_REMOTE } else { 0 };
    let mut attributes = vec![
        ("task.id", Attr::from(task.id.to_string())),
        ("task.status", task.status.as_str().into()),
        ("task.phases", task.phases.into()),
        ("phase.language", task.language.as_str().into()),
        ("phase.framework", task.framework.as_str().into()),
        (semconv::VCS_OWNER_NAME, task.repo.owner.as_str().into()),
        (semconv::VCS_REPOSITORY_NAME, task.repo.name.as_str().into()),
    ];
    attributes.extend(task.issue_number.map(|number| ("task.issue_number", number.into())));
    let error = match task.status {
        TaskStatus::Ended(status @ (Status::Failed | Status::Timeout)) => {
            attributes.push((semconv::ERROR_TYPE, status.as_str().into()));
            Some(format!("the last phase ended with {}", status.as_str()))
        }
        _ => None,
    };
    Span {
        trace: task.trace,
        span: task.root,
        parent: task.parent,
        trace_state: task.trace_state.clone(),
        flags: u32::from(task.flags) | FLAG_HAS_IS_REMOTE | remote,
        name: "task",
        start_ns: task.start_ns,
        end_ns: task.end_ns,
        attributes,
        links: task
            .previous
            .map(|root| Link::new(root.trace, root.span, "previous_task"))
            .into_iter()
            .collect(),
        error,
    }
}

/// A phase within its task, while it is told.
struct Told<'a> {
    task: &'a Task,
    phase: &'a Phase,
    span: SpanId,
}

// === impl Attr ===

impl From<String> for Attr {
    fn from(text: String) -> Self {
        Self::Str(text)
    }
}

impl From<&str> for Attr {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<bool> for Attr {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u64> for Attr {
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Attr {
    /// A double that is a whole number becomes an integer: `1500` ms, not `1500.0`.
    fn from(number: f64) -> Self {
        if number.fract() == 0.0 && number.abs() < 1e15 {
            Self::Int(number as i64)
        } else {
            Self::Double(number)
        }
    }
}

// === impl Link ===

impl Link {
    /// A link to a span of which no `tracestate` is known.
    pub fn new(trace: TraceId, span: SpanId, reason: &'static str) -> Self {
        Self { trace, span, trace_state: String::new(), reason }
    }
}

// === impl Told ===

impl Told<'_> {
    fn span_of(&self, name: &'static str, span: SpanId, parent: SpanId, start_ns: u64, end_ns: u64) -> Span {
        Span {
            trace: self.task.trace,
            span,
            parent: Some(parent),
            trace_state: self.task.trace_state.clone(),
            flags: self.flags() | FLAG_HAS_IS_REMOTE,
            name,
            start_ns,
            end_ns: end_ns.max(start_ns),
            attributes: Vec::new(),
            links: Vec::new(),
            error: None,
        }
    }

    fn flags(&self) -> u32 {
        u32::from(self.task.flags)
    }

    fn phase_span(&self, attempt: u64, links: Vec<Link>) -> Span {
        let Phase { kind, status, start_ns, end_ns, .. } = *self.phase;
        let error = match status {
            Status::Completed => None,
            Status::Failed | Status::Timeout => Some(
                self.phase
                    .error()
                    .map_or_else(|| status.as_str().to_owned(), |text| shortened(text).to_owned()),
            ),
        };
        Span {
            attributes: self.phase_attributes(attempt),
            links,
            error,
            ..self.span_of(span_name(kind), self.span, self.task.root, start_ns, end_ns)
        }
    }

    fn phase_attributes(&self, attempt: u64) -> Vec<Attribute> {
        let phase = self.phase;
        let mut list: Vec<Attribute> = vec![
            ("task.id", self.task.id.to_string().into()),
            ("phase.name", phase.kind.as_str().into()),
            ("phase.status", phase.status.as_str().into()),
            ("phase.language", phase.language.as_str().into()),
            ("phase.framework", phase.framework.as_str().into()),
            ("phase.attempt", attempt.into()),
            (semconv::VCS_OWNER_NAME, phase.repo.owner.as_str().into()),
            (semconv::VCS_REPOSITORY_NAME, phase.repo.name.as_str().into()),
            (semconv::VCS_REF_HEAD_REVISION, phase.commit_sha.as_str().into()),
            (semconv::CICD_PIPELINE_TASK_NAME, phase.kind.as_str().into()),
            (semconv::CICD_PIPELINE_TASK_RUN_RESULT, run_result(phase.status).into()),
        ];
        list.extend(phase.issue_number.map(|number| ("phase.issue_number", number.into())));
        if phase.status != Status::Completed {
            list.push((semconv::ERROR_TYPE, phase.status.as_str().into()));
        }
        self.detail_attributes(&mut list);
        list
    }

    fn detail_attributes(&self, list: &mut Vec<Attribute>) {
        let mut count = |name, count: &Option<u64>| list.extend(count.map(|count| (name, count.into())));
        match &self.phase.detail {
            Detail::Scan { files_scanned, vulnerabilities_found, issues_created } => {
                count("phase.files_scanned", files_scanned);
                count("phase.vulnerabilities_found", vulnerabilities_found);
                count("phase.issues_created", issues_created);
            }
            Detail::Validation {
                validated,
                tests_generated,
                tests_passed,
                tests_failed,
                vulnerabilities_found,
                branch,
                ..
            } => {
                count("phase.tests_generated", tests_generated);
                count("phase.tests_passed", tests_passed);
                count("phase.tests_failed", tests_failed);
                count("phase.vulnerabilities_found", vulnerabilities_found);
                list.extend(validated.map(|validated| ("phase.validated", validated.into())));
                list.extend(branch.as_deref().map(|branch| (semconv::VCS_REF_HEAD_NAME, branch.into())));
            }
            Detail::Mitigation { pr_url, pr_number, files_changed, trust_score } => {
                count("phase.files_changed", files_changed);
                list.extend(trust_score.map(|score| ("phase.trust_score", Attr::Double(score))));
                list.extend(pr_number.map(|number| (semconv::VCS_CHANGE_ID, number.to_string().into())));
                list.extend(pr_url.as_deref().map(|url| ("phase.pr_url", url.into())));
            }
        }
    }

    /// One after the other from the phase's start; if that does not fit into the phase they ran at
    /// the same time, so each begins with the phase. None ends after the phase.
    fn test_times(&self, tests: &[Test]) -> Vec<(u64, u64)> {
        let Phase { start_ns, end_ns, .. } = *self.phase;
        let lengths: Vec<u64> = tests.iter().map(|test| (test.duration_ms * 1e6).round() as u64).collect();
        let total = lengths.iter().fold(0_u64, |sum, length| sum.saturating_add(*length));
        let one_by_one = total <= end_ns - start_ns;
        let mut next_ns = start_ns;
        let place = |length: &u64| {
            let begin = next_ns;
            let end = begin.saturating_add(*length).min(end_ns);
            if one_by_one {
                next_ns = end;
            }
            (begin, end)
        };
        lengths.iter().map(place).collect()
    }

    fn test_span(&self, test: &Test, span: SpanId, start_ns: u64, end_ns: u64) -> Span {
        let mut attributes: Vec<Attribute> = vec![
            ("task.id", self.task.id.to_string().into()),
            ("phase.name", self.phase.kind.as_str().into()),
            (semconv::TEST_CASE_NAME, test.name.as_str().into()),
            ("test.case.status", test.status.as_str().into()),
        ];
        attributes
            .extend(result_status(test).map(|result| (semconv::TEST_CASE_RESULT_STATUS, result.into())));
        attributes.extend(test.file.as_deref().map(|file| (semconv::CODE_FILE_PATH, file.into())));
        let error = test.has_failed().then(|| {
            attributes.push((semconv::ERROR_TYPE, "test_failed".into()));
            shortened(test.error.as_deref().unwrap_or_default()).to_owned()
        });
        Span { attributes, error, ..self.span_of("test", span, self.span, start_ns, end_ns) }
    }

    fn event(&self, name: &'static str, attributes: Vec<Attribute>) -> Event {
        Event {
            name,
            time_ns: self.phase.end_ns,
            trace: self.task.trace,
            span: self.span,
            flags: self.flags(),
            attributes,
        }
    }

    /// What every event of a phase carries: the labels of the catalog, and the task.
    fn labels(&self) -> Vec<Attribute> {
        let phase = self.phase;
        vec![
            ("repo", phase.repo.to_string().into()),
            ("language", phase.language.as_str().into()),
            ("framework", phase.framework.as_str().into()),
            ("status", phase.status.as_str().into()),
            ("environment", phase.environment.as_str().into()),
            ("task.id", self.task.id.to_string().into()),
            ("phase.name", phase.kind.as_str().into()),
        ]
    }

    fn complete_attributes(&self) -> Vec<Attribute> {
        let mut list = self.labels();
        list.extend(self.phase.duration_ms.map(|ms| ("duration", ms.into())));
        let mut count = |name, count: &Option<u64>| list.extend(count.map(|count| (name, count.into())));
        match &self.phase.detail {
            Detail::Scan { files_scanned, vulnerabilities_found, issues_created } => {
                count("files_scanned", files_scanned);
                count("vulnerabilities_found", vulnerabilities_found);
                count("issues_created", issues_created);
            }
            Detail::Validation {
                tests_generated, tests_passed, tests_failed, vulnerabilities_found, ..
            } => {
                count("tests_generated", tests_generated);
                count("tests_passed", tests_passed);
                count("tests_failed", tests_failed);
                count("vulnerabilities_found", vulnerabilities_found);
            }
            Detail::Mitigation { files_changed, .. } => count("files_changed", files_changed),
        }
        list
    }

    fn test_attributes(&self, test: &Test) -> Vec<Attribute> {
        let mut list = self.labels();
        list.push((semconv::TEST_CASE_NAME, test.name.as_str().into()));
        list.push(("test.case.status", test.status.as_str().into()));
        list.push(("duration", test.duration_ms.into()));
        list.extend(test.file.as_deref().map(|file| (semconv::CODE_FILE_PATH, file.into())));
        list
    }
}

fn span_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Scan => "phase scan",
        Kind::Validation => "phase validation",
        Kind::Mitigation => "phase mitigation",
    }
}

fn complete_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Scan => "rsolv.scan.complete",
        Kind::Validation => "rsolv.validation.complete",
        Kind::Mitigation => "rsolv.mitigation.complete",
    }
}

/// The well-known values of `cicd.pipeline.task.run.result`.
fn run_result(status: Status) -> &'static str {
    match status {
        Status::Completed => "success",
        Status::Failed => "failure",
        Status::Timeout => "timeout",
    }
}

/// The well-known values of `test.case.result.status`; there is none for a skipped test.
fn result_status(test: &Test) -> Option<&'static str> {
    match (test.has_passed(), test.has_failed()) {
        (true, _) => Some("pass"),
        (_, true) => Some("fail"),
        _ => None,
    }
}

/// The beginning of an error text, at most [`ERROR_BYTES_MAX`]: a span is no place for a log.
fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(ERROR_BYTES_MAX)]
}

const ERROR_BYTES_MAX: usize = 4_096;
/// OTLP, *SpanFlags*: `SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK`.
const FLAG_HAS_IS_REMOTE: u32 = 0x100;
/// OTLP, *SpanFlags*: `SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`.
const FLAG_IS_REMOTE: u32 = 0x200;
