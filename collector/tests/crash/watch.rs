//! Who looks at `/metrics` all the time: no number goes back, no start moves, nothing wrong is shown.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use hyper::Method;
use tokio::sync::watch;

use super::{
    ledger::Ledger,
    process::Doors,
    support::{http, metrics::Metrics},
    verdict,
};

/// The onlooker.
pub struct Watch {
    ledger: Arc<Ledger>,
    doors: watch::Receiver<Option<Doors>>,
    /// Pages read.
    pub pages: AtomicU64,
    /// Times it was told to come back later.
    pub not_yet: AtomicU64,
}

/// A series: its name and its labels.
type Series = (String, BTreeMap<String, String>);

// === impl Watch ===

impl Watch {
    pub fn new(ledger: Arc<Ledger>, doors: watch::Receiver<Option<Doors>>) -> Arc<Self> {
        Arc::new(Self { ledger, doors, pages: AtomicU64::new(0), not_yet: AtomicU64::new(0) })
    }

    /// Looks until it is aborted.
    pub async fn run(self: Arc<Self>) {
        let mut before = BTreeMap::new();
        let mut doors = self.doors.clone();
        loop {
            let Ok(here) = doors.wait_for(Option::is_some).await.map(|doors| doors.clone()) else { return };
            if let Some(here) = here {
                self.look(&here, &mut before).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn look(&self, here: &Doors, before: &mut BTreeMap<Series, f64>) {
        let Some(page) = page(&self.ledger, here, &self.not_yet).await else { return };
        self.pages.fetch_add(1, Relaxed);
        let counted = verdict::counted(&page);
        if counted < here.acknowledged {
            let fault = format!(
                "a page shows {counted} spans, but {} were acknowledged before that start",
                here.acknowledged
            );
            self.ledger.fault(fault);
        }
        let sent = self.ledger.sums();
        if counted > sent.spans_sent {
            self.ledger.fault(format!("a page shows {counted} spans, but {} were sent", sent.spans_sent));
        }
        let phases = verdict::phases_counted(&page);
        if phases > sent.phases_sent {
            self.ledger.fault(format!("a page shows {phases} phases, but {} were sent", sent.phases_sent));
        }
        self.compare(&page, before);
    }

    /// Cumulative series rise, starts stay, and what was there once is there for good.
    fn compare(&self, page: &Metrics, before: &mut BTreeMap<Series, f64>) {
        let now: BTreeMap<Series, f64> = page
            .all()
            .iter()
            .filter(|sample| OURS.iter().any(|ours| sample.name.starts_with(ours)))
            .map(|sample| ((sample.name.clone(), sample.labels.clone()), sample.value))
            .collect();
        for (series, old) in before.iter() {
            match now.get(series) {
                None => self.ledger.fault(format!("{series:?} was {old}, and is gone")),
                Some(new) if series.0.ends_with("_created") && new != old => {
                    self.ledger.fault(format!("the start of {series:?} was {old}, and is {new}"));
                }
                Some(new) if new < old => {
                    self.ledger.fault(format!("{series:?} was {old}, and went back to {new}"));
                }
                Some(_) => {}
            }
        }
        *before = now;
    }
}

/// A page, if there is one: a collector that is gone gives none, nor one that says 503, which must say for how long.
pub async fn page(ledger: &Ledger, doors: &Doors, not_yet: &AtomicU64) -> Option<Metrics> {
    let url = format!("http://{}/metrics", doors.metrics);
    let accept = [("accept", "application/openmetrics-text;version=1.0.0")];
    let answer = http::try_send(Method::GET, &url, &accept, Vec::new()).await.ok()?;
    match answer.status {
        200 => return Some(Metrics::parse(&answer.text())),
        503 if answer.header("retry-after").and_then(|after| after.parse::<u64>().ok()).is_some() => {
            not_yet.fetch_add(1, Relaxed);
        }
        503 => ledger.fault("/metrics answered 503 without Retry-After"),
        status => ledger.fault(format!("/metrics answered {status}: {}", answer.text())),
    }
    None
}

/// Families whose numbers outlive the process.
const OURS: [&str; 2] = ["traces_span_metrics_", "rsolv_"];
const PAUSE: Duration = Duration::from_millis(20);
