//! The label set of a series: collected from everywhere, resolved, rendered once.
//!
//! - **In:** pairs of key and value, from the configuration, the resource, the scope and the point.
//! - **Out:** `a="x",b="y"`: sorted by name, escaped, each name once. Equal series have equal bytes.
//! - **Guaranteed:** keys that become one name are joined with `;` in the order of the original keys
//!   (OpenTelemetry, *Prometheus and OpenMetrics Compatibility*, Metric Attributes); an empty value is
//!   no label, as Prometheus sees it; no allocation once the buffers have grown.

use super::{escaping::Spellings, names::push_label_name, series::usage::Usage, text::push_escaped};

/// A label set under construction. Kept and reused.
#[derive(Debug, Default)]
pub struct LabelSet {
    /// Names, keys and values, one after the other.
    text: String,
    pairs: Vec<Pair>,
    /// The pairs in the order of the output; scratch.
    sorted: Vec<Pair>,
}

/// A place to come back to: what follows it can be forgotten.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    text: usize,
    pairs: usize,
}

#[derive(Clone, Copy, Debug)]
struct Pair {
    name: Span,
    /// As the sender wrote it: it decides the order in which values are joined.
    key: Span,
    value: Span,
}

/// A range of the text.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    end: usize,
}

// === impl LabelSet ===

impl LabelSet {
    /// Remembers how the labels that were rendered last are spelled.
    pub fn teach(&self, spellings: &Spellings, usage: &Usage) {
        for pair in &self.sorted {
            // Names that rendering made stand beyond the text.
            if let (Some(name), Some(key)) =
                (self.text.get(pair.name.start..pair.name.end), self.text.get(pair.key.start..pair.key.end))
            {
                spellings.learn(name, key, usage);
            }
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.text.clear();
        self.pairs.clear();
    }

    /// The place where we are.
    pub fn mark(&self) -> Mark {
        Mark { text: self.text.len(), pairs: self.pairs.len() }
    }

    /// Forgets what was added since `mark`.
    pub fn back_to(&mut self, mark: Mark) {
        self.text.truncate(mark.text);
        self.pairs.truncate(mark.pairs);
    }

    /// Bytes collected so far: an upper bound, give or take escapes, of what rendering writes.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Adds a pair; the name is made from the key. A key of nothing is left out.
    pub fn push(&mut self, key: &str, value: &str) {
        self.push_with("", key, |text| text.push_str(value));
    }

    /// Adds a pair whose key is `prefix` and `key` together and whose value `write` appends.
    pub fn push_with(&mut self, prefix: &str, key: &str, write: impl FnOnce(&mut String)) {
        if key.is_empty() {
            return;
        }
        let start = self.text.len();
        self.text.push_str(prefix);
        self.text.push_str(key);
        let key_end = self.text.len();
        push_label_name(&mut self.text, prefix, key);
        let name_end = self.text.len();
        write(&mut self.text);
        self.pairs.push(Pair {
            key: Span { start, end: key_end },
            name: Span { start: key_end, end: name_end },
            value: Span { start: name_end, end: self.text.len() },
        });
    }

    /// Renders into `out`, which is cleared. A label called `reserved` (`le`, `quantile`) is renamed to
    /// `exported_...`; the answer is whether there was one.
    pub fn render(&mut self, reserved: &str, out: &mut Vec<u8>) -> bool {
        let collected = self.text.len();
        self.sorted.clear();
        self.sorted.extend_from_slice(&self.pairs);
        let renamed = !reserved.is_empty() && self.rename(reserved);
        let job = self.add_instance();
        let (text, sorted) = (&self.text, &mut self.sorted);
        sorted.sort_by(|a, b| {
            a.name.of(text).cmp(b.name.of(text)).then_with(|| a.key.of(text).cmp(b.key.of(text)))
        });
        out.clear();
        for same in sorted.chunk_by(|a, b| a.name.of(text) == b.name.of(text)) {
            let name = same[0].name.of(text);
            if !same.iter().all(|pair| pair.value.is_empty()) || (job && name == INSTANCE) {
                push_joined(out, name, same.iter().map(|pair| pair.value.of(text)));
            }
        }
        self.text.truncate(collected);
        renamed
    }

    fn rename(&mut self, reserved: &str) -> bool {
        let start = self.text.len();
        self.text.push_str(EXPORTED);
        self.text.push_str(reserved);
        let new = Span { start, end: self.text.len() };
        let mut found = false;
        for pair in &mut self.sorted {
            if pair.name.of(&self.text) == reserved {
                pair.name = new;
                found = true;
            }
        }
        found
    }

    /// A series with a `job` shows its `instance` even where that is empty (OpenTelemetry, *Prometheus
    /// and OpenMetrics Compatibility*, Resource Attributes). A rule on the rendered labels, because to
    /// Prometheus the empty one and the absent one are the same series.
    fn add_instance(&mut self) -> bool {
        let named = |pair: &Pair, name| pair.name.of(&self.text) == name;
        if !self.sorted.iter().any(|pair| named(pair, JOB) && !pair.value.is_empty()) {
            return false;
        }
        if !self.sorted.iter().any(|pair| named(pair, INSTANCE)) {
            let start = self.text.len();
            self.text.push_str(INSTANCE);
            let (name, end) = (Span { start, end: self.text.len() }, self.text.len());
            self.sorted.push(Pair { name, key: name, value: Span { start: end, end } });
        }
        true
    }
}

// === impl Span ===

impl Span {
    fn of(self, text: &str) -> &str {
        &text[self.start..self.end]
    }

    fn is_empty(self) -> bool {
        self.start == self.end
    }
}

fn push_joined<'a>(out: &mut Vec<u8>, name: &str, values: impl Iterator<Item = &'a str>) {
    if !out.is_empty() {
        out.push(b',');
    }
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
    for (at, value) in values.enumerate() {
        if at > 0 {
            out.push(b';');
        }
        push_escaped(out, value, true);
    }
    out.push(b'"');
}

/// The name of the label that `service.name` becomes.
pub const JOB: &str = "job";

/// The name of the label that `service.instance.id` becomes.
pub const INSTANCE: &str = "instance";

const EXPORTED: &str = "exported_";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&str, &str)], reserved: &str, expected: &str) {
        let mut labels = LabelSet::default();
        let mut out = Vec::new();
        for (key, value) in pairs {
            labels.push(key, value);
        }
        // Twice, because rendering must leave the set as it was.
        for _ in 0..2 {
            labels.render(reserved, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }

    #[test]
    fn labels_are_sorted_by_name_and_escaped() {
        check(&[("b", "1"), ("a", "x\"y\\z\nü")], "", r#"a="x\"y\\z\nü",b="1""#);
    }

    #[test]
    fn p_l3_keys_that_become_one_name_are_joined_in_the_order_of_the_keys() {
        check(&[("a_b", "y"), ("a.b", "x")], "", r#"a_b="x;y""#);
    }

    #[test]
    fn p_l4_an_attribute_that_collides_with_a_label_of_ours_is_joined() {
        check(
            &[("job", "ours"), ("instance", "i"), ("job", "theirs")],
            "",
            r#"instance="i",job="ours;theirs""#,
        );
    }

    #[test]
    fn p_l5_le_is_renamed_on_histograms_only() {
        check(&[("le", "1")], "le", r#"exported_le="1""#);
        check(&[("le", "1"), ("exported.le", "2")], "le", r#"exported_le="2;1""#);
        check(&[("le", "1")], "", r#"le="1""#);
    }

    #[test]
    fn p_l9_a_job_always_shows_its_instance() {
        check(&[("job", "n"), ("z", "1")], "", r#"instance="",job="n",z="1""#);
        check(&[("job", "n"), ("instance", "")], "", r#"instance="",job="n""#);
        check(&[("z", "1")], "", r#"z="1""#);
    }

    #[test]
    fn an_empty_value_and_an_empty_key_are_no_label() {
        check(&[("a", ""), ("", "x"), ("b", "1")], "", r#"b="1""#);
    }
}
