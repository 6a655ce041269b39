//! The saved form of everything that was counted.
//!
//! ```text
//! version | with delta temporality what is on its way: see `delta` | resources: number | per resource: attributes, seen
//! per series: place of its resource (0: the overflow resource), stream, whether overflow, key, start, seen, cell
//! ```

use std::collections::HashMap;

use super::{SpanMetrics, delta::Delta, resources::OVERFLOW};
use crate::{
    connectors::{
        key,
        state::{Reader, Writer},
        table::Series,
    },
    consumer::RestoreError,
    time::UnixNanos,
};

// === impl SpanMetrics ===

impl SpanMetrics {
    pub(super) fn save_all(&self, out: &mut Vec<u8>) {
        let mut out = Writer(out);
        out.byte(STATE_VERSION);
        if self.settings.config.is_delta() {
            self.delta.save(&mut out);
        }
        out.number(self.resources.len() as u64);
        // Saved resources are numbered without gaps; 0 stays the overflow resource.
        let mut places = HashMap::from([(OVERFLOW, 0)]);
        for (resource, attributes, seen) in self.resources.iter() {
            places.insert(resource, places.len() as u64);
            out.bytes(attributes);
            out.number(seen.0);
        }
        let streams = self.settings.streams.len() as u32;
        for series in self.table.iter() {
            out.number(places[&(series.group / streams)]);
            out.number(u64::from(series.group % streams));
            out.byte(u8::from(series.overflow));
            out.bytes(&series.key);
            out.number(series.start.0);
            out.number(series.seen.0);
            series.cell.save(&mut out);
        }
    }

    pub(super) fn restore_all(&mut self, state: &[u8]) -> Result<(), RestoreError> {
        let mut from = Reader(state);
        if from.byte()? != STATE_VERSION {
            return Err(RestoreError("it has another version"));
        }
        if self.settings.config.is_delta() {
            self.delta = Delta::restore(&mut from)?;
        }
        let mut resources = vec![OVERFLOW];
        for _ in 0..from.index()? {
            let (attributes, seen) = (from.bytes()?, UnixNanos(from.number()?));
            if !key::check_pairs(attributes) {
                return Err(RestoreError("the attributes of a resource are not well-formed"));
            }
            let resource = self.resources.restore(attributes, seen);
            resources.push(resource.ok_or(RestoreError("a resource is there twice"))?);
        }
        while !from.0.is_empty() {
            self.restore_series(&resources, &mut from)?;
        }
        Ok(())
    }

    fn restore_series(&mut self, resources: &[u32], from: &mut Reader<'_>) -> Result<(), RestoreError> {
        let resource = *resources.get(from.index()?).ok_or(RestoreError("a series has no resource"))?;
        let number = from.index()?;
        let stream = self.settings.streams.get(number).ok_or(RestoreError("a series is of no metric"))?;
        let overflow = from.byte()? != 0;
        let (key, start, seen) = (from.bytes()?, UnixNanos(from.number()?), UnixNanos(from.number()?));
        if !key::check(key, if overflow { 0 } else { stream.dimensions.parts() }) {
            return Err(RestoreError("the key of a series does not fit the dimensions"));
        }
        let cell = stream.restore(from)?;
        let group = self.settings.group(resource, number);
        let mut series = Series::new(group, (!overflow).then_some(key), start, cell);
        series.seen = seen;
        if self.table.restore(series) { Ok(()) } else { Err(RestoreError("a series is there twice")) }
    }
}

/// 3: points on their way. 2: streams, exponential histograms.
const STATE_VERSION: u8 = 3;
