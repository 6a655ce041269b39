//! `resource`: edits the attributes of the resource, of all three signals.
//!
//! - **In:** a batch.
//! - **Out:** the batch with edited resources; items keep their very bytes.
//! - **Guaranteed:** a batch in which no resource changes is passed on without a copy; one that would grow beyond all
//!   measure is declined for good.
//! - **Not here:** attributes of items; see [`crate::processors::attributes`].

use proto::{Batch, Signal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    client::Client,
    config::ConfigError,
    processor::Processor,
    processors::actions::{ActionConfig, Actions, AtWork},
    refusal::Refusal,
};

/// What the user writes under `resource:`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What to do to the attributes, in order.
    pub attributes: Vec<ActionConfig>,
}

/// Edits resources.
#[derive(Clone, Debug)]
pub struct Resource {
    actions: Actions,
}

// === impl Config ===

impl Config {
    /// Checks what types cannot say.
    ///
    /// # Errors
    /// All faults, with paths below `resource`.
    pub fn check(&self) -> Result<(), Vec<ConfigError>> {
        self.build().map(|_| ())
    }

    /// Makes the processor.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn build(&self) -> Result<Resource, Vec<ConfigError>> {
        Ok(Resource { actions: Actions::build("attributes", &self.attributes)? })
    }
}

// === impl Resource ===

impl<S: Signal> Processor<S> for Resource {
    fn process(&self, batch: Batch<S>, client: &Client) -> Result<Option<Batch<S>>, Refusal> {
        let mut work = AtWork::new(&self.actions, client, batch.bytes().len());
        let edited = batch.edit_resources(|attributes, out| work.apply(attributes, out));
        work.done(edited)
    }
}
