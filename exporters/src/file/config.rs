//! What users write under `file:`, as the OpenTelemetry Collector documents it.
//!
//! Two defaults differ on purpose: `append` is on, because a restart must not delete what was delivered, and it goes
//! together with rotation and compression; `fsync` is a key of our own.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use pipelines::config::{ConfigError, IgnoredAny};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Form, writer::Writer};

/// The exporter's configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The file.
    pub path: PathBuf,
    /// A new file is begun when the old one is large enough; never if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    /// JSON or protobuf.
    pub format: Format,
    /// How requests are compressed, each by itself.
    pub compression: Compression,
    /// How hard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression_params: Option<CompressionParams>,
    /// Off: what the file holds is deleted at the start.
    pub append: bool,
    /// A request is on the disk before it counts as delivered. Off: it is with the operating system, which a power cut
    /// may take it from.
    pub fsync: bool,
    /// Make the directory of the file if it is not there.
    pub create_directory: bool,
    /// Of a directory that is made, in octal digits.
    pub directory_permissions: String,
    /// Without effect: a request is written before it counts as delivered.
    #[serde(skip_serializing)]
    pub flush_interval: Option<IgnoredAny>,
    /// An error in this version, unless it is off.
    #[serde(skip_serializing)]
    pub group_by: Option<GroupBy>,
    /// An error in this version.
    #[serde(skip_serializing)]
    pub encoding: Option<IgnoredAny>,
    #[serde(skip)]
    #[schemars(skip)]
    pub(super) shared: Shared,
}

/// `rotation:`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rotation {
    /// The size of a file, in units of 1 048 576 bytes.
    pub max_megabytes: u64,
    /// Days for which old files are kept; 0 is for ever.
    pub max_days: u64,
    /// Old files that are kept; 0 is all.
    pub max_backups: usize,
    /// Without effect: names carry UTC.
    pub localtime: bool,
}

/// `format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// OTLP/JSON.
    #[default]
    Json,
    /// Protobuf.
    Proto,
}

/// `compression`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// As it is.
    #[default]
    #[serde(alias = "")]
    None,
    /// zstd.
    Zstd,
}

/// `compression_params:`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CompressionParams {
    /// 1 to 22; 0 is the usual one.
    pub level: i32,
}

/// `group_by:`, which writes a file for each value of an attribute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GroupBy {
    /// An error in this version.
    pub enabled: bool,
    /// Without effect.
    pub resource_attribute: Option<IgnoredAny>,
    /// Without effect.
    pub max_open_files: Option<IgnoredAny>,
}

/// The file, once it is open: all pipelines of an exporter, which is one configuration, write the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared(Arc<Mutex<Weak<Writer>>>);

// === impl Config ===

impl Config {
    /// Every fault, with its path below the exporter.
    pub fn check(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        if self.path.file_name().is_none() {
            errors
                .push(ConfigError::new("path", "must name a file, for example /var/lib/phasor/traces.json"));
        }
        if self.rotation.is_some_and(|rotation| rotation.max_megabytes == 0) {
            errors.push(ConfigError::new("rotation.max_megabytes", "must be more than 0, for example 100"));
        }
        if self.compression_params.is_some_and(|params| !(0..=22).contains(&params.level)) {
            errors.push(ConfigError::new("compression_params.level", "must lie between 1 and 22"));
        }
        if self.permissions().is_none() {
            let message = "must be three or four octal digits, for example \"0755\"";
            errors.push(ConfigError::new("directory_permissions", message));
        }
        if self.group_by.is_some_and(|group_by| group_by.enabled) {
            let message = "is not in this version; write an exporter and a pipeline for each group";
            errors.push(ConfigError::new("group_by.enabled", message));
        }
        if self.encoding.is_some() {
            errors.push(ConfigError::new("encoding", "is not in this version; write format: json or proto"));
        }
        errors
    }

    /// Keys that are written but change nothing here.
    pub fn without_effect(&self) -> Vec<ConfigError> {
        let note = |key: &str, message: &str| ConfigError::new(key, message);
        let mut notes = Vec::new();
        if self.flush_interval.is_some() {
            notes.push(note("flush_interval", "has no effect; what counts as delivered is written"));
        }
        if self.rotation.is_some_and(|rotation| rotation.localtime) {
            notes.push(note("rotation.localtime", "has no effect; the names of old files carry UTC"));
        }
        if self.group_by.is_some_and(|group_by| !group_by.enabled) {
            notes.push(note("group_by", "has no effect"));
        }
        if self.compression_params.is_some() && self.compression == Compression::None {
            notes.push(note("compression_params", "has no effect without compression"));
        }
        notes
    }

    /// The file, opened if no pipeline of this exporter has it open.
    pub(super) fn writer(&self) -> io::Result<Arc<Writer>> {
        let mut open = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = open.upgrade() {
            return Ok(writer);
        }
        let writer = Arc::new(Writer::open(self)?);
        *open = Arc::downgrade(&writer);
        Ok(writer)
    }

    pub(super) fn form(&self) -> Form {
        let level = self.compression_params.map(|params| params.level).filter(|level| *level > 0);
        let level = level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL);
        Form { format: self.format, zstd: (self.compression == Compression::Zstd).then_some(level) }
    }

    /// Those of a directory that is made.
    pub(super) fn permissions(&self) -> Option<u32> {
        let digits = &self.directory_permissions;
        let is_octal = (3..=4).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
        is_octal.then(|| u32::from_str_radix(digits, 8).ok()).flatten()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            rotation: None,
            format: Format::default(),
            compression: Compression::default(),
            compression_params: None,
            append: true,
            fsync: true,
            create_directory: false,
            directory_permissions: "0755".to_owned(),
            flush_interval: None,
            group_by: None,
            encoding: None,
            shared: Shared::default(),
        }
    }
}

impl Default for Rotation {
    fn default() -> Self {
        Self { max_megabytes: 100, max_days: 0, max_backups: 100, localtime: false }
    }
}

// === impl Shared ===

impl PartialEq for Shared {
    /// What is open is no part of what is written.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
