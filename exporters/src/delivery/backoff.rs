//! How long to wait before the next attempt: exponential, capped, with full jitter.
//!
//! - **Guaranteed:** the same seed gives the same delays; no delay exceeds the cap, unless the
//!   destination asked for more, and its wish is honoured up to [`WISH_MAX`].
//! - **Not here:** clocks and sleeping.

use std::time::Duration;

/// How delays grow, and when to stop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// Whether a passing failure is met with another attempt at all.
    pub enabled: bool,
    /// The first interval.
    pub initial: Duration,
    /// The factor from one interval to the next, at least 1.
    pub multiplier: f64,
    /// The longest interval.
    pub max: Duration,
    /// Nothing: full jitter, a delay anywhere between zero and the interval. Otherwise the delay
    /// lies within `interval * (1 ± factor)`, as in the OpenTelemetry Collector.
    pub randomization: Option<f64>,
    /// How long one request is tried, or for ever.
    pub elapsed_max: Option<Duration>,
}

/// The delays of one request.
#[derive(Clone, Debug)]
pub struct Backoff {
    policy: Policy,
    interval: Duration,
    random: Random,
}

/// SplitMix64: small, seeded, good enough to spread retries.
#[derive(Clone, Debug)]
pub struct Random(u64);

// === impl Policy ===

impl Default for Policy {
    fn default() -> Self {
        Self {
            enabled: true,
            initial: Duration::from_secs(5),
            multiplier: 1.5,
            max: Duration::from_secs(30),
            randomization: None,
            elapsed_max: None,
        }
    }
}

// === impl Backoff ===

impl Backoff {
    /// The delays of a request that has not failed yet.
    pub fn new(policy: Policy, random: Random) -> Self {
        Self { policy, interval: policy.initial.min(policy.max), random }
    }

    /// The delay before the next attempt, at least `wish` if the destination named one.
    pub fn next(&mut self, wish: Option<Duration>) -> Duration {
        let spread = match self.policy.randomization {
            None => self.random.unit(),
            Some(factor) => 1.0 - factor + 2.0 * factor * self.random.unit(),
        };
        let delay = scaled(self.interval, spread).min(self.policy.max);
        self.interval = scaled(self.interval, self.policy.multiplier).min(self.policy.max);
        delay.max(wish.unwrap_or_default().min(WISH_MAX))
    }
}

// === impl Random ===

impl Random {
    /// A sequence of its own for each seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next number within `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The product, saturating: a factor out of a configuration never panics.
fn scaled(duration: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

/// A destination that asks for a longer pause than this is asked again anyway: its clock or its
/// units may be wrong, and waiting for ever is losing data slowly.
pub const WISH_MAX: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(policy: Policy, seed: u64, count: usize) -> Vec<Duration> {
        let mut backoff = Backoff::new(policy, Random::new(seed));
        (0..count).map(|_| backoff.next(None)).collect()
    }

    #[test]
    fn full_jitter_fills_the_whole_interval_and_never_leaves_it() {
        let policy = Policy::default();
        let mut interval = policy.initial;
        for step in 0..12 {
            let here: Vec<_> = (0..400).map(|seed| delays(policy, seed, step + 1)[step]).collect();
            assert!(here.iter().all(|delay| *delay <= interval), "step {step}");
            assert!(here.iter().any(|delay| *delay < interval / 10), "step {step}");
            assert!(here.iter().any(|delay| *delay > interval * 9 / 10), "step {step}");
            interval = interval.mul_f64(policy.multiplier).min(policy.max);
        }
        assert_eq!(interval, policy.max);
    }

    #[test]
    fn a_randomization_factor_keeps_to_its_band() {
        let policy = Policy { randomization: Some(0.0), ..Policy::default() };
        let seconds: Vec<_> = delays(policy, 7, 7).iter().map(Duration::as_secs_f64).collect();
        assert_eq!(seconds, [5.0, 7.5, 11.25, 16.875, 25.3125, 30.0, 30.0]);
        let policy = Policy { randomization: Some(0.5), ..policy };
        assert!(delays(policy, 7, 100).iter().all(|delay| *delay >= Duration::from_millis(2500)));
    }

    #[test]
    fn the_same_seed_gives_the_same_delays() {
        assert_eq!(delays(Policy::default(), 3, 20), delays(Policy::default(), 3, 20));
        assert_ne!(delays(Policy::default(), 3, 20), delays(Policy::default(), 4, 20));
    }

    #[test]
    fn a_wish_is_a_floor_but_not_without_bound() {
        let mut backoff = Backoff::new(Policy::default(), Random::new(1));
        assert_eq!(backoff.next(Some(Duration::from_secs(60))), Duration::from_secs(60));
        assert_eq!(backoff.next(Some(Duration::MAX)), WISH_MAX);
    }

    #[test]
    fn absurd_factors_do_not_panic() {
        let policy = Policy {
            multiplier: f64::MAX,
            randomization: Some(f64::MAX),
            initial: Duration::MAX,
            max: Duration::MAX,
            ..Policy::default()
        };
        delays(policy, 1, 10);
    }
}
