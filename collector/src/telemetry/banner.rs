//! What a newcomer reads at start: what is where, how much memory there is, and which pipeline is durable.
//!
//! One line each of a label and a value, on standard output, ended by `ready`. Scripts may read it: labels do not
//! change, and values begin with the address.

use std::fmt;

/// The lines of the banner.
#[derive(Debug, Default)]
pub struct Banner {
    lines: Vec<(String, String)>,
}

// === impl Banner ===

impl Banner {
    /// Adds a line.
    pub fn line(&mut self, label: &str, value: impl fmt::Display) {
        self.lines.push((label.to_owned(), value.to_string()));
    }

    /// Writes it to standard output. A closed output is no reason not to run.
    pub fn print(&self) {
        use std::io::Write;
        let mut out = std::io::stdout().lock();
        let _ = write!(out, "{self}").and_then(|()| out.flush());
    }
}

impl fmt::Display for Banner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "phasor {}", env!("CARGO_PKG_VERSION"))?;
        let width = self.lines.iter().map(|(label, _)| label.len()).max().unwrap_or_default();
        for (label, value) in &self.lines {
            writeln!(f, "  {label:width$}  {value}")?;
        }
        writeln!(f, "ready")
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn labels_stand_in_a_column_and_the_end_says_ready() {
        let mut banner = Banner::default();
        banner.line("OTLP/gRPC", "127.0.0.1:4317");
        banner.line("API", "http://127.0.0.1:4000");
        let text = banner.to_string().replace(env!("CARGO_PKG_VERSION"), "VERSION");
        expect![[r#"
            phasor VERSION
              OTLP/gRPC  127.0.0.1:4317
              API        http://127.0.0.1:4000
            ready
        "#]]
        .assert_eq(&text);
    }
}
