//! Which format and which compression a scraper gets.
//!
//! - **In:** `Accept` and `Accept-Encoding`, of any content.
//! - **Out:** the supported format of the highest `q`; text 0.0.4 if there is none (Prometheus, *Content
//!   Negotiation*).
//! - **Guaranteed:** nothing of the request is repeated in the answer. Only the first
//!   [`CHOICES_MAX`] choices are looked at.
//! - **Not here yet:** `escaping=` values other than `underscores` are answered with `underscores`, as the answer says.

use super::text::Format;

/// The format for a value of `Accept`.
pub fn format(accept: &str) -> Format {
    let mut best = (0.0, Format::Text);
    for choice in choices(accept) {
        let Some(format) = choice.format() else { continue };
        if choice.quality > best.0 {
            best = (choice.quality, format);
        }
    }
    best.1
}

/// Whether a value of `Accept-Encoding` allows gzip and prefers it to `identity`.
pub fn gzip(accept_encoding: &str) -> bool {
    let quality = |wanted: &str| {
        let mut named = choices(accept_encoding).filter(|choice| choice.is(wanted));
        named.next().map(|choice| choice.quality)
    };
    let any = quality("*");
    let gzip = quality("gzip").or(quality("x-gzip")).or(any).unwrap_or(0.0);
    gzip > 0.0 && gzip >= quality("identity").unwrap_or(0.0)
}

struct Choice<'a> {
    name: &'a str,
    parameters: &'a str,
    /// 0 means "not this one".
    quality: f32,
}

// === impl Choice ===

impl Choice<'_> {
    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    fn format(&self) -> Option<Format> {
        if self.is("application/vnd.google.protobuf") {
            let delimited = self.parameter("encoding") == Some("delimited");
            let families =
                matches!(self.parameter("proto"), None | Some("io.prometheus.client.MetricFamily"));
            return (delimited && families).then_some(Format::Protobuf);
        }
        let version = self.parameter("version");
        if self.is("application/openmetrics-text") {
            // 0.0.1 is what Prometheus asked for before the standard; it is read as 1.0.0 would be.
            return matches!(version, None | Some("0.0.1" | "1.0.0")).then_some(Format::OpenMetrics);
        }
        let text = self.is("text/plain") && matches!(version, None | Some("0.0.4"));
        (text || self.is("text/*") || self.is("*/*")).then_some(Format::Text)
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        parameters(self.parameters).find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

fn choices(header: &str) -> impl Iterator<Item = Choice<'_>> {
    header.split(',').take(CHOICES_MAX).map(|choice| {
        let (name, rest) = choice.split_once(';').unwrap_or((choice, ""));
        let quality = parameters(rest)
            .find(|(key, _)| key.eq_ignore_ascii_case("q"))
            .map_or(1.0, |(_, value)| value.parse::<f32>().unwrap_or(0.0));
        let quality = if quality.is_finite() { quality.clamp(0.0, 1.0) } else { 0.0 };
        Choice { name: name.trim(), parameters: rest, quality }
    })
}

fn parameters(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split(';')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.trim(), value.trim().trim_matches('"')))
}

/// Choices of one header that are looked at.
const CHOICES_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m_c1_the_highest_quality_wins() {
        for (accept, expected) in [
            ("application/openmetrics-text", Format::OpenMetrics),
            ("application/openmetrics-text;q=0.3,text/plain;q=0.4", Format::Text),
            ("text/plain;q=0.4, APPLICATION/openmetrics-text; version=\"1.0.0\"; q=0.5", Format::OpenMetrics),
            ("application/openmetrics-text;q=0,text/plain;q=0.1", Format::Text),
            ("application/openmetrics-text;version=2.0.0", Format::Text),
            ("text/html,*/*;q=0.1", Format::Text),
        ] {
            assert_eq!(format(accept), expected, "{accept}");
        }
    }

    #[test]
    fn m_c2_nonsense_gets_text() {
        for accept in ["", "*/*", ";;;,,,q=", "\u{fffd}", &"a/b;q=1,".repeat(2000)] {
            assert_eq!(format(accept), Format::Text, "{accept}");
        }
        assert_eq!(format("application/openmetrics-text;q=nan,text/plain;q=0.1"), Format::Text);
    }

    #[test]
    fn m_c4_what_prometheus_3_sends_is_openmetrics() {
        let accept = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
            application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;\
            escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        assert_eq!(format(accept), Format::OpenMetrics);
    }

    #[test]
    fn m_c5_who_prefers_protobuf_gets_it_delimited() {
        let rest = "q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1";
        for (parameters, expected) in [
            ("proto=io.prometheus.client.MetricFamily;encoding=delimited", Format::Protobuf),
            ("encoding=delimited", Format::Protobuf),
            ("proto=io.prometheus.client.MetricFamily;encoding=text", Format::OpenMetrics),
            ("proto=io.prometheus.client.MetricFamily", Format::OpenMetrics),
            ("proto=something.Else;encoding=delimited", Format::OpenMetrics),
        ] {
            let accept = format!("application/vnd.google.protobuf;{parameters};{rest}");
            assert_eq!(format(&accept), expected, "{accept}");
        }
    }

    #[test]
    fn m_c11_gzip_is_used_where_it_is_accepted() {
        for (accept, expected) in [
            ("gzip", true),
            ("deflate, gzip;q=0.5", true),
            ("*", true),
            ("", false),
            ("identity", false),
            ("gzip;q=0", false),
            ("gzip;q=0.1, identity;q=0.9", false),
        ] {
            assert_eq!(gzip(accept), expected, "{accept}");
        }
    }
}
