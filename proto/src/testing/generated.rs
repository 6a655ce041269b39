//! Requests made from the table: every field of every message, with values at the edges of its type.

use crate::{
    batch::SignalKind,
    schema::{Field, Fixed64Type, Kind, Message, VarintType},
    testing::Random,
    wire::Writer,
};

/// A request as our own writers would write it: fields in the table's order, lists packed, one member of
/// a `oneof`. Ids have the right length. A `plain` one has something in every field, and doubles of few
/// digits; in another one anything may be absent, and doubles may be infinite.
pub fn request(kind: SignalKind, plain: bool, seed: u64) -> Vec<u8> {
    let mut maker = Maker { random: Random(seed), plain, out: Writer::default() };
    maker.message(Message::request(kind), 0);
    maker.out.into_vec()
}

struct Maker {
    random: Random,
    plain: bool,
    out: Writer,
}

// === impl Maker ===

impl Maker {
    fn message(&mut self, message: Message, depth: u32) {
        let members = message.fields().iter().filter(|field| field.oneof);
        let scalars = members.filter(|field| depth < DEPTH_MAX || !matches!(field.kind, Kind::One(_)));
        // What profiles call a string by index is no part of these signals.
        let members: Vec<u32> =
            scalars.filter(|field| !field.name.ends_with("strindex")).map(|field| field.number).collect();
        // Past the last one: none of them.
        let choices = members.len() as u64 + u64::from(!self.plain);
        let chosen = members.get(self.random.below(choices.max(1)) as usize).copied();
        for field in message.fields().iter().filter(|field| !field.name.ends_with("strindex")) {
            let there = match field.kind {
                Kind::TraceId | Kind::SpanId => true,
                _ if field.oneof => chosen == Some(field.number),
                _ => self.plain || self.random.below(4) != 0,
            };
            if there {
                self.field(field, depth);
            }
        }
    }

    fn field(&mut self, field: &Field, depth: u32) {
        let number = field.number;
        let few = if self.plain { 1 + self.random.below(2) } else { self.random.below(3) };
        match field.kind {
            Kind::Varint(kind) => {
                let value = self.varint(kind);
                self.out.uint(number, value);
            }
            Kind::Fixed32 => {
                let value = self.edge() as u32;
                self.out.fixed32(number, value);
            }
            Kind::Fixed64(kind) => {
                let value = self.fixed64(kind);
                self.out.fixed64(number, value);
            }
            Kind::Varints => {
                let values: Vec<_> = (0..few).map(|_| self.edge()).collect();
                self.out.packed_varint(number, values);
            }
            Kind::Fixed64s(kind) => {
                let values: Vec<_> = (0..few).map(|_| self.fixed64(kind)).collect();
                self.out.packed_fixed64(number, values);
            }
            Kind::Text => self.text(number),
            Kind::Texts => (0..few).for_each(|_| self.text(number)),
            Kind::Bytes => {
                let bytes = self.random.bits().to_le_bytes();
                self.out.bytes(number, &bytes[..self.random.below(9) as usize]);
            }
            Kind::TraceId => {
                let id = self.random.id::<16>();
                self.out.bytes(number, &id);
            }
            Kind::SpanId | Kind::ParentId => {
                let id = self.random.id::<8>();
                self.out.bytes(number, &id);
            }
            Kind::One(child) => self.child(number, child, depth),
            Kind::Many(child) => (0..few).for_each(|_| self.child(number, child, depth)),
        }
    }

    fn child(&mut self, number: u32, child: Message, depth: u32) {
        let at = self.out.begin(number);
        self.message(child, depth + 1);
        self.out.end(at);
    }

    fn varint(&mut self, kind: VarintType) -> u64 {
        let edge = self.edge();
        match kind {
            VarintType::Bool => edge & 1,
            VarintType::Enum => self.random.below(4),
            VarintType::Int32 => edge as i32 as i64 as u64,
            VarintType::Int64 => edge,
            VarintType::Uint32 | VarintType::Sint32 => u64::from(edge as u32),
        }
    }

    fn fixed64(&mut self, kind: Fixed64Type) -> u64 {
        match (kind, DOUBLES.get(self.random.below(16) as usize)) {
            // Not every reader gets the last digit of a double right.
            (Fixed64Type::Double, _) if self.plain => (self.edge() as i32 as f64 / 4.0).to_bits(),
            (Fixed64Type::Double, Some(double)) => double.to_bits(),
            (Fixed64Type::Double, None) => (self.random.bits() as i64 as f64 / 4_096.0).to_bits(),
            _ => self.edge(),
        }
    }

    /// A number of any size, often near the edges of a type.
    fn edge(&mut self) -> u64 {
        let edges = [0, 1, 1 << 31, 1 << 32, 1 << 53, 1 << 63, u64::MAX];
        match edges.get(self.random.below(9) as usize) {
            Some(edge) => edge.wrapping_add(self.random.below(3)).wrapping_sub(1),
            None => self.random.bits(),
        }
    }

    fn text(&mut self, number: u32) {
        let length = self.random.below(12);
        let text: String = (0..length).map(|_| self.random.of(CHARACTERS)).collect();
        self.out.string(number, &text);
    }
}

/// Values below this are no lists.
const DEPTH_MAX: u32 = 9;

const DOUBLES: [f64; 9] =
    [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, f64::MAX, 5e-324, 0.1, -1e21];

const CHARACTERS: &[&str] =
    &["a", "Z", "0", " ", "\"", "\\", "/", "\n", "\u{0}", "\u{1f}", "\u{7f}", "ä", "€", "😀"];
