//! Exemplars as the table keeps them: the newest of each counter and of each bucket.
//!
//! - **In:** trace id, span id, filtered attributes, value and time of one OTLP exemplar.
//! - **Out:** labels rendered once: `trace_id`, `span_id`, then `task_id`, then the other attributes, as
//!   far as they fit into OpenMetrics' 128 characters.
//! - **Guaranteed:** the newest by clock stays until a newer one comes or its retention has passed,
//!   however often somebody scrapes and however rarely traffic comes (pain point P07).

use super::text::{ExemplarText, Number, push_label};

/// One exemplar.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// `trace_id="...",span_id="..."`, or nothing.
    pub labels: Box<[u8]>,
    /// What was observed.
    pub value: Number,
    /// When, never later than its arrival.
    pub time_ns: u64,
}

/// Renders labels within the bound. Kept and reused.
#[derive(Debug, Default)]
pub struct ExemplarLabels {
    out: Vec<u8>,
    characters: usize,
    names: Vec<String>,
}

// === impl Exemplar ===

impl Exemplar {
    /// What the writer needs.
    pub fn text(&self) -> ExemplarText<'_> {
        ExemplarText { labels: &self.labels, value: self.value, time_ns: self.time_ns }
    }

    /// Whether its time has passed.
    pub fn expired(&self, now_ns: u64, retention_ns: u64) -> bool {
        now_ns.saturating_sub(self.time_ns) > retention_ns
    }

    /// Bytes it occupies.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.labels.len() + 2 * ALLOCATION
    }
}

// === impl ExemplarLabels ===

impl ExemplarLabels {
    /// Begins with the ids, which are always kept.
    pub fn begin(&mut self, trace_id: Option<&[u8; 16]>, span_id: Option<&[u8; 8]>) {
        self.out.clear();
        self.names.clear();
        self.characters = 0;
        let mut hex = String::with_capacity(32);
        if let Some(id) = trace_id {
            push_hex(&mut hex, id);
            self.add("trace_id", &hex);
        }
        if let Some(id) = span_id {
            hex.clear();
            push_hex(&mut hex, id);
            self.add("span_id", &hex);
        }
    }

    /// Adds a label if its name is new and it fits; the bound counts characters of names and values
    /// (OpenMetrics 1.0, *Exemplars*).
    pub fn add(&mut self, name: &str, value: &str) {
        let characters = name.chars().count() + value.chars().count();
        let fits = self.characters + characters <= CHARACTERS_MAX;
        if name.is_empty() || !fits || self.names.iter().any(|taken| taken == name) {
            return;
        }
        self.characters += characters;
        self.names.push(name.to_owned());
        push_label(&mut self.out, name, value);
    }

    /// What was rendered.
    pub fn rendered(&self) -> &[u8] {
        &self.out
    }
}

/// Puts an exemplar into a place unless a newer one is there.
pub fn keep_newer(place: &mut Option<Box<Exemplar>>, exemplar: ExemplarText<'_>) {
    let (value, time_ns) = (exemplar.value, exemplar.time_ns);
    match place {
        Some(kept) if kept.time_ns > time_ns => {}
        // Cumulative points repeat their exemplars: nothing is allocated for what is there already.
        Some(kept) if *kept.labels == *exemplar.labels => (kept.value, kept.time_ns) = (value, time_ns),
        _ => *place = Some(Box::new(Exemplar { labels: exemplar.labels.into(), value, time_ns })),
    }
}

fn push_hex(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

/// OpenMetrics' bound on the characters of an exemplar's label names and values together.
const CHARACTERS_MAX: usize = 128;

/// What an allocation costs beside its content, an estimate.
pub(super) const ALLOCATION: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ids: bool, attributes: &[(&str, &str)], expected: &str) {
        let mut labels = ExemplarLabels::default();
        labels.begin(ids.then_some(&[0xab; 16]), ids.then_some(&[0x01; 8]));
        for (name, value) in attributes {
            labels.add(name, value);
        }
        assert_eq!(String::from_utf8_lossy(labels.rendered()), expected);
    }

    const IDS: &str = r#"trace_id="abababababababababababababababab",span_id="0101010101010101""#;

    #[test]
    fn p_e1_ids_are_lower_case_hex() {
        check(true, &[], IDS);
    }

    #[test]
    fn p_e3_what_fits_beside_the_ids_is_added() {
        // The ids take 63 of 128 characters: name and value may take 65.
        let fits = "x".repeat(64);
        check(true, &[("k", &fits)], &format!(r#"{IDS},k="{fits}""#));
        check(true, &[("k", &"x".repeat(65)), ("j", "1")], &format!(r#"{IDS},j="1""#));
        let wide = "ü".repeat(64);
        check(true, &[("k", &wide)], &format!(r#"{IDS},k="{wide}""#));
    }

    #[test]
    fn p_e4_the_real_id_wins() {
        check(true, &[("trace_id", "forged"), ("task_id", "1f")], &format!(r#"{IDS},task_id="1f""#));
    }

    #[test]
    fn p_e7_an_exemplar_may_have_no_labels() {
        check(false, &[], "");
    }
}
