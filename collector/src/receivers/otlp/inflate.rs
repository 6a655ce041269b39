//! Inflating a compressed request without ever holding more than was admitted.
//!
//! - **In:** the compressed bytes, covered by a permit of their own.
//! - **Out:** the bytes inside, in a buffer that was admitted piece by piece as it grew.
//! - **Guaranteed:** a small body that inflates without end stops at the limit, or at the budget, having
//!   cost no more memory than that. Several gzip members, or zstd frames, in a row count as one body.
//! - **Bounds:** the decoder itself holds 32 KiB (gzip) or at most [`ZSTD_WINDOW_LOG_MAX`] (zstd); it lives
//!   within one call, so there are at most as many of them as worker threads.

use std::io::{self, Read};

use flate2::bufread::MultiGzDecoder;

use crate::receivers::admission::{Admission, AdmittedBuffer, Full};

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

/// Why a body could not be inflated.
#[derive(Debug)]
pub(super) enum InflateError {
    /// Limit or budget.
    Full(Full),
    /// It is not what its header says.
    Corrupt(io::Error),
}

/// Inflates `compressed` into a buffer of at most `bytes_max` bytes.
///
/// # Errors
/// The bytes are corrupt, or the buffer could not grow.
pub(super) fn inflate(
    encoding: Encoding,
    compressed: &[u8],
    admission: &Admission,
    bytes_max: usize,
) -> Result<AdmittedBuffer, InflateError> {
    let guess = compressed.len().saturating_mul(RATIO_GUESS).clamp(CAPACITY_MIN, CAPACITY_MAX).min(bytes_max);
    let buffer = AdmittedBuffer::new(admission, guess, bytes_max).map_err(InflateError::Full)?;
    match encoding {
        Encoding::Gzip => read_all(MultiGzDecoder::new(compressed), buffer),
        Encoding::Zstd => {
            let mut decoder =
                zstd::stream::read::Decoder::with_buffer(compressed).map_err(InflateError::Corrupt)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(InflateError::Corrupt)?;
            read_all(decoder, buffer)
        }
    }
}

/// Reads to the end. Never reads more than fits, so the buffer grows only through its permit.
fn read_all(mut decoder: impl Read, mut buffer: AdmittedBuffer) -> Result<AdmittedBuffer, InflateError> {
    loop {
        let spare = buffer.spare();
        let read = decoder
            .by_ref()
            .take(spare as u64)
            .read_to_end(buffer.as_vec())
            .map_err(InflateError::Corrupt)?;
        if read < spare {
            return Ok(buffer);
        }
        // The buffer is full. It grows only if there really is more, so that a body of exactly the
        // limit passes.
        let mut next = [0];
        match decoder.read(&mut next).map_err(InflateError::Corrupt)? {
            0 => return Ok(buffer),
            _ => buffer.extend(&next).map_err(InflateError::Full)?,
        }
    }
}

/// Telemetry shrinks to a quarter or less; a wrong guess costs one more growth.
const RATIO_GUESS: usize = 4;
const CAPACITY_MIN: usize = 512;
const CAPACITY_MAX: usize = 1 << 20;

/// 8 MiB: what RFC 8878, *Window Descriptor*, asks every decoder to support, and no more, because the
/// sender chooses how much of it we allocate.
pub(super) const ZSTD_WINDOW_LOG_MAX: u32 = 23;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(plain: &[u8]) -> Vec<u8> {
        zstd::encode_all(plain, 3).unwrap()
    }

    #[track_caller]
    fn check(encoding: Encoding, compressed: &[u8], bytes_max: usize, expected: Result<&[u8], &str>) {
        let admission = Admission::new(1 << 20);
        let result = inflate(encoding, compressed, &admission, bytes_max).map(|buffer| buffer.freeze().0);
        match (result, expected) {
            (Ok(bytes), Ok(expected)) => assert_eq!(bytes, expected),
            (Err(InflateError::Full(full)), Err(expected)) => assert_eq!(format!("{full:?}"), expected),
            (Err(InflateError::Corrupt(_)), Err(expected)) => assert_eq!("Corrupt", expected),
            (result, expected) => panic!("{result:?}, expected {expected:?}"),
        }
        assert_eq!(admission.bytes_in_use(), 0);
    }

    #[test]
    fn both_encodings_give_back_what_went_in() {
        for plain in [&b""[..], b"a", &[7; 511], &[7; 512], &[7; 513], &[7; 100_000]] {
            check(Encoding::Gzip, &gzip(plain), 100_000, Ok(plain));
            check(Encoding::Zstd, &zstd(plain), 100_000, Ok(plain));
        }
    }

    #[test]
    fn members_in_a_row_are_one_body() {
        check(Encoding::Gzip, &[gzip(b"one "), gzip(b"two")].concat(), 100, Ok(b"one two"));
        check(Encoding::Zstd, &[zstd(b"one "), zstd(b"two")].concat(), 100, Ok(b"one two"));
    }

    #[test]
    fn a_body_may_reach_the_limit_but_not_pass_it() {
        for encoded in [gzip(&[1; 1_000]), zstd(&[1; 1_000])] {
            let encoding = if encoded[0] == 0x1f { Encoding::Gzip } else { Encoding::Zstd };
            check(encoding, &encoded, 1_000, Ok(&[1; 1_000]));
            check(encoding, &encoded, 999, Err("Limit"));
            check(encoding, &encoded, 0, Err("Limit"));
        }
    }

    #[test]
    fn a_bomb_stops_at_the_budget() {
        check(Encoding::Gzip, &gzip(&vec![0; 8 << 20]), usize::MAX, Err("Budget"));
        check(Encoding::Zstd, &zstd(&vec![0; 8 << 20]), usize::MAX, Err("Budget"));
    }

    #[test]
    fn what_is_not_compressed_is_corrupt() {
        for encoding in [Encoding::Gzip, Encoding::Zstd] {
            check(encoding, b"certainly not compressed", 100, Err("Corrupt"));
        }
        check(Encoding::Gzip, b"", 100, Err("Corrupt"));
        let whole = gzip(b"some text that is long enough");
        check(Encoding::Gzip, &whole[..whole.len() - 9], 100, Err("Corrupt"));
        check(Encoding::Gzip, &[&whole[..], b"tail"].concat(), 100, Err("Corrupt"));
        let whole = zstd(b"some text that is long enough");
        check(Encoding::Zstd, &whole[..whole.len() - 5], 100, Err("Corrupt"));
    }

    #[test]
    fn a_zstd_frame_may_not_ask_for_a_huge_window() {
        // Magic, descriptor without content size, window descriptor of 1 GiB.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa0, 0x01, 0x00, 0x00];
        check(Encoding::Zstd, &frame, 100, Err("Corrupt"));
    }
}
