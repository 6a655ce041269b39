//! A scraped page, read as far as the smoke test needs it.
//!
//! - **In:** OpenMetrics text. **Out:** samples with labels, value, and the exemplar's labels.
//! - **Not here:** a check of the format; the exporter's own tests hold it against real parsers. A
//!   line that does not read is left out.

use std::collections::BTreeMap;

/// The samples of one scrape.
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    samples: Vec<Sample>,
}

#[derive(Clone, Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
    exemplar: BTreeMap<String, String>,
}

// === impl Page ===

impl Page {
    pub(super) fn read(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self { samples: lines.filter_map(Sample::read).collect() }
    }

    /// The sum of all series of a name with these labels.
    pub(super) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(labels).filter(|sample| sample.name == name).map(|sample| sample.value).sum()
    }

    /// The trace ids of the exemplars on series with these labels, with their `task_id`.
    pub(super) fn exemplars<'a>(
        &'a self,
        labels: &'a [(&'a str, &'a str)],
    ) -> Vec<(&'a str, Option<&'a str>)> {
        self.matching(labels)
            .filter_map(|sample| {
                let trace = sample.exemplar.get("trace_id")?;
                Some((trace.as_str(), sample.exemplar.get("task_id").map(String::as_str)))
            })
            .collect()
    }

    fn matching<'a>(&'a self, labels: &'a [(&'a str, &'a str)]) -> impl Iterator<Item = &'a Sample> {
        let fits = |sample: &&Sample| {
            labels.iter().all(|(name, value)| sample.labels.get(*name).is_some_and(|found| found == value))
        };
        self.samples.iter().filter(fits)
    }
}

// === impl Sample ===

impl Sample {
    /// `name{labels} value [timestamp] [# {labels} value [timestamp]]`
    fn read(line: &str) -> Option<Self> {
        let end = line.find(['{', ' '])?;
        let (name, rest) = line.split_at(end);
        let (labels, rest) = read_labels(rest)?;
        let (value, rest) = rest.trim_start().split_once(' ').unwrap_or((rest.trim_start(), ""));
        let exemplar = match rest.split_once("# ") {
            Some((_, exemplar)) => read_labels(exemplar)?.0,
            None => BTreeMap::new(),
        };
        Some(Self { name: name.to_owned(), labels, value: value.parse().ok()?, exemplar })
    }
}

/// Labels in braces, if there are any, and what follows.
fn read_labels(text: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    let Some(mut rest) = text.strip_prefix('{') else { return Some((labels, text)) };
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, after) = rest.split_once("=\"")?;
        let (value, after) = read_quoted(after)?;
        labels.insert(name.to_owned(), value);
        rest = after;
    }
}

/// Up to the closing quote, without escapes.
fn read_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# TYPE rsolv_a counter
rsolv_a_total{repo="x/y",language="a \"q\" \\ {b}"} 2 # {trace_id="t1",span_id="s",task_id="k"} 1.0 1763700000.5
rsolv_a_total{repo="x/z",language="go"} 3
rsolv_b_bucket{repo="x/y",le="+Inf"} 4.5 1763700000 # {trace_id="t2"} 85
up 1
broken{a="
# EOF
"#;

    #[test]
    fn samples_are_summed_by_name_and_labels() {
        let page = Page::read(TEXT);
        assert_eq!(page.sum("rsolv_a_total", &[]), 5.0);
        assert_eq!(page.sum("rsolv_a_total", &[("repo", "x/y"), ("language", "a \"q\" \\ {b}")]), 2.0);
        assert_eq!(page.sum("rsolv_b_bucket", &[("le", "+Inf")]), 4.5);
        assert_eq!(page.sum("up", &[]), 1.0);
        assert_eq!(page.sum("rsolv_c", &[]), 0.0);
    }

    #[test]
    fn exemplars_are_found_with_or_without_a_timestamp() {
        let page = Page::read(TEXT);
        assert_eq!(page.exemplars(&[("repo", "x/y")]), [("t1", Some("k")), ("t2", None)]);
        assert_eq!(page.exemplars(&[("repo", "x/z")]), []);
    }
}
