//! `file`: writes export requests to a file, one JSON document in each line, or as protobuf.
//!
//! ```text
//!  format json, no compression:   {"resourceSpans":[...]}\n
//!  everything else:               length (4 bytes, big endian), so many bytes; with zstd each a frame of its own
//! ```
//!
//! Read in this order: [`config`], this file, `writer` (the file: whole requests or nothing), `rotation` (its names).
//!
//! - **In:** the bytes of an export request.
//! - **Out:** the same in the file at `path`. All pipelines of one exporter share the file.
//! - **Guaranteed:** a position is committed only when the request is in the file as a whole; with `fsync` (the default)
//!   also on the disk, so that a power cut takes nothing that was committed; without it, nothing a kill of the process
//!   could take. Requests never mix. A write that fails (a full disk) is taken back and tried again for ever; nothing is
//!   lost by it. What a crash left half written is cut off at the next start, and was not committed. At least once: a
//!   request that was written and not yet committed by a crash is there twice.
//! - **Not here:** reading, and two writers of one file: the second is refused.

use std::{future::Future, io, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use pipelines::{
    config::ConfigError,
    consumer::{Exporter, Feed},
};
use proto::{SignalKind, json};
use tokio::task::spawn_blocking;

use crate::{
    Settings,
    causes::causes,
    delivery::{
        self, Answer, Delivery, Destination, Refused,
        backoff::Policy,
        gather::Gathering,
        payload::Payload,
        retry::{Action, UNAVAILABLE},
    },
};

pub mod config;
mod rotation;
mod writer;

pub use config::Config;

use config::Format;
use writer::Writer;

/// The exporter: a file, and the delivery to it.
#[derive(Debug)]
pub struct ToFile {
    target: Target,
    delivery: delivery::Settings,
}

/// A file as a destination.
#[derive(Clone, Debug)]
pub struct Target {
    writer: Arc<Writer>,
    form: Form,
}

/// How a request stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    format: Format,
    /// The level of zstd, if it is asked for.
    zstd: Option<i32>,
}

// === impl Config ===

impl Config {
    /// The exporter of one pipeline. The first one opens the file.
    ///
    /// # Errors
    /// The file cannot be opened, or somebody else writes it; or what [`Config::check`] would have said.
    pub fn build(&self, settings: &Settings<'_>) -> Result<ToFile, ConfigError> {
        if let Some(error) = self.check().into_iter().next() {
            return Err(error);
        }
        let wrong = |error: io::Error| {
            ConfigError::new(
                "path",
                format!("`{}` cannot be written: {}", self.path.display(), causes(&error)),
            )
        };
        let writer = self.writer().map_err(wrong)?;
        let delivery = delivery::Settings {
            // One after the other: that is the order of the file.
            in_flight_max: 1,
            gathering: Gathering { bytes_max: usize::MAX, ..Gathering::default() },
            retry: Policy { initial: RETRY_FIRST, max: RETRY_MAX, ..Policy::default() },
            seed: settings.seed,
        };
        Ok(ToFile { target: Target { writer, form: self.form() }, delivery })
    }
}

// === impl ToFile ===

impl Exporter for ToFile {
    fn run(self: Box<Self>, feed: Feed) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::new(Delivery::new(self.target, self.delivery)).run(feed)
    }
}

// === impl Target ===

impl Destination for Target {
    /// A file refuses nothing for good.
    fn codes(&self) -> Vec<&'static str> {
        Vec::new()
    }

    async fn send(&self, signal: SignalKind, request: Payload) -> Answer {
        let Self { writer, form } = self.clone();
        let written = spawn_blocking(move || writer.write(&form.entry(signal, &request.to_bytes())?)).await;
        match written.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(()) => Answer::Taken { rejected: 0, message: String::new() },
            Err(error) => Answer::Refused(Refused {
                action: Action::Retry { after: None },
                code: UNAVAILABLE,
                message: causes(&error),
            }),
        }
    }
}

// === impl Form ===

impl Form {
    /// Whether the file is one of lines.
    pub(crate) fn is_lines(self) -> bool {
        self.format == Format::Json && self.zstd.is_none()
    }

    /// A request with all that stands before and behind it.
    fn entry(self, signal: SignalKind, request: &Bytes) -> io::Result<Vec<u8>> {
        let mut entry = Vec::with_capacity(request.len() + LENGTH_BYTES);
        if self.is_lines() {
            json::encode(signal, request, &mut entry);
            entry.push(b'\n');
            return Ok(entry);
        }
        entry.extend([0; LENGTH_BYTES]);
        match self.format {
            Format::Json => json::encode(signal, request, &mut entry),
            Format::Proto => entry.extend_from_slice(request),
        }
        if let Some(level) = self.zstd {
            let packed = zstd::bulk::compress(&entry[LENGTH_BYTES..], level)?;
            entry.truncate(LENGTH_BYTES);
            entry.extend(packed);
        }
        let length = u32::try_from(entry.len() - LENGTH_BYTES).map_err(io::Error::other)?;
        entry[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
        Ok(entry)
    }
}

/// What stands before a request in a file that is none of lines.
const LENGTH_BYTES: usize = 4;
const RETRY_FIRST: Duration = Duration::from_millis(200);
/// A disk that has room again is noticed within this.
const RETRY_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
