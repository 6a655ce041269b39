//! Bytes as text: hex and base64, both ways, and strings in quotes.

/// Reads pairs of hex digits of any case into `into`. False if they are not; then what was written is
/// of no use.
#[inline]
pub(super) fn unhex(digits: &[u8], mut into: impl FnMut(u8)) -> bool {
    let (pairs, []) = digits.as_chunks::<2>() else { return false };
    pairs.iter().all(|[high, low]| {
        let (high, low) = (HEX_VALUES[usize::from(*high)], HEX_VALUES[usize::from(*low)]);
        into(high << 4 | low & 15);
        (high | low) != NONE
    })
}

/// Writes hex digits, in lower case.
#[inline]
pub(super) fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
}

/// Reads base64 of either alphabet, padded or not, in its own place, which is long enough for what it means. Gives the
/// length of that; nothing if it is not base64.
pub(super) fn unbase64(text: &mut [u8]) -> Option<usize> {
    let length = match &*text {
        [body @ .., b'=', b'='] | [body @ .., b'='] if text.len().is_multiple_of(4) => body.len(),
        body => body.len(),
    };
    let mut end = 0;
    for start in (0..length).step_by(4) {
        let group = &text[start..length.min(start + 4)];
        let mut bits = 0_u32;
        for digit in group {
            let value = BASE64_VALUES[usize::from(*digit)];
            if value == NONE {
                return None;
            }
            bits = bits << 6 | u32::from(value);
        }
        // Bits that no byte takes may be anything, as most readers see it.
        let (bytes, count) = match group.len() {
            4 => (bits << 8, 3),
            3 => (bits << 14, 2),
            2 => (bits << 20, 1),
            _ => return None,
        };
        text[end..end + count].copy_from_slice(&bytes.to_be_bytes()[..count]);
        end += count;
    }
    Some(end)
}

/// Writes base64 in the standard alphabet, padded.
pub(super) fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    for group in bytes.chunks(3) {
        let mut padded = [0; 4];
        padded[1..=group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes(padded);
        for index in 0..4 {
            let digit = BASE64[(bits >> (18 - 6 * index)) as usize & 63];
            out.push(if index <= group.len() { digit } else { b'=' });
        }
    }
}

/// Writes a string in quotes.
#[inline]
pub(super) fn quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| ESCAPED[usize::from(*byte)]) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
            byte => {
                out.extend_from_slice(b"\\u00");
                hex(&[byte], out);
            }
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Not a digit.
const NONE: u8 = 0xff;
const HEX: &[u8; 16] = b"0123456789abcdef";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static HEX_VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut value = 0;
    while value < 16 {
        values[HEX[value] as usize] = value as u8;
        values[HEX[value].to_ascii_uppercase() as usize] = value as u8;
        value += 1;
    }
    values
};

static BASE64_VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut value = 0;
    while value < 64 {
        values[BASE64[value] as usize] = value as u8;
        value += 1;
    }
    values[b'-' as usize] = 62;
    values[b'_' as usize] = 63;
    values
};

/// What may not stand for itself in a string.
static ESCAPED: [bool; 256] = {
    let mut escaped = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        escaped[byte] = true;
        byte += 1;
    }
    escaped[b'"' as usize] = true;
    escaped[b'\\' as usize] = true;
    escaped
};
