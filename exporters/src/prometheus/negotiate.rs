//! Which format, which escaping of names and which compression a scraper gets.
//!
//! - **In:** `Accept` and `Accept-Encoding`, of any content.
//! - **Out:** the supported format of the highest `q`; text 0.0.4 if there is none (Prometheus, *Content
//!   Negotiation*). Its `escaping` if we know it and the version has one, otherwise `underscores`.
//! - **Guaranteed:** nothing of the request is repeated in the answer. Only the first
//!   [`CHOICES_MAX`] choices are looked at.

use super::{
    escaping::Escaping,
    text::{Format, Style},
};

/// What a scraper gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Format and escaping.
    pub style: Style,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
}

/// The answer to a value of `Accept`.
pub fn answer(accept: &str) -> Answer {
    let mut best = (0.0, Answer::new(Format::Text.into(), true));
    for choice in choices(accept) {
        let Some(answer) = choice.answer() else { continue };
        if choice.quality > best.0 {
            best = (choice.quality, answer);
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

// === impl Answer ===

impl Answer {
    fn new(style: Style, old_text: bool) -> Self {
        Self { style, content_type: style.content_type(old_text) }
    }
}

// === impl Choice ===

impl Choice<'_> {
    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    fn answer(&self) -> Option<Answer> {
        let version = self.parameter("version");
        if self.is("application/vnd.google.protobuf") {
            let delimited = self.parameter("encoding") == Some("delimited");
            let families =
                matches!(self.parameter("proto"), None | Some("io.prometheus.client.MetricFamily"));
            return (delimited && families).then(|| self.escaped(Format::Protobuf));
        }
        if self.is("application/openmetrics-text") {
            return match version {
                None | Some("1.0.0") => Some(self.escaped(Format::OpenMetrics)),
                // What Prometheus asked for before the standard; it is read as 1.0.0 would be.
                Some("0.0.1") => Some(Answer::new(Format::OpenMetrics.into(), false)),
                Some(_) => None,
            };
        }
        if self.is("text/plain") && version == Some("1.0.0") {
            return Some(self.escaped(Format::Text));
        }
        let text = self.is("text/plain") && matches!(version, None | Some("0.0.4"));
        (text || self.is("text/*") || self.is("*/*")).then(|| Answer::new(Format::Text.into(), true))
    }

    /// The format with the escaping that is asked for.
    fn escaped(&self, format: Format) -> Answer {
        let escaping = self.parameter("escaping").and_then(Escaping::named).unwrap_or_default();
        Answer::new(Style { format, escaping }, false)
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

    fn format(accept: &str) -> Format {
        answer(accept).style.format
    }

    #[test]
    fn m_c1_the_highest_quality_wins() {
        for (accept, expected) in [
            ("application/openmetrics-text", Format::OpenMetrics),
            ("application/openmetrics-text;q=0.3,text/plain;q=0.4", Format::Text),
            ("text/plain;q=0.4, APPLICATION/openmetrics-text; version=\"1.0.0\"; q=0.5", Format::OpenMetrics),
            ("application/openmetrics-text;q=0,text/plain;q=0.1", Format::Text),
            ("application/openmetrics-text;version=2.0.0", Format::Text),
            ("text/html,*/*;q=0.1", Format::Text),
            ("text/plain;version=1.0.0;q=0.9,application/openmetrics-text;q=0.8", Format::Text),
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
        let expected = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8";
        assert_eq!((format(accept), answer(accept).content_type), (Format::OpenMetrics, expected));
    }

    #[test]
    fn m_c3_the_answer_names_its_version_and_from_1_0_0_on_its_escaping() {
        for (accept, expected) in [
            ("", "text/plain; version=0.0.4; charset=utf-8"),
            ("text/plain;version=0.0.4;escaping=allow-utf-8", "text/plain; version=0.0.4; charset=utf-8"),
            ("text/plain;version=1.0.0", "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"),
            (
                "text/plain;version=1.0.0;escaping=dots",
                "text/plain; version=1.0.0; charset=utf-8; escaping=dots",
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=\"values\"",
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=values",
            ),
            (
                "application/openmetrics-text;version=0.0.1;escaping=dots",
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
            ),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;\
                 escaping=allow-utf-8",
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; \
                 escaping=allow-utf-8",
            ),
        ] {
            assert_eq!(answer(accept).content_type, expected, "{accept}");
        }
    }

    #[test]
    fn m_c10_an_unknown_escaping_is_underscores() {
        for (escaping, expected) in [
            ("", Escaping::Underscores),
            ("<evil>", Escaping::Underscores),
            ("DOTS", Escaping::Underscores),
            ("allow-utf-8\"", Escaping::AllowUtf8),
            ("dots;escaping=values", Escaping::Dots),
        ] {
            let accept = format!("application/openmetrics-text;version=1.0.0;escaping={escaping}");
            assert_eq!(answer(&accept).style.escaping, expected, "{accept}");
        }
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
