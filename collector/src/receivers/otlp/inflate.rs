//! Inflating a compressed request without ever holding more than was admitted, or a thread for longer than a slice.
//!
//! - **In:** the compressed bytes, covered by a permit of their own.
//! - **Out:** the bytes inside, in a buffer that was admitted piece by piece as it grew.
//! - **Guaranteed:** a small body that inflates without end stops at the limit, or at the budget, having
//!   cost no more memory than that. Several gzip members, zstd frames or snappy streams in a row count as one body.
//!   What is larger than a slice takes turns with everything else the process does; a large snappy block, which has no
//!   pieces, is read on a thread for such work.
//! - **Bounds:** the decoder itself holds 32 KiB (gzip, deflate), 140 KiB (snappy) or at most
//!   [`ZSTD_WINDOW_LOG_MAX`](coding::ZSTD_WINDOW_LOG_MAX) (zstd). There are at most as many of them as worker threads,
//!   and [`LARGE_MAX`] more.

mod coding;

use std::{
    io::{self, Read},
    sync::Arc,
};

use bytes::Bytes;
use tokio::{
    sync::Semaphore,
    task::{spawn_blocking, yield_now},
};

use self::coding::Decoder;
pub(super) use self::coding::Encoding;
use crate::receivers::admission::{Admission, AdmittedBuffer, Full};

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
    turns: Arc<Semaphore>,
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
        Self { admission, turns: Arc::new(Semaphore::new(LARGE_MAX)) }
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
        compressed: &Bytes,
        bytes_max: usize,
    ) -> Result<AdmittedBuffer, InflateError> {
        let mut buffer = self.buffer(encoding, compressed, bytes_max)?;
        if encoding.is_block(compressed) {
            return self.inflate_block(buffer, compressed).await;
        }
        if inflate_slice(&mut Decoder::new(encoding, compressed)?, &mut buffer)? == Slice::Done {
            return Ok(buffer);
        }
        // Begun anew: who waits for a turn holds neither a decoder nor what it has made so far.
        drop(buffer);
        let _turn = self.turns.acquire().await.expect("the semaphore is never closed");
        let mut buffer = self.buffer(encoding, compressed, bytes_max)?;
        let mut decoder = Decoder::new(encoding, compressed)?;
        while inflate_slice(&mut decoder, &mut buffer)? == Slice::More {
            yield_now().await;
        }
        Ok(buffer)
    }

    /// Reads one block, whose length it announces. `buffer` is empty and expects it.
    async fn inflate_block(
        &self,
        mut buffer: AdmittedBuffer,
        compressed: &Bytes,
    ) -> Result<AdmittedBuffer, InflateError> {
        let length = snap::raw::decompress_len(compressed).map_err(io::Error::other)?;
        if length <= SLICE_BYTES {
            inflate_block(&mut buffer, compressed, length)?;
            return Ok(buffer);
        }
        // The thread goes on when nobody waits for it any more, so it holds a cover of its own.
        let cover = self.admission.try_acquire(compressed.len() as u64);
        let cover = cover.ok_or_else(|| {
            let beside = (compressed.len() + length) as u64;
            InflateError::Full(self.admission.why_not(compressed.len() as u64, beside))
        })?;
        let compressed = compressed.clone();
        let inflating = self.in_turn(move || {
            let inflated = inflate_block(&mut buffer, &compressed, length).map(|()| buffer);
            drop(cover);
            inflated
        });
        inflating.await.unwrap_or_else(|| Err(io::Error::other("the process is ending").into()))
    }

    /// Does `work` that is longer than a slice and has no pieces, on a thread for such work; as many at a time as
    /// bodies are inflated. `None`: the process is ending.
    pub(super) async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.expect("the semaphore is never closed");
        let working = spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        working.await.ok()
    }

    fn buffer(
        &self,
        encoding: Encoding,
        compressed: &[u8],
        bytes_max: usize,
    ) -> Result<AdmittedBuffer, InflateError> {
        let guess =
            compressed.len().saturating_mul(RATIO_GUESS).clamp(CAPACITY_MIN, CAPACITY_MAX).min(bytes_max);
        // A body that says too much is refused before anything is done for it.
        let expected = encoding.announced(compressed)?.unwrap_or(guess);
        let beside = compressed.len() as u64;
        let buffer = AdmittedBuffer::new(&self.admission, expected, bytes_max).map_err(|full| match full {
            Full::Budget => self.admission.why_not(expected as u64, beside),
            full => full,
        });
        Ok(buffer.map_err(InflateError::Full)?.beside(beside))
    }
}

fn inflate_block(buffer: &mut AdmittedBuffer, compressed: &[u8], length: usize) -> Result<(), InflateError> {
    buffer.reserve(length).map_err(InflateError::Full)?;
    let bytes = buffer.as_vec();
    bytes.resize(length, 0);
    snap::raw::Decoder::new().decompress(compressed, bytes).map_err(io::Error::other)?;
    Ok(())
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

// === impl InflateError ===

impl From<io::Error> for InflateError {
    fn from(error: io::Error) -> Self {
        Self::Corrupt(error)
    }
}

/// Telemetry shrinks to a quarter or less; a wrong guess costs one more growth.
const RATIO_GUESS: usize = 4;
const CAPACITY_MIN: usize = 512;
const CAPACITY_MAX: usize = 1 << 20;
/// What is inflated before others have their turn: about a millisecond.
pub(super) const SLICE_BYTES: usize = 256 << 10;
/// Bodies beyond that which are inflated at the same time.
const LARGE_MAX: usize = 4;

#[cfg(test)]
mod tests;
