//! What is written to SQLite. Each function runs inside a savepoint of the writer's transaction: an
//! error undoes all of it.

use std::time::Duration;

use pipelines::time::UnixNanos;
use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::{Map, Value};

use super::read::{self, int};
use crate::phase_store::{
    phase::{Detail, Kind, Phase, Repo},
    store::{IDEMPOTENCY_AGE_MAX, Idempotency, Receipt, StorePhase, Stored, TASK_IDLE_MAX},
    task::{self, Effects, Known, Submission, Task},
    telemetry::{Attr, Attribute, Telemetry, encode},
    time_text,
};

/// The whole way of a phase: known by its key? then load, advance, write.
pub(super) fn store_phase(connection: &Connection, request: &StorePhase) -> rusqlite::Result<Stored> {
    let StorePhase { customer, idempotency, submission } = request;
    if let Some(key) = idempotency
        && let Some(answer) = answered_before(connection, *customer, key, submission.arrival)?
    {
        return Ok(answer);
    }
    let found = find_repository(connection, *customer, &submission.phase.repo)?;
    let known = match found {
        Some(repository) => load(connection, repository, &submission.phase)?,
        None => submission.phase.task_id.is_none().then(Known::default),
    };
    let Some(known) = known else { return Ok(Stored::NoSuchTask) };
    let repository = match found {
        Some(repository) => repository,
        None => insert_repository(connection, *customer, submission)?,
    };
    let effects = task::advance(known, submission, TASK_IDLE_MAX);
    if let Some(closed) = &effects.closed {
        update_task(connection, closed)?;
    }
    if effects.is_new {
        insert_task(connection, repository, &effects.task, submission.arrival)?;
    } else {
        update_task(connection, &effects.task)?;
    }
    let id = insert_phase(connection, repository, submission, &effects)?;
    for telemetry in &effects.telemetry {
        emit(connection, telemetry, submission.arrival)?;
        insert_events(connection, *customer, telemetry, submission)?;
    }
    let receipt = Receipt {
        id,
        kind: submission.phase.kind,
        task: effects.task.id,
        trace: effects.task.trace,
        span: effects.span,
    };
    if let Some(key) = idempotency {
        remember(connection, *customer, key, &receipt, submission.arrival)?;
    }
    Ok(Stored::New(receipt))
}

/// See [`crate::phase_store::store::Store::sweep`].
pub(super) fn sweep(
    connection: &Connection,
    now: UnixNanos,
    retention: Option<Duration>,
) -> rusqlite::Result<bool> {
    let before = |age: Duration| int(now.0.saturating_sub(u64::try_from(age.as_nanos()).unwrap_or(u64::MAX)));
    let idle = read::idle_tasks(connection, before(TASK_IDLE_MAX), SWEPT_MAX)?;
    let mut more = idle.len() == SWEPT_MAX;
    for task in idle {
        let (task, root) = task.close_idle();
        update_task(connection, &task)?;
        emit(connection, &root, now)?;
    }
    let keys = "DELETE FROM idempotency WHERE (customer_id, key) IN
                (SELECT customer_id, key FROM idempotency WHERE arrival_ns <= ?1 LIMIT ?2)";
    more |= connection.execute(keys, (before(IDEMPOTENCY_AGE_MAX), int(SWEPT_MAX as u64)))? == SWEPT_MAX;
    if let Some(age) = retention {
        more |= forget_tasks(connection, before(age))? == SWEPT_MAX;
    }
    Ok(more)
}

/// The journal has everything up to this row.
pub(super) fn forget(connection: &Connection, number: u64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM outbox WHERE number <= ?1")?.execute([int(number)]).map(|_| ())
}

/// Tasks that ended before the retention's age, and all that belongs to them.
fn forget_tasks(connection: &Connection, before_ns: i64) -> rusqlite::Result<usize> {
    let mut select = connection.prepare_cached(
        "SELECT task_id FROM tasks WHERE status <> 'open' AND touched_ns < ?1 ORDER BY id LIMIT ?2",
    )?;
    let tasks: Vec<String> = select
        .query_map((before_ns, int(SWEPT_MAX as u64)), |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for task in &tasks {
        for table in Kind::ALL.map(read::table).into_iter().chain(["events", "tasks"]) {
            connection.prepare_cached(&format!("DELETE FROM {table} WHERE task_id = ?1"))?.execute([task])?;
        }
    }
    Ok(tasks.len())
}

fn answered_before(
    connection: &Connection,
    customer: i64,
    key: &Idempotency,
    now: UnixNanos,
) -> rusqlite::Result<Option<Stored>> {
    let mut select = connection.prepare_cached(
        "SELECT digest, arrival_ns, phase, phase_id, task_id, trace_id, span_id
         FROM idempotency WHERE customer_id = ?1 AND key = ?2",
    )?;
    let read = |row: &Row<'_>| {
        let (digest, arrival, kind): (String, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind);
        let kind = kind.ok_or(rusqlite::Error::InvalidQuery)?;
        let (task, trace, span) = (read::id(row, 4)?, read::id(row, 5)?, read::id(row, 6)?);
        Ok((digest, UnixNanos(arrival.max(0) as u64), Receipt { id: row.get(3)?, kind, task, trace, span }))
    };
    let found = select.query_row((customer, &key.key), read).optional()?;
    Ok(found.filter(|(_, arrival, _)| now.since(*arrival) < IDEMPOTENCY_AGE_MAX).map(
        |(digest, _, receipt)| {
            if digest == key.digest { Stored::Before(receipt) } else { Stored::KeyReused }
        },
    ))
}

fn remember(
    connection: &Connection,
    customer: i64,
    key: &Idempotency,
    receipt: &Receipt,
    now: UnixNanos,
) -> rusqlite::Result<()> {
    // An expired record that the sweep has not met yet gives way.
    let mut insert = connection.prepare_cached(
        "INSERT INTO idempotency (customer_id, key, digest, phase, phase_id, task_id, trace_id, span_id, arrival_ns)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (customer_id, key) DO UPDATE SET digest = excluded.digest, phase = excluded.phase,
            phase_id = excluded.phase_id, task_id = excluded.task_id, trace_id = excluded.trace_id,
            span_id = excluded.span_id, arrival_ns = excluded.arrival_ns",
    )?;
    let Receipt { id, kind, task, trace, span } = receipt;
    let ids = (task.to_string(), trace.to_string(), span.to_string());
    insert
        .execute((customer, &key.key, &key.digest, kind.as_str(), id, ids.0, ids.1, ids.2, int(now.0)))
        .map(|_| ())
}

fn find_repository(connection: &Connection, customer: i64, repo: &Repo) -> rusqlite::Result<Option<i64>> {
    let mut select = connection
        .prepare_cached("SELECT id FROM repositories WHERE customer_id = ?1 AND owner = ?2 AND name = ?3")?;
    select.query_row((customer, &repo.owner, &repo.name), |row| row.get(0)).optional()
}

fn insert_repository(
    connection: &Connection,
    customer: i64,
    submission: &Submission,
) -> rusqlite::Result<i64> {
    let repo = &submission.phase.repo;
    let mut insert = connection.prepare_cached(
        "INSERT INTO repositories (customer_id, owner, name, inserted_at) VALUES (?1, ?2, ?3, ?4) RETURNING id",
    )?;
    insert.query_row((customer, &repo.owner, &repo.name, time_text(submission.arrival.0)), |row| row.get(0))
}

/// What is known before the phase; nothing if it wants to join a task that does not exist.
fn load(connection: &Connection, repository: i64, phase: &Phase) -> rusqlite::Result<Option<Known>> {
    let issue = phase.issue_number.map(int);
    let by_work = |kind| match kind {
        Kind::Scan => read::newest_phase(connection, kind, repository, "commit_sha", &phase.commit_sha),
        _ => read::newest_phase(connection, kind, repository, "issue_number", &issue),
    };
    let task = match phase.task_id {
        Some(asked) => {
            let asked = read::newest_task(connection, repository, "task_id", &asked.to_string())?;
            let Some(asked) = asked else { return Ok(None) };
            // A task that has ended may have been continued since: the newest of the chain counts.
            read::newest_task(connection, repository, "origin_task_id", &asked.origin.to_string())?
        }
        None if phase.kind == Kind::Scan => {
            read::newest_task(connection, repository, "scan_commit", &phase.commit_sha)?
        }
        None => read::newest_task(connection, repository, "issue_number", &issue)?,
    };
    Ok(Some(Known { task, earlier: by_work(phase.kind)?, scan: by_work(Kind::Scan)? }))
}

fn insert_task(
    connection: &Connection,
    repository: i64,
    task: &Task,
    now: UnixNanos,
) -> rusqlite::Result<()> {
    let previous =
        task.previous.map(|root| (root.task.to_string(), root.trace.to_string(), root.span.to_string()));
    let mut insert = connection.prepare_cached(
        "INSERT INTO tasks (task_id, origin_task_id, previous_task_id, previous_trace_id, previous_span_id,
            repository_id, trace_id, span_id, parent_span_id, trace_state, trace_flags, inserted_at,
            status, environment, language, framework, phases, start_ns, end_ns, touched_ns)
         VALUES (:task, :origin, :previous_task, :previous_trace, :previous_span, :repository, :trace, :span,
            :parent, :state, :flags, :now, '', '', '', '', 0, 0, 0, 0)",
    )?;
    insert.execute(rusqlite::named_params! {
        ":task": task.id.to_string(),
        ":origin": task.origin.to_string(),
        ":previous_task": previous.as_ref().map(|ids| &ids.0),
        ":previous_trace": previous.as_ref().map(|ids| &ids.1),
        ":previous_span": previous.as_ref().map(|ids| &ids.2),
        ":repository": repository,
        ":trace": task.trace.to_string(),
        ":span": task.root.to_string(),
        ":parent": task.parent.map(|parent| parent.to_string()),
        ":state": task.trace_state,
        ":flags": task.flags,
        ":now": time_text(now.0),
    })?;
    update_task(connection, task)
}

/// The columns that a phase may change.
fn update_task(connection: &Connection, task: &Task) -> rusqlite::Result<()> {
    let mut update = connection.prepare_cached(
        "UPDATE tasks SET issue_number = :issue, scan_commit = :commit, status = :status,
            environment = :environment, language = :language, framework = :framework, phases = :phases,
            start_ns = :start, end_ns = :end, touched_ns = :touched
         WHERE task_id = :task",
    )?;
    let changed = rusqlite::named_params! {
        ":task": task.id.to_string(),
        ":issue": task.issue_number.map(int),
        ":commit": task.scan_commit,
        ":status": task.status.as_str(),
        ":environment": task.environment,
        ":language": task.language,
        ":framework": task.framework,
        ":phases": int(task.phases),
        ":start": int(task.start_ns),
        ":end": int(task.end_ns),
        ":touched": int(task.touched.0),
    };
    update.execute(changed).map(|_| ())
}

fn insert_phase(
    connection: &Connection,
    repository: i64,
    submission: &Submission,
    effects: &Effects,
) -> rusqlite::Result<i64> {
    let phase = &submission.phase;
    let (own_columns, own): (&str, [Option<i64>; 2]) = match &phase.detail {
        Detail::Scan { vulnerabilities_found, .. } => {
            ("vulnerabilities_found", [vulnerabilities_found.map(int), None])
        }
        Detail::Validation { validated, vulnerabilities_found, .. } => {
            ("vulnerabilities_found, validated", [vulnerabilities_found.map(int), validated.map(i64::from)])
        }
        Detail::Mitigation { pr_number, .. } => ("pr_number", [pr_number.map(int), None]),
    };
    let own_marks = if own_columns.contains(',') { ":own, :own2" } else { ":own" };
    let sql = format!(
        "INSERT INTO {} (repository_id, issue_number, commit_sha, task_id, trace_id, span_id, attempt, status,
            language, framework, environment, start_ns, end_ns, data, inserted_at, {own_columns})
         VALUES (:repository, :issue, :commit, :task, :trace, :span, :attempt, :status, :language, :framework,
            :environment, :start, :end, :data, :now, {own_marks}) RETURNING id",
        read::table(phase.kind)
    );
    let (task, issue) = (&effects.task, phase.issue_number.map(int));
    let (task_id, trace, span) = (task.id.to_string(), task.trace.to_string(), effects.span.to_string());
    let (attempt, start, end) = (int(effects.attempt), int(phase.start_ns), int(phase.end_ns));
    let (data, now) = (Value::Object(phase.data.clone()).to_string(), time_text(submission.arrival.0));
    let status = phase.status.as_str();
    let mut values: Vec<(&str, &dyn rusqlite::ToSql)> = vec![
        (":repository", &repository),
        (":issue", &issue),
        (":commit", &phase.commit_sha),
        (":task", &task_id),
        (":trace", &trace),
        (":span", &span),
        (":attempt", &attempt),
        (":status", &status),
        (":language", &phase.language),
        (":framework", &phase.framework),
        (":environment", &phase.environment),
        (":start", &start),
        (":end", &end),
        (":data", &data),
        (":now", &now),
        (":own", &own[0]),
    ];
    if own_marks.contains(":own2") {
        values.push((":own2", &own[1]));
    }
    connection.prepare_cached(&sql)?.query_row(values.as_slice(), |row| row.get(0))
}

/// One outbox row, with the next dense number.
fn emit(connection: &Connection, telemetry: &Telemetry, arrival: UnixNanos) -> rusqlite::Result<()> {
    let (traces, logs) = encode::encode(telemetry, arrival);
    let number: i64 = connection
        .prepare_cached("UPDATE store SET outbox_last = outbox_last + 1 RETURNING outbox_last")?
        .query_row([], |row| row.get(0))?;
    let (traces, logs) = (traces.map(|batch| batch.into_bytes()), logs.map(|batch| batch.into_bytes()));
    connection
        .prepare_cached("INSERT INTO outbox (number, traces, logs) VALUES (?1, ?2, ?3)")?
        .execute((number, traces.as_deref(), logs.as_deref()))
        .map(|_| ())
}

fn insert_events(
    connection: &Connection,
    customer: i64,
    telemetry: &Telemetry,
    submission: &Submission,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO events (customer_id, name, event_uuid, task_id, trace_id, span_id, attributes, inserted_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let now = time_text(submission.arrival.0);
    for event in &telemetry.events {
        let task = event.attributes.iter().find(|(name, _)| *name == "task.id").map(|(_, task)| json(task));
        let task = task.as_ref().and_then(Value::as_str).map(str::to_owned);
        let attributes: Map<String, Value> = event
            .attributes
            .iter()
            .map(|(name, value): &Attribute| ((*name).to_owned(), json(value)))
            .collect();
        insert.execute((
            customer,
            event.name,
            &submission.phase.event_uuid,
            task,
            event.trace.to_string(),
            event.span.to_string(),
            Value::Object(attributes).to_string(),
            &now,
        ))?;
    }
    Ok(())
}

fn json(value: &Attr) -> Value {
    match value {
        Attr::Str(text) => Value::from(text.as_str()),
        Attr::Bool(value) => Value::from(*value),
        Attr::Int(number) => Value::from(*number),
        Attr::Double(number) => Value::from(*number),
    }
}

/// Rows of each kind that one sweep touches, so that it never keeps requests waiting for long.
const SWEPT_MAX: usize = 100;
