//! The deserializer over a node, and its parts for mappings, lists and enums.

use pipelines::config::SPAN;
use serde::{
    Deserialize,
    de::{self, DeserializeSeed, IntoDeserializer, Unexpected, Visitor},
    forward_to_deserialize_any,
};

use super::{Fault, NodeDeserializer, fault::Kind};
use crate::config::tree::{Entry, Node, Value};

// === impl NodeDeserializer ===

impl<'t> NodeDeserializer<'t> {
    fn child(self, node: &'t Node) -> Self {
        Self { node, reading: self.reading }
    }

    /// Not every child: those that were found wrong before are gone.
    fn present<'n, N>(self, children: &'t [N], node: impl Fn(&'t N) -> &'n Node) -> Vec<&'t N> {
        children.iter().filter(|child| !self.reading.left_out.contains(&node(child).id)).collect()
    }

    fn map<V: Visitor<'t>>(
        self,
        entries: &'t [Entry],
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let mut entries = self.present(entries, |entry| &entry.node);
        entries.reverse();
        let mut access = Entries { map: self, entries, current: None, known };
        let result = visitor.visit_map(&mut access);
        // A fault between a key and its value is a fault of the key.
        let node = access.current.map_or(self.node, |entry| &entry.node);
        result.map_err(|fault| match fault.kind {
            Kind::Missing { .. } => fault.at(self.node),
            _ => fault.at(node),
        })
    }

    fn list<V: Visitor<'t>>(self, items: &'t [Node], visitor: V) -> Result<V::Value, Fault> {
        let mut items = self.present(items, |item| item);
        items.reverse();
        visitor.visit_seq(Items { list: self, items }).map_err(|fault| fault.at(self.node))
    }

    fn wrong(self, expected: &dyn de::Expected) -> Fault {
        let found = match self.node.value {
            Value::List(_) => Unexpected::Seq,
            Value::Map(_) => Unexpected::Map,
            _ => Unexpected::Unit,
        };
        <Fault as de::Error>::invalid_type(found, expected).at(self.node)
    }
}

impl<'t> de::Deserializer<'t> for NodeDeserializer<'t> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Unsigned(value) => visitor.visit_u64(*value),
            Value::Signed(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::List(items) => return self.list(items, visitor),
            Value::Map(entries) => return self.map(entries, &[], visitor),
        }
        .map_err(|fault: Fault| fault.at(self.node))
    }

    fn deserialize_str<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        match (&self.node.text, &self.node.value) {
            (Some(text), _) | (None, Value::Text(text)) => {
                visitor.visit_borrowed_str(text).map_err(|fault: Fault| fault.at(self.node))
            }
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        // Also for null: `grpc:` is a mapping with nothing in it. See the module's text.
        visitor.visit_some(self).map_err(|fault: Fault| fault.at(self.node))
    }

    fn deserialize_seq<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::List(items) => self.list(items, visitor),
            Value::Null => self.list(&[], visitor),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_tuple<V: Visitor<'t>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_struct("", &[], visitor)
    }

    fn deserialize_struct<V: Visitor<'t>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Map(entries) => self.map(entries, fields, visitor),
            Value::Null => self.map(&[], fields, visitor),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_enum<V: Visitor<'t>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let result = match (&self.node.text, &self.node.value) {
            (Some(text), _) | (None, Value::Text(text)) => {
                visitor.visit_enum(de::value::StrDeserializer::<Fault>::new(text))
            }
            (None, Value::Map(entries)) if entries.len() == 1 => {
                let entry = &entries[0];
                if self.reading.left_out.contains(&entry.node.id) {
                    return Err(Fault::new(Kind::Consequence).at(self.node));
                }
                visitor.visit_enum(Variant { map: self, entry })
            }
            _ => return Err(self.wrong(&"a text")),
        };
        result.map_err(|fault| fault.at(self.node))
    }

    fn deserialize_newtype_struct<V: Visitor<'t>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if let (SPAN, &Value::Unsigned(number @ 1..)) = (name, &self.node.value) {
            self.reading.without_unit.borrow_mut().push((self.node.id, number));
        }
        visitor.visit_newtype_struct(self).map_err(|fault: Fault| fault.at(self.node))
    }

    fn deserialize_ignored_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.reading.without_effect.borrow_mut().push(self.node.id);
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        <V: Visitor<'t>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        tuple_struct identifier
    }
}

/// Entries of a mapping, last first.
struct Entries<'t> {
    map: NodeDeserializer<'t>,
    entries: Vec<&'t Entry>,
    current: Option<&'t Entry>,
    /// Empty where any key may stand.
    known: &'static [&'static str],
}

impl<'t> de::MapAccess<'t> for &mut Entries<'t> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'t>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        self.current = self.entries.pop();
        let Some(entry) = self.current else { return Ok(None) };
        let key: de::value::BorrowedStrDeserializer<'t, Fault> =
            de::value::BorrowedStrDeserializer::new(&entry.key);
        seed.deserialize(key).map(Some).map_err(|fault| fault.at(&entry.node))
    }

    fn next_value_seed<V: DeserializeSeed<'t>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let entry = self.current.expect("serde asks for a value after its key only");
        if !self.known.is_empty() && is_ignored::<V::Value>() && !self.known.contains(&entry.key.as_str()) {
            return Err(Fault::new(Kind::UnknownKey { known: self.known }).at(&entry.node));
        }
        let value = seed.deserialize(self.map.child(&entry.node)).map_err(|fault| fault.at(&entry.node))?;
        self.current = None;
        Ok(value)
    }
}

/// A struct without `deny_unknown_fields` reads unknown keys as this type. They are errors all the same.
fn is_ignored<T>() -> bool {
    std::any::type_name::<T>() == std::any::type_name::<de::IgnoredAny>()
}

struct Items<'t> {
    list: NodeDeserializer<'t>,
    items: Vec<&'t Node>,
}

impl<'t> de::SeqAccess<'t> for Items<'t> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'t>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some(item) = self.items.pop() else { return Ok(None) };
        seed.deserialize(self.list.child(item)).map(Some).map_err(|fault| fault.at(item))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// An enum written as a mapping of one entry: `{variant: content}`.
struct Variant<'t> {
    map: NodeDeserializer<'t>,
    entry: &'t Entry,
}

impl<'t> de::EnumAccess<'t> for Variant<'t> {
    type Error = Fault;
    type Variant = NodeDeserializer<'t>;

    fn variant_seed<V: DeserializeSeed<'t>>(self, seed: V) -> Result<(V::Value, Self::Variant), Fault> {
        let key: de::value::StrDeserializer<'_, Fault> = self.entry.key.as_str().into_deserializer();
        let variant = seed.deserialize(key).map_err(|fault| fault.at(&self.entry.node))?;
        Ok((variant, self.map.child(&self.entry.node)))
    }
}

impl<'t> de::VariantAccess<'t> for NodeDeserializer<'t> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        <()>::deserialize(self)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'t>>(self, seed: T) -> Result<T::Value, Fault> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'t>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        de::Deserializer::deserialize_seq(self, visitor)
    }

    fn struct_variant<V: Visitor<'t>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        de::Deserializer::deserialize_struct(self, "", fields, visitor)
    }
}
