//! `GET /api/v1/phases/retrieve`, `GET /api/v1/tasks`, `GET /api/v1/tasks/{task_id}`.

use std::sync::Arc;

use axum::{
    extract::{Path, RawQuery, State as Shared},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{State, json_answer, problem::Problem, scope_of};
use crate::phase_store::{
    ids::TaskId,
    keys::Role,
    request::FieldError,
    store::{PhaseFilter, StoredPhase, StoredTask, TaskFilter},
    task::{Task, TaskStatus},
    time_text,
};

/// The phases of one piece of work. CI jobs read what an earlier job stored, so `ingest` may.
pub(super) async fn retrieve(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let answer = async {
        let access = state.access(&headers, &[Role::Read, Role::Ingest]).await?;
        let mut query = Query::read(query.as_deref(), &["repo", "issue_number", "commit_sha"]);
        let repo = query.repo();
        if repo.is_none() && !query.has("repo") {
            query.fault("repo", "is required: owner/name");
        }
        let issue_number = query.natural("issue_number");
        let commit_sha = query.text("commit_sha");
        let (owner, name) = query.done(repo)?;
        if !access.covers(&owner) {
            return Err(Problem::forbidden(format!("this key is not valid for the owner `{owner}`")));
        }
        let filter = PhaseFilter { owner, name, issue_number, commit_sha };
        let phases = state.store.phases(scope_of(&access), filter).await?;
        let phases: Vec<Value> = phases.iter().map(phase_json).collect();
        Ok(json_answer(StatusCode::OK, &json!({"success": true, "phases": phases})))
    };
    answer.await.unwrap_or_else(|problem: Problem| problem.into_response())
}

/// A page of tasks, newest first.
pub(super) async fn tasks(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let answer = async {
        let access = state.access(&headers, &[Role::Read]).await?;
        let mut query = Query::read(query.as_deref(), TASKS_QUERY);
        let limit = query.natural("limit").unwrap_or(PAGE) as usize;
        if !(1..=PAGE_MAX).contains(&limit) {
            query.fault("limit", "must be from 1 to 200");
        }
        let filter = TaskFilter {
            repo: query.repo(),
            status: query.status(),
            language: query.text("language"),
            since_ns: query.time("since"),
            until_ns: query.time("until"),
            below: query.natural("cursor").map(|row| i64::try_from(row).unwrap_or(i64::MAX)),
            // One more than asked for tells whether there is a further page.
            rows_max: limit.min(PAGE_MAX) + 1,
        };
        let filter = query.done(Some(filter))?;
        let mut found = state.store.tasks(scope_of(&access), filter).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|last| last.row.to_string());
        let tasks: Vec<Value> = found.iter().map(task_json).collect();
        Ok(json_answer(StatusCode::OK, &json!({"success": true, "tasks": tasks, "next_cursor": next})))
    };
    answer.await.unwrap_or_else(|problem: Problem| problem.into_response())
}

/// The timeline of a task. Another customer's task looks like one that does not exist.
pub(super) async fn task(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    Path(task_id): Path<String>,
) -> Response {
    let answer = async {
        let access = state.access(&headers, &[Role::Read]).await?;
        let missing = || Problem::not_found(format!("there is no task `{}`", shown(&task_id)));
        let id = TaskId::parse(&task_id.to_ascii_lowercase()).ok_or_else(missing)?;
        let (task, phases) = state.store.task(scope_of(&access), id).await?.ok_or_else(missing)?;
        let mut document = task_json(&task);
        let phases: Vec<Value> = phases.iter().map(phase_json).collect();
        if let Some(members) = document.as_object_mut() {
            members.insert("timeline".into(), phases.into());
        }
        Ok(json_answer(StatusCode::OK, &json!({"success": true, "task": document})))
    };
    answer.await.unwrap_or_else(|problem: Problem| problem.into_response())
}

fn task_json(stored: &StoredTask) -> Value {
    let task: &Task = &stored.task;
    let ended = task.status != TaskStatus::Open;
    json!({
        "task_id": task.id.to_string(),
        "trace_id": task.trace.to_string(),
        "span_id": task.root.to_string(),
        "previous_task_id": task.previous.map(|root| root.task.to_string()),
        "repo": task.repo.to_string(),
        "issue_number": task.issue_number,
        "commit_sha": task.scan_commit,
        "status": task.status.as_str(),
        "environment": task.environment,
        "language": task.language,
        "framework": task.framework,
        "phases": task.phases,
        "started_at": time_text(task.start_ns),
        "ended_at": ended.then(|| time_text(task.end_ns)),
        "links": {
            "self": format!("/api/v1/tasks/{}", task.id),
            "trace": format!("/tempo/api/traces/{}", task.trace),
            "previous": task.previous.map(|root| format!("/api/v1/tasks/{}", root.task)),
        },
    })
}

fn phase_json(phase: &StoredPhase) -> Value {
    json!({
        "id": phase.id,
        "phase": phase.kind.as_str(),
        "repo": format!("{}/{}", phase.owner, phase.name),
        "issue_number": phase.issue_number,
        "commit_sha": phase.commit_sha,
        "task_id": phase.task.to_string(),
        "trace_id": phase.trace.to_string(),
        "span_id": phase.span.to_string(),
        "attempt": phase.attempt,
        "status": phase.status,
        "language": phase.language,
        "framework": phase.framework,
        "environment": phase.environment,
        "started_at": time_text(phase.start_ns),
        "completed_at": time_text(phase.end_ns),
        "inserted_at": phase.inserted_at,
        "data": phase.data,
    })
}

/// The beginning of what was asked for, so that no answer grows with its request.
fn shown(text: &str) -> String {
    text.chars().take(32).collect()
}

/// The parameters of a query, and all that is wrong with them.
struct Query {
    values: Map<String, Value>,
    errors: Vec<FieldError>,
}

// === impl Query ===

impl Query {
    fn read(query: Option<&str>, known: &[&str]) -> Self {
        let mut read = Self { values: Map::new(), errors: Vec::new() };
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).take(PARAMETERS_MAX)
        {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (decoded(name), decoded(value)) {
                (Some(name), Some(_)) if !known.contains(&name.as_str()) => {
                    read.fault(&shown(&name), &format!("is not a parameter; there are {}", known.join(", ")));
                }
                (Some(name), Some(value)) => {
                    if read.values.insert(name.clone(), value.into()).is_some() {
                        read.fault(&name, "is given twice");
                    }
                }
                _ => read.fault(&shown(name), "is not percent-encoded UTF-8"),
            }
        }
        read
    }

    fn fault(&mut self, name: &str, detail: &str) {
        self.errors.push(FieldError { field: name.to_owned(), detail: detail.to_owned() });
    }

    fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    fn text(&self, name: &str) -> Option<String> {
        self.values.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn natural(&mut self, name: &str) -> Option<u64> {
        let number = self.text(name)?.parse().ok();
        if number.is_none() {
            self.fault(name, "must be a whole number");
        }
        number
    }

    fn repo(&mut self) -> Option<(String, String)> {
        let text = self.text("repo")?;
        let parts = text.split_once('/').filter(|(owner, name)| !owner.is_empty() && !name.is_empty());
        if parts.is_none() {
            self.fault("repo", "must be owner/name");
        }
        parts.map(|(owner, name)| (owner.to_owned(), name.to_owned()))
    }

    fn status(&mut self) -> Option<TaskStatus> {
        let status = TaskStatus::parse(&self.text("status")?);
        if status.is_none() {
            self.fault("status", "must be open, completed, failed, timeout or idle");
        }
        status
    }

    fn time(&mut self, name: &str) -> Option<u64> {
        let read = self.text(name)?.parse::<Timestamp>().ok();
        let ns = read.and_then(|time| u64::try_from(time.as_nanosecond()).ok());
        if ns.is_none() {
            self.fault(name, "must be a time since 1970 such as 2026-11-21T09:30:00Z");
        }
        ns
    }

    fn done<T>(self, value: Option<T>) -> Result<T, Problem> {
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(Problem::fields(&self.errors)),
        }
    }
}

/// `application/x-www-form-urlencoded`, one part.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) =
                    (char::from(rest.next()?).to_digit(16)?, char::from(rest.next()?).to_digit(16)?);
                u8::try_from(high << 4 | low).ok()?
            }
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok()
}

const TASKS_QUERY: &[&str] = &["repo", "status", "language", "since", "until", "cursor", "limit"];
const PAGE: u64 = 50;
const PAGE_MAX: usize = 200;
/// Parameters looked at; a request has at most seven.
const PARAMETERS_MAX: usize = 32;
