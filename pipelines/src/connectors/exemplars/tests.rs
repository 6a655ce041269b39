use super::*;

const ORIGIN: Origin = Origin { trace_id: [1; 16], span_id: [2; 8] };

#[test]
fn a_slot_is_given_anew_only_after_a_while() {
    let mut exemplars = Exemplars::default();
    exemplars.put(3, UnixNanos(10), ORIGIN, 1.0, "a");
    assert!(!exemplars.wants(3, UnixNanos(14), 5));
    assert!(exemplars.wants(3, UnixNanos(15), 5) && exemplars.wants(4, UnixNanos(10), 5));
    assert!(exemplars.wants(3, UnixNanos(1), 5), "the clock was set back");
    exemplars.put(3, UnixNanos(15), ORIGIN, 2.0, "");
    let slots: Vec<_> = exemplars.iter().map(|slot| (slot.value, slot.task_id.as_str())).collect();
    assert_eq!(slots, [(2.0, "")]);
}

#[test]
fn a_task_id_that_would_not_fit_into_openmetrics_is_left_out() {
    for (length, kept) in [(TASK_ID_BYTES_MAX, true), (TASK_ID_BYTES_MAX + 1, false)] {
        let mut exemplars = Exemplars::default();
        exemplars.put(0, UnixNanos(1), ORIGIN, 1.0, &"x".repeat(length));
        assert_eq!(!exemplars.slots[0].task_id.is_empty(), kept, "{length}");
    }
}
