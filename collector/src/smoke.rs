//! `phasor smoke`: plays the reference scenario (requirements section 9) through the public API only
//! and checks that the metrics rose by exactly what was sent.
//!
//! - **In:** the address of the API, of the Prometheus endpoint, and a key.
//! - **Out:** a checklist; whether nothing is missing.
//! - **Guaranteed:** each run uses a commit and idempotency keys of its own, so it can be repeated
//!   against the same server; it compares before with after, so what was there does not matter.
//! - **Not here:** looking into the server. What it does not offer is shown as skipped, with the reason.

mod client;
mod page;

use std::{io::Write, time::Duration};

use serde_json::{Value, json};

use self::{
    client::{Client, Reply},
    page::Page,
};

/// What the command line says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The application API, such as `http://127.0.0.1:4000`.
    pub url: String,
    /// The Prometheus endpoint, such as `http://127.0.0.1:4021/metrics`.
    pub metrics_url: String,
    /// A key that may store, and better also read.
    pub api_key: String,
    /// How long the metrics may take to show what was sent.
    pub patience: Duration,
}

/// Plays the scenario, prints the checklist, and tells whether every check passed.
///
/// # Errors
/// The checklist cannot be written.
pub async fn play(settings: &Settings, out: &mut dyn Write) -> std::io::Result<bool> {
    let mut list = Checklist { out, missed: 0, passed: 0, skipped: 0 };
    let client = Client::new(settings);
    if let Err(reason) = scenario(&client, settings, &mut list).await {
        list.miss("the scenario went to its end", &reason)?;
    }
    list.end()
}

/// A phase that was stored.
struct Told {
    task: String,
    trace: String,
    links: Value,
}

struct Checklist<'a> {
    out: &'a mut dyn Write,
    passed: usize,
    missed: usize,
    skipped: usize,
}

/// Why nothing after this point makes sense.
type Stop = String;

async fn scenario(client: &Client, settings: &Settings, list: &mut Checklist<'_>) -> Result<(), Stop> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| error.to_string())?;
    let run = format!("smoke-{:016x}", u64::from_be_bytes(random));
    let before = client.metrics().await?;
    list.pass("the metrics can be scraped").map_err(unwritable)?;
    let mut told = Vec::new();
    for (name, body) in phases(&run) {
        told.push(store(client, list, name, &body).await?);
    }
    replay(client, list, &run).await?;
    same_task(list, &told).map_err(unwritable)?;
    let after = metrics(client, settings, list, &before, &told).await?;
    exemplars(list, &after, &told).map_err(unwritable)?;
    timelines(client, list, &told).await?;
    retrieve(client, list, &run).await?;
    traces(client, list, &told).await
}

/// Stores one phase; without it the rest cannot be judged.
async fn store(client: &Client, list: &mut Checklist<'_>, name: &str, body: &Value) -> Result<Told, Stop> {
    let reply = client.post("/api/v1/phases/store", body).await?;
    if reply.status != 201 {
        return Err(format!("{name}: {}", reply.problem()));
    }
    let text = |member: &str| reply.body[member].as_str().unwrap_or_default().to_owned();
    let told = Told { task: text("task_id"), trace: text("trace_id"), links: reply.body["links"].clone() };
    list.pass(&format!("{name} is stored (task {}, trace {})", told.task, told.trace)).map_err(unwritable)?;
    Ok(told)
}

/// The last phase again: it must be recognised, and the metrics below must not count it.
async fn replay(client: &Client, list: &mut Checklist<'_>, run: &str) -> Result<(), Stop> {
    let (_, body) = phases(run).pop().ok_or("no phases")?;
    let reply = client.post("/api/v1/phases/store", &body).await?;
    let expected = if reply.status == 200 { Ok(()) } else { Err(reply.problem()) };
    list.check("a repeat is recognised", expected).map_err(unwritable)
}

fn same_task(list: &mut Checklist<'_>, told: &[Told]) -> std::io::Result<()> {
    for (issue, pair) in told[1..].chunks(2).enumerate() {
        let [validation, mitigation] = pair else { continue };
        let same = validation.task == mitigation.task && validation.trace == mitigation.trace;
        let result = if same { Ok(()) } else { Err("they do not share task and trace".to_owned()) };
        list.check(&format!("validation and mitigation of issue {} are one task", issue + 1), result)?;
    }
    Ok(())
}

/// Scrapes until everything has risen as it should and every trace has its exemplar, or patience ends.
async fn metrics(
    client: &Client,
    settings: &Settings,
    list: &mut Checklist<'_>,
    before: &Page,
    told: &[Told],
) -> Result<Page, Stop> {
    let rise = |after: &Page, name: &str| after.sum(name, LABELS) - before.sum(name, LABELS);
    let settled = |after: &Page| {
        EXPECTED.iter().all(|(name, expected)| (rise(after, name) - expected).abs() < 1e-6)
            && told.iter().all(|phase| has_exemplar(after, phase))
    };
    let rounds = settings.patience.as_millis() / PAUSE.as_millis() + 1;
    let mut after = client.metrics().await?;
    for _ in 0..rounds {
        if settled(&after) {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        after = client.metrics().await?;
    }
    for (name, expected) in EXPECTED {
        let rose = rise(&after, name);
        let right = (rose - expected).abs() < 1e-6;
        let result = if right { Ok(()) } else { Err(format!("it rose by {rose}")) };
        list.check(&format!("{name} rose by {expected}"), result).map_err(unwritable)?;
    }
    Ok(after)
}

fn has_exemplar(page: &Page, phase: &Told) -> bool {
    page.exemplars(LABELS)
        .iter()
        .any(|(trace, task)| *trace == phase.trace && task.is_none_or(|task| task == phase.task))
}

fn exemplars(list: &mut Checklist<'_>, after: &Page, told: &[Told]) -> std::io::Result<()> {
    for phase in distinct(told) {
        let result = if has_exemplar(after, phase) { Ok(()) } else { Err("no exemplar names it".to_owned()) };
        list.check(&format!("an exemplar leads to trace {}", phase.trace), result)?;
    }
    Ok(())
}

async fn timelines(client: &Client, list: &mut Checklist<'_>, told: &[Told]) -> Result<(), Stop> {
    for phase in distinct(&told[1..]) {
        let name = format!("the timeline of task {} holds its phases", phase.task);
        let path = phase.links["task"].as_str().unwrap_or_default();
        let reply = client.get(path).await?;
        if reply.status == 403 {
            list.skip(&name, "this key may not read tasks").map_err(unwritable)?;
            continue;
        }
        let phases = reply.body["task"]["timeline"].as_array().map_or(0, Vec::len);
        let whole = phases == 2 && reply.body["task"]["status"] == "completed";
        let result = if whole { Ok(()) } else { Err(format!("{}, {phases} phases", reply.problem())) };
        list.check(&name, result).map_err(unwritable)?;
    }
    Ok(())
}

async fn retrieve(client: &Client, list: &mut Checklist<'_>, run: &str) -> Result<(), Stop> {
    let reply = client.get(&format!("/api/v1/phases/retrieve?repo={REPO}&commit_sha={run}")).await?;
    let phases = reply.body["phases"].as_array().map_or(0, Vec::len);
    let result = if phases == 5 { Ok(()) } else { Err(format!("{}, {phases} phases", reply.problem())) };
    list.check("the five phases can be read back", result).map_err(unwritable)
}

async fn traces(client: &Client, list: &mut Checklist<'_>, told: &[Told]) -> Result<(), Stop> {
    let name = |phase: &Told| format!("trace {} can be fetched and holds its spans", phase.trace);
    // Tempo's API says so itself whether it is there; a missing trace is something else.
    if client.get("/tempo/api/echo").await?.status != 200 {
        for phase in distinct(told) {
            list.skip(&name(phase), "this server keeps no traces").map_err(unwritable)?;
        }
        return Ok(());
    }
    for phase in distinct(&told[1..]) {
        let reply = client.get(phase.links["trace"].as_str().unwrap_or_default()).await?;
        let text = reply.body.to_string();
        let missing: Vec<_> =
            SPANS.iter().filter(|span| !text.contains(&format!("\"name\":\"{span}\""))).collect();
        let whole = reply.status == 200 && missing.is_empty();
        let result = if whole { Ok(()) } else { Err(format!("{}, missing {missing:?}", reply.problem())) };
        list.check(&name(phase), result).map_err(unwritable)?;
    }
    Ok(())
}

/// One phase of each trace.
fn distinct(told: &[Told]) -> impl Iterator<Item = &Told> {
    let first =
        |(index, phase): &(usize, &Told)| !told[..*index].iter().any(|other| other.trace == phase.trace);
    told.iter().enumerate().filter(first).map(|(_, phase)| phase)
}

fn unwritable(error: std::io::Error) -> Stop {
    format!("the checklist cannot be written: {error}")
}

/// The reference scenario. Durations and scores lie in different buckets, so that each has an
/// exemplar of its own.
fn phases(run: &str) -> Vec<(&'static str, Value)> {
    let phase = |phase: &str, issue: Option<u64>, mut data: Value| {
        data["language"] = "javascript".into();
        data["framework"] = "express".into();
        let uuid = format!("{run}-{phase}-{}", issue.unwrap_or_default());
        let mut body =
            json!({"phase": phase, "repo": REPO, "commit_sha": run, "event_uuid": uuid, "data": data});
        if let Some(issue) = issue {
            body["issue_number"] = issue.into();
        }
        body
    };
    let test = |index: u64, status: &str| json!({"name": format!("test {index}"), "status": status, "duration_ms": 300});
    let tests = |passed: u64, failed: u64| -> Value {
        let passed = (1..=passed).map(|index| test(index, "passed"));
        passed.chain((1..=failed).map(|index| test(index + 100, "failed"))).collect()
    };
    let scan =
        json!({"duration_ms": 800, "files_scanned": 120, "vulnerabilities_found": 3, "issues_created": 2});
    let first = json!({"validated": true, "duration_ms": 4500, "tests_generated": 5, "tests_passed": 4,
        "tests_failed": 1, "vulnerabilities_found": 2, "test_details": tests(4, 1)});
    let second = json!({"validated": true, "duration_ms": 12_000, "tests_generated": 3, "tests_passed": 3,
        "tests_failed": 0, "vulnerabilities_found": 1, "test_details": tests(3, 0)});
    let mended = json!({"duration_ms": 9000, "trust_score": 85, "pr_number": 42, "files_changed": 3});
    let mended_too = json!({"duration_ms": 20_000, "trust_score": 92, "pr_number": 43, "files_changed": 2});
    vec![
        ("the scan", phase("scan", None, scan)),
        ("the validation of issue 1", phase("validation", Some(1), first)),
        ("the mitigation of issue 1", phase("mitigation", Some(1), mended)),
        ("the validation of issue 2", phase("validation", Some(2), second)),
        ("the mitigation of issue 2", phase("mitigation", Some(2), mended_too)),
    ]
}

// === impl Checklist ===

impl Checklist<'_> {
    fn pass(&mut self, what: &str) -> std::io::Result<()> {
        self.passed += 1;
        writeln!(self.out, "ok    {what}")
    }

    fn miss(&mut self, what: &str, why: &str) -> std::io::Result<()> {
        self.missed += 1;
        writeln!(self.out, "MISS  {what}: {why}")
    }

    fn skip(&mut self, what: &str, why: &str) -> std::io::Result<()> {
        self.skipped += 1;
        writeln!(self.out, "skip  {what}: {why}")
    }

    fn check(&mut self, what: &str, result: Result<(), String>) -> std::io::Result<()> {
        match result {
            Ok(()) => self.pass(what),
            Err(why) => self.miss(what, &why),
        }
    }

    fn end(self) -> std::io::Result<bool> {
        writeln!(self.out, "{} passed, {} missed, {} skipped", self.passed, self.missed, self.skipped)?;
        Ok(self.missed == 0)
    }
}

// === impl Reply ===

impl Reply {
    /// The status and what the server says about it, in one line.
    fn problem(&self) -> String {
        let said = |member: &str| self.body.get(member).map(Value::to_string).unwrap_or_default();
        format!("{} {} {}", self.status, said("detail"), said("errors")).trim_end().to_owned()
    }
}

const REPO: &str = "RSOLV-dev/nodegoat-vulnerability-demo";
const LABELS: &[(&str, &str)] = &[("repo", REPO), ("language", "javascript"), ("framework", "express")];
/// Requirements section 9, and the one scan.
const EXPECTED: [(&str, f64); 10] = [
    ("rsolv_scan_executions_total", 1.0),
    ("rsolv_validation_executions_total", 2.0),
    ("rsolv_validation_test_generated_total", 8.0),
    ("rsolv_validation_tests_passed_total", 7.0),
    ("rsolv_validation_tests_failed_total", 1.0),
    ("rsolv_validation_vulnerabilities_found_total", 3.0),
    ("rsolv_mitigation_executions_total", 2.0),
    ("rsolv_mitigation_trust_score_value_sum", 177.0),
    ("rsolv_mitigation_trust_score_value_count", 2.0),
    ("rsolv_mitigation_files_changed_total", 5.0),
];
const SPANS: [&str; 4] = ["task", "phase validation", "phase mitigation", "test"];
/// Between two scrapes.
/// How long the metrics may take to show what was sent, unless somebody says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests;
