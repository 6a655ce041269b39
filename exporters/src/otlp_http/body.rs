//! What a request carries: protobuf or JSON, compressed or not.

use std::io::Write;

use bytes::Bytes;
use flate2::write::{GzEncoder, ZlibEncoder};
use proto::{SignalKind, json};
use snap::write::FrameEncoder;

use super::config::{Compression, Encoding};

/// The form of all requests of an exporter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) encoding: Encoding,
    pub(super) compression: Compression,
    /// As the algorithm counts it.
    pub(super) level: Option<i32>,
}

// === impl Form ===

impl Form {
    /// The body of a request. Protobuf that is not compressed is the bytes themselves.
    pub(super) fn write(self, signal: SignalKind, message: &Bytes) -> Bytes {
        match self.encoding {
            Encoding::Proto => self.compress(message),
            Encoding::Json => {
                let mut text = Vec::new();
                json::encode(signal, message, &mut text);
                self.compress(&Bytes::from(text))
            }
        }
    }

    pub(super) fn media_type(self) -> &'static str {
        match self.encoding {
            Encoding::Proto => "application/x-protobuf",
            Encoding::Json => "application/json",
        }
    }

    /// As `configcompression` and `confighttp` name them.
    pub(super) fn content_encoding(self) -> Option<&'static str> {
        match self.compression {
            Compression::None => None,
            Compression::Gzip => Some("gzip"),
            Compression::Zstd => Some("zstd"),
            Compression::Zlib => Some("zlib"),
            Compression::Deflate => Some("deflate"),
            Compression::Snappy => Some("snappy"),
            Compression::SnappyFramed => Some("x-snappy-framed"),
            Compression::Lz4 => Some("lz4"),
        }
    }

    fn compress(self, bytes: &Bytes) -> Bytes {
        let room = Vec::with_capacity(bytes.len() / 4);
        let level = self.level.and_then(|level| u32::try_from(level).ok());
        let flate = level.map_or_else(flate2::Compression::default, flate2::Compression::new);
        let compressed = match self.compression {
            Compression::None | Compression::Lz4 => return bytes.clone(),
            Compression::Gzip => finish(GzEncoder::new(room, flate), bytes, GzEncoder::finish),
            // RFC 9110, section 8.4.1.2: `deflate` is the zlib format. Go's `zlib` is the same under another name.
            Compression::Zlib | Compression::Deflate => {
                finish(ZlibEncoder::new(room, flate), bytes, ZlibEncoder::finish)
            }
            Compression::Zstd => {
                zstd::bulk::compress(bytes, self.level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL))
            }
            Compression::Snappy => {
                snap::raw::Encoder::new().compress_vec(bytes).map_err(std::io::Error::other)
            }
            Compression::SnappyFramed => finish(FrameEncoder::new(room), bytes, |encoder| {
                encoder.into_inner().map_err(|error| error.into_error())
            }),
        };
        compressed.expect("memory takes what is written to it, and levels are checked").into()
    }
}

fn finish<E: Write>(
    mut encoder: E,
    bytes: &[u8],
    finish: impl FnOnce(E) -> std::io::Result<Vec<u8>>,
) -> std::io::Result<Vec<u8>> {
    encoder.write_all(bytes)?;
    finish(encoder)
}
