//! What SQLite is asked.
//!
//! **Guaranteed:** a reader of one customer, or of some owners, gets nothing of another's; rows that
//! do not read back (a person edited them) are an error, not a panic.

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params_from_iter, types::Type};
use serde_json::{Map, Value};

use crate::phase_store::{
    ids::{Id, TaskId},
    phase::{Kind, Repo},
    store::{OutboxRow, PhaseFilter, Scope, StoredPhase, StoredTask, TaskFilter},
    task::{PhaseSpan, Task, TaskRoot, TaskStatus},
};
use pipelines::time::UnixNanos;

/// The oldest rows of the outbox.
pub(super) fn outbox(connection: &Connection, rows_max: usize) -> rusqlite::Result<Vec<OutboxRow>> {
    let mut select =
        connection.prepare_cached("SELECT number, traces, logs FROM outbox ORDER BY number LIMIT ?1")?;
    let read =
        |row: &Row<'_>| Ok(OutboxRow { number: natural(row, 0)?, traces: row.get(1)?, logs: row.get(2)? });
    select.query_map([int(rows_max as u64)], read)?.collect()
}

/// The phases of one piece of work, oldest first.
pub(super) fn phases(
    connection: &Connection,
    scope: &Scope,
    filter: &PhaseFilter,
) -> rusqlite::Result<Vec<StoredPhase>> {
    let mut wanted = Conditions::of(scope);
    wanted.add("r.owner = ", filter.owner.clone());
    wanted.add("r.name = ", filter.name.clone());
    if let Some(number) = filter.issue_number {
        wanted.add("p.issue_number = ", int(number));
    }
    if let Some(sha) = &filter.commit_sha {
        wanted.add("p.commit_sha = ", sha.clone());
    }
    phases_where(connection, &wanted)
}

/// Tasks, newest first.
pub(super) fn tasks(
    connection: &Connection,
    scope: &Scope,
    filter: &TaskFilter,
) -> rusqlite::Result<Vec<StoredTask>> {
    let mut wanted = Conditions::of(scope);
    if let Some((owner, name)) = &filter.repo {
        wanted.add("r.owner = ", owner.clone());
        wanted.add("r.name = ", name.clone());
    }
    if let Some(status) = filter.status {
        wanted.add("t.status = ", status.as_str().to_owned());
    }
    if let Some(language) = &filter.language {
        wanted.add("t.language = ", language.clone());
    }
    if let Some(since) = filter.since_ns {
        wanted.add("t.start_ns >= ", int(since));
    }
    if let Some(until) = filter.until_ns {
        wanted.add("t.start_ns < ", int(until));
    }
    if let Some(row) = filter.below {
        wanted.add("t.id < ", row);
    }
    let rows_max = filter.rows_max;
    let sql = format!("{TASKS} WHERE {} ORDER BY t.id DESC LIMIT {rows_max}", wanted.sql);
    wanted.all(connection, &sql, task_row)
}

/// One task with its phases.
pub(super) fn task(
    connection: &Connection,
    scope: &Scope,
    task: TaskId,
) -> rusqlite::Result<Option<(StoredTask, Vec<StoredPhase>)>> {
    let mut wanted = Conditions::of(scope);
    wanted.add("t.task_id = ", task.to_string());
    let sql = format!("{TASKS} WHERE {}", wanted.sql);
    let Some(found) = wanted.all(connection, &sql, task_row)?.pop() else { return Ok(None) };
    let mut wanted = Conditions::of(scope);
    wanted.add("p.task_id = ", task.to_string());
    Ok(Some((found, phases_where(connection, &wanted)?)))
}

/// The newest task that fits a condition on one repository.
pub(super) fn newest_task(
    connection: &Connection,
    repository: i64,
    column: &str,
    value: &dyn ToSql,
) -> rusqlite::Result<Option<Task>> {
    let sql = format!("{TASKS} WHERE t.repository_id = ?1 AND t.{column} = ?2 ORDER BY t.id DESC LIMIT 1");
    let mut select = connection.prepare_cached(&sql)?;
    let found = select.query_row([&repository as &dyn ToSql, value], task_row).optional()?;
    Ok(found.map(|found| found.task))
}

/// Open tasks that no phase has touched since `before_ns`, oldest first.
pub(super) fn idle_tasks(
    connection: &Connection,
    before_ns: i64,
    rows_max: usize,
) -> rusqlite::Result<Vec<Task>> {
    let sql =
        format!("{TASKS} WHERE t.status = 'open' AND t.touched_ns <= ?1 ORDER BY t.touched_ns LIMIT ?2");
    let mut select = connection.prepare_cached(&sql)?;
    let rows = select.query_map((before_ns, int(rows_max as u64)), task_row)?;
    rows.map(|row| row.map(|found| found.task)).collect()
}

/// The newest phase of a kind that fits a condition on one repository.
pub(super) fn newest_phase(
    connection: &Connection,
    kind: Kind,
    repository: i64,
    column: &str,
    value: &dyn ToSql,
) -> rusqlite::Result<Option<PhaseSpan>> {
    let table = table(kind);
    let sql = format!(
        "SELECT task_id, trace_id, span_id, attempt FROM {table}
         WHERE repository_id = ?1 AND {column} = ?2 ORDER BY id DESC LIMIT 1"
    );
    let read = |row: &Row<'_>| {
        Ok(PhaseSpan { task: id(row, 0)?, trace: id(row, 1)?, span: id(row, 2)?, attempt: natural(row, 3)? })
    };
    connection.prepare_cached(&sql)?.query_row([&repository as &dyn ToSql, value], read).optional()
}

/// The table of a kind of phase.
pub(super) fn table(kind: Kind) -> &'static str {
    match kind {
        Kind::Scan => "scan_executions",
        Kind::Validation => "validation_executions",
        Kind::Mitigation => "mitigation_executions",
    }
}

/// Our numbers fit in SQLite's, checked at the gate.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// An id in its column.
pub(super) fn id<const N: usize>(row: &Row<'_>, index: usize) -> rusqlite::Result<Id<N>> {
    let text: String = row.get(index)?;
    Id::parse(&text).ok_or_else(|| unreadable(index, format!("`{text}` is not an id")))
}

fn phases_where(connection: &Connection, wanted: &Conditions) -> rusqlite::Result<Vec<StoredPhase>> {
    let mut found = Vec::new();
    for kind in Kind::ALL {
        let sql = format!(
            "SELECT p.id, r.owner, r.name, p.issue_number, p.commit_sha, p.task_id, p.trace_id, p.span_id,
                    p.attempt, p.status, p.language, p.framework, p.environment, p.start_ns, p.end_ns,
                    p.data, p.inserted_at
             FROM {} p JOIN repositories r ON r.id = p.repository_id
             WHERE {} ORDER BY p.id DESC LIMIT {PHASES_MAX}",
            table(kind),
            wanted.sql
        );
        found.extend(wanted.all(connection, &sql, |row| phase_row(kind, row))?);
    }
    found.sort_by(|a, b| (&a.inserted_at, a.start_ns, a.id).cmp(&(&b.inserted_at, b.start_ns, b.id)));
    Ok(found)
}

fn phase_row(kind: Kind, row: &Row<'_>) -> rusqlite::Result<StoredPhase> {
    let data: String = row.get(15)?;
    let data: Map<String, Value> =
        serde_json::from_str(&data).map_err(|error| unreadable(15, error.to_string()))?;
    Ok(StoredPhase {
        id: row.get(0)?,
        kind,
        owner: row.get(1)?,
        name: row.get(2)?,
        issue_number: optional_natural(row, 3)?,
        commit_sha: row.get(4)?,
        task: id(row, 5)?,
        trace: id(row, 6)?,
        span: id(row, 7)?,
        attempt: natural(row, 8)?,
        status: row.get(9)?,
        language: row.get(10)?,
        framework: row.get(11)?,
        environment: row.get(12)?,
        start_ns: natural(row, 13)?,
        end_ns: natural(row, 14)?,
        data,
        inserted_at: row.get(16)?,
    })
}

fn task_row(row: &Row<'_>) -> rusqlite::Result<StoredTask> {
    let status: String = row.get(15)?;
    let status = TaskStatus::parse(&status)
        .ok_or_else(|| unreadable(15, format!("`{status}` is not the status of a task")))?;
    let previous: Option<String> = row.get(3)?;
    let previous = match previous {
        Some(_) => Some(TaskRoot { task: id(row, 3)?, trace: id(row, 4)?, span: id(row, 5)? }),
        None => None,
    };
    let parent: Option<String> = row.get(12)?;
    let parent = if parent.is_some() { Some(id(row, 12)?) } else { None };
    let task = Task {
        id: id(row, 1)?,
        origin: id(row, 2)?,
        previous,
        repo: Repo { owner: row.get(6)?, name: row.get(7)? },
        issue_number: optional_natural(row, 8)?,
        scan_commit: row.get(9)?,
        trace: id(row, 10)?,
        root: id(row, 11)?,
        parent,
        trace_state: row.get(13)?,
        flags: row.get(14)?,
        status,
        environment: row.get(16)?,
        language: row.get(17)?,
        framework: row.get(18)?,
        phases: natural(row, 19)?,
        start_ns: natural(row, 20)?,
        end_ns: natural(row, 21)?,
        touched: UnixNanos(natural(row, 22)?),
    };
    Ok(StoredTask { row: row.get(0)?, task })
}

fn natural(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(index)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(index, number))
}

fn optional_natural(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<u64>> {
    let number: Option<i64> = row.get(index)?;
    number.map(|_| natural(row, index)).transpose()
}

fn unreadable(index: usize, message: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, message.into())
}

/// A `WHERE` clause under construction. Column names come from this file, values are bound.
struct Conditions {
    sql: String,
    values: Vec<Box<dyn ToSql>>,
}

// === impl Conditions ===

impl Conditions {
    fn of(scope: &Scope) -> Self {
        let mut wanted = Self { sql: "1 = 1".to_owned(), values: Vec::new() };
        if let Some(customer) = scope.customer {
            wanted.add("r.customer_id = ", customer);
        }
        if let Some(owners) = &scope.owners {
            let marks: Vec<String> = owners.iter().map(|owner| wanted.bind(owner.clone())).collect();
            wanted.sql.push_str(&format!(" AND lower(r.owner) IN ({})", marks.join(", ")));
        }
        wanted
    }

    fn add(&mut self, column_and_operator: &str, value: impl ToSql + 'static) {
        let mark = self.bind(value);
        self.sql.push_str(&format!(" AND {column_and_operator}{mark}"));
    }

    fn bind(&mut self, value: impl ToSql + 'static) -> String {
        self.values.push(Box::new(value));
        format!("?{}", self.values.len())
    }

    fn all<T>(
        &self,
        connection: &Connection,
        sql: &str,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        let mut select = connection.prepare_cached(sql)?;
        select.query_map(params_from_iter(&self.values), read)?.collect()
    }
}

const TASKS: &str =
    "SELECT t.id, t.task_id, t.origin_task_id, t.previous_task_id, t.previous_trace_id, t.previous_span_id,
            r.owner, r.name, t.issue_number, t.scan_commit, t.trace_id, t.span_id, t.parent_span_id,
            t.trace_state, t.trace_flags, t.status, t.environment, t.language, t.framework, t.phases,
            t.start_ns, t.end_ns, t.touched_ns
     FROM tasks t JOIN repositories r ON r.id = t.repository_id";

/// Phases of one kind in one answer; the newest are kept.
const PHASES_MAX: usize = 1_000;
