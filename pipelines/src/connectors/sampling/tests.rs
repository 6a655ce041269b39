use super::*;

#[test]
fn the_sampling_threshold_says_whether_a_trace_was_kept() {
    let high = [0xff; 16];
    let low = [0; 16];
    for (state, trace, expected) in [
        ("", low, true),
        ("vendor=x", low, true),
        ("ot=th:0", low, true),
        ("ot=th:8", low, false),
        ("ot=th:8", high, true),
        ("a=b,ot=rv:ffffffffffffff;th:c", low, true),
        (" ot=th:c;rv:00000000000001", high, false),
        ("ot=th:xyz", low, true),
        ("ot=th:8;rv:short", low, false),
        ("ot=", low, true),
        ("ot=th:123456789abcdef", low, true),
    ] {
        assert_eq!(kept(state, &trace), expected, "{state}");
    }
}

#[test]
fn a_span_counts_for_those_that_sampling_left_out() {
    for (state, expected) in [
        ("", None),
        ("vendor=th:8", None),
        ("ot=p:8;r:3", None),
        ("ot=th:g", None),
        ("ot=th:123456789abcdef", None),
        ("ot=th:0", Some(1)),
        ("ot=th:8", Some(2)),
        ("x=y, ot=rv:00000000000000;th:c", Some(4)),
        ("ot=th:fff", Some(4096)),
        ("ot=th:ffffffffffffff", Some(1 << 56)),
    ] {
        assert_eq!(adjusted_count(state, &[1; 16], &[2; 8]), expected, "{state}");
    }
}

/// `th:55555555555555` keeps two of three, so one span stands for one and a half.
#[test]
fn what_is_left_beyond_a_whole_number_is_right_on_average_and_the_same_each_time() {
    let spans = 100_000_u64;
    for trace_differs in [false, true] {
        let count = |number: u64| {
            let trace = if trace_differs { u128::from(number) << 56 } else { 7 };
            adjusted_count("ot=th:55555555555555", &trace.to_be_bytes(), &number.to_be_bytes())
        };
        let counted: u64 = (0..spans).filter_map(count).sum();
        assert!(counted.abs_diff(spans * 3 / 2) < spans / 100, "{counted}");
        assert_eq!(count(5), count(5));
    }
}
