//! One number: counters, gauges, and what looks like them.

use proto::wire::Writer as Wire;

use super::{Dropped, Line, Shelf, Store, Value};
use crate::prometheus::{
    exemplar::{Exemplar, keep_newer},
    protobuf::{self, counter},
    state::{Reader, put_bytes, put_exemplar, put_number},
    text::{ExemplarText, Number, Writer},
};

/// One number and, on a counter, its newest exemplar.
#[derive(Debug)]
pub struct Single {
    /// An integer or a floating point number, by `double`.
    bits: u64,
    exemplar: Option<Box<Exemplar>>,
    double: bool,
    /// Whether it only grows; then it is never negative nor `NaN`.
    monotonic: bool,
}

/// What a point says.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Its value.
    pub value: Number,
    /// Whether it only grows.
    pub monotonic: bool,
}

// === impl Single ===

impl Single {
    /// The value.
    pub fn number(&self) -> Number {
        if self.double { Number::Double(f64::from_bits(self.bits)) } else { Number::Int(self.bits as i64) }
    }

    /// Keeps the newer of two exemplars. Only counters have them (OpenMetrics 1.0, *Exemplars*).
    pub fn take_exemplar(&mut self, exemplar: ExemplarText<'_>) {
        if self.monotonic {
            keep_newer(&mut self.exemplar, exemplar);
        }
    }

    fn set(&mut self, number: Number) {
        (self.bits, self.double) = match number {
            Number::Int(value) => (value as u64, false),
            Number::Double(value) => (value.to_bits(), true),
        };
    }
}

impl Value for Single {
    type Reading<'a> = Reading;

    fn shelf(store: &mut Store) -> Option<&mut Shelf<Self>> {
        match store {
            Store::Singles(shelf) => Some(shelf),
            _ => None,
        }
    }

    fn first(reading: Reading) -> Result<Self, Dropped> {
        reading.check()?;
        let mut first = Self { bits: 0, exemplar: None, double: false, monotonic: reading.monotonic };
        first.set(reading.value);
        Ok(first)
    }

    fn replace(&mut self, reading: Reading) -> Result<bool, Dropped> {
        reading.check()?;
        let fell = reading.monotonic && reading.value.as_f64() < self.number().as_f64();
        self.set(reading.value);
        Ok(fell)
    }

    fn add(&mut self, reading: Reading) -> Result<bool, Dropped> {
        self.fold(&Self::first(reading)?).map(|()| false)
    }

    fn bare(&self) -> Self {
        Self { exemplar: None, ..*self }
    }

    fn zero(&self) -> Option<Self> {
        self.monotonic.then_some(Self { bits: 0, exemplar: None, ..*self })
    }

    fn since(&self, earlier: &Self) -> Option<Self> {
        let (now, then) = (self.number(), earlier.number());
        let fell = self.monotonic && now.as_f64() < then.as_f64();
        (!fell).then(|| {
            let mut since = Self { bits: 0, exemplar: None, double: false, monotonic: self.monotonic };
            since.set(now.minus(then));
            since
        })
    }

    fn fold(&mut self, other: &Self) -> Result<(), Dropped> {
        let sum = self.number().plus(other.number());
        if !sum.as_f64().is_finite() {
            return Err(Dropped::InvalidValue);
        }
        self.set(sum);
        Ok(())
    }

    fn heap_bytes(&self) -> usize {
        self.exemplar.as_ref().map_or(0, |exemplar| exemplar.bytes())
    }

    fn lines(&self) -> usize {
        1
    }

    fn render(&self, line: &Line<'_>, writer: &mut Writer<'_>) {
        writer.sample(line.kind.suffix(), line.labels, None);
        writer.number(self.number());
        line.end(writer, self.exemplar.as_deref());
        if self.monotonic {
            line.created(writer);
        }
    }

    fn encode(&self, line: &Line<'_>, out: &mut Wire) -> bool {
        protobuf::push_number(out, line.kind, self.number().as_f64(), |out| {
            line.encode_exemplar(out, counter::EXEMPLAR, self.exemplar.as_deref());
            line.encode_created(out, counter::CREATED);
        });
        true
    }

    fn forget_exemplars(&mut self, now_ns: u64, retention_ns: u64) {
        self.exemplar.take_if(|exemplar| exemplar.expired(now_ns, retention_ns));
    }

    fn save(&self, out: &mut Vec<u8>) {
        put_number(out, self.number());
        put_bytes(out, &[u8::from(self.monotonic)]);
        put_exemplar(out, self.exemplar.as_deref());
    }

    fn restore(from: &mut Reader<'_>) -> Option<Self> {
        let value = from.number()?;
        let monotonic = from.bytes()? == [1];
        let mut restored = Self::first(Reading { value, monotonic }).ok()?;
        restored.exemplar = from.exemplar()?.map(Box::new);
        Some(restored)
    }
}

// === impl Reading ===

impl Reading {
    /// A counter is neither negative nor `NaN` (OpenMetrics 1.0, *Counter*).
    fn check(self) -> Result<(), Dropped> {
        if self.monotonic && (self.value.as_f64() < 0.0 || self.value.as_f64().is_nan()) {
            return Err(Dropped::InvalidValue);
        }
        Ok(())
    }
}
