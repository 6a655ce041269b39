//! The journal: what comes in is written once, and everyone who wants it reads with a cursor.

/// A consumer's place in one pipeline.
#[derive(Debug)]
pub struct Cursor {}
