//! Unix sockets in the place of ports.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use proto::SignalKind;
use tokio::net::UnixStream;

use crate::fixture::*;

fn keys(path: &Path) -> &'static str {
    format!("transport: unix, endpoint: {}", path.display()).leak()
}

async fn receiver(folder: &Path) -> Receiver {
    let (grpc, http) = (keys(&folder.join("grpc.sock")), keys(&folder.join("http.sock")));
    Receiver::start(Setup { grpc, http, ..Setup::default() }).await
}

#[tokio::test]
async fn both_protocols_are_served_at_a_path_that_is_gone_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let (grpc, http) = (folder.path().join("grpc.sock"), folder.path().join("http.sock"));
    // What a process that is gone has left behind.
    drop(std::os::unix::net::UnixListener::bind(&http).unwrap());
    let receiver = receiver(folder.path()).await;
    let place = |path: &Path| format!("unix:{}", path.display());
    assert_eq!(receiver.running.places, [("OTLP/gRPC", place(&grpc)), ("OTLP/HTTP", place(&http))]);
    assert_eq!(fs::metadata(&http).unwrap().permissions().mode() & 0o777, 0o660);
    let request = spans(1).encode_to_vec();

    let io = TokioIo::new(UnixStream::connect(&http).await.unwrap());
    let (mut sender, connection) = http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let answer = send_on(&mut sender, "POST", "/v1/traces", &[PROTOBUF], full(request.clone()));
    assert_eq!(bounded(answer).await.status, 200);

    let io = TokioIo::new(UnixStream::connect(&grpc).await.unwrap());
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let outcome = call_on(&mut sender, TRACES, &[], full(framed(0, &request)));
    assert_eq!(bounded(outcome).await.code, 0);
    assert_eq!(receiver.arrived(SignalKind::Traces).await, [&request[..], &request]);

    receiver.trigger.begin(Duration::from_secs(60));
    bounded(receiver.running.stopped()).await;
    assert!(!http.exists() && !grpc.exists());
}

#[tokio::test]
async fn what_is_in_use_or_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taken.sock");
    let taken = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let yaml = |path: &Path| format!("protocols: {{http: {{{}}}}}", keys(path));
    let error = start_error(&yaml(&path)).await.to_string();
    assert!(error.ends_with("for http; does another process listen there?"), "{error}");
    drop(taken);

    let file = folder.path().join("notes.txt");
    fs::write(&file, "important").unwrap();
    let error = start_error(&yaml(&file)).await;
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("no socket"));
    assert_eq!(fs::read_to_string(&file).unwrap(), "important");
}
