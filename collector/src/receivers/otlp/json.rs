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
use crate::receivers::admission::{Admission, Full, Permit};

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
    let admission = inflater.admission().clone();
    let is_long = text.len() > SLICE_BYTES;
    let work = move || {
        let decoded = decode_covered(signal, &text, &admission, bytes_max);
        drop((text, permit));
        decoded
    };
    if is_long { inflater.in_turn(work).await.unwrap_or(Err(Decline::CutOff)) } else { work() }
}

fn decode_covered(
    signal: SignalKind,
    text: &[u8],
    admission: &Admission,
    bytes_max: usize,
) -> Result<(Bytes, Permit), Decline> {
    let mut cover = admission.try_acquire(0).ok_or_else(|| Decline::full(Full::Budget, bytes_max))?;
    // What could ever be had beside the text.
    let room = admission.bytes_max().saturating_sub(text.len() as u64);
    let most = |times: usize| {
        let most = text.len().saturating_mul(times).min(bytes_max);
        most.min(usize::try_from(room).unwrap_or(usize::MAX))
    };
    // Nearly every text is longer than what it means. A list of small numbers is not, so it has a second try.
    let (likely, longest) = (most(1), most(json::EXPANSION_MAX));
    let mut decoded = decode_within(signal, text, &mut cover, likely);
    if matches!(decoded, Err(Failed::Size)) && longest > likely {
        decoded = decode_within(signal, text, &mut cover, longest);
    }
    match decoded {
        Ok(mut bytes) => {
            bytes.shrink_to_fit();
            cover.shrink_to(bytes.len() as u64);
            Ok((bytes.into(), cover))
        }
        Err(Failed::Size) if longest < bytes_max => Err(Decline::full(Full::Never, bytes_max)),
        Err(Failed::Size) => Err(Decline::full(Full::Limit, bytes_max)),
        Err(Failed::Cover) => Err(Decline::full(Full::Budget, bytes_max)),
        Err(Failed::Fault(fault)) => Err(Decline::NotJson(fault)),
    }
}

/// Why a text was not read.
enum Failed {
    /// It means more than was allowed.
    Size,
    /// There is no room for so much at the moment.
    Cover,
    Fault(Fault),
}

/// Reads what means at most `most` bytes, under a cover for those.
fn decode_within(
    signal: SignalKind,
    text: &[u8],
    cover: &mut Permit,
    most: usize,
) -> Result<Vec<u8>, Failed> {
    if !cover.try_grow((most as u64).saturating_sub(cover.bytes())) {
        return Err(Failed::Cover);
    }
    json::decode(signal, text, most).map_err(|fault| match fault {
        Fault { what: What::Size { .. }, .. } => Failed::Size,
        fault => Failed::Fault(fault),
    })
}
