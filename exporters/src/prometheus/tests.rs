//! The exporter from an OTLP batch to the page. Tests begin with the row of the conformance list they show.

mod checker;
mod document;
mod exemplars;
mod hostile;
mod labels;
mod metadata;
mod otlp;
mod pages;
mod protobuf;
mod served;
mod state;
mod streams;
mod types;
mod utf8;
mod zero_first;

use std::sync::Arc;

use pipelines::{consumer::Aggregator, time::UnixNanos};
use proto::SignalKind;

use self::otlp::{Metric, Resource, request};
use super::{
    Config, PrometheusTable, Table,
    escaping::Escaping,
    render::Scrape,
    series::{Dropped, value::Show},
    text::{Format, Style},
};

/// A table with one input, fed with batches that arrive one second apart.
struct Fixture {
    table: Arc<Table>,
    input: PrometheusTable,
    show: Show,
    now_ns: u64,
}

impl Fixture {
    fn new() -> Self {
        Self::with(&Config::default())
    }

    fn with(config: &Config) -> Self {
        assert_eq!(config.check(), []);
        let table = Arc::new(Table::new(config.limits()));
        let input = PrometheusTable::new(config, Arc::clone(&table), 0);
        let show = Show {
            now_ns: 0,
            exemplar_retention_ns: config.exemplar_retention_ns(),
            created: config.created_timestamps,
            timestamps: config.send_timestamps,
            zero_first_ns: config.zero_first_ns(),
        };
        Self { table, input, show, now_ns: START_NS }
    }

    /// One batch of one resource.
    fn put(&mut self, resource: Resource, metrics: Vec<Metric>) -> &mut Self {
        self.now_ns += SECOND;
        let (batch, rejected) =
            proto::AnyBatch::validate(SignalKind::Metrics, request(resource, metrics)).unwrap();
        assert_eq!(rejected, None);
        self.input.apply(&batch, UnixNanos(self.now_ns));
        self
    }

    fn page(&self, style: impl Into<Style>) -> String {
        let style = style.into();
        let page = String::from_utf8(self.bytes(style)).unwrap();
        checker::check(&page, style);
        page
    }

    fn bytes(&self, style: impl Into<Style>) -> Vec<u8> {
        let show = Show { now_ns: self.now_ns, ..self.show };
        let mut scrape = Scrape::new(Arc::clone(&self.table), Vec::new(), style, show);
        let mut out = Vec::new();
        while scrape.next_chunk(&mut out) {}
        out
    }

    fn open_metrics(&self) -> String {
        self.page(Format::OpenMetrics)
    }

    fn dropped(&self, why: Dropped) -> u64 {
        self.table.counts.dropped(why)
    }
}

/// The page after one batch of a resource without a name.
fn page(metrics: Vec<Metric>) -> String {
    let mut fixture = Fixture::new();
    fixture.put(Resource::default(), metrics);
    fixture.open_metrics()
}

/// The state of a table without anything.
const EMPTY: &[u8] = &[0, 0, 0];

/// 2023-11-14T22:13:20Z.
const START_NS: u64 = 1_700_000_000 * SECOND;

const SECOND: u64 = 1_000_000_000;
