//! What must hold at the end.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use serde_json::Value;

use super::{
    killer::Killer,
    ledger::{Ledger, NAMES},
    load::SERVICE,
    phases::{self, Kind, TESTS},
    sinks::{self, Sink, Sinks},
    support::{http, metrics::Metrics, phasor::API_KEY},
    watch::{self, Watch},
};

/// Waits until the collector has caught up with everything, as long as it moves at all, and gives the last page.
pub async fn settle(ledger: &Ledger, sinks: &Sinks, killer: &Killer<'_>) -> Metrics {
    let (mut before, mut still) = (Vec::new(), 0);
    loop {
        let page = match killer.doors() {
            Some(doors) => watch::page(ledger, &doors, &AtomicU64::new(0)).await,
            None => None,
        };
        if let Some(page) = page {
            let mut now: Vec<_> = sinks.all().iter().map(|sink| sink.got().spans.len() as u64).collect();
            now.extend(sinks.all().iter().map(|sink| sink.got().others.len() as u64));
            now.extend([counted(&page), phases_counted(&page)]);
            let done = now[..2].iter().all(|got| *got == now[4])
                && now[2] == now[3]
                && now[5] == ledger.sums().phases_accepted;
            still = if before == now { still + 1 } else { 0 };
            if (done && still >= QUIET) || still >= STUCK {
                return page;
            }
            before = now;
        } else {
            still += 1;
            if still >= STUCK {
                ledger.fault("the collector gives no page");
                return Metrics::parse("# EOF\n");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Compares what was sent, what arrived and what was counted.
pub fn compare(ledger: &Ledger, sinks: &Sinks, page: &Metrics) {
    for sink in sinks.all() {
        all_acknowledged_arrived(ledger, sink);
    }
    let [steady, moody] = sinks.all().each_ref().map(|sink| sink.got().spans.clone());
    report(ledger, "attempts of spans are at only one of the sinks", steady.symmetric_difference(&moody));
    count_exact(ledger, &steady, page);
    phases_exact(ledger, sinks, page);
    exemplars_lead_somewhere(ledger, sinks, page);
}

/// Every acknowledged span by the very attempt that was acknowledged, and nothing that was never sent.
fn all_acknowledged_arrived(ledger: &Ledger, sink: &Sink) {
    let got = sink.got();
    let requests = ledger.requests();
    let acknowledged = requests.iter().filter_map(|request| Some((request, request.acknowledged?)));
    let missing: Vec<_> = acknowledged
        .flat_map(|(request, attempt)| {
            (request.first..request.first + request.count).map(move |span| sinks::key(span, attempt))
        })
        .filter(|key| !got.spans.contains(key))
        .collect();
    report(ledger, &format!("acknowledged spans are missing at {}", sink.name), missing.iter());
    let sent: HashSet<_> = requests
        .iter()
        .flat_map(|request| {
            (request.first..request.first + request.count)
                .flat_map(move |span| (0..request.attempts).map(move |attempt| sinks::key(span, attempt)))
        })
        .collect();
    let unknown: Vec<_> = got.spans.difference(&sent).collect();
    report(ledger, &format!("spans that nobody sent are at {}", sink.name), unknown.into_iter());
}

/// The counters say exactly what the journal held.
fn count_exact(ledger: &Ledger, journal: &HashSet<u64>, page: &Metrics) {
    let requests = ledger.requests();
    let mut expected: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for key in journal {
        let span = sinks::span_of(*key);
        let request = requests.partition_point(|request| request.first <= span) - 1;
        let (count, duration_ms) = expected.entry(NAMES[requests[request].name]).or_default();
        *count += 1;
        *duration_ms += span % 400;
    }
    for (name, (count, duration_ms)) in expected {
        let labels = [("service_name", SERVICE), ("span_name", name)];
        for (metric, expected) in [
            ("traces_span_metrics_calls_total", count),
            ("traces_span_metrics_duration_milliseconds_count", count),
            ("traces_span_metrics_duration_milliseconds_sum", duration_ms),
        ] {
            equal(ledger, page, metric, &labels, expected);
        }
    }
}

/// Every phase is counted once, and its span is at both sinks.
fn phases_exact(ledger: &Ledger, sinks: &Sinks, page: &Metrics) {
    let phases = ledger.phases();
    let of = |kind| (0..phases.len()).filter(|number| phases::kind(*number) == kind).count() as u64;
    let (scans, validations, mitigations) = (of(Kind::Scan), of(Kind::Validation), of(Kind::Mitigation));
    for (metric, expected) in [
        ("rsolv_scan_executions_total", scans),
        ("rsolv_scan_duration_milliseconds_count", scans),
        ("rsolv_validation_executions_total", validations),
        ("rsolv_validation_test_generated_total", validations * TESTS),
        ("rsolv_validation_duration_milliseconds_count", validations),
        ("rsolv_mitigation_executions_total", mitigations),
        ("rsolv_mitigation_trust_score_value_count", mitigations),
        ("rsolv_mitigation_files_changed_total", mitigations * 3),
    ] {
        if expected > 0 {
            equal(ledger, page, metric, &[], expected);
        }
    }
    for sink in sinks.all() {
        let got = sink.got();
        let missing: Vec<_> = phases
            .iter()
            .enumerate()
            .filter(|(_, phase)| {
                let Some(receipt) = &phase.receipt else { return true };
                let text = |key: &str| receipt[key].as_str().unwrap_or_default().to_owned();
                !got.others.contains(&(text("trace_id"), text("span_id")))
            })
            .collect();
        report(ledger, &format!("phases have no answer, or no span at {}", sink.name), missing.iter());
    }
}

/// An exemplar names a trace that both sinks have.
fn exemplars_lead_somewhere(ledger: &Ledger, sinks: &Sinks, page: &Metrics) {
    let exemplars = page.all().iter().filter_map(|sample| Some((sample, sample.exemplar.as_ref()?)));
    let exemplars: Vec<_> = exemplars.collect();
    if exemplars.is_empty() {
        ledger.fault("the page has no exemplar");
    }
    for sink in sinks.all() {
        let got = sink.got();
        let dangling: Vec<_> = exemplars
            .iter()
            .filter(|(_, exemplar)| !exemplar.get("trace_id").is_some_and(|trace| got.traces.contains(trace)))
            .collect();
        report(ledger, &format!("exemplars lead to no trace of {}", sink.name), dangling.iter());
    }
}

/// Asks the phase store for everything: each phase is there, and once.
pub async fn read_back(ledger: &Ledger, killer: &Killer<'_>) {
    let Some(doors) = killer.doors() else { return };
    let phases = ledger.phases();
    let repos: BTreeSet<_> = (0..phases.len()).map(phases::repo).collect();
    let mut stored: BTreeMap<(String, String), Vec<Value>> = BTreeMap::new();
    for repo in repos {
        let url = format!("http://{}/api/v1/phases/retrieve?repo={repo}", doors.api);
        let answer = http::get(&url, &[("x-api-key", API_KEY)]).await;
        let body = answer.json();
        for phase in body["phases"].as_array().into_iter().flatten() {
            let text = |key: &str| phase[key].as_str().unwrap_or_default().to_owned();
            stored.entry((text("commit_sha"), text("phase"))).or_default().push(phase["id"].clone());
        }
    }
    let mut wrong = Vec::new();
    for (number, phase) in phases.iter().enumerate() {
        let place = (phases::commit(number), phases::kind(number).as_str().to_owned());
        let ids = stored.remove(&place).unwrap_or_default();
        let answered = phase.receipt.as_ref().map(|receipt| receipt["id"].clone());
        if ids.len() != 1 || answered.as_ref() != ids.first() {
            wrong.push((number, ids, answered));
        }
    }
    report(ledger, "phases (number, stored ids, answered id) are not stored once", wrong.iter());
    report(ledger, "phases are stored that nobody sent", stored.iter());
}

/// The result in a few lines.
pub fn table(seed: u64, killer: &Killer<'_>, ledger: &Ledger, sinks: &Sinks, watch: &Watch) -> String {
    let kills = killer.kills;
    let sums = ledger.sums();
    let [steady, moody] = sinks.all().each_ref().map(|sink| sink.got().spans.len());
    let [first, second] = sinks.all().each_ref().map(|sink| sink.deliveries.load(Relaxed));
    let (pages, not_yet) = (watch.pages.load(Relaxed), watch.not_yet.load(Relaxed));
    [
        format!("| crash laboratory, SEED={seed} | |"),
        "| --- | --- |".to_owned(),
        format!(
            "| kills | {}; {} while starting, {} right after |",
            kills.total, kills.while_starting, kills.just_started
        ),
        format!("| starts; failed | {}; {} |", kills.starts, kills.failed_starts),
        format!(
            "| spans acknowledged <= in the journal <= sent | {} <= {steady} <= {} |",
            sums.spans_acknowledged, sums.spans_sent
        ),
        format!("| spans at the steady and the moody sink | {steady}; {moody} |"),
        format!("| deliveries, repeats included | {first}; {second} |"),
        format!("| phases sent; accepted | {}; {} |", sums.phases_sent, sums.phases_accepted),
        format!("| pages of /metrics; \"not yet\" | {pages}; {not_yet} |"),
        format!("| faults | {} |", ledger.faults().len()),
    ]
    .join("\n")
}

/// Spans of the laboratory that a page shows.
pub fn counted(page: &Metrics) -> u64 {
    page.sum("traces_span_metrics_calls_total", &[("service_name", SERVICE)]).unwrap_or_default() as u64
}

/// Phases that a page shows.
pub fn phases_counted(page: &Metrics) -> u64 {
    let kinds = ["scan", "validation", "mitigation"].map(|kind| format!("rsolv_{kind}_executions_total"));
    kinds.iter().filter_map(|name| page.sum(name, &[])).sum::<f64>() as u64
}

fn equal(ledger: &Ledger, page: &Metrics, metric: &str, labels: &[(&str, &str)], expected: u64) {
    let shown = page.sum(metric, labels);
    if shown != Some(expected as f64) {
        ledger.fault(format!("{metric} {labels:?} is {shown:?}, and the truth is {expected}"));
    }
}

fn report<T: std::fmt::Debug>(ledger: &Ledger, what: &str, found: impl Iterator<Item = T>) {
    let found: Vec<_> = found.collect();
    if !found.is_empty() {
        let few: Vec<_> = found.iter().take(SHOWN).collect();
        ledger.fault(format!("{} {what}: {few:?}", found.len()));
    }
}

/// How many of a kind a fault names.
const SHOWN: usize = 5;
const PAUSE: Duration = Duration::from_millis(100);
/// Looks without a change, once everything is as it should be, and while it is not.
const QUIET: u32 = 5;
const STUCK: u32 = 300;
