//! The trace context a request came with (W3C Trace Context, level 2, receiving side).
//!
//! - **In:** the values of all `traceparent` and `tracestate` headers, in order.
//! - **Out:** the remote parent, or nothing: a header that breaks the rules is as good as none.
//! - **Not here:** sending. The phase store calls nobody.

use super::ids::{Id, SpanId, TraceId, hex_digit};

/// The span of a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteContext {
    /// The caller's trace.
    pub trace: TraceId,
    /// The caller's span.
    pub span: SpanId,
    /// Sampled (1) and random (2); other bits mean nothing yet and are cleared.
    pub flags: u8,
    /// Members in order, joined by commas; empty if absent or invalid.
    pub trace_state: String,
}

// === impl RemoteContext ===

impl RemoteContext {
    /// Reads the headers. Bytes because header values need not be UTF-8.
    pub fn read<'a>(
        mut traceparent: impl Iterator<Item = &'a [u8]>,
        tracestate: impl Iterator<Item = &'a [u8]>,
    ) -> Option<Self> {
        let (first, second) = (traceparent.next()?, traceparent.next());
        if second.is_some() {
            return None;
        }
        let (trace, span, flags) = read_parent(first.trim_ascii())?;
        Some(Self { trace, span, flags, trace_state: read_state(tracestate).unwrap_or_default() })
    }
}

/// `version "-" trace-id "-" parent-id "-" trace-flags`, for version 00 and later ones that begin alike.
fn read_parent(header: &[u8]) -> Option<(TraceId, SpanId, u8)> {
    let text = std::str::from_utf8(header).ok()?;
    let (known, rest) = text.split_at_checked(PARENT_LENGTH)?;
    let mut fields = known.split('-');
    let (version, trace, span, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let (version, flags) = (hex_byte(version)?, hex_byte(flags)?);
    let ends_well = match version {
        0xff => false,
        0 => rest.is_empty(),
        _ => rest.is_empty() || rest.starts_with('-'),
    };
    let valid = fields.next().is_none() && ends_well;
    valid.then_some((Id::parse(trace)?, Id::parse(span)?, flags & FLAGS_KNOWN))
}

fn hex_byte(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [high, low] => Some(hex_digit(*high)? << 4 | hex_digit(*low)?),
        _ => None,
    }
}

/// All members of all headers, or nothing if one of them breaks the rules.
fn read_state<'a>(headers: impl Iterator<Item = &'a [u8]>) -> Option<String> {
    let mut members: Vec<&str> = Vec::new();
    for header in headers {
        for member in std::str::from_utf8(header).ok()?.split(',') {
            let member = member.trim_matches([' ', '\t']);
            if member.is_empty() {
                continue;
            }
            let (key, value) = member.split_once('=')?;
            if !is_key(key) || !is_value(value) || members.len() == MEMBERS_MAX {
                return None;
            }
            members.push(member);
        }
    }
    Some(members.join(","))
}

fn is_key(key: &str) -> bool {
    let (first, rest) = match key.as_bytes() {
        [first, rest @ ..] => (first, rest),
        [] => return false,
    };
    let starts = first.is_ascii_lowercase() || first.is_ascii_digit();
    let goes_on = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/@".contains(byte);
    starts && rest.iter().all(goes_on) && key.len() <= KEY_LENGTH_MAX
}

fn is_value(value: &str) -> bool {
    let printable = value.bytes().all(|byte| (0x20..=0x7e).contains(&byte) && byte != b'=');
    printable && !value.is_empty() && value.len() <= VALUE_LENGTH_MAX
}

/// `00-` + 32 + `-` + 16 + `-` + 2.
const PARENT_LENGTH: usize = 55;
/// Sampled and random, *trace-flags*.
const FLAGS_KNOWN: u8 = 0x03;
/// W3C, *list*: "There can be a maximum of 32 list-members in a list."
const MEMBERS_MAX: usize = 32;
const KEY_LENGTH_MAX: usize = 256;
const VALUE_LENGTH_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    const V: &str = "00-12345678901234567890123456789012-1234567890123456-01";

    /// The context as text: `trace span flags state`, or `new` where a new trace begins.
    fn check(parents: &[&str], states: &[&str], expected: &str) {
        let context =
            RemoteContext::read(parents.iter().map(|v| v.as_bytes()), states.iter().map(|v| v.as_bytes()));
        let shown = context
            .map_or("new".to_owned(), |c| format!("{} {} {} {}", c.trace, c.span, c.flags, c.trace_state));
        assert_eq!(shown, expected, "{parents:?} {states:?}");
    }

    fn check_parent(parent: &str, expected: &str) {
        check(&[parent], &[], expected);
    }

    const TAKEN: &str = "12345678901234567890123456789012 1234567890123456 1 ";

    /// Whether the state of a valid parent is kept as `expected`.
    fn check_state(states: &[&str], expected: &str) {
        check(&[V], states, &format!("{TAKEN}{expected}"));
    }

    #[test]
    fn w_1_w_2_no_header_begins_a_trace_and_a_good_one_is_taken() {
        check(&[], &["a=1"], "new");
        check_parent(V, TAKEN);
        check_parent(&V.replace("-01", "-00"), &TAKEN.replace(" 1 ", " 0 "));
    }

    #[test]
    fn w_4_spaces_around_are_allowed() {
        for parent in [format!(" {V}"), format!("{V} \t"), format!("\t{V}\t")] {
            check_parent(&parent, TAKEN);
        }
    }

    #[test]
    fn w_5_two_headers_are_none() {
        check(&[V, V], &[], "new");
        check(&[V, ""], &[], "new");
    }

    #[test]
    fn w_6_w_7_w_8_versions_that_are_known_or_begin_alike_are_read() {
        for version in ["ff", ".0", "0", "000", "0x", "FF"] {
            check_parent(&V.replacen("00", version, 1), "new");
        }
        for tail in [".", "-x", "-", "0"] {
            check_parent(&format!("{V}{tail}"), "new");
        }
        let later = V.replacen("00", "cc", 1);
        check_parent(&later, TAKEN);
        check_parent(&format!("{later}-what-the-future"), TAKEN);
        check_parent(&format!("{later}.what"), "new");
    }

    #[test]
    fn w_9_w_10_ids_and_flags_must_be_lower_case_hex_and_not_zero() {
        for parent in [
            "00-00000000000000000000000000000000-1234567890123456-01",
            "00-12345678901234567890123456789012-0000000000000000-01",
            "00-1234567890123456789012345678901A-1234567890123456-01",
            "00-1234567890123456789012345678901g-1234567890123456-01",
            "00-12345678901234567890123456789012-123456789012345F-01",
            "00-12345678901234567890123456789012-1234567890123456-0A",
            "00-123456789012345678901234567890123-123456789012345-01",
            "00-1234567890123456789012345678901-1234567890123456-01",
            "00-12345678901234567890123456789012-12345678901234567-1",
            "00-12345678901234567890123456789012-1234567890123456-1",
            "00_12345678901234567890123456789012_1234567890123456_01",
            "00-1234567890-23456789012345678901-1234567890123456-01-",
            "é0-2345678901234567890123456789012-1234567890123456-01",
            "",
        ] {
            check_parent(parent, "new");
        }
    }

    #[test]
    fn w_11_only_the_flags_with_a_meaning_are_kept() {
        check_parent(&V.replace("-01", "-03"), &TAKEN.replace(" 1 ", " 3 "));
        check_parent(&V.replace("-01", "-ff"), &TAKEN.replace(" 1 ", " 3 "));
        check_parent(&V.replace("-01", "-fe"), &TAKEN.replace(" 1 ", " 2 "));
    }

    #[test]
    fn w_12_w_13_the_two_headers_fall_apart_from_one_side_only() {
        check(&["00-bad"], &["a=1"], "new");
        check_state(&["a=1,b"], "");
    }

    #[test]
    fn w_14_w_15_w_19_w_22_members_are_joined_in_order_and_passed_through() {
        check_state(&["b=2,a=1", "c=3"], "b=2,a=1,c=3");
        check_state(&["", " a=1 ,, \tb=2 ", ","], "a=1,b=2");
        check_state(&["a=1,a=2"], "a=1,a=2");
    }

    #[test]
    fn w_16_32_members_fit() {
        let members = |count: usize| (0..count).map(|n| format!("k{n}=1")).collect::<Vec<_>>().join(",");
        check_state(&[&members(32)], &members(32));
        check_state(&[&members(33)], "");
    }

    #[test]
    fn w_17_keys_have_few_letters_and_a_length() {
        let longest = format!("{}=1", "k".repeat(256));
        for good in ["foo@=1", "foo@bar@baz=1", "0a-*/_@=1", &longest] {
            check_state(&[good], good);
        }
        let too_long = format!("{}=1", "k".repeat(257));
        for bad in ["@foo=1", "FOO=1", "foo =1", "foo.bar=1", "=1", "_a=1", &too_long] {
            check_state(&[bad, "b=2"], "");
        }
    }

    #[test]
    fn w_18_w_21_values_are_printable_and_long_lists_are_kept_whole() {
        let longest = format!("a={}", "v".repeat(256));
        for good in ["a= !#~", &longest] {
            check_state(&[good], good);
        }
        let too_long = format!("a={}", "v".repeat(257));
        for bad in ["a=", "a=b=c", "a=\u{7f}", "a=é", &too_long] {
            check_state(&[bad], "");
        }
        check_state(&["a=b "], "a=b");
        let many = (0..32).map(|n| format!("k{n}={}", "v".repeat(250))).collect::<Vec<_>>().join(",");
        check_state(&[&many], &many);
    }
}
