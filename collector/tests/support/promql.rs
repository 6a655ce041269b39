//! The metric names in a PromQL expression, found by reading tokens.
//!
//! - **In:** an expression, also with Grafana's `$variables`, also inside Grafana's `label_values(...)`.
//! - **Out:** every name that selects series, be it written before the braces or as `__name__` within them.
//! - **Not here:** whether the expression is valid; Prometheus itself says that in the world tests.

use std::collections::BTreeSet;

/// The names of all metrics that `expression` selects.
pub fn metrics(expression: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest = inside_label_values(expression);
    // A list of labels follows these words; its names are no metrics.
    let mut labels_follow = false;
    while let Some(first) = rest.chars().next() {
        let token = token(rest);
        rest = &rest[token.len()..];
        if matches!(first, '"' | '\'' | '`') || first == '[' || first.is_whitespace() || first == '#' {
            continue;
        }
        if first == '{' {
            names.extend(named_in_braces(token));
            continue;
        }
        if first == '(' && labels_follow {
            rest = rest.split_once(')').map_or("", |(_, rest)| rest);
            labels_follow = false;
            continue;
        }
        if !is_name_start(first) {
            continue;
        }
        labels_follow = LABELS_FOLLOW.contains(&token);
        let is_call = rest.trim_start().starts_with('(');
        if !labels_follow && !is_call && !KEYWORDS.contains(&token.to_lowercase().as_str()) {
            names.insert(token.to_owned());
        }
    }
    names
}

/// The text of the token at the start of `rest`, never empty: a string, `[...]`, `{...}`, a `$variable`, a word, a
/// number, a comment, or one character.
fn token(rest: &str) -> &str {
    let mut chars = rest.char_indices();
    let (_, first) = chars.next().expect("there is something left");
    let end = match first {
        '"' | '\'' | '`' => end_of_string(rest, first),
        '[' => rest.find(']').map_or(rest.len(), |at| at + 1),
        '{' => end_of_braces(rest),
        '#' => rest.find('\n').unwrap_or(rest.len()),
        '$' if rest.starts_with("${") => rest.find('}').map_or(rest.len(), |at| at + 1),
        // What begins with a digit is a number or a duration: it ends where a word would.
        first if first == '$' || is_name(first) => {
            chars.find(|(_, next)| !is_name(*next)).map_or(rest.len(), |(at, _)| at)
        }
        first => first.len_utf8(),
    };
    &rest[..end]
}

fn end_of_string(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, next) in rest.char_indices().skip(1) {
        if next == quote && !escaped {
            return at + 1;
        }
        escaped = next == '\\' && !escaped && quote != '`';
    }
    rest.len()
}

fn end_of_braces(rest: &str) -> usize {
    let mut at = 1;
    while let Some(next) = rest[at..].chars().next() {
        match next {
            '}' => return at + 1,
            '"' | '\'' => at += end_of_string(&rest[at..], next),
            '$' if rest[at..].starts_with("${") => at += rest[at..].find('}').map_or(1, |end| end + 1),
            next => at += next.len_utf8(),
        }
    }
    rest.len()
}

/// `__name__="x"` and `__name__=~"x|y"`.
fn named_in_braces(braces: &str) -> Vec<String> {
    let Some((_, matcher)) = braces.split_once("__name__") else { return Vec::new() };
    let value = matcher.split('"').nth(1).unwrap_or_default();
    value.split('|').map(str::to_owned).collect()
}

/// The selector of Grafana's `label_values(selector, label)`, or the expression as it is.
fn inside_label_values(expression: &str) -> &str {
    let inside = expression.trim().strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
    let Some(inside) = inside else { return expression };
    inside.rsplit_once(',').map_or("", |(selector, _label)| selector)
}

fn is_name_start(first: char) -> bool {
    first.is_ascii_alphabetic() || matches!(first, '_' | ':')
}

fn is_name(next: char) -> bool {
    is_name_start(next) || next.is_ascii_digit()
}

const LABELS_FOLLOW: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

const KEYWORDS: [&str; 22] = [
    "and",
    "or",
    "unless",
    "atan2",
    "bool",
    "offset",
    "inf",
    "nan",
    "start",
    "end",
    "sum",
    "avg",
    "min",
    "max",
    "count",
    "group",
    "stddev",
    "stdvar",
    "topk",
    "bottomk",
    "quantile",
    "count_values",
];
