//! Names to addresses.

use std::{future::Future, io, net::SocketAddr, pin::Pin};

/// What looks up the addresses of a name, all of them, in the order of preference.
pub(super) trait Resolver: Send + Sync {
    /// The addresses of `host`, each with `port`.
    fn look_up<'a>(&'a self, host: &'a str, port: u16) -> LookUp<'a>;
}

/// Addresses that are being looked up.
pub(super) type LookUp<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>>;

/// The system's own way: its hosts file, its name service, IPv4 and IPv6.
#[derive(Clone, Copy, Debug)]
pub(super) struct System;

// === impl System ===

impl Resolver for System {
    fn look_up<'a>(&'a self, host: &'a str, port: u16) -> LookUp<'a> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}
