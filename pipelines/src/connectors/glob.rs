//! Patterns of attribute names, as the Collector understands them: `*` and `**` stand for any text, `?` for one
//! character, `[abc]`, `[a-z]` and `[!a-z]` for one of a set or of all others, `{a,b}` for one of several patterns, and
//! `\` takes the next character for itself.
//!
//! - **Guaranteed:** matching takes at most the product of the lengths of pattern and name, for each of the at most
//!   [`ALTERNATIVES_MAX`] patterns that braces stand for.

/// One pattern.
#[derive(Clone, Debug)]
pub(crate) struct Glob {
    alternatives: Vec<Vec<Token>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    One(char),
    Any,
    AnyText,
    Set { ranges: Vec<(char, char)>, negated: bool },
}

// === impl Glob ===

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(crate) fn parse(pattern: &str) -> Result<Self, String> {
        let alternatives = expand(&pattern.chars().collect::<Vec<_>>(), 0)?;
        let alternatives = alternatives.iter().map(|text| tokens(text)).collect::<Result<_, _>>()?;
        Ok(Self { alternatives })
    }

    /// Whether the whole name is of this pattern.
    pub(crate) fn matches(&self, name: &str) -> bool {
        self.alternatives.iter().any(|tokens| matches(tokens, name))
    }
}

// === impl Token ===

impl Token {
    fn takes(&self, one: char) -> bool {
        match self {
            Self::One(wanted) => *wanted == one,
            Self::Any => true,
            Self::AnyText => false,
            Self::Set { ranges, negated } => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&one)) != *negated
            }
        }
    }
}

/// Goes back to the last `*` only: what it took before can always be taken by it as well.
fn matches(tokens: &[Token], name: &str) -> bool {
    let (mut token, mut rest) = (0, name);
    let mut star: Option<(usize, &str)> = None;
    loop {
        match (tokens.get(token), rest.chars().next()) {
            (Some(Token::AnyText), _) => {
                token += 1;
                star = Some((token, rest));
            }
            (Some(wanted), Some(one)) if wanted.takes(one) => {
                token += 1;
                rest = &rest[one.len_utf8()..];
            }
            (None, None) => return true,
            _ => {
                let Some((after, from)) = star else { return false };
                let Some(one) = from.chars().next() else { return false };
                (token, rest) = (after, &from[one.len_utf8()..]);
                star = Some((after, rest));
            }
        }
    }
}

/// The patterns without braces that one with braces stands for. Escapes and sets stay as they are.
fn expand(pattern: &[char], depth: usize) -> Result<Vec<Vec<char>>, String> {
    if depth > DEPTH_MAX {
        return Err(format!("nests braces deeper than {DEPTH_MAX}"));
    }
    let Some((open, close, commas)) = first_braces(pattern)? else { return Ok(vec![pattern.to_vec()]) };
    let tails = expand(&pattern[close + 1..], depth + 1)?;
    let ends = commas.iter().copied().chain([close]);
    let starts = [open].into_iter().chain(commas.iter().copied());
    let mut all = Vec::new();
    for (start, end) in starts.zip(ends) {
        for middle in expand(&pattern[start + 1..end], depth + 1)? {
            for tail in &tails {
                all.push([&pattern[..open], &middle, tail].concat());
            }
        }
    }
    if all.len() > ALTERNATIVES_MAX {
        return Err(format!("stands for more than {ALTERNATIVES_MAX} patterns"));
    }
    Ok(all)
}

/// Where the first braces open and close, and the commas between their alternatives.
fn first_braces(pattern: &[char]) -> Result<Option<(usize, usize, Vec<usize>)>, String> {
    let (mut open, mut depth, mut commas, mut in_set) = (0, 0_usize, Vec::new(), false);
    let mut places = pattern.iter().enumerate();
    while let Some((place, one)) = places.next() {
        match one {
            '\\' => {
                places.next();
            }
            '[' => in_set = true,
            ']' => in_set = false,
            _ if in_set => {}
            '{' if depth == 0 => (open, depth) = (place, 1),
            '{' => depth += 1,
            '}' if depth == 0 => return Err("closes a brace that was never opened".into()),
            '}' if depth == 1 => return Ok(Some((open, place, commas))),
            '}' => depth -= 1,
            ',' if depth == 1 => commas.push(place),
            _ => {}
        }
    }
    if depth > 0 { Err("leaves a brace open".into()) } else { Ok(None) }
}

fn tokens(pattern: &[char]) -> Result<Vec<Token>, String> {
    let (mut tokens, mut rest) = (Vec::new(), pattern.iter().copied());
    while let Some(one) = rest.next() {
        let token = match one {
            '\\' => Token::One(rest.next().ok_or("ends in a backslash")?),
            '?' => Token::Any,
            '*' => Token::AnyText,
            '[' => set(&mut rest)?,
            other => Token::One(other),
        };
        if token != Token::AnyText || tokens.last() != Some(&Token::AnyText) {
            tokens.push(token);
        }
    }
    Ok(tokens)
}

fn set(rest: &mut impl Iterator<Item = char>) -> Result<Token, String> {
    let mut inside = Vec::new();
    loop {
        match rest.next().ok_or("leaves a bracket open")? {
            ']' => break,
            '\\' => inside.push(rest.next().ok_or("leaves a bracket open")?),
            one => inside.push(one),
        }
    }
    let negated = inside.first() == Some(&'!');
    let mut inside = &inside[usize::from(negated)..];
    let mut ranges = Vec::new();
    while let [from, tail @ ..] = inside {
        inside = match tail {
            ['-', to, tail @ ..] => {
                ranges.push((*from, *to));
                tail
            }
            _ => {
                ranges.push((*from, *from));
                tail
            }
        };
    }
    if ranges.is_empty() { Err("has an empty bracket".into()) } else { Ok(Token::Set { ranges, negated }) }
}

/// Patterns that braces may stand for.
const ALTERNATIVES_MAX: usize = 256;

const DEPTH_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_a_pattern_or_not() {
        for (pattern, fits, others) in [
            ("k8s.*", &["k8s.pod.name", "k8s."][..], &["k8s", "xk8s.pod"][..]),
            ("*", &["", "a.b"], &[]),
            ("a**b*c", &["abc", "axxbyyc", "abcbc"], &["ab", "acb"]),
            ("?b", &["ab", "äb"], &["b", "aab"]),
            ("[a-c]1", &["a1", "c1"], &["d1", "-1"]),
            ("[!a-c]1", &["d1"], &["a1", "1"]),
            (
                "http.{request,response}.{size,body.*}",
                &["http.request.size", "http.response.body.x"],
                &["http.x.size"],
            ),
            ("{a,b{c,d}}", &["a", "bc", "bd"], &["b", "c"]),
            ("{,x}y", &["y", "xy"], &["x"]),
            (r"\*.\{", &["*.{"], &["a.{"]),
            ("[{,]x", &["{x", ",x"], &["x"]),
        ] {
            let glob = Glob::parse(pattern).expect("the test writes sound patterns");
            fits.iter().for_each(|name| assert!(glob.matches(name), "{pattern} {name}"));
            others.iter().for_each(|name| assert!(!glob.matches(name), "{pattern} {name}"));
        }
    }

    #[test]
    fn a_broken_pattern_is_refused() {
        for pattern in ["{a", "a}", "[a", "[]", "a\\", "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}"] {
            assert!(Glob::parse(pattern).is_err(), "{pattern}");
        }
        assert!(Glob::parse(&"{".repeat(10_000)).is_err());
        assert!(Glob::parse(&format!("{}a{}", "{".repeat(100), "}".repeat(100))).is_err());
    }

    #[test]
    fn many_stars_do_not_take_for_ever() {
        let glob = Glob::parse(&"a*".repeat(50)).expect("sound");
        assert!(!glob.matches(&format!("{}b", "a".repeat(10_000).replace('a', "ba"))));
    }
}
