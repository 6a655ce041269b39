//! What black-box tests share: the real binary, an OTLP backend, senders, and a reader of `/metrics`.

// Several targets share this module, and each uses a part of it.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

pub mod backend;
pub mod http;
pub mod metrics;
pub mod phasor;
pub mod promql;
pub mod sender;
pub mod spans;
pub mod stack;

use std::{future::Future, time::Duration};

/// Asks until it is so. What never becomes so fails the test with what it was about.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    const PATIENCE: u32 = 600;
    for _ in 0..PATIENCE {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never happened: {what}");
}
