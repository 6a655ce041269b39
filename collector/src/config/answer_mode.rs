//! When a pipeline may answer "ok": the rule that maps the Collector's YAML to [`Mode`].

use pipelines::journal::Mode;

/// What one exporter at the end of a pipeline asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Its queue names a storage.
    pub durable: bool,
    /// It has no queue, or waits for the result.
    pub delivered: bool,
}

/// The mode of one pipeline.
///
/// 1. A storage on any of its exporters makes it durable.
/// 2. No queue, or `wait_for_result`, on any of its exporters: it answers when they have delivered.
/// 3. `file_storage` is enabled and nothing in the whole file names a storage: durable, since nobody
///    enables a storage to have it stand idle. This is the embedded default.
/// 4. Otherwise memory.
pub fn answer_mode(wishes: &[Wish], file_storage_enabled: bool, storage_named_anywhere: bool) -> Mode {
    if wishes.iter().any(|wish| wish.durable) {
        Mode::Durable
    } else if wishes.iter().any(|wish| wish.delivered) {
        Mode::Delivered
    } else if file_storage_enabled && !storage_named_anywhere {
        Mode::Durable
    } else {
        Mode::Memory
    }
}

/// What a mode promises, for people.
pub fn promise(mode: Mode) -> &'static str {
    match mode {
        Mode::Memory => "answers when the data is in memory; a killed process loses what was not delivered",
        Mode::Durable => "answers when the data is on disk; a killed process delivers it after its restart",
        Mode::Delivered => "answers when every exporter has delivered the data",
    }
}

/// The name of a mode, as the banner and `print-config` show it.
pub fn name(mode: Mode) -> &'static str {
    match mode {
        Mode::Memory => "memory",
        Mode::Durable => "durable",
        Mode::Delivered => "delivered",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_holds_in_its_order() {
        let plain = Wish::default();
        let durable = Wish { durable: true, ..plain };
        let delivered = Wish { delivered: true, ..plain };
        for (wishes, enabled, named, mode) in [
            (&[][..], false, false, Mode::Memory),
            (&[plain], false, false, Mode::Memory),
            (&[plain], true, false, Mode::Durable),
            (&[], true, false, Mode::Durable),
            (&[plain], true, true, Mode::Memory),
            (&[plain, durable], true, true, Mode::Durable),
            (&[delivered, durable], true, true, Mode::Durable),
            (&[delivered, plain], false, false, Mode::Delivered),
            (&[delivered], true, false, Mode::Delivered),
        ] {
            assert_eq!(answer_mode(wishes, enabled, named), mode, "{wishes:?} {enabled} {named}");
        }
    }
}
