use super::*;
use crate::connectors::distribution::Distribution;

impl Cell for Distribution {
    fn exemplars(&self) -> Option<&Exemplars> {
        Some(&self.exemplars)
    }

    fn exemplars_mut(&mut self) -> Option<&mut Exemplars> {
        Some(&mut self.exemplars)
    }

    fn heap_bytes(&self) -> usize {
        size_of_val(&*self.counts)
    }
}

fn table(series: usize, bytes: u64, expiration_ns: u64) -> Table<Distribution> {
    let expiration = (expiration_ns > 0).then_some(Duration::from_nanos(expiration_ns));
    Table::new(Limits::new(series, ByteSize(bytes), expiration))
}

fn touch(table: &mut Table<Distribution>, group: u32, key: &str, now: u64) -> Place {
    table.touch(group, key.as_bytes(), UnixNanos(now), || Distribution::new(&[1.0]))
}

/// The series as `group:key start..seen`, sorted.
fn shown(table: &Table<Distribution>) -> Vec<String> {
    let show = |series: &Series<Distribution>| {
        let key = String::from_utf8_lossy(&series.key);
        format!("{}:{key} {}..{}", series.group, series.start.0, series.seen.0)
    };
    let mut all: Vec<_> = table.iter().map(show).collect();
    all.sort();
    all
}

#[test]
fn a_key_is_found_again_and_groups_are_apart() {
    let mut table = table(10, 1 << 20, 0);
    let first = touch(&mut table, 0, "a", 1);
    assert_eq!(touch(&mut table, 0, "a", 2), first);
    assert_ne!(touch(&mut table, 1, "a", 3), first);
    assert_eq!(shown(&table), ["0:a 1..2", "1:a 3..3"]);
}

#[test]
fn the_limit_is_of_each_group_and_the_overflow_series_comes_on_top() {
    let mut table = table(1, 1 << 20, 0);
    assert!(!touch(&mut table, 0, "a", 1).overflow);
    assert!(touch(&mut table, 0, "b", 2).overflow);
    assert!(!touch(&mut table, 0, "a", 3).overflow);
    assert!(!touch(&mut table, 1, "b", 4).overflow);
    assert_eq!(shown(&table), ["0: 2..2", "0:a 1..3", "1:b 4..4"]);
    assert!(table.report_overflow(0).is_some());
    assert!(table.report_overflow(0).is_none(), "a group is reported once");
}

#[test]
fn an_empty_key_is_a_series_like_any_other() {
    let mut table = table(1, 1 << 20, 0);
    assert!(!touch(&mut table, 0, "", 1).overflow);
    assert!(touch(&mut table, 0, "b", 2).overflow);
    assert_eq!(table.len(), 2);
}

#[test]
fn bytes_are_bounded_and_given_back() {
    let mut table = table(0, 4_000, 0);
    for index in 0..1_000 {
        let place = touch(&mut table, 0, &format!("a rather long key, number {index}"), 1);
        let origin = Origin { trace_id: [1; 16], span_id: [1; 8] };
        table.put_exemplar(place.slot, 0, UnixNanos(1), origin, 0.5, "task");
    }
    assert!(table.bytes() <= 4_000 + 300, "{} bytes", table.bytes());
    assert!(table.len() > 3);
    table.remove_group(0);
    assert_eq!((table.bytes(), table.len()), (0, 0));
    assert!(!touch(&mut table, 0, "b", 2).overflow);
}

#[test]
fn what_has_changed_is_told_once_group_by_group() {
    let mut table = table(0, 1 << 20, 0);
    for (group, key) in [(1, "a"), (0, "b"), (1, "c"), (1, "a")] {
        touch(&mut table, group, key, 1);
    }
    let keys = |table: &mut Table<Distribution>| {
        let slots = table.take_changed();
        slots.iter().map(|slot| table.series(*slot).key.to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(keys(&mut table), [b"b", b"a", b"c"]);
    assert!(!table.group_changed(1));
    touch(&mut table, 1, "c", 2);
    assert!(table.group_changed(1));
    table.remove_group(1);
    touch(&mut table, 2, "d", 3);
    assert_eq!(keys(&mut table), [b"d"]);
}

#[test]
fn expired_series_leave_and_their_slots_are_used_again() {
    let mut table = table(2, 1 << 20, 10);
    for key in ["a", "b", "c"] {
        touch(&mut table, 0, key, 1);
    }
    touch(&mut table, 0, "a", 8);
    let gone: Vec<_> = table.expire(UnixNanos(12)).into_iter().map(|series| series.overflow).collect();
    assert_eq!(gone, [false, true]);
    assert!(!touch(&mut table, 0, "c", 13).overflow);
    assert_eq!(shown(&table), ["0:a 1..8", "0:c 13..13"]);
}
