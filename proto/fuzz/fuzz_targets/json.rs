#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| phasor_proto::testing::bodies::json(bytes));
