//! What `tracestate` says about sampling (OpenTelemetry, *TraceState: Probability Sampling*).
//!
//! The member `ot` holds a threshold `th` and a randomness `rv`, both of 56 bits in hexadecimal. A trace is kept if its
//! randomness is not below the threshold, so a span stands for 2^56 / (2^56 - threshold) of them.
//!
//! - **Guaranteed:** the same span always counts as many, so that a replay gives the same numbers; the expected value
//!   is exact. Anything unreadable says nothing.
//! - **Not here:** `p` values of the older drafts; they say nothing.

/// Whether a span was kept, so that an exemplar may lead to it. An exported span counts as kept unless its sampling
/// threshold says otherwise.
pub(crate) fn kept(trace_state: &str, trace_id: &[u8; 16]) -> bool {
    let Some(threshold) = threshold(trace_state) else { return true };
    let random = field(trace_state, "rv")
        .filter(|text| text.len() == FRACTION_DIGITS)
        .and_then(fraction)
        .unwrap_or_else(|| trace_id[9..].iter().fold(0, |value, byte| value << 8 | u64::from(*byte)));
    random >= threshold
}

/// How many spans a sampled one stands for; nothing if its `tracestate` names no threshold. What is left beyond a whole
/// number is rounded up for that share of the spans, chosen by their ids.
pub(crate) fn adjusted_count(trace_state: &str, trace_id: &[u8; 16], span_id: &[u8; 8]) -> Option<u64> {
    let kept = ALL - threshold(trace_state)?;
    let (whole, rest) = (ALL / kept, ALL % kept);
    // Below `kept`, evenly spread.
    let chosen = (u128::from(scattered(trace_id, span_id)) * u128::from(kept)) >> 64;
    Some(whole + u64::from(chosen < u128::from(rest)))
}

fn threshold(trace_state: &str) -> Option<u64> {
    if trace_state.is_empty() { None } else { field(trace_state, "th").and_then(fraction) }
}

fn field<'a>(trace_state: &'a str, name: &str) -> Option<&'a str> {
    let ours = trace_state.split(',').find_map(|member| member.trim().strip_prefix("ot="))?;
    ours.split(';').find_map(|field| field.strip_prefix(name)?.strip_prefix(':'))
}

/// Up to 14 hexadecimal digits; digits left out at the end are zeros.
fn fraction(text: &str) -> Option<u64> {
    if text.is_empty() || text.len() > FRACTION_DIGITS || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let value = u64::from_str_radix(text, 16).ok()?;
    Some(value << (4 * (FRACTION_DIGITS - text.len())))
}

/// Bits that tell nothing about the randomness that the sampler went by: the finalizer of SplitMix64 over the ids.
fn scattered(trace_id: &[u8; 16], span_id: &[u8; 8]) -> u64 {
    let trace_id = u128::from_le_bytes(*trace_id);
    let ids = (trace_id as u64).rotate_left(32) ^ (trace_id >> 64) as u64 ^ u64::from_le_bytes(*span_id);
    let mixed = ids.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

const FRACTION_DIGITS: usize = 14;

/// 2^56, one more than the greatest threshold.
const ALL: u64 = 1 << (4 * FRACTION_DIGITS);

#[cfg(test)]
mod tests;
