//! From an OTLP/JSON body to the protobuf that everything behind works with: the slow way in.
//!
//! - **In:** text, admitted.
//! - **Out:** the request as protobuf in one exact allocation, with the permit that covers it; the text is given up.
//! - **Guaranteed:** what is made is admitted before it is made. A long text is read on a thread for such work.
//! - **Not here:** the mapping itself ([`proto::json`]), and ids, which the gate judges.

use bytes::Bytes;
use proto::{
    SignalKind,
    json::{self, Fault, What},
};

use super::{
    inflate::{Inflater, SLICE_BYTES},
    status::Decline,
};
use crate::receivers::admission::{Full, Permit};

/// Reads a request of at most `bytes_max` bytes, as protobuf.
///
/// # Errors
/// The text is no such request, too large, or there is no room for it.
pub(super) async fn decode(
    signal: SignalKind,
    (text, permit): (Bytes, Permit),
    inflater: &Inflater,
    bytes_max: usize,
) -> Result<(Bytes, Permit), Decline> {
    let cover = inflater.admission().try_acquire(0);
    let cover = cover.ok_or_else(|| Decline::full(Full::Budget, bytes_max))?;
    let is_long = text.len() > SLICE_BYTES;
    let work = move || {
        let decoded = decode_covered(signal, &text, cover, bytes_max);
        drop((text, permit));
        decoded
    };
    if is_long { inflater.in_turn(work).await.unwrap_or(Err(Decline::CutOff)) } else { work() }
}

fn decode_covered(
    signal: SignalKind,
    text: &[u8],
    mut cover: Permit,
    bytes_max: usize,
) -> Result<(Bytes, Permit), Decline> {
    // Nearly every text is longer than what it means. A list of small numbers is not, so it has a second try.
    let likely = text.len().min(bytes_max);
    let longest = text.len().saturating_mul(EXPANSION_MAX).min(bytes_max);
    let mut decoded = decode_within(signal, text, &mut cover, likely, bytes_max);
    if matches!(decoded, Err(Decline::TooLarge { .. })) && longest > likely {
        decoded = decode_within(signal, text, &mut cover, longest, bytes_max);
    }
    let mut bytes = decoded?;
    bytes.shrink_to_fit();
    cover.shrink_to(bytes.len() as u64);
    Ok((bytes.into(), cover))
}

/// Reads what means at most `most` bytes, under a cover for those, and for half as much that is there twice while the
/// buffer grows.
fn decode_within(
    signal: SignalKind,
    text: &[u8],
    cover: &mut Permit,
    most: usize,
    bytes_max: usize,
) -> Result<Vec<u8>, Decline> {
    let needed = (most as u64).saturating_add(most as u64 / 2);
    if !cover.try_grow(needed.saturating_sub(cover.bytes())) {
        return Err(Decline::full(Full::Budget, bytes_max));
    }
    json::decode(signal, text, most).map_err(|fault| match fault {
        Fault { what: What::Size { .. }, .. } => Decline::TooLarge { bytes_max },
        fault => Decline::NotJson(fault),
    })
}

/// Two characters, such as `0,`, may stand for a tag and eight bytes.
const EXPANSION_MAX: usize = 5;
