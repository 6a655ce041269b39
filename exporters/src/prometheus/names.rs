//! Names and units of OpenTelemetry as Prometheus writes them.
//!
//! - **In:** metric name, unit and kind; attribute keys. Any text.
//! - **Out:** names of `[a-zA-Z0-9_:]` (labels without `:`), appended to a buffer that is reused.
//! - **Guaranteed:** the output is a valid name or empty; runs of `_` are one `_`; no label name starts
//!   with `_`, which Prometheus keeps for itself.
//! - **Not here:** how a scraper gets names in UTF-8 ([`super::escaping`]). A gauge of unit `1` gets no `_ratio`, which
//!   the current specification no longer knows (OpenTelemetry, *Prometheus and OpenMetrics Compatibility*, Metric
//!   Metadata); who wants it gives `ratio` as the unit.

use super::{escaping::SPELLING_BYTES_MAX, text::Kind};

/// Writes the family name for a metric into `out`. The unit is added where the name does not have it
/// and `add_unit` says so. An ending that the *samples* of such a family have, as `_total` of a
/// counter, is taken off; the answer is whether it was there.
/// Nothing is written if no usable character is left.
pub fn family_name(
    out: &mut String,
    namespace: &str,
    name: &str,
    kind: Kind,
    unit: &str,
    add_unit: bool,
) -> bool {
    out.clear();
    push_tokens(out, namespace);
    push_tokens(out, name);
    let suffix = kind.suffix();
    let had_suffix = !suffix.is_empty() && out.len() > suffix.len() && out.ends_with(suffix);
    if had_suffix {
        out.truncate(out.len() - suffix.len());
    }
    // OpenMetrics 1.0: info and state sets have no unit.
    if add_unit && !out.is_empty() && !matches!(kind, Kind::Info | Kind::StateSet) {
        let (main, per) = unit_words(unit);
        push_missing(out, "", main);
        push_missing(out, "per", per);
    }
    if out.as_bytes().first().is_some_and(u8::is_ascii_digit) {
        out.insert(0, '_');
    }
    had_suffix
}

/// Writes into `out` how the family `family`, made by [`family_name`] of the same, is spelled in UTF-8. Nothing is written
/// where that is the same or cannot be told.
pub fn spelled_name(out: &mut String, family: &str, namespace: &str, name: &str, kind: Kind) {
    out.clear();
    out.push_str(namespace);
    if !namespace.is_empty() && !name.is_empty() {
        out.push('_');
    }
    out.push_str(name);
    // `requests.total` is `requests` here as well, since the sample's name gets `_total`.
    let suffix = kind.suffix().trim_start_matches('_');
    if let Some(before) = out.strip_suffix(suffix)
        && !suffix.is_empty()
        && let Some(stem) = before.strip_suffix(|last: char| !last.is_ascii_alphanumeric() && last != ':')
        && !plain(stem).is_empty()
    {
        out.truncate(stem.len());
    }
    let added = family.strip_prefix(plain(out).as_str()).unwrap_or_default().len();
    out.push_str(&family[family.len() - added..]);
    if out == family || out.len() > SPELLING_BYTES_MAX || plain(out) != family {
        out.clear();
    }
}

/// A name of the old characters, without anything added.
fn plain(name: &str) -> String {
    let mut out = String::new();
    push_tokens(&mut out, name);
    if out.as_bytes().first().is_some_and(u8::is_ascii_digit) {
        out.insert(0, '_');
    }
    out
}

/// The unit as the name of a family ends with it: `seconds`, `meters_per_second`; empty for `1` and
/// for annotations such as `{packet}`.
pub fn unit_suffix(unit: &str) -> String {
    let mut out = String::new();
    let (main, per) = unit_words(unit);
    push_tokens(&mut out, main);
    if !per.is_empty() {
        push_tokens(&mut out, "per");
        push_tokens(&mut out, per);
    }
    out
}

/// Appends the label name for `prefix` and an attribute key. Appends nothing if both are empty.
pub fn push_label_name(out: &mut String, prefix: &str, key: &str) {
    let start = out.len();
    let mut characters = prefix.chars().chain(key.chars()).peekable();
    if characters.peek().is_some_and(|first| !first.is_ascii_alphabetic()) {
        out.push_str("key_");
    }
    for character in characters {
        if character.is_ascii_alphanumeric() {
            out.push(character);
        } else if !out[start..].ends_with('_') {
            out.push('_');
        }
    }
}

/// Appends the runs of usable characters of `text`, joined by `_` with what stands there.
fn push_tokens(out: &mut String, text: &str) {
    for token in
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != ':').filter(|token| !token.is_empty())
    {
        if !out.is_empty() {
            out.push('_');
        }
        out.push_str(token);
    }
}

/// Appends `word`, led in by `lead`, unless one of the name's tokens is that word already.
fn push_missing(out: &mut String, lead: &str, word: &str) {
    let there = |name: &str| {
        name.split('_').any(|token| token == word)
            || name.strip_suffix(word).is_some_and(|n| n.ends_with('_'))
    };
    if word.is_empty() || there(out) {
        return;
    }
    push_tokens(out, lead);
    push_tokens(out, word);
}

/// The word for the unit, and for what it is counted per.
fn unit_words(unit: &str) -> (&str, &str) {
    let unit = unit.trim();
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    (unit_word(main.trim()), per_word(per.trim()))
}

fn unit_word(unit: &str) -> &str {
    match unit {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tebibytes",
        "KBy" | "kBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "%" => "percent",
        "1" => "",
        annotated if annotated.contains(['{', '}']) => "",
        other => other,
    }
}

fn per_word(unit: &str) -> &str {
    match unit {
        "s" => "second",
        "m" | "min" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        other => unit_word(other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn family(name: &str, unit: &str) -> String {
        let mut out = String::new();
        family_name(&mut out, "", name, Kind::Counter, unit, true);
        out
    }

    fn label(key: &str) -> String {
        let mut out = String::new();
        push_label_name(&mut out, "", key);
        out
    }

    #[test]
    fn p_n1_the_unit_is_appended() {
        assert_eq!(family("http.server.request.duration", "s"), "http_server_request_duration_seconds");
    }

    #[test]
    fn p_n2_unsuitable_characters_become_one_underscore() {
        assert_eq!(family("a..b  c-d__e", ""), "a_b_c_d_e");
        assert_eq!(family("größe", ""), "gr_e");
        assert_eq!(family("job:rate:5m", ""), "job:rate:5m");
    }

    #[test]
    fn p_n3_units_are_spelled_out() {
        let units = "d=days h=hours min=minutes s=seconds ms=milliseconds us=microseconds ns=nanoseconds \
            By=bytes KiBy=kibibytes MiBy=mebibytes GiBy=gibibytes TiBy=tebibytes kBy=kilobytes \
            MBy=megabytes GBy=gigabytes TBy=terabytes m=meters V=volts A=amperes J=joules W=watts g=grams \
            Cel=celsius Hz=hertz %=percent";
        for row in units.split_whitespace() {
            let (unit, word) = row.split_once('=').unwrap();
            assert_eq!(family("x", unit), format!("x_{word}"), "{unit}");
            assert_eq!(unit_suffix(unit), word);
        }
    }

    #[test]
    fn p_n4_annotations_are_left_out() {
        assert_eq!(family("net.packets", "{packet}"), "net_packets");
        assert_eq!(family("net.packets", "{packet}/s"), "net_packets_per_second");
        assert_eq!(unit_suffix("{packet}"), "");
    }

    #[test]
    fn p_n5_a_rate_has_per() {
        assert_eq!(family("speed", "m/s"), "speed_meters_per_second");
        assert_eq!(family("throughput", "By/s"), "throughput_bytes_per_second");
        assert_eq!(unit_suffix("By/s"), "bytes_per_second");
    }

    #[test]
    fn p_n6_a_suffix_that_is_there_is_not_doubled() {
        assert_eq!(family("x_seconds", "s"), "x_seconds");
        assert_eq!(family("x_seconds_total", "s"), "x_seconds");
        assert_eq!(family("x_total", "s"), "x_seconds");
    }

    #[test]
    fn p_n7_total_belongs_to_the_sample_not_to_the_family() {
        assert_eq!(family("foo", ""), "foo");
        assert_eq!(family("foo_total", ""), "foo");
        assert_eq!(family("foo.total", "1"), "foo");
        assert_eq!(family("total", ""), "total");
        let mut out = String::new();
        assert!(!family_name(&mut out, "", "foo_total", Kind::Gauge, "", true));
        assert_eq!(out, "foo_total");
    }

    #[test]
    fn p_n8_unit_one_adds_no_ratio() {
        assert_eq!(family("cpu.utilization", "1"), "cpu_utilization");
    }

    #[test]
    fn p_n9_a_leading_digit_is_prefixed_and_an_empty_name_stays_empty() {
        assert_eq!(family("3xx", ""), "_3xx");
        assert_eq!(family("???", "s"), "");
        assert_eq!(family("", ""), "");
    }

    #[test]
    fn p_n10_without_suffixes_the_unit_stays_away() {
        let mut out = String::new();
        family_name(&mut out, "ns", "request.duration", Kind::Histogram, "s", false);
        assert_eq!(out, "ns_request_duration");
    }

    #[test]
    fn p_n10_spellings_get_what_the_names_get() {
        for (name, unit, kind, suffixes, expected) in [
            ("http.server.duration", "s", Kind::Histogram, true, "http.server.duration_seconds"),
            ("http.server.duration", "s", Kind::Histogram, false, "http.server.duration"),
            ("http.requests", "", Kind::Counter, true, "http.requests"),
            ("http.requests.total", "", Kind::Counter, true, "http.requests"),
            ("http.requests_total", "By", Kind::Counter, true, "http.requests_bytes"),
            ("größe", "m", Kind::Gauge, true, "größe_meters"),
            ("3xx.count", "", Kind::Gauge, true, "3xx.count"),
            ("plain_name", "", Kind::Gauge, true, ""),
            (".total", "", Kind::Counter, true, ".total"),
            ("a..b", "", Kind::Gauge, true, "a..b"),
        ] {
            let (mut family, mut out) = (String::new(), String::new());
            family_name(&mut family, "", name, kind, unit, suffixes);
            spelled_name(&mut out, &family, "", name, kind);
            assert_eq!(out, expected, "{name} as {family}");
        }
        let (mut family, mut out) = (String::new(), String::new());
        family_name(&mut family, "my.ns", "a.b", Kind::Gauge, "s", true);
        spelled_name(&mut out, &family, "my.ns", "a.b", Kind::Gauge);
        assert_eq!(out, "my.ns_a.b_seconds");
    }

    #[test]
    fn p_l1_label_names_are_sanitized_and_never_reserved() {
        for (key, expected) in [
            ("a.b", "a_b"),
            ("a..b", "a_b"),
            ("__name__", "key_name_"),
            ("_x", "key_x"),
            ("1st", "key_1st"),
            ("ü", "key_"),
            ("", ""),
        ] {
            assert_eq!(label(key), expected, "{key}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_in_a_valid_name_or_nothing_comes_out(name in any::<String>(), unit in any::<String>()) {
            let family = family(&name, &unit);
            let mut spelled = String::new();
            spelled_name(&mut spelled, &family, "", &name, Kind::Counter);
            prop_assert!(spelled.is_empty() || plain(&spelled) == family);
            prop_assert!(family.is_empty() || !family.as_bytes()[0].is_ascii_digit());
            prop_assert!(family.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':'));
            let label = label(&name);
            prop_assert!(label.is_empty() || label.as_bytes()[0].is_ascii_alphabetic());
            prop_assert!(label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
        }
    }
}
