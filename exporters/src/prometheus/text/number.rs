//! How numbers are spelled, alike in both text formats.
//!
//! Integers have no decimal point; floating point numbers have one, or an exponent (OpenMetrics 1.0,
//! *Numbers*). The shortest digits that read back to the same number are laid out as Go's `%g` does
//! (exponent below 1e-04 and from 1e+06 on), which is OpenMetrics' canonical form for `le` and
//! `quantile`: `0.005`, `1.0`, `300000.0`, `1e+06`, `1e-05`, `+Inf`.

/// A sample's value: what was sent as an integer stays one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole number.
    Int(i64),
    /// Anything else, `NaN` and infinities included.
    Double(f64),
}

/// Appends a value.
pub fn push_number(out: &mut Vec<u8>, number: Number) {
    match number {
        Number::Int(value) => push_int(out, value),
        Number::Double(value) => push_double(out, value),
    }
}

/// Appends a whole number.
pub fn push_int(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a count.
pub fn push_count(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a floating point number.
pub fn push_double(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        return out.extend_from_slice(b"NaN");
    }
    if value.is_infinite() {
        return out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    }
    if value == value.trunc() && value.abs() < PLAIN_BELOW && (value != 0.0 || value.is_sign_positive()) {
        push_int(out, value as i64);
        return out.extend_from_slice(b".0");
    }
    let mut buffer = zmij::Buffer::new();
    let mut digits = Digits::read(buffer.format_finite(value));
    digits.lay_out(out);
}

/// Appends a point in time as seconds with milliseconds (OpenMetrics 1.0, *Timestamps*).
pub fn push_seconds(out: &mut Vec<u8>, time_ns: u64) {
    let millis = time_ns / 1_000_000;
    push_count(out, millis / 1000);
    let rest = millis % 1000;
    out.extend_from_slice(&[b'.', digit(rest / 100), digit(rest / 10), digit(rest)]);
}

/// The shortest decimal digits of a number and where its point stands.
struct Digits {
    negative: bool,
    /// At most 17 are significant, leading and trailing zeros may double that.
    digits: [u8; 40],
    len: usize,
    /// The value is 0.d1d2d3... times ten to this power.
    point: i32,
}

// === impl Number ===

impl Number {
    /// As Prometheus stores it.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Double(value) => value,
        }
    }

    /// The sum; whole as long as both are and it fits.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        if let (Self::Int(a), Self::Int(b)) = (self, other)
            && let Some(sum) = a.checked_add(b)
        {
            return Self::Int(sum);
        }
        Self::Double(self.as_f64() + other.as_f64())
    }

    /// The difference; whole as long as both are and it fits.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        if let (Self::Int(a), Self::Int(b)) = (self, other)
            && let Some(difference) = a.checked_sub(b)
        {
            return Self::Int(difference);
        }
        Self::Double(self.as_f64() - other.as_f64())
    }
}

// === impl Digits ===

impl Digits {
    /// Takes apart what the digit generator wrote: `-12.5`, `1e-7`, `1.25e+300`.
    fn read(text: &str) -> Self {
        let mut read = Self { negative: false, digits: [0; 40], len: 0, point: 0 };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let mut after_point = false;
        for &byte in mantissa.as_bytes() {
            match byte {
                b'-' => read.negative = true,
                b'.' => after_point = true,
                b'0' if read.len == 0 => read.point -= i32::from(after_point),
                digit => {
                    if read.len < read.digits.len() {
                        read.digits[read.len] = digit;
                        read.len += 1;
                    }
                    read.point += i32::from(!after_point);
                }
            }
        }
        while read.len > 0 && read.digits[read.len - 1] == b'0' {
            read.len -= 1;
        }
        read.point += exponent.trim_start_matches('+').parse::<i32>().unwrap_or(0);
        read
    }

    fn lay_out(&mut self, out: &mut Vec<u8>) {
        if self.negative {
            out.push(b'-');
        }
        let digits = &self.digits[..self.len];
        if digits.is_empty() {
            return out.extend_from_slice(b"0.0");
        }
        let exponent = self.point - 1;
        if !(-4..6).contains(&exponent) {
            return lay_out_exponent(out, digits, exponent);
        }
        if self.point <= 0 {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + self.point.unsigned_abs() as usize, b'0');
            return out.extend_from_slice(digits);
        }
        let whole = self.point.unsigned_abs() as usize;
        if whole >= digits.len() {
            out.extend_from_slice(digits);
            out.resize(out.len() + whole - digits.len(), b'0');
            return out.extend_from_slice(b".0");
        }
        out.extend_from_slice(&digits[..whole]);
        out.push(b'.');
        out.extend_from_slice(&digits[whole..]);
    }
}

fn lay_out_exponent(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    out.push(digits[0]);
    if digits.len() > 1 {
        out.push(b'.');
        out.extend_from_slice(&digits[1..]);
    }
    out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
    if exponent.abs() < 10 {
        out.push(b'0');
    }
    push_count(out, u64::from(exponent.unsigned_abs()));
}

fn digit(value: u64) -> u8 {
    b'0' + (value % 10) as u8
}

/// Whole numbers from here on are written with an exponent.
const PLAIN_BELOW: f64 = 1e6;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        push(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn double(value: f64) -> String {
        text(|out| push_double(out, value))
    }

    #[test]
    fn m_d8_the_canonical_numbers_are_spelled_as_openmetrics_lists_them() {
        for (value, expected) in [
            (1e-10, "1e-10"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (0.001, "0.001"),
            (0.005, "0.005"),
            (0.01, "0.01"),
            (0.1, "0.1"),
            (0.95, "0.95"),
            (1.0, "1.0"),
            (10.0, "10.0"),
            (300_000.0, "300000.0"),
            (1e6, "1e+06"),
            (1e10, "1e+10"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (-2.5, "-2.5"),
            (1_234_567.25, "1.23456725e+06"),
            (123_456.75, "123456.75"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
        ] {
            assert_eq!(double(value), expected);
        }
    }

    #[test]
    fn m_d8_integers_have_no_decimal_point() {
        assert_eq!(text(|out| push_number(out, Number::Int(-42))), "-42");
        assert_eq!(text(|out| push_count(out, u64::MAX)), "18446744073709551615");
    }

    #[test]
    fn m_t6_times_are_seconds_with_milliseconds() {
        assert_eq!(text(|out| push_seconds(out, 1_700_000_000_987_654_321)), "1700000000.987");
        assert_eq!(text(|out| push_seconds(out, 5_000_000)), "0.005");
    }

    #[test]
    fn whole_numbers_stay_whole_until_they_no_longer_fit() {
        assert_eq!(Number::Int(2).plus(Number::Int(3)), Number::Int(5));
        assert_eq!(Number::Int(2).plus(Number::Double(0.5)), Number::Double(2.5));
        assert_eq!(Number::Int(i64::MAX).plus(Number::Int(1)), Number::Double(i64::MAX as f64 + 1.0));
    }

    proptest! {
        #[test]
        fn every_number_reads_back_as_itself(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            let read: f64 = double(value).replace("+Inf", "inf").replace("Inf", "inf").parse().unwrap();
            prop_assert!(read.to_bits() == bits || (value.is_nan() && read.is_nan()));
        }
    }
}
