//! What is wrong with a configuration, and what has no effect in it.

use super::{
    COLLECTOR_INSTANCE_ID, CUMULATIVE, Config, DELTA, Dimension, NAMESPACE, Names, STANDARD_DIMENSIONS, Unit,
};
use crate::{
    config::ConfigError,
    connectors::{
        distribution::BOUNDS_MAX,
        exponential::{SIZE_MAX, SIZE_MIN},
        glob::Glob,
        wanted::WANTED_MAX,
    },
};

// === impl Config ===

impl Config {
    /// Checks what types cannot say.
    ///
    /// # Errors
    /// All faults, with paths below `span_metrics`.
    pub fn check(&self) -> Result<(), Vec<ConfigError>> {
        let mut errors = Vec::new();
        self.check_dimensions(&mut errors);
        self.check_histogram(&mut errors);
        self.check_names(&mut errors);
        self.check_temporality(&mut errors);
        if self.events.enabled && self.events.dimensions.is_empty() {
            let message = "is empty; name what tells events apart, for example exception.type";
            errors.push(ConfigError::new("events.dimensions", message));
        }
        if self.collector_instance_id.as_deref() == Some("") {
            let message = "is empty; leave it out, or write what tells this collector from others";
            errors.push(ConfigError::new("collector_instance_id", message));
        }
        if self.resource_metrics_cache_size == 0 {
            let message = "must be at least 1: without a resource there is nothing to count for";
            errors.push(ConfigError::new("resource_metrics_cache_size", message));
        }
        if self.metrics_flush_interval.0.is_zero() {
            errors.push(ConfigError::new("metrics_flush_interval", "must be longer than 0, for example 15s"));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Keys that were written and change nothing.
    pub fn warnings(&self) -> Vec<ConfigError> {
        let without_effect = [
            ("dimensions_cache_size", self.dimensions_cache_size.is_some(), "dimensions are not cached here"),
            (
                "metric_timestamp_cache_size",
                self.metric_timestamp_cache_size.is_some() && !self.is_delta(),
                "it belongs to AGGREGATION_TEMPORALITY_DELTA",
            ),
            (
                "resource_metrics_key_attributes",
                !self.resource_metrics_key_attributes.is_empty() && !self.add_resource_attributes,
                "resources are told apart only with `add_resource_attributes: true`",
            ),
            (
                "events.dimensions",
                !self.events.dimensions.is_empty() && !self.events.enabled,
                "events are counted only with `enabled: true`",
            ),
            (
                "histogram.dimensions",
                !self.histogram.dimensions.is_empty() && self.histogram.disable,
                "there is no histogram",
            ),
        ];
        let without_effect = without_effect.into_iter().filter(|(_, set, _)| *set);
        without_effect.map(|(path, _, why)| ConfigError::new(path, format!("has no effect: {why}"))).collect()
    }

    fn check_dimensions(&self, errors: &mut Vec<ConfigError>) {
        for (path, dimensions) in [
            ("dimensions", &self.dimensions),
            ("calls_dimensions", &self.calls_dimensions),
            ("histogram.dimensions", &self.histogram.dimensions),
            ("events.dimensions", &self.events.dimensions),
        ] {
            let count = if path == "dimensions" { 0 } else { self.dimensions.len() };
            if let Err(error) = ConfigError::at_most(path, count + dimensions.len(), WANTED_MAX) {
                errors.push(error);
            }
            for (index, dimension) in dimensions.iter().enumerate() {
                let found = self.check_dimension(path, &dimensions[..index], dimension);
                errors.extend(found.map(|error| error.under(&format!("{path}[{index}]"))));
            }
        }
        for (index, name) in self.exclude_dimensions.iter().enumerate() {
            if !STANDARD_DIMENSIONS.contains(&name.as_str()) && name != COLLECTOR_INSTANCE_ID {
                let known = STANDARD_DIMENSIONS.join(", ");
                let message = format!("`{name}` is none of {known}, {COLLECTOR_INSTANCE_ID}");
                errors.push(ConfigError::new(format!("exclude_dimensions[{index}]"), message));
            }
        }
    }

    fn check_dimension(
        &self,
        path: &str,
        earlier: &[Dimension],
        dimension: &Dimension,
    ) -> Option<ConfigError> {
        let Dimension { name, default, glob } = dimension;
        if !glob.is_empty() {
            return self.check_glob(path, earlier, dimension);
        }
        let same = earlier.iter().position(|other| other.name == *name && other.glob.is_empty());
        let covering = earlier.iter().position(|other| other.covers(name));
        if name.is_empty() {
            let message = match default {
                None => "is empty; name a span or resource attribute, or write a `glob`",
                Some(_) => "is empty; name a span or resource attribute",
            };
            Some(ConfigError::new("name", message))
        } else if let Some(same) = same {
            Some(ConfigError::new("name", format!("`{name}` is already {path}[{same}]; name it once")))
        } else if let Some(covering) = covering {
            let message = format!("`{name}` is of the pattern {path}[{covering}]; name it once");
            Some(ConfigError::new("name", message))
        } else {
            let is_it = |standard: &&'static str| *standard == name || self.label_of(standard) == name;
            self.standard_dimensions().find(is_it).map(|standard| {
                let message = format!(
                    "`{name}` is already one of the default dimensions; leave it out here, or add `{standard}` to exclude_dimensions"
                );
                ConfigError::new("name", message)
            })
        }
    }

    fn check_glob(&self, path: &str, earlier: &[Dimension], dimension: &Dimension) -> Option<ConfigError> {
        let Dimension { name, default, glob } = dimension;
        let covered = earlier.iter().position(|other| dimension.covers(&other.name));
        if !name.is_empty() {
            let message = format!("write one of `name` and `glob`, not both: `{name}` and `{glob}`");
            Some(ConfigError::new("", message))
        } else if default.is_some() {
            Some(ConfigError::new("default", "belongs to a `name`; what a `glob` does not find has no name"))
        } else if let Err(fault) = Glob::parse(glob) {
            Some(ConfigError::new("glob", format!("`{glob}` {fault}")))
        } else if let Some(index) = earlier.iter().position(|other| other.glob == *glob) {
            Some(ConfigError::new("glob", format!("`{glob}` is already {path}[{index}]; write it once")))
        } else if let Some(index) = covered {
            let name = &earlier[index].name;
            let message =
                format!("`{glob}` is a pattern of `{name}` too, which is {path}[{index}]; name it once");
            Some(ConfigError::new("glob", message))
        } else {
            None
        }
    }

    fn check_histogram(&self, errors: &mut Vec<ConfigError>) {
        if let Some(exponential) = &self.histogram.exponential
            && exponential.max_size != 0
            && !(SIZE_MIN..=SIZE_MAX).contains(&exponential.max_size)
        {
            let message = format!("must be between {SIZE_MIN} and {SIZE_MAX}, or 0 for the default");
            errors.push(ConfigError::new("histogram.exponential.max_size", message));
        }
        let Some(explicit) = &self.histogram.explicit else { return };
        let path = "histogram.explicit.buckets";
        if explicit.buckets.is_empty() {
            errors.push(ConfigError::new(path, "is empty; leave `explicit` out for the default buckets"));
        }
        if let Err(error) = ConfigError::at_most(path, explicit.buckets.len(), BOUNDS_MAX) {
            errors.push(error);
        }
        for (index, pair) in explicit.buckets.windows(2).enumerate() {
            if pair[1] <= pair[0] {
                let at = format!("{path}[{}]", index + 1);
                let message =
                    format!("{:?} is not longer than the bound before it, {:?}", pair[1].0, pair[0].0);
                errors.push(ConfigError::new(at, message));
            }
        }
    }

    /// Names of Tempo's are whole: neither a namespace nor another unit has a place in them.
    fn check_names(&self, errors: &mut Vec<ConfigError>) {
        if self.names != Names::Tempo {
            return;
        }
        if self.namespace != NAMESPACE {
            let message = "has no place in the names of `names: tempo`, which begin with traces_spanmetrics";
            errors.push(ConfigError::new("namespace", message));
        }
        if self.histogram.unit == Some(Unit::Ms) {
            let message = "must be `s` with `names: tempo`, whose latencies are seconds";
            errors.push(ConfigError::new("histogram.unit", message));
        }
    }

    fn check_temporality(&self, errors: &mut Vec<ConfigError>) {
        let temporality = self.aggregation_temporality.as_str();
        match temporality {
            CUMULATIVE => {}
            DELTA if self.metric_timestamp_cache_size == Some(0) => {
                let message = "must be at least 1, so that windows of a series can follow each other";
                errors.push(ConfigError::new("metric_timestamp_cache_size", message));
            }
            DELTA => {}
            _ => errors.push(ConfigError::new(
                "aggregation_temporality",
                format!("`{temporality}` is no temporality, use {CUMULATIVE} or {DELTA}"),
            )),
        }
    }
}

// === impl Dimension ===

impl Dimension {
    /// Whether it is a pattern and the name is of it.
    fn covers(&self, name: &str) -> bool {
        let glob =
            (!self.glob.is_empty() && !name.is_empty()).then(|| Glob::parse(&self.glob).ok()).flatten();
        glob.is_some_and(|glob| glob.matches(name))
    }
}
