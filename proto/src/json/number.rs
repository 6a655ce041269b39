//! Numbers as JSON writes them, read exactly.

/// The value of a number without a fraction, `1.50e1` included; `None` if it has one, or does not fit
/// into 64 bits and a sign.
#[inline]
pub(super) fn integer(number: &[u8]) -> Option<i128> {
    let (negative, digits) = match number {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let plain = digits.len() <= DIGITS_MAX && digits.iter().all(u8::is_ascii_digit);
    let value = if plain { put_together(digits) } else { with_exponent(digits)? };
    Some(if negative { -value } else { value })
}

/// The nearest double; `None` if it is too large for one.
pub(super) fn double(number: &[u8]) -> Option<f64> {
    let value: f64 = std::str::from_utf8(number).ok()?.parse().ok()?;
    value.is_finite().then_some(value)
}

/// Digits, and after them a fraction or an exponent or both, or too many digits.
#[cold]
fn with_exponent(number: &[u8]) -> Option<i128> {
    let (mantissa, exponent) = match number.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&number[..at], small(&number[at + 1..])),
        None => (number, 0),
    };
    let (whole, fraction) = match mantissa.iter().position(|byte| *byte == b'.') {
        Some(at) => (&mantissa[..at], &mantissa[at + 1..]),
        None => (mantissa, &[][..]),
    };
    let mut digits: Vec<u8> =
        whole.iter().chain(fraction).copied().skip_while(|digit| *digit == b'0').collect();
    let mut exponent = exponent.saturating_sub(i64::try_from(fraction.len()).ok()?);
    while digits.last() == Some(&b'0') {
        digits.pop();
        exponent = exponent.saturating_add(1);
    }
    if digits.is_empty() {
        return Some(0);
    }
    let zeros = usize::try_from(exponent).ok()?;
    if digits.len().checked_add(zeros)? > DIGITS_MAX {
        return None;
    }
    digits.resize(digits.len() + zeros, b'0');
    Some(put_together(&digits))
}

/// At most [`DIGITS_MAX`] digits.
#[inline]
fn put_together(digits: &[u8]) -> i128 {
    // Nineteen digits fit into 64 bits, the twentieth may not.
    match digits.split_at_checked(DIGITS_MAX - 1) {
        Some((most, [last])) => i128::from(fold(most)) * 10 + i128::from(last - b'0'),
        _ => i128::from(fold(digits)),
    }
}

#[inline]
fn fold(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'))
}

/// An exponent, cut at a size no number here can have.
fn small(exponent: &[u8]) -> i64 {
    let (negative, digits) = match exponent {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let value = digits
        .iter()
        .fold(0_i64, |value, digit| value.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    if negative { -value } else { value }
}

/// `u64::MAX` has so many.
const DIGITS_MAX: usize = 20;
