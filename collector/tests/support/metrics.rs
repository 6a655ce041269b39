//! A scraped page, read line by line, so that a test can ask for one number.

use std::collections::BTreeMap;

/// All samples of an OpenMetrics page.
#[derive(Debug)]
pub struct Metrics {
    samples: Vec<Sample>,
}

/// One line.
#[derive(Clone, Debug)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
    /// Labels of the exemplar, if there is one.
    pub exemplar: Option<BTreeMap<String, String>>,
}

// === impl Metrics ===

impl Metrics {
    /// Reads a page; a line it cannot read fails the test.
    pub fn parse(page: &str) -> Self {
        assert!(page.ends_with("# EOF\n"), "the page does not end with # EOF");
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        Self {
            samples: lines
                .map(|line| Sample::parse(line).unwrap_or_else(|| panic!("not a sample: {line}")))
                .collect(),
        }
    }

    /// Every sample.
    pub fn all(&self) -> &[Sample] {
        &self.samples
    }

    /// Every sample of this name whose labels include these.
    pub fn find(&self, name: &str, labels: &[(&str, &str)]) -> Vec<&Sample> {
        let fits = |sample: &&Sample| {
            sample.name == name
                && labels.iter().all(|(key, value)| sample.labels.get(*key).is_some_and(|have| have == value))
        };
        self.samples.iter().filter(fits).collect()
    }

    /// The name of every sample.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.samples.iter().map(|sample| sample.name.as_str())
    }

    /// The sum over [`Metrics::find`]; nothing if nothing was found.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let found = self.find(name, labels);
        (!found.is_empty()).then(|| found.iter().map(|sample| sample.value).sum())
    }
}

// === impl Sample ===

impl Sample {
    fn parse(line: &str) -> Option<Self> {
        let (line, exemplar) = match line.split_once(" # ") {
            Some((line, exemplar)) => (line, Some(labels(exemplar.strip_prefix('{')?)?.0)),
            None => (line, None),
        };
        let name_end = line.find(['{', ' '])?;
        let (name, rest) = line.split_at(name_end);
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(inside) => labels(inside)?,
            None => (BTreeMap::new(), rest),
        };
        let value = rest.split_whitespace().next()?.parse().ok()?;
        Some(Self { name: name.to_owned(), labels, value, exemplar })
    }
}

/// Labels up to the closing brace, and what follows it.
fn labels(mut rest: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut found = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches(',');
        if let Some(after) = rest.strip_prefix('}') {
            return Some((found, after));
        }
        let (key, after) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next()?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (_, plain) => value.push(plain),
            }
        };
        found.insert(key.to_owned(), value);
        rest = &after[end + 1..];
    }
}
