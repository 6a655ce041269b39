use proptest::prelude::*;

use super::*;

fn of(size: usize, values: &[f64]) -> Exponential {
    let mut histogram = Exponential::new(size);
    values.iter().for_each(|value| histogram.record(*value, 1));
    histogram
}

/// The upper end of a bucket.
fn upper(histogram: &Exponential, place: usize) -> f64 {
    let index = f64::from(histogram.offset) + place as f64 + 1.0;
    (index * f64::from(-histogram.scale).exp2()).exp2()
}

#[test]
fn a_bucket_holds_its_upper_end_and_not_its_lower_one() {
    for (value, scale, expected) in [
        (1.0, 0, -1),
        (2.0, 0, 0),
        (2.1, 0, 1),
        (4.0, 1, 3),
        (4.1, 1, 4),
        (0.5, 0, -2),
        (0.5, -1, -1),
        (16.0, -2, 0),
        (17.0, -2, 1),
        (1e-6, 0, -20),
    ] {
        assert_eq!(index_of(value, scale), expected, "{value} at {scale}");
    }
}

#[test]
fn the_scale_falls_only_as_far_as_the_size_demands() {
    let histogram = of(4, &[1.0, 2.0, 4.0, 8.0]);
    assert_eq!((histogram.scale, histogram.offset, &*histogram.counts), (0, -1, &[1, 1, 1, 1][..]));
    let histogram = of(4, &[1.0, 16.0, 2.0]);
    assert_eq!((histogram.scale, histogram.offset, &*histogram.counts), (-1, -1, &[1, 1, 1][..]));
    let one = of(160, &[3.0; 5]);
    assert_eq!((one.scale, one.counts.len(), one.count()), (SCALE_MAX, 1, 5));
    let extremes = of(2, &[1e-9, 1e19, 0.0]);
    assert_eq!((extremes.counts.len(), extremes.zeros, extremes.count()), (2, 1, 3));
    assert_eq!((extremes.min, extremes.max), (0.0, 1e19));
}

#[test]
fn hostile_weights_saturate() {
    let mut histogram = of(2, &[1.0]);
    for value in [0.0, 1.0, 100.0] {
        histogram.record(value, u64::MAX);
        histogram.record(value, u64::MAX);
    }
    assert_eq!(histogram.count(), u64::MAX);
}

fn values() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(prop_oneof![1 => Just(0.0), 9 => (-30.0..64.0_f64).prop_map(f64::exp2)], 0..300)
}

proptest! {
    #[test]
    fn s_8_every_value_lies_in_its_bucket_and_there_are_never_more(values in values(), size in 2..200_usize) {
        let histogram = of(size, &values);
        prop_assert!(histogram.counts.len() <= size);
        prop_assert_eq!(histogram.count(), values.len() as u64);
        for (place, count) in histogram.counts.iter().enumerate() {
            // The ends of fine buckets are not exact numbers.
            let (above, to) = if place == 0 {
                (0.0, upper(&histogram, 0) * (1.0 + 1e-9))
            } else {
                (upper(&histogram, place - 1) * (1.0 + 1e-9), upper(&histogram, place) * (1.0 + 1e-9))
            };
            let expected = values.iter().filter(|value| **value > above && **value <= to).count() as u64;
            prop_assert_eq!(*count, expected, "bucket {}", place);
        }
    }

    #[test]
    fn folding_counts_the_same_as_counting(a in values(), b in values(), size in 2..40_usize) {
        let mut folded = of(size, &a);
        folded.fold(&of(size, &b));
        let both = of(size, &[a, b].concat());
        prop_assert_eq!(&folded.counts, &both.counts);
        prop_assert_eq!((folded.scale, folded.zeros, folded.min, folded.max), (both.scale, both.zeros, both.min, both.max));
    }

    #[test]
    fn what_is_saved_is_restored(values in values(), size in 2..40_usize) {
        let histogram = of(size, &values);
        let mut state = Vec::new();
        histogram.save(&mut Writer(&mut state));
        prop_assert_eq!(Exponential::restore(&mut Reader(&state), size), Ok(histogram));
    }
}
