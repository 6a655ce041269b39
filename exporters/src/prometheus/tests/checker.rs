//! A small strict reader of both formats: it panics at the first line that the standard forbids.

use std::collections::{BTreeMap, HashSet};

use crate::prometheus::{
    escaping::Escaping,
    text::{Format, Style},
};

#[derive(Default)]
struct Family {
    kind: String,
    seen: HashSet<&'static str>,
    samples: usize,
    /// By label set without `le`: bounds and counts so far.
    buckets: BTreeMap<String, Vec<(f64, f64)>>,
    counts: BTreeMap<String, f64>,
}

/// Checks a whole page (conformance M-D2 to M-D7, M-T1 to M-T7, P-M5).
pub(super) fn check(page: &str, style: impl Into<Style>) {
    let style = style.into();
    let format = style.format;
    let utf8 = style.escaping == Escaping::AllowUtf8;
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    let mut lines = HashSet::new();
    let mut sample_names: BTreeMap<String, String> = BTreeMap::new();
    let body = match format {
        Format::OpenMetrics => page.strip_suffix("# EOF\n").expect("the page ends with # EOF"),
        Format::Text => page,
        Format::Protobuf => panic!("protobuf is no text"),
    };
    assert!(body.is_empty() || body.ends_with('\n'), "the last line ends");
    for line in body.split_terminator('\n') {
        assert!(!line.is_empty() && !line.ends_with('\r'), "{line:?}");
        if let Some(metadata) = line.strip_prefix("# ") {
            let (keyword, rest) = metadata.split_once(' ').expect("a keyword");
            let (name, value) = match rest.strip_prefix('"') {
                Some(quoted) if utf8 => {
                    let (name, rest) = read_quoted(quoted, line);
                    (name, rest.strip_prefix(' ').expect("a space"))
                }
                _ => {
                    let (name, value) = rest.split_once(' ').expect("a name");
                    assert_name(name, true);
                    (name.to_owned(), value)
                }
            };
            let name = name.as_str();
            if name != current {
                assert!(!families.contains_key(name), "the family {name} appears twice");
                current = name.to_owned();
            }
            let family = families.entry(name.to_owned()).or_default();
            assert_eq!(family.samples, 0, "metadata stands before samples: {line}");
            let keyword =
                ["TYPE", "UNIT", "HELP"].into_iter().find(|known| *known == keyword).expect("known");
            assert!(family.seen.insert(keyword), "{line} appears twice");
            match keyword {
                "TYPE" => value.clone_into(&mut family.kind),
                "UNIT" => assert!(name.ends_with(&format!("_{value}")), "{line}"),
                _ => {}
            }
            continue;
        }
        let family = families.get_mut(&current).expect("a TYPE before the first sample");
        let sample = Sample::read(line, format, utf8);
        family.samples += 1;
        let suffix =
            sample.name.strip_prefix(current.as_str()).unwrap_or_else(|| panic!("{line} in {current}"));
        assert!(allowed(&family.kind, format).contains(&suffix), "{suffix} of {}: {line}", family.kind);
        let owner = sample_names.entry(sample.name.clone()).or_insert_with(|| current.clone());
        assert_eq!(*owner, current, "two families have samples of one name");
        assert!(lines.insert(format!("{} {:?}", sample.name, sample.labels)), "twice: {line}");
        family.take(&sample, suffix, line);
    }
    families.values().for_each(|family| family.finish(format));
}

impl Family {
    fn take(&mut self, sample: &Sample, suffix: &str, line: &str) {
        let counts = matches!(suffix, "_total" | "_bucket" | "_count") || self.kind == "counter";
        if counts && suffix != "_created" {
            assert!(sample.value >= 0.0, "{line}");
        }
        if sample.has_exemplar {
            assert!(matches!(suffix, "_total" | "_bucket"), "no exemplar here: {line}");
        }
        let mut rest = sample.labels.clone();
        rest.retain(|(name, _)| name != "le");
        let key = format!("{rest:?}");
        match (self.kind.as_str(), suffix) {
            ("histogram", "_bucket") => {
                let le = sample.labels.iter().find(|(name, _)| name == "le").expect("le").1.clone();
                let bound = if le == "+Inf" { f64::INFINITY } else { le.parse().expect("a bound") };
                let buckets = self.buckets.entry(key).or_default();
                if let Some(&(last, count)) = buckets.last() {
                    assert!(bound > last && sample.value >= count, "buckets ascend: {line}");
                    assert!(!sample.has_exemplar || sample.exemplar > last, "another bucket's: {line}");
                }
                assert!(!sample.has_exemplar || sample.exemplar <= bound, "another bucket's: {line}");
                buckets.push((bound, sample.value));
            }
            ("histogram", "_count") => {
                self.counts.insert(key, sample.value);
            }
            _ => {}
        }
    }

    fn finish(&self, format: Format) {
        for (key, buckets) in &self.buckets {
            let last = buckets.last().expect("a bucket");
            assert_eq!(last.0, f64::INFINITY);
            match self.counts.get(key) {
                Some(count) => assert_eq!(*count, last.1),
                None => assert_eq!(format, Format::OpenMetrics),
            }
        }
    }
}

struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
    has_exemplar: bool,
    exemplar: f64,
}

impl Sample {
    fn read(line: &str, format: Format, utf8: bool) -> Self {
        let mut labels = Vec::new();
        let (name, rest) = if let Some(quoted) = line.strip_prefix("{\"").filter(|_| utf8) {
            let (name, after) = read_quoted(quoted, line);
            let after = format!("{{{}", after.strip_prefix(',').unwrap_or(after));
            let rest;
            (labels, rest) = read_labels(&after, line, utf8);
            (name, rest.to_owned())
        } else {
            let end = line.find(['{', ' ']).expect("a value");
            let (name, mut rest) = line.split_at(end);
            assert_name(name, true);
            if rest.starts_with('{') {
                (labels, rest) = read_labels(rest, line, utf8);
            }
            (name.to_owned(), rest.to_owned())
        };
        let mut words = rest.split(' ').skip(1);
        let value = number(words.next().expect("a value"));
        let (mut has_exemplar, mut exemplar) = (false, 0.0);
        match words.next() {
            None => {}
            Some("#") => {
                assert_eq!(format, Format::OpenMetrics, "{line}");
                let (_, text) = rest.split_once(" # ").expect("it is there");
                let (pairs, text) = read_labels(text, line, false);
                let length: usize = pairs.iter().map(|(n, v)| n.chars().count() + v.chars().count()).sum();
                assert!(length <= 128, "{line}");
                let parts: Vec<&str> = text.split(' ').skip(1).collect();
                assert_eq!(parts.len(), 2, "value and time: {line}");
                assert!(number(parts[1]).is_finite(), "{line}");
                (has_exemplar, exemplar) = (true, number(parts[0]));
            }
            Some(time) => assert!(number(time).is_finite(), "{line}"),
        }
        Self { name, labels, value, has_exemplar, exemplar }
    }
}

fn read_labels<'a>(text: &'a str, line: &str, utf8: bool) -> (Vec<(String, String)>, &'a str) {
    let mut rest = text.strip_prefix('{').expect("a brace");
    let mut labels: Vec<(String, String)> = Vec::new();
    while !rest.starts_with('}') {
        let (name, after) = match rest.strip_prefix('"') {
            Some(quoted) if utf8 => {
                let (name, after) = read_quoted(quoted, line);
                (name, after.strip_prefix("=\"").unwrap_or_else(|| panic!("a label in {line}")))
            }
            _ => {
                let (name, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("a label in {line}"));
                assert_name(name, false);
                (name.to_owned(), after)
            }
        };
        assert!(!name.is_empty() && !name.starts_with('_'), "{name:?} is reserved in {line}");
        assert!(labels.iter().all(|(known, _)| *known != name), "{name} twice in {line}");
        let value;
        (value, rest) = read_quoted(after, line);
        labels.push((name, value));
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    (labels, &rest[1..])
}

/// What stands before the next quote, without its escapes, and what stands after it.
fn read_quoted<'a>(text: &'a str, line: &str) -> (String, &'a str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    loop {
        let (at, character) = characters.next().unwrap_or_else(|| panic!("unterminated: {line}"));
        match character {
            '"' => return (value, &text[at + 1..]),
            '\\' => match characters.next().expect("an escape").1 {
                'n' => value.push('\n'),
                escaped @ ('\\' | '"') => value.push(escaped),
                other => panic!("\\{other} in {line}"),
            },
            other => value.push(other),
        }
    }
}

fn allowed(kind: &str, format: Format) -> &'static [&'static str] {
    match (kind, format) {
        // In text 0.0.4 the TYPE line of a counter names the sample.
        ("counter", Format::OpenMetrics) => &["_total", "_created"],
        ("histogram", _) => &["_bucket", "_sum", "_count", "_created"],
        ("summary", _) => &["", "_sum", "_count", "_created"],
        ("info", _) => &["_info"],
        _ => &[""],
    }
}

fn assert_name(name: &str, metric: bool) {
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || (metric && c == ':');
    let starts = name.starts_with(|c: char| valid(c) && !c.is_ascii_digit());
    assert!(starts && name.chars().all(valid), "{name:?} is no name");
    assert!(metric || !name.starts_with('_'), "{name:?} is reserved");
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        other => {
            assert!(!other.contains(['i', 'n', 'N']), "{other}");
            other.parse().unwrap_or_else(|_| panic!("{other:?} is no number"))
        }
    }
}
