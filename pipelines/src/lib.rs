//! What happens to a batch: processors, the journal, the consumers that read it, and the engine
//! that ties them together.
//!
//! Read in this order: [`refusal`] (how work is declined), [`config`] (small checked values),
//! [`component`] (names), [`client`] (who sent it), [`processor`] and [`consumer`] (the contracts), [`journal`] (the heart),
//! [`snapshot`] (state and cursor together), [`dead_letters`] (what was refused for good), [`disk`] (the seam to
//! the file system), [`engine`] (configuration to running pipelines), then the lists [`processors`] and
//! [`connectors`], and [`value_text`] (attributes as labels show them). [`pulse`] and [`status`] are how loops and
//! components tell that they live, and how they fare; [`spans`] tell of the work itself.
//!
//! **Not here:** sockets, YAML, and anything that knows how data leaves the process.

pub mod client;
pub mod component;
pub mod config;
pub mod connectors;
pub mod consumer;
pub mod dead_letters;
pub mod disk;
pub mod engine;
mod fields;
pub mod journal;
pub mod memory;
pub mod processor;
pub mod processors;
pub mod pulse;
pub mod refusal;
pub mod snapshot;
pub mod spans;
pub mod status;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;
pub mod value_text;
