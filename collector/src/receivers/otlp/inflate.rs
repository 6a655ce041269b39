//! Inflating a compressed request without ever holding more than was admitted, or a thread for longer than a slice.
//!
//! - **In:** the compressed bytes, covered by a permit of their own.
//! - **Out:** the bytes inside, in a buffer that was admitted piece by piece as it grew.
//! - **Guaranteed:** a small body that inflates without end stops at the limit, or at the budget, having
//!   cost no more memory than that. Several gzip members, or zstd frames, in a row count as one body. What is
//!   larger than a slice takes turns with everything else the process does.
//! - **Bounds:** the decoder itself holds 32 KiB (gzip) or at most [`ZSTD_WINDOW_LOG_MAX`] (zstd). There are at most
//!   as many of them as worker threads, and [`LARGE_MAX`] more.

use std::io::{self, Read};

use flate2::bufread::MultiGzDecoder;
use tokio::{sync::Semaphore, task::yield_now};

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

/// Inflates under one budget.
#[derive(Debug)]
pub(super) struct Inflater {
    admission: Admission,
    /// For bodies that are larger than a slice.
    turns: Semaphore,
}

/// How far a slice has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slice {
    Done,
    More,
}

// === impl Inflater ===

impl Inflater {
    /// Within this budget.
    pub(super) fn new(admission: Admission) -> Self {
        Self { admission, turns: Semaphore::new(LARGE_MAX) }
    }

    /// The budget.
    pub(super) fn admission(&self) -> &Admission {
        &self.admission
    }

    /// Inflates `compressed` into a buffer of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// The bytes are corrupt, or the buffer could not grow.
    pub(super) async fn inflate(
        &self,
        encoding: Encoding,
        compressed: &[u8],
        bytes_max: usize,
    ) -> Result<AdmittedBuffer, InflateError> {
        let mut buffer = self.buffer(encoding, compressed, bytes_max)?;
        if inflate_slice(&mut decoder(encoding, compressed)?, &mut buffer)? == Slice::Done {
            return Ok(buffer);
        }
        // Begun anew: who waits for a turn holds neither a decoder nor what it has made so far.
        drop(buffer);
        let _turn = self.turns.acquire().await.expect("the semaphore is never closed");
        let mut buffer = self.buffer(encoding, compressed, bytes_max)?;
        let mut decoder = decoder(encoding, compressed)?;
        while inflate_slice(&mut decoder, &mut buffer)? == Slice::More {
            yield_now().await;
        }
        Ok(buffer)
    }

    fn buffer(
        &self,
        encoding: Encoding,
        compressed: &[u8],
        bytes_max: usize,
    ) -> Result<AdmittedBuffer, InflateError> {
        let guess =
            compressed.len().saturating_mul(RATIO_GUESS).clamp(CAPACITY_MIN, CAPACITY_MAX).min(bytes_max);
        let expected = announced(encoding, compressed).unwrap_or(guess);
        AdmittedBuffer::new(&self.admission, expected, bytes_max).map_err(InflateError::Full)
    }
}

fn decoder(encoding: Encoding, compressed: &[u8]) -> Result<Box<dyn Read + Send + '_>, InflateError> {
    Ok(match encoding {
        Encoding::Gzip => Box::new(MultiGzDecoder::new(compressed)),
        Encoding::Zstd => {
            let mut decoder =
                zstd::stream::read::Decoder::with_buffer(compressed).map_err(InflateError::Corrupt)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(InflateError::Corrupt)?;
            Box::new(decoder)
        }
    })
}

/// What the first frame says it holds. A body that says too much is refused before anything is done for it.
fn announced(encoding: Encoding, compressed: &[u8]) -> Option<usize> {
    match encoding {
        Encoding::Gzip => None,
        Encoding::Zstd => {
            let size = zstd::zstd_safe::get_frame_content_size(compressed).ok()??;
            Some(usize::try_from(size).unwrap_or(usize::MAX))
        }
    }
}

/// Reads on for about [`SLICE_BYTES`]. Never reads more than fits, so the buffer grows only through its permit.
fn inflate_slice(decoder: &mut impl Read, buffer: &mut AdmittedBuffer) -> Result<Slice, InflateError> {
    let mut left = SLICE_BYTES;
    while left > 0 {
        let wanted = buffer.spare().min(left);
        let read = decoder
            .by_ref()
            .take(wanted as u64)
            .read_to_end(buffer.as_vec())
            .map_err(InflateError::Corrupt)?;
        if read < wanted {
            return Ok(Slice::Done);
        }
        left -= read;
        if buffer.spare() > 0 {
            continue;
        }
        // The buffer is full. It grows only if there really is more, so that a body of exactly the
        // limit passes.
        let mut next = [0];
        match decoder.read(&mut next).map_err(InflateError::Corrupt)? {
            0 => return Ok(Slice::Done),
            _ => buffer.extend(&next).map_err(InflateError::Full)?,
        }
        left = left.saturating_sub(1);
    }
    Ok(Slice::More)
}

/// Telemetry shrinks to a quarter or less; a wrong guess costs one more growth.
const RATIO_GUESS: usize = 4;
const CAPACITY_MIN: usize = 512;
const CAPACITY_MAX: usize = 1 << 20;
/// What is inflated before others have their turn: about a millisecond.
const SLICE_BYTES: usize = 256 << 10;
/// Bodies beyond that which are inflated at the same time.
const LARGE_MAX: usize = 4;

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

    async fn check(encoding: Encoding, compressed: &[u8], bytes_max: usize, expected: Result<&[u8], &str>) {
        let admission = Admission::new(1 << 20);
        let inflater = Inflater::new(admission.clone());
        let result = inflater.inflate(encoding, compressed, bytes_max).await;
        let result = result.map(|buffer| buffer.freeze().0);
        match (result, expected) {
            (Ok(bytes), Ok(expected)) => assert_eq!(bytes, expected),
            (Err(InflateError::Full(full)), Err(expected)) => assert_eq!(format!("{full:?}"), expected),
            (Err(InflateError::Corrupt(_)), Err(expected)) => assert_eq!("Corrupt", expected),
            (result, expected) => panic!("{result:?}, expected {expected:?}"),
        }
        assert_eq!(admission.bytes_in_use(), 0);
    }

    #[tokio::test]
    async fn both_encodings_give_back_what_went_in() {
        for plain in [&b""[..], b"a", &[7; 511], &[7; 512], &[7; 513], &[7; 100_000]] {
            check(Encoding::Gzip, &gzip(plain), 100_000, Ok(plain)).await;
            check(Encoding::Zstd, &zstd(plain), 100_000, Ok(plain)).await;
        }
    }

    #[tokio::test]
    async fn members_in_a_row_are_one_body() {
        check(Encoding::Gzip, &[gzip(b"one "), gzip(b"two")].concat(), 100, Ok(b"one two")).await;
        check(Encoding::Zstd, &[zstd(b"one "), zstd(b"two")].concat(), 100, Ok(b"one two")).await;
    }

    #[tokio::test]
    async fn a_body_may_reach_the_limit_but_not_pass_it() {
        for encoded in [gzip(&[1; 1_000]), zstd(&[1; 1_000])] {
            let encoding = if encoded[0] == 0x1f { Encoding::Gzip } else { Encoding::Zstd };
            check(encoding, &encoded, 1_000, Ok(&[1; 1_000])).await;
            check(encoding, &encoded, 999, Err("Limit")).await;
            check(encoding, &encoded, 0, Err("Limit")).await;
        }
    }

    #[tokio::test]
    async fn a_bomb_stops_at_the_budget() {
        check(Encoding::Gzip, &gzip(&vec![0; 8 << 20]), usize::MAX, Err("Budget")).await;
        check(Encoding::Zstd, &zstd(&vec![0; 8 << 20]), usize::MAX, Err("Budget")).await;
    }

    #[tokio::test]
    async fn what_is_not_compressed_is_corrupt() {
        for encoding in [Encoding::Gzip, Encoding::Zstd] {
            check(encoding, b"certainly not compressed", 100, Err("Corrupt")).await;
        }
        check(Encoding::Gzip, b"", 100, Err("Corrupt")).await;
        let whole = gzip(b"some text that is long enough");
        check(Encoding::Gzip, &whole[..whole.len() - 9], 100, Err("Corrupt")).await;
        check(Encoding::Gzip, &[&whole[..], b"tail"].concat(), 100, Err("Corrupt")).await;
        let whole = zstd(b"some text that is long enough");
        check(Encoding::Zstd, &whole[..whole.len() - 5], 100, Err("Corrupt")).await;
    }

    #[tokio::test]
    async fn a_zstd_frame_may_not_ask_for_a_huge_window() {
        // Magic, descriptor without content size, window descriptor of 1 GiB.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa0, 0x01, 0x00, 0x00];
        check(Encoding::Zstd, &frame, 100, Err("Corrupt")).await;
    }

    #[tokio::test]
    async fn what_is_larger_than_a_slice_leaves_turns_to_others() {
        let turns = std::cell::Cell::new(0);
        let count_turns = async {
            loop {
                turns.set(turns.get() + 1);
                yield_now().await;
            }
        };
        let inflater = Inflater::new(Admission::new(64 << 20));
        let compressed = gzip(&vec![0; 16 * SLICE_BYTES]);
        let inflated = tokio::select! {
            biased;
            inflated = inflater.inflate(Encoding::Gzip, &compressed, 64 << 20) => inflated.unwrap(),
            () = count_turns => unreachable!("it counts for ever"),
        };
        assert_eq!(inflated.len(), 16 * SLICE_BYTES);
        assert!(turns.get() >= 15, "{}", turns.get());
    }

    #[tokio::test]
    async fn a_frame_that_announces_too_much_is_refused_unread() {
        let honest = zstd::bulk::compress(&[0; 5_000], 3).unwrap();
        let cut = &honest[..honest.len() - 1];
        check(Encoding::Zstd, cut, 4_999, Err("Limit")).await;
    }
}
