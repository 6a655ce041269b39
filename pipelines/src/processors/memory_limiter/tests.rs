use expect_test::{Expect, expect};
use proto::{Traces, testing::sample};

use super::*;
use crate::testing::contract::check_processor;

fn check(yaml: &str, expected: Expect) {
    let config: Config = serde_saphyr::from_str(yaml).expect("readable");
    let errors = config.check().err().unwrap_or_default();
    expected.assert_eq(&errors.iter().map(|error| format!("{error}\n")).collect::<String>());
}

#[test]
fn batches_are_declined_while_more_than_the_limit_less_the_spike_is_held() {
    let memory = MemoryGauge::default();
    let part = memory.part("tails", 0);
    let config: Config = serde_saphyr::from_str("{limit_mib: 100, spike_limit_mib: 40}").expect("readable");
    let limiter = config.build(memory);
    let batch = sample::traces(1, 1, 1);
    for (mib, taken) in [(0, true), (60, true), (61, false), (200, false), (10, true)] {
        part.set(mib * MIB);
        let answer = limiter.process(batch.clone(), &Client::default());
        assert_eq!(answer.is_ok(), taken, "{mib} MiB");
        if let Err(refusal) = answer {
            assert_eq!(refusal, Refusal::retry(Reason::MemoryLimit));
        }
        check_processor::<Traces>(&limiter, &batch);
    }
}

#[test]
fn the_spike_is_a_fifth_unless_it_is_written() {
    let config: Config = serde_saphyr::from_str("{limit_mib: 100}").expect("readable");
    assert_eq!(config.limits(), Limits { bytes_max: 100 * MIB, refuse_beyond: 80 * MIB });
    let share: Config =
        serde_saphyr::from_str("{limit_percentage: 50, spike_limit_percentage: 10}").expect("readable");
    let Limits { bytes_max, refuse_beyond } = share.limits();
    assert!(0 < refuse_beyond && refuse_beyond < bytes_max && bytes_max < machine_bytes());
}

#[test]
fn faults_say_what_would_be_right() {
    check("{limit_mib: 512, check_interval: 1s, spike_limit_mib: 128}", expect![[""]]);
    check(
        "{check_interval: 1s}",
        expect![[r#"
        limit_mib: is missing; write for example limit_mib: 512, or limit_percentage: 75
    "#]],
    );
    check(
        "{limit_mib: 100, spike_limit_mib: 100}",
        expect![[r#"
        spike_limit_mib: must be less than limit_mib, or everything is refused
    "#]],
    );
    check(
        "{limit_percentage: 120}",
        expect![[r#"
        limit_percentage: is 120, a share of the memory is at most 100
    "#]],
    );
}
