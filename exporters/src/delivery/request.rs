//! What is sent of the records that were read.

use pipelines::journal::Record;
use proto::AnyBatch;

/// One request for each record that carries items: empty envelopes are not sent.
pub(super) fn requests(records: Vec<Record>) -> Vec<AnyBatch> {
    records.into_iter().map(|record| record.batch).filter(|batch| batch.items() > 0).collect()
}
