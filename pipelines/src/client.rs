//! Who sent a request, as far as processors may ask.
//!
//! - **In:** the address of the connection, and the request's headers if the receiver has `include_metadata: true`.
//! - **Out:** texts for `from_context` of the processors `attributes` and `resource`.
//! - **Not here:** keeping them. They end with the request, and the journal never has them.

use std::net::IpAddr;

/// The sender of a request; by default nobody knows who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    address: Option<IpAddr>,
    /// Names in lower case, each once.
    metadata: Vec<(String, String)>,
}

// === impl Client ===

impl Client {
    /// Somebody at this address; without one it came over a Unix socket.
    pub fn at(address: Option<IpAddr>) -> Self {
        Self { address, metadata: Vec::new() }
    }

    /// The same with a header, whose name is in lower case. Values of one name are joined with `;`.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        match self.metadata.iter_mut().find(|(other, _)| other == name) {
            Some((_, values)) => {
                values.push(';');
                values.push_str(value);
            }
            None => self.metadata.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    /// Its IP address.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// What it said in a header, whose name is in lower case.
    pub fn metadata(&self, name: &str) -> Option<&str> {
        self.metadata.iter().find(|(own, _)| own == name).map(|(_, values)| values.as_str())
    }
}
