//! `attributes`: edits the attributes of spans, log records and data points.
//!
//! - **In:** a batch.
//! - **Out:** the batch with edited items; what is not edited keeps its very bytes.
//! - **Guaranteed:** a batch in which nothing changes is passed on without a copy; one that would grow beyond all
//!   measure is declined for good.
//! - **Not here:** attributes of resources; see [`crate::processors::resource`].

use proto::Batch;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    client::Client,
    config::ConfigError,
    processor::Processor,
    processors::{
        actions::{ActionConfig, Actions, AtWork},
        matching::{Items, MatchConfig, Selection},
    },
    refusal::Refusal,
};

/// What the user writes under `attributes:`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What to do, in order.
    pub actions: Vec<ActionConfig>,
    /// Only items that match this are edited.
    pub include: Option<MatchConfig>,
    /// Of those, items that match this are not.
    pub exclude: Option<MatchConfig>,
}

/// Edits items.
#[derive(Clone, Debug)]
pub struct AttributesProcessor {
    actions: Actions,
    selection: Selection,
}

// === impl Config ===

impl Config {
    /// Checks what types cannot say.
    ///
    /// # Errors
    /// All faults, with paths below `attributes`.
    pub fn check(&self) -> Result<(), Vec<ConfigError>> {
        let actions = Actions::build("actions", &self.actions);
        let selection = Selection::build(self.include.as_ref(), self.exclude.as_ref());
        let errors: Vec<_> = actions.err().into_iter().chain(selection.err()).flatten().collect();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Makes the processor for a pipeline of the signal `S`.
    ///
    /// # Errors
    /// As [`check`](Self::check), and a match by span name where there are no spans.
    pub fn build<S: Items>(&self) -> Result<AttributesProcessor, Vec<ConfigError>> {
        let selection = Selection::build(self.include.as_ref(), self.exclude.as_ref())?;
        selection.check_signal(S::KIND)?;
        Ok(AttributesProcessor { actions: Actions::build("actions", &self.actions)?, selection })
    }
}

// === impl AttributesProcessor ===

impl<S: Items> Processor<S> for AttributesProcessor {
    fn process(&self, batch: Batch<S>, client: &Client) -> Result<Option<Batch<S>>, Refusal> {
        let mut work = AtWork::new(&self.actions, client, batch.bytes().len());
        if self.selection.is_all() {
            let edited = S::edit(&batch, |attributes, out| work.apply(attributes, out));
            return work.done(edited);
        }
        // The walk that edits sees items without their resource, so a walk before it finds out which are meant.
        let mut meant = Vec::with_capacity(batch.items());
        S::walk(&batch, |item| meant.push(self.selection.selects(item)));
        let mut meant = meant.into_iter();
        let edited = S::edit(&batch, |attributes, out| {
            if meant.next().unwrap_or_default() {
                work.apply(attributes, out)
            } else {
                proto::rewrite::Edit::Unchanged
            }
        });
        work.done(edited)
    }
}
