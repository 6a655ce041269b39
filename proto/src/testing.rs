//! Batches for tests and benches; behind the feature `testing`.
//!
//! **Guaranteed:** the same arguments give the same bytes.

pub mod bodies;
pub mod generated;
pub mod sample;

/// A small generator of pseudo-random numbers (splitmix64), so that a seed is all a test must print.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.bits() % end
    }

    /// One of `choices`, which are not empty.
    pub fn of<'c, T: ?Sized>(&mut self, choices: &[&'c T]) -> &'c T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// An id that is not all zero.
    pub fn id<const N: usize>(&mut self) -> [u8; N] {
        let mut id = [0; N];
        id.iter_mut().for_each(|byte| *byte = self.bits() as u8);
        id[0] |= 1;
        id
    }
}
