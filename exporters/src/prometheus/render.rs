//! One scrape: the page, chunk by chunk.
//!
//! - **In:** the table, the families of the process itself, a format, the time.
//! - **Out:** chunks of about [`CHUNK_BYTES`] appended to a buffer that the caller reuses.
//! - **Guaranteed:** a lock is held while one chunk is written, never longer; memory does not grow with
//!   the page; two scrapes at the same time show the same; a scrape changes nothing for the next.

use std::{collections::VecDeque, sync::Arc};

use super::{
    escaping::Escaping,
    own::Family as OwnFamily,
    series::{
        Table,
        family::{Family, Reading},
        value::Show,
    },
    text::{Style, Writer},
};

/// A page that is being written.
#[derive(Debug)]
pub struct Scrape {
    table: Arc<Table>,
    style: Style,
    show: Show,
    stage: Stage,
    own: Vec<OwnFamily>,
    /// Families looked up and not yet begun.
    ahead: VecDeque<Arc<Family>>,
    /// The name of the last family begun.
    last: Option<Box<str>>,
    reading: Option<Reading>,
    /// The last target written.
    target: Option<Box<[u8]>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Own,
    Targets,
    Families,
    Done,
}

// === impl Scrape ===

impl Scrape {
    /// Begins a page.
    pub fn new(table: Arc<Table>, own: Vec<OwnFamily>, style: impl Into<Style>, show: Show) -> Self {
        let style = style.into();
        let (ahead, last, reading, target) = (VecDeque::new(), None, None, None);
        Self { table, style, show, stage: Stage::Own, own, ahead, last, reading, target }
    }

    /// Appends the next chunk. `false` means that the page was complete before.
    pub fn next_chunk(&mut self, out: &mut Vec<u8>) -> bool {
        if self.stage == Stage::Done {
            return false;
        }
        let bytes_max = out.len() + CHUNK_BYTES;
        let table = Arc::clone(&self.table);
        let spellings = (self.style.escaping != Escaping::Underscores).then(|| table.spellings.read());
        let writer = &mut Writer::new(out, self.style, spellings.as_deref());
        while writer.len() < bytes_max && self.stage != Stage::Done {
            self.stage = match self.stage {
                Stage::Own => self.own(writer),
                Stage::Targets => self.targets(writer, bytes_max),
                Stage::Families => self.families(writer, bytes_max),
                Stage::Done => Stage::Done,
            };
        }
        true
    }

    fn own(&mut self, writer: &mut Writer<'_>) -> Stage {
        self.own.iter().for_each(|family| family.render(writer));
        self.own = Vec::new();
        Stage::Targets
    }

    fn targets(&mut self, writer: &mut Writer<'_>, bytes_max: usize) -> Stage {
        self.target = self.table.targets.render(self.target.as_deref(), writer, bytes_max);
        if self.target.is_some() { Stage::Targets } else { Stage::Families }
    }

    fn families(&mut self, writer: &mut Writer<'_>, bytes_max: usize) -> Stage {
        let Some(mut reading) = self.reading.take().or_else(|| self.next_family()) else {
            writer.eof();
            return Stage::Done;
        };
        if !reading.render(&self.show, writer, bytes_max) {
            self.reading = Some(reading);
        }
        Stage::Families
    }

    fn next_family(&mut self) -> Option<Reading> {
        if self.ahead.is_empty() {
            self.ahead = self.table.families_after(self.last.as_deref(), AHEAD).into();
        }
        let family = self.ahead.pop_front()?;
        self.last = Some(family.name.clone());
        Some(family.read())
    }
}

/// A chunk is at least as large, and by one series larger at most.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// Families looked up at once.
const AHEAD: usize = 64;
