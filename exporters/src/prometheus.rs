//! `prometheus`: shows metrics at `/metrics` for Prometheus to scrape.
//!
//! - **In:** metric batches, through [`PrometheusTable`]; what the process says about itself, through
//!   [`own::OwnFamilies`].
//! - **Out:** the page, in text 0.0.4, OpenMetrics 1.0.0 or protobuf, through [`Page`] and [`server::serve`].
//! - **Guaranteed:** the page is valid, whatever was sent; memory is bounded; a scrape holds no lock for
//!   longer than one chunk takes.
//!
//! The way of a point: [`translate`] gives it its name ([`names`]), its labels ([`labels`], [`escaping`],
//! [`pipelines::value_text`]), its stream ([`identity`]) and exemplars ([`exemplar`]); [`series`] keeps it; [`render`] writes it with [`text`]
//! or [`protobuf`] when [`page`], as [`negotiate`] found, answers a scrape on [`server`]. [`ingest`] joins the table to
//! the engine and saves it by way of [`state`].

pub mod config;
pub mod escaping;
pub mod exemplar;
pub mod identity;
pub mod ingest;
pub mod labels;
pub mod names;
pub mod negotiate;
pub mod own;
pub mod page;
pub mod protobuf;
pub mod render;
pub mod series;
pub mod server;
pub mod state;
pub mod text;
pub mod translate;

#[cfg(test)]
mod tests;

pub use self::{
    config::Config,
    ingest::PrometheusTable,
    page::{Page, PageBody},
    series::{Limits, Table},
};
