//! Tasks: a pure state machine. A phase and what the store knows go in; the task as it then is, and
//! the telemetry that tells of it, come out.
//!
//! - **In:** a [`Submission`] (the checked phase, its trace context, arrival time, seed) and what is
//!   [`Known`].
//! - **Out:** [`Effects`], to be written in one transaction.
//! - **Guaranteed:** one trace per task; the root span is emitted exactly once, when the task ends,
//!   and holds every phase within its times; a phase after that opens a new task linked to the old.
//! - **Not here:** clock, randomness, I/O. They are arguments or belong to the store.

use std::time::Duration;

use pipelines::time::UnixNanos;

use super::{
    context::RemoteContext,
    ids::{Ids, Seed, SpanId, TaskId, TraceId},
    phase::{Kind, Phase, Repo, Status},
    telemetry::{self, Telemetry},
};

/// The work on one (customer, repository, issue), or a scan of one (customer, repository, commit).
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Shown to users, and on every span, event and exemplar.
    pub id: TaskId,
    /// The first task of the chain this one continues; itself if it continues none.
    pub origin: TaskId,
    /// The task it continues, and that one's root span.
    pub previous: Option<TaskRoot>,
    /// Where the work is done.
    pub repo: Repo,
    /// The issue; a scan's task takes that of the first phase that joins it.
    pub issue_number: Option<u64>,
    /// The commit of the scan, if one belongs to the task.
    pub scan_commit: Option<String>,
    /// One trace per task.
    pub trace: TraceId,
    /// The span `task`; made with the task, so that phases can name it as their parent.
    pub root: SpanId,
    /// The caller's span, from the first phase's `traceparent`.
    pub parent: Option<SpanId>,
    /// `tracestate` of the first phase.
    pub trace_state: String,
    /// Trace flags: sampled, random.
    pub flags: u8,
    /// Open, or how it ended.
    pub status: TaskStatus,
    /// Of the latest phase.
    pub environment: String,
    /// Of the latest phase that knew it.
    pub language: String,
    /// Of the latest phase that knew it.
    pub framework: String,
    /// Phases stored so far.
    pub phases: u64,
    /// The earliest start of a phase.
    pub start_ns: u64,
    /// The latest end of a phase, never before `start_ns`.
    pub end_ns: u64,
    /// Arrival of the latest phase: idleness counts from here.
    pub touched: UnixNanos,
}

/// A task's root span, as another task links to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct TaskRoot {
    pub task: TaskId,
    pub trace: TraceId,
    pub span: SpanId,
}

/// The life of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskStatus {
    /// More phases may come.
    Open,
    /// Ended by its last phase, with that phase's status.
    Ended(Status),
    /// Ended because no phase came for six hours.
    Idle,
}

/// A phase on its way into the store.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The checked phase.
    pub phase: Phase,
    /// `traceparent` and `tracestate`, if valid.
    pub context: Option<RemoteContext>,
    /// When the request came.
    pub arrival: UnixNanos,
    /// Where its ids come from.
    pub seed: Seed,
}

/// What the store knows before the phase.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The newest task of the chain the phase belongs to.
    pub task: Option<Task>,
    /// The newest phase of the same kind on the same issue (or commit).
    pub earlier: Option<PhaseSpan>,
    /// The newest scan of the same commit.
    pub scan: Option<PhaseSpan>,
}

/// A stored phase, as another span links to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhaseSpan {
    /// Its task.
    pub task: TaskId,
    /// Its trace.
    pub trace: TraceId,
    /// Its span.
    pub span: SpanId,
    /// From 1, within its task.
    pub attempt: u64,
}

/// What one phase changes.
#[derive(Clone, Debug)]
pub struct Effects {
    /// A task that had been idle for too long and is closed on this occasion.
    pub closed: Option<Task>,
    /// The task as it is now.
    pub task: Task,
    /// Whether the task is new.
    pub is_new: bool,
    /// The phase's own span.
    pub span: SpanId,
    /// From 1, within the task.
    pub attempt: u64,
    /// One entry per outbox row, in order.
    pub telemetry: Vec<Telemetry>,
}

/// Takes one phase.
pub fn advance(known: Known, submission: &Submission, idle_max: Duration) -> Effects {
    let Submission { phase, context, arrival, seed } = submission;
    let mut ids = Ids::new(*seed);
    let mut telemetry = Vec::new();
    let closed = known.task.clone().filter(|task| task.is_idle(*arrival, idle_max)).map(|task| {
        let (task, root) = task.close_idle();
        telemetry.push(root);
        task
    });
    let (mut task, is_new) = match known.task {
        Some(task) if task.status == TaskStatus::Open && closed.is_none() => (task, false),
        ended => (Task::open(phase, context.as_ref(), ended.as_ref(), *arrival, &mut ids), true),
    };
    task.take(phase, *arrival);
    let span = ids.draw();
    let attempt =
        known.earlier.filter(|earlier| earlier.task == task.id).map_or(1, |earlier| earlier.attempt + 1);
    let links = links(&known.earlier, &known.scan, context.as_ref(), &task, phase.kind);
    let mut told = telemetry::phase(&task, phase, span, attempt, links, &mut ids);
    if phase.ends_task() {
        task.status = TaskStatus::Ended(phase.status);
        told.spans.push(telemetry::root(&task));
    }
    telemetry.push(told);
    Effects { closed, task, is_new, span, attempt, telemetry }
}

/// What the phase's span points at besides its parent: the attempt before, the scan of the commit
/// where that is another task's, and a caller other than the one the task began with.
fn links(
    earlier: &Option<PhaseSpan>,
    scan: &Option<PhaseSpan>,
    context: Option<&RemoteContext>,
    task: &Task,
    kind: Kind,
) -> Vec<telemetry::Link> {
    let earlier = earlier.map(|phase| telemetry::Link::new(phase.trace, phase.span, "earlier_attempt"));
    let scan = scan
        .filter(|scan| kind == Kind::Validation && scan.task != task.id)
        .map(|scan| telemetry::Link::new(scan.trace, scan.span, "scan"));
    let caller = context
        .filter(|context| context.trace != task.trace || Some(context.span) != task.parent)
        .map(|context| telemetry::Link {
            trace_state: context.trace_state.clone(),
            ..telemetry::Link::new(context.trace, context.span, "caller")
        });
    [earlier, scan, caller].into_iter().flatten().collect()
}

// === impl Task ===

impl Task {
    fn open(
        phase: &Phase,
        context: Option<&RemoteContext>,
        ended: Option<&Task>,
        arrival: UnixNanos,
        ids: &mut Ids,
    ) -> Self {
        let (id, trace, root) = (ids.draw(), ids.draw(), ids.draw());
        Self {
            id,
            origin: ended.map_or(id, |ended| ended.origin),
            previous: ended.map(|ended| TaskRoot { task: ended.id, trace: ended.trace, span: ended.root }),
            repo: phase.repo.clone(),
            issue_number: phase.issue_number,
            scan_commit: None,
            trace: context.map_or(trace, |context| context.trace),
            root,
            parent: context.map(|context| context.span),
            trace_state: context.map_or_else(String::new, |context| context.trace_state.clone()),
            flags: context.map_or(FLAGS_OF_OWN_TRACES, |context| context.flags),
            status: TaskStatus::Open,
            environment: phase.environment.clone(),
            language: phase.language.clone(),
            framework: phase.framework.clone(),
            phases: 0,
            start_ns: phase.start_ns,
            end_ns: phase.end_ns,
            touched: arrival,
        }
    }

    fn take(&mut self, phase: &Phase, arrival: UnixNanos) {
        self.phases += 1;
        self.start_ns = self.start_ns.min(phase.start_ns);
        self.end_ns = self.end_ns.max(phase.end_ns);
        self.touched = self.touched.max(arrival);
        self.issue_number = self.issue_number.or(phase.issue_number);
        if phase.kind == Kind::Scan {
            self.scan_commit.get_or_insert_with(|| phase.commit_sha.clone());
        }
        self.environment.clone_from(&phase.environment);
        for (known, told) in [(&mut self.language, &phase.language), (&mut self.framework, &phase.framework)]
        {
            if told != super::request::UNKNOWN {
                known.clone_from(told);
            }
        }
    }

    /// Whether it is open and has seen no phase for `idle_max`.
    pub fn is_idle(&self, now: UnixNanos, idle_max: Duration) -> bool {
        self.status == TaskStatus::Open && now.since(self.touched) >= idle_max
    }

    /// Ends it for idleness; its root span goes out.
    pub fn close_idle(mut self) -> (Self, Telemetry) {
        self.status = TaskStatus::Idle;
        let environment = self.environment.clone();
        let root = telemetry::root(&self);
        (self, Telemetry { environment, spans: vec![root], events: Vec::new() })
    }
}

// === impl TaskStatus ===

impl TaskStatus {
    /// As answers, filters and the table spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Ended(status) => status.as_str(),
            Self::Idle => "idle",
        }
    }

    /// The reverse of [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "open" => Some(Self::Open),
            "idle" => Some(Self::Idle),
            ended => Status::parse(ended).map(Self::Ended),
        }
    }
}

/// Sampled, and a trace id that is random (W3C, *random-trace-id flag*).
const FLAGS_OF_OWN_TRACES: u8 = 0x03;
