//! The codings themselves: what they are called, and how each is read.
//!
//! - **In:** compressed bytes.
//! - **Out:** a [`Read`] over what is inside, which ends only where the coding says that it ends: what is cut off, and
//!   what has bytes after its end, is an error.
//! - **Not here:** admission, limits, turns.

use std::io::{self, Read};

use flate2::{Decompress, FlushDecompress, Status, bufread::MultiGzDecoder};

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::receivers) enum Encoding {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// RFC 1950, under the names `zlib` and `deflate`; also without its frame (RFC 1951), which some call `deflate`.
    Zlib,
    /// Snappy, framed or as one block; which of the two, the first bytes tell.
    Snappy,
}

/// A coding that can be read piece by piece.
pub(super) enum Decoder<'a> {
    Gzip(Box<MultiGzDecoder<&'a [u8]>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, &'a [u8]>>),
    Deflate(Deflate<'a>),
    Snappy(Box<snap::read::FrameDecoder<&'a [u8]>>),
}

/// A deflate stream, of which exactly one must fill the bytes. flate2's own readers take a cut one for a whole one.
pub(super) struct Deflate<'a> {
    state: Decompress,
    rest: &'a [u8],
    ended: bool,
}

// === impl Encoding ===

impl Encoding {
    /// By the name that HTTP, gRPC and the Collector's configuration use, in any letter case.
    pub(in crate::receivers) fn named(name: &[u8]) -> Option<Self> {
        let known = [
            (&b"gzip"[..], Self::Gzip),
            (b"x-gzip", Self::Gzip),
            (b"zstd", Self::Zstd),
            (b"zlib", Self::Zlib),
            (b"deflate", Self::Zlib),
            (b"snappy", Self::Snappy),
            (b"x-snappy-framed", Self::Snappy),
        ];
        known.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, encoding)| encoding)
    }

    /// How many bytes are inside, as far as the bytes say so.
    ///
    /// # Errors
    /// They say more than the coding can hold in so few bytes.
    pub(super) fn announced(self, compressed: &[u8]) -> io::Result<Option<usize>> {
        match self {
            Self::Zstd => {
                let size = zstd::zstd_safe::get_frame_content_size(compressed).ok().flatten();
                Ok(size.map(|size| usize::try_from(size).unwrap_or(usize::MAX)))
            }
            Self::Snappy if !is_framed(compressed) => {
                let size = snap::raw::decompress_len(compressed).map_err(io::Error::other)?;
                // The densest element is a copy of 64 bytes, in three.
                if size > compressed.len().saturating_mul(22) {
                    return Err(io::Error::other("the block announces more than it can hold"));
                }
                Ok(Some(size))
            }
            Self::Gzip | Self::Zlib | Self::Snappy => Ok(None),
        }
    }

    /// Whether the bytes are one block that can only be read as a whole.
    pub(super) fn is_block(self, compressed: &[u8]) -> bool {
        self == Self::Snappy && !is_framed(compressed)
    }
}

/// A framed stream begins with its identifier. No block that holds an OTLP request does: it would announce 895 bytes of
/// which the first is zero, which is no tag and no JSON.
fn is_framed(compressed: &[u8]) -> bool {
    compressed.starts_with(b"\xff\x06\x00\x00sNaPpY")
}

// === impl Decoder ===

impl<'a> Decoder<'a> {
    /// A reader of what is not [a block](Encoding::is_block).
    pub(super) fn new(encoding: Encoding, compressed: &'a [u8]) -> io::Result<Self> {
        Ok(match encoding {
            Encoding::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(compressed))),
            Encoding::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(compressed)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Self::Zstd(Box::new(decoder))
            }
            Encoding::Zlib => Self::Deflate(Deflate::new(compressed)),
            Encoding::Snappy => Self::Snappy(Box::new(snap::read::FrameDecoder::new(compressed))),
        })
    }
}

impl Read for Decoder<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(decoder) => decoder.read(out),
            Self::Zstd(decoder) => decoder.read(out),
            Self::Deflate(decoder) => decoder.read(out),
            Self::Snappy(decoder) => decoder.read(out),
        }
    }
}

// === impl Deflate ===

impl<'a> Deflate<'a> {
    fn new(compressed: &'a [u8]) -> Self {
        Self { state: Decompress::new(has_zlib_header(compressed)), rest: compressed, ended: false }
    }
}

impl Read for Deflate<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !self.ended && !out.is_empty() {
            let (before_in, before_out) = (self.state.total_in(), self.state.total_out());
            let status = self.state.decompress(self.rest, out, FlushDecompress::None)?;
            let taken = self.state.total_in() - before_in;
            // Both are at most as long as the slices they count in.
            self.rest = &self.rest[taken as usize..];
            let made = (self.state.total_out() - before_out) as usize;
            self.ended = status == Status::StreamEnd;
            if made > 0 {
                return Ok(made);
            }
            if !self.ended && taken == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the stream is cut off"));
            }
        }
        if self.ended && !self.rest.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "there are bytes after the end"));
        }
        Ok(0)
    }
}

/// RFC 1950, section 2.2: the method is deflate with a window of at most 32 KiB, and the two bytes are a multiple of 31.
fn has_zlib_header(compressed: &[u8]) -> bool {
    let [method, flags, ..] = compressed else { return true };
    method & 0x0f == 8 && method >> 4 <= 7 && u16::from_be_bytes([*method, *flags]) % 31 == 0
}

/// 8 MiB: what RFC 8878, *Window Descriptor*, asks every decoder to support, and no more, because the
/// sender chooses how much of it we allocate.
pub(in crate::receivers) const ZSTD_WINDOW_LOG_MAX: u32 = 23;
