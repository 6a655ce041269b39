//! The binary `phasor`.
fn main() {}
