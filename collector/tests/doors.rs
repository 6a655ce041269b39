//! What strangers at the doors can do: be silent, write first and read later, leave out what must be there. None of
//! it may keep others out.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use super::support::{
    http,
    phasor::{API_KEY, Phasor, Start, default_config},
};

/// Writes everything before it reads anything, as Python's `urllib` does; gives the first line of the answer.
fn write_first(address: &str, head: &str, body_bytes: usize) -> String {
    let mut stream = TcpStream::connect(address).expect("the door is open");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let head = format!("{head}host: localhost\r\ncontent-length: {body_bytes}\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("the head is taken");
    let chunk = vec![b' '; 1 << 20];
    for sent in (0..body_bytes).step_by(chunk.len()) {
        stream.write_all(&chunk[..chunk.len().min(body_bytes - sent)]).expect("the body is taken");
    }
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).expect("there is an answer");
    String::from_utf8(answer).expect("a status line")
}

fn phasor() -> Phasor {
    Start::config(default_config("", "")).start()
}

#[tokio::test]
async fn silent_connections_keep_nobody_out() {
    let phasor = phasor();
    let doors = [
        (phasor.address("health").to_owned(), "/"),
        (phasor.api(), "/livez"),
        (phasor.prometheus(), "/metrics"),
    ];
    for (address, path) in doors {
        let silent: Vec<_> =
            (0..600).map(|_| TcpStream::connect(&address).expect("the system accepts")).collect();
        let url = format!("http://{address}{path}");
        let answer = tokio::time::timeout(Duration::from_secs(60), http::get(&url, &[])).await;
        assert_eq!(answer.expect("an answer in time").status, 200, "{address}{path}");
        drop(silent);
    }
}

#[test]
fn who_writes_first_and_reads_later_sees_the_refusal() {
    let phasor = phasor();
    let store = "POST /api/v1/phases/store HTTP/1.1\r\ncontent-type: application/json\r\n";
    let with_key = format!("{store}x-api-key: {API_KEY}\r\n");
    assert_eq!(write_first(&phasor.api(), &with_key, 2 << 20), "HTTP/1.1 413");
    assert_eq!(write_first(&phasor.api(), store, 2 << 20), "HTTP/1.1 401");
    assert_eq!(write_first(&phasor.api(), "POST /nothing HTTP/1.1\r\n", 2 << 20), "HTTP/1.1 404");
    let export = "POST /v1/traces HTTP/1.1\r\ncontent-type: application/x-protobuf\r\n";
    assert_eq!(write_first(&phasor.http(), export, 80 << 20), "HTTP/1.1 413");
}

#[test]
fn http_1_1_without_a_host_is_refused_at_every_door() {
    let phasor = phasor();
    for address in [phasor.address("health").to_owned(), phasor.api(), phasor.prometheus(), phasor.http()] {
        let mut stream = TcpStream::connect(&address).expect("the door is open");
        stream.write_all(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n").expect("the head is taken");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("there is an answer");
        assert!(answer.starts_with("HTTP/1.1 400"), "{address}: {answer}");
    }
}

#[tokio::test]
async fn metrics_can_be_switched_off_on_both_ports() {
    let on = phasor();
    assert_eq!(http::get(&format!("http://{}/metrics", on.api()), &[]).await.status, 200);
    let off = Start::config(default_config("", "")).with("ENABLE_PROMETHEUS_METRICS", "false").start();
    assert_eq!(off.prometheus(), "off");
    assert_eq!(http::get(&format!("http://{}/metrics", off.api()), &[]).await.status, 404);
    assert_eq!(http::get(&format!("http://{}/livez", off.api()), &[]).await.status, 200);
}
