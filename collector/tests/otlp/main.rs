//! The `otlp` receiver from outside: real sockets, one test for each row of the conformance checklist.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod auth;
mod cors;
mod encodings;
mod fixture;
mod grpc;
mod hostile;
mod http;
mod json;
mod lifecycle;
mod tls;
mod unix;
