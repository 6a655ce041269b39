//! Changing attributes of resources and items.

use crate::{
    batch::{Batch, Logs, Metrics, Signal, Traces},
    encode::AttributesWriter,
    rewrite::splice::{Patch, splice},
    schema::{Kind, Message, resource_spans},
    view::{Attributes, LogRecordView, SpanView, View},
    wire::{Fields, Payload, Writer},
};

/// What a closure did with a list of attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Nothing; what it may have written is thrown away and the list stays as it is.
    Unchanged,
    /// It wrote the whole new list, which may be empty.
    Replaced,
}

/// Sees a message that has attributes, its bytes and its attributes.
type Editor<'e> = dyn FnMut(Message, &[u8], Attributes<'_>, &mut AttributesWriter<'_>) -> Edit + 'e;

struct Walk<'e> {
    edit: &'e mut Editor<'e>,
    patches: Vec<Patch>,
}

// === impl Batch ===

impl<S: Signal> Batch<S> {
    /// Edits the attributes of each resource. A sender without a resource has an empty list, and
    /// gets a resource if something is written.
    pub fn edit_resources(
        &self,
        mut edit: impl FnMut(Attributes<'_>, &mut AttributesWriter<'_>) -> Edit,
    ) -> Self {
        edited(self, &mut |message, _, attributes, out| match message {
            Message::Resource => edit(attributes, out),
            _ => Edit::Unchanged,
        })
    }
}

impl Batch<Traces> {
    /// Edits the attributes of each span.
    pub fn edit_spans(&self, mut edit: impl FnMut(SpanView<'_>, &mut AttributesWriter<'_>) -> Edit) -> Self {
        edited(self, &mut |message, bytes, _, out| match message {
            Message::Span => edit(SpanView::read(bytes), out),
            _ => Edit::Unchanged,
        })
    }
}

impl Batch<Logs> {
    /// Edits the attributes of each log record.
    pub fn edit_log_records(
        &self,
        mut edit: impl FnMut(LogRecordView<'_>, &mut AttributesWriter<'_>) -> Edit,
    ) -> Self {
        edited(self, &mut |message, bytes, _, out| match message {
            Message::LogRecord => edit(LogRecordView::read(bytes), out),
            _ => Edit::Unchanged,
        })
    }
}

impl Batch<Metrics> {
    /// Edits the attributes of each data point, of whatever kind.
    pub fn edit_points(
        &self,
        mut edit: impl FnMut(Attributes<'_>, &mut AttributesWriter<'_>) -> Edit,
    ) -> Self {
        edited(self, &mut |message, _, attributes, out| match message.is_item() {
            true => edit(attributes, out),
            false => Edit::Unchanged,
        })
    }
}

fn edited<S: Signal>(batch: &Batch<S>, edit: &mut Editor<'_>) -> Batch<S> {
    let mut walk =
        Walk { edit: &mut |message, bytes, list, out| edit(message, bytes, list, out), patches: Vec::new() };
    walk.envelope(Message::request(S::KIND), batch.bytes(), 0, 0);
    if walk.patches.is_empty() {
        return batch.clone();
    }
    Batch::trusted(splice(batch.bytes(), &walk.patches).into(), batch.items())
}

// === impl Walk ===

impl Walk<'_> {
    fn envelope(&mut self, message: Message, bytes: &[u8], base: usize, level: usize) {
        let sender =
            matches!(message, Message::ResourceSpans | Message::ResourceMetrics | Message::ResourceLogs);
        if sender && !Fields::new(bytes).any(|field| field.number == resource_spans::RESOURCE) {
            self.missing_resource(base, level);
        }
        for field in Fields::new(bytes) {
            let Payload::Len(payload) = field.payload else { continue };
            let Some(Kind::One(child) | Kind::Many(child)) =
                message.field(field.number).map(|field| field.kind)
            else {
                continue;
            };
            let inner = base + field.end - payload.len();
            if child.is_envelope() {
                self.envelope(child, payload, inner, level + 1);
            } else if child.is_item() || child == Message::Resource {
                self.attributes(child, payload, inner, level + 1);
            }
        }
    }

    /// Edits the attributes of one message. The new list takes the place of the old one; fields that
    /// stood between old attributes follow it.
    fn attributes(&mut self, message: Message, bytes: &[u8], base: usize, level: usize) {
        let number = attributes_number(message);
        let mut extent = None;
        for field in Fields::new(bytes).filter(|field| field.number == number) {
            extent = Some((extent.map_or(field.start, |(start, _)| start), field.end));
        }
        let (start, end) = extent.unwrap_or((bytes.len(), bytes.len()));
        let list = &bytes[start..end];
        let mut out = Writer::default();
        let old = Attributes::of(list, number);
        if (self.edit)(message, bytes, old, &mut AttributesWriter::new(&mut out, number)) == Edit::Unchanged {
            return;
        }
        for field in Fields::new(list).filter(|field| field.number != number) {
            out.raw(&list[field.start..field.end]);
        }
        let with = out.into_vec();
        if with != list {
            self.patches.push(Patch { level, start: base + start, end: base + end, with });
        }
    }

    fn missing_resource(&mut self, at: usize, level: usize) {
        let number = attributes_number(Message::Resource);
        let mut list = Writer::default();
        let mut writer = AttributesWriter::new(&mut list, number);
        let edit = (self.edit)(Message::Resource, &[], Attributes::EMPTY, &mut writer);
        if edit == Edit::Replaced && !list.is_empty() {
            let mut out = Writer::default();
            out.bytes(resource_spans::RESOURCE, list.as_slice());
            self.patches.push(Patch { level, start: at, end: at, with: out.into_vec() });
        }
    }
}

fn attributes_number(message: Message) -> u32 {
    message.fields().iter().find(|field| field.name == "attributes").map_or(0, |field| field.number)
}
