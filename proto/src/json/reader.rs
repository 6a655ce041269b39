//! JSON's own grammar: tokens, strings, what is passed over.
//!
//! - **In:** UTF-8.
//! - **Guaranteed:** one pass, no recursion, no copy of a string without escapes. RFC 8259 to the
//!   letter: no comments, no trailing commas, no leading zeros.
//! - **Not here:** what the values mean.

use std::borrow::Cow;

use super::{Fault, SKIP_DEPTH_MAX, What};

/// Reads a document from front to back.
pub(super) struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

/// Reading has stopped. Boxed, so that success stays in registers.
pub(super) type Failure = Box<Stopped>;

/// Where reading has stopped, and why.
pub(super) struct Stopped {
    at: usize,
    what: What,
    /// From the inside out.
    path: Vec<Segment>,
}

enum Segment {
    Key(&'static [u8]),
    Item(usize),
}

// === impl Reader ===

impl<'a> Reader<'a> {
    /// At the beginning of `text`, which is UTF-8.
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// A failure here.
    #[cold]
    pub(super) fn fail(&self, what: What) -> Failure {
        self.fail_at(self.at, what)
    }

    /// A failure at an earlier place.
    #[cold]
    pub(super) fn fail_at(&self, at: usize, what: What) -> Failure {
        Box::new(Stopped { at, what, path: Vec::new() })
    }

    /// The failure of finding something else than what is `expected`.
    #[cold]
    pub(super) fn expected(&self, expected: &'static str) -> Failure {
        let found = match self.peek() {
            Some(b'{') => "an object",
            Some(b'[') => "a list",
            Some(b'"') => "a string",
            Some(b'-' | b'0'..=b'9') => "a number",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            Some(b'}' | b']') => "the end of the value",
            Some(_) => "this character",
            None => "the end of the text",
        };
        self.fail(What::Expected { expected, found })
    }

    /// In bytes from the beginning.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The next byte that is not white space.
    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Passes over white space.
    #[inline]
    pub(super) fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Takes the byte if it is the next one.
    #[inline]
    pub(super) fn takes(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    /// Takes the word if it comes next.
    #[inline]
    pub(super) fn takes_word(&mut self, word: &[u8]) -> bool {
        let there = self.text[self.at..].starts_with(word);
        if there {
            self.at += word.len();
        }
        there
    }

    /// Begins the object or the list that `open` opens.
    #[inline]
    pub(super) fn open(&mut self, open: u8, expected: &'static str) -> Result<(), Failure> {
        if self.takes(open) { Ok(()) } else { Err(self.expected(expected)) }
    }

    /// Whether another member follows in what `close` closes; stands before it then. `first` for the
    /// first one, which no comma precedes.
    #[inline]
    pub(super) fn more(&mut self, first: bool, close: u8) -> Result<bool, Failure> {
        self.space();
        if self.takes(close) {
            return Ok(false);
        }
        if !first {
            if !self.takes(b',') {
                return Err(self.expected(if close == b'}' { "a comma or }" } else { "a comma or ]" }));
            }
            self.space();
        }
        Ok(true)
    }

    /// The key of a member, in UTF-8. Stands before the value afterwards.
    #[inline]
    pub(super) fn key(&mut self) -> Result<Cow<'a, [u8]>, Failure> {
        let key = self.string("a key in double quotes")?;
        self.space();
        if !self.takes(b':') {
            return Err(self.expected("a colon"));
        }
        self.space();
        Ok(key)
    }

    /// A string that is short where it is right, in UTF-8. Of one that has escapes and is longer than
    /// [`SHORT_BYTES_MAX`] only the beginning is given, and a zero, which nothing that is read this way can hold.
    #[inline]
    pub(super) fn string(&mut self, expected: &'static str) -> Result<Cow<'a, [u8]>, Failure> {
        match self.plain(expected)? {
            Some(plain) => Ok(Cow::Borrowed(plain)),
            None => self.short().map(Cow::Owned),
        }
    }

    /// A string that stands for itself, in UTF-8. Nothing if there is an escape in it: it is still to be read then, by
    /// [`Self::pieces`].
    #[inline]
    pub(super) fn plain(&mut self, expected: &'static str) -> Result<Option<&'a [u8]>, Failure> {
        if !self.takes(b'"') {
            return Err(self.expected(expected));
        }
        let start = self.at;
        self.pass_plain();
        if self.takes(b'"') {
            return Ok(Some(&self.text[start..self.at - 1]));
        }
        self.at = start - 1;
        Ok(None)
    }

    /// Any string, in UTF-8, piece by piece, so that none of it is there twice.
    pub(super) fn pieces(
        &mut self,
        expected: &'static str,
        mut take: impl FnMut(&[u8]) -> Result<(), What>,
    ) -> Result<(), Failure> {
        if !self.takes(b'"') {
            return Err(self.expected(expected));
        }
        loop {
            let from = self.at;
            self.pass_plain();
            take(&self.text[from..self.at]).map_err(|what| self.fail(what))?;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    let character = self.escape()?;
                    take(character.encode_utf8(&mut [0; 4]).as_bytes()).map_err(|what| self.fail(what))?;
                }
                Some(_) => return Err(self.fail(What::Control)),
                None => return Err(self.expected("the end of the string")),
            }
        }
    }

    #[cold]
    fn short(&mut self) -> Result<Vec<u8>, Failure> {
        let mut read = Vec::new();
        let mut is_long = false;
        self.pieces("a string", |piece| {
            let room = SHORT_BYTES_MAX - read.len();
            read.extend_from_slice(&piece[..piece.len().min(room)]);
            is_long |= piece.len() > room;
            Ok(())
        })?;
        if is_long {
            read.push(0);
        }
        Ok(read)
    }

    fn escape(&mut self) -> Result<char, Failure> {
        let at = self.at;
        let fail = |reader: &Self| reader.fail_at(at, What::Escape);
        let Some(letter) = self.text.get(at + 1) else { return Err(fail(self)) };
        self.at += 2;
        Ok(match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let mut units = [self.unit().ok_or_else(|| fail(self))?, 0];
                let pair = (0xd800..0xdc00).contains(&units[0]);
                if pair && self.takes_word(b"\\u") {
                    units[1] = self.unit().ok_or_else(|| fail(self))?;
                }
                let units = &units[..1 + usize::from(pair)];
                match char::decode_utf16(units.iter().copied()).next() {
                    Some(Ok(character)) => character,
                    _ => return Err(fail(self)),
                }
            }
            _ => return Err(fail(self)),
        })
    }

    /// Four hex digits.
    fn unit(&mut self) -> Option<u16> {
        let digits = self.text.get(self.at..self.at + 4)?;
        let unit = digits
            .iter()
            .try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)? as u16))?;
        self.at += 4;
        Some(unit)
    }

    /// Passes over everything in a string that stands for itself, eight bytes at a time.
    #[inline]
    fn pass_plain(&mut self) {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const HIGH: u64 = 0x8080_8080_8080_8080;
        let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
        while let Some(chunk) = self.text[self.at..].first_chunk::<8>() {
            let word = u64::from_le_bytes(*chunk);
            let below_space = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
            // The lowest bit that is set is right; those above it may be set by its borrow.
            let special = zero(word ^ (ONES * 0x22)) | zero(word ^ (ONES * 0x5c)) | below_space;
            if special != 0 {
                self.at += special.trailing_zeros() as usize / 8;
                return;
            }
            self.at += 8;
        }
        while self.peek().is_some_and(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
            self.at += 1;
        }
    }

    /// A number, as it is written.
    #[inline]
    pub(super) fn number(&mut self) -> Result<&'a [u8], Failure> {
        let start = self.at;
        match number_length(&self.text[start..]) {
            Some(length) => {
                self.at += length;
                Ok(&self.text[start..self.at])
            }
            None => Err(self.fail(What::Number("a number such as -1.5e3"))),
        }
    }

    /// Passes over a value, whatever it is.
    pub(super) fn skip(&mut self) -> Result<(), Failure> {
        // A bit for each object or list we are in, the innermost lowest: 1 for an object.
        let mut objects = 0_u128;
        let mut depth = 0;
        loop {
            match self.peek() {
                Some(open @ (b'{' | b'[')) => {
                    if depth == SKIP_DEPTH_MAX {
                        return Err(self.fail(What::Depth));
                    }
                    self.at += 1;
                    depth += 1;
                    objects = objects << 1 | u128::from(open == b'{');
                    if self.next_skipped(true, objects & 1 == 1)? {
                        continue;
                    }
                    depth -= 1;
                    objects >>= 1;
                }
                Some(b'"') => self.pieces("a string", |_| Ok(()))?,
                Some(b'-' | b'0'..=b'9') => drop(self.number()?),
                _ if [&b"true"[..], b"false", b"null"].iter().any(|word| self.takes_word(word)) => {}
                _ => return Err(self.expected("a value")),
            }
            // A value has ended; so may have what it is in.
            while depth > 0 && !self.next_skipped(false, objects & 1 == 1)? {
                depth -= 1;
                objects >>= 1;
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    fn next_skipped(&mut self, first: bool, object: bool) -> Result<bool, Failure> {
        let more = self.more(first, if object { b'}' } else { b']' })?;
        if more && object {
            self.key()?;
        }
        Ok(more)
    }
}

// === impl Stopped ===

impl Stopped {
    /// Adds the key under which it happened.
    #[cold]
    pub(super) fn under(mut self: Box<Self>, key: &'static [u8]) -> Box<Self> {
        self.path.push(Segment::Key(key));
        self
    }

    /// Adds the place in the list at which it happened.
    #[cold]
    pub(super) fn item(mut self: Box<Self>, index: usize) -> Box<Self> {
        self.path.push(Segment::Item(index));
        self
    }

    /// For a person.
    pub(super) fn in_text(self, text: &[u8]) -> Fault {
        let before = &text[..self.at.min(text.len())];
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let mut path = String::new();
        for segment in self.path.iter().rev() {
            match segment {
                Segment::Key(key) => {
                    let dot = if path.is_empty() { "" } else { "." };
                    path.push_str(dot);
                    path.push_str(&String::from_utf8_lossy(key));
                }
                Segment::Item(index) => path.push_str(&format!("[{index}]")),
            }
        }
        Fault {
            line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
            // Bytes that continue a character do not count.
            column: 1 + before[line_start..].iter().filter(|byte| **byte & 0xc0 != 0x80).count(),
            path,
            what: self.what,
        }
    }
}

/// Bytes that the number at the front of `text` takes.
pub(super) fn number_length(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let start = usize::from(text.first() == Some(&b'-'));
    let whole = digits(start);
    if whole == 0 || (whole > 1 && text[start] == b'0') {
        return None;
    }
    let mut end = start + whole;
    if text.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        if fraction == 0 {
            return None;
        }
        end += 1 + fraction;
    }
    if let Some(b'e' | b'E') = text.get(end) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent == 0 {
            return None;
        }
        end += 1 + sign + exponent;
    }
    Some(end)
}

/// Numbers, ids and the keys we know are all shorter.
const SHORT_BYTES_MAX: usize = 1024;
