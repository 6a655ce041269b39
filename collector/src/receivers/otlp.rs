//! `otlp`: receives OTLP over gRPC and HTTP.

mod config;

pub use config::{Config, EnforcementPolicy, Grpc, Http, Keepalive, Protocols, ServerParameters, Unread};
