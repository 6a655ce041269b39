//! The API over real sockets, a real SQLite file, and pipelines in memory.

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
};

use bytes::Bytes;
use expect_test::{Expect, expect};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use pipelines::{
    config::ByteSize,
    engine::drain::{DrainTrigger, drain},
    testing::Pipes,
    time::UnixNanos,
};
use proto::{AnyBatch, SignalKind};

mod w3c;

use super::*;
use crate::phase_store::{
    Running,
    keys::{self, NewKey},
    start,
};

/// A phase store on a port of its own. Time stands still, ids come from a counter.
struct Fixture {
    url: String,
    client: Client<HttpConnector, Full<Bytes>>,
    pipes: Pipes,
    dir: tempfile::TempDir,
    key: String,
    _running: Running,
    trigger: DrainTrigger,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

const NOW: u64 = 1_763_700_000_000_000_000;

// === impl Fixture ===

impl Fixture {
    async fn new() -> Self {
        Self::with(Config { body_bytes_max: ByteSize(4_096), ..Config::default() }).await
    }

    async fn with(config: Config) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let pipes = Pipes::new(64 << 20);
        let (trigger, listener) = drain();
        let drawn = AtomicU64::new(1);
        let world = World {
            now: Arc::new(|| UnixNanos(NOW)),
            seed: Arc::new(move || {
                let mut seed = [0; 32];
                seed[..8].copy_from_slice(&drawn.fetch_add(1, SeqCst).to_be_bytes());
                Ok(seed)
            }),
        };
        let running = start(&config, dir.path(), pipes.inlet.clone(), world, listener).unwrap();
        let key = Self::key(&dir, "acme", Role::Operator, &[]);
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", socket.local_addr().unwrap());
        let router = running.router().fallback(not_found);
        tokio::spawn(async move { axum::serve(socket, router).await });
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { url, client, pipes, dir, key, _running: running, trigger }
    }

    fn key(dir: &tempfile::TempDir, customer: &str, role: Role, owners: &[&str]) -> String {
        let owners = owners.iter().map(|owner| (*owner).to_owned()).collect();
        let key = NewKey { name: "test".into(), customer: customer.into(), role, owners };
        keys::create(dir.path(), &key).unwrap().reveal().to_owned()
    }

    async fn send(&self, request: http::request::Builder, body: &str) -> Answer {
        let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap();
        let (parts, body) = self.client.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }

    fn post(&self) -> http::request::Builder {
        http::Request::post(format!("{}/api/v1/phases/store", self.url))
            .header("x-api-key", &self.key)
            .header("content-type", "application/json")
    }

    async fn store(&self, body: &Value) -> Answer {
        self.send(self.post(), &body.to_string()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.get_as(&self.key, path).await
    }

    async fn get_as(&self, key: &str, path: &str) -> Answer {
        let request = http::Request::get(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {key}"));
        self.send(request, "").await
    }

    /// Waits until so many items of a signal came out of the pipelines; bounded by the test's own patience.
    async fn taken(&self, signal: SignalKind, items: usize) -> Vec<AnyBatch> {
        let mut batches = Vec::new();
        let waiting = async {
            while batches.iter().map(AnyBatch::items).sum::<usize>() < items {
                batches.extend(self.pipes.take(signal).await);
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), waiting).await.expect("the relay delivers");
        batches
    }
}

// === impl Answer ===

impl Answer {
    /// Status, headers that matter, and body, as text.
    fn shown(&self) -> String {
        let mut text = format!("{}\n", self.status);
        for name in [
            "content-type",
            "www-authenticate",
            "allow",
            "accept",
            "accept-encoding",
            "retry-after",
            "idempotent-replayed",
        ] {
            if let Some(value) = self.headers.get(name) {
                writeln!(text, "{name}: {}", value.to_str().unwrap()).unwrap();
            }
        }
        text + &serde_json::to_string_pretty(&self.body).unwrap() + "\n"
    }

    fn text(&self, pointer: &str) -> String {
        self.body
            .pointer(pointer)
            .map(|value| value.as_str().map_or(value.to_string(), str::to_owned))
            .unwrap_or_default()
    }
}

fn check(answer: &Answer, expected: Expect) {
    expected.assert_eq(&answer.shown());
}

fn validation(issue: u64) -> Value {
    serde_json::json!({
        "phase": "validation", "repo": "acme/shop", "issue_number": issue, "commit_sha": "test123",
        "data": {"validated": true, "language": "javascript", "framework": "express", "duration_ms": 1500,
            "tests_generated": 2, "tests_passed": 1, "tests_failed": 1, "vulnerabilities_found": 1,
            "test_details": [
                {"name": "login", "status": "passed", "duration_ms": 500},
                {"name": "logout", "status": "failed", "duration_ms": 700, "error": "no cookie"}],
            "of_our_own": {"kept": [1, 2.5, null]}},
    })
}

fn mitigation(issue: u64) -> Value {
    serde_json::json!({
        "phase": "mitigation", "repo": "acme/shop", "issue_number": issue, "commit_sha": "test123",
        "data": {"trust_score": 85, "pr_number": 42, "files_changed": 3, "duration_ms": 2000},
    })
}

#[tokio::test]
async fn a_phase_is_stored_and_read_back() {
    let fixture = Fixture::new().await;
    check(
        &fixture.store(&validation(1)).await,
        expect![[r#"
        201
        content-type: application/json
        {
          "success": true,
          "id": 1,
          "phase": "validation",
          "task_id": "e902a9a86640bfdb",
          "trace_id": "6babf85bc07ebd96fdda1f9adc1ca999",
          "span_id": "049580837957f1da",
          "links": {
            "task": "/api/v1/tasks/e902a9a86640bfdb",
            "trace": "/tempo/api/traces/6babf85bc07ebd96fdda1f9adc1ca999"
          }
        }
    "#]],
    );
    let found =
        fixture.get("/api/v1/phases/retrieve?repo=acme%2Fshop&issue_number=1&commit_sha=test123").await;
    check(
        &found,
        expect![[r#"
        200
        content-type: application/json
        {
          "success": true,
          "phases": [
            {
              "id": 1,
              "phase": "validation",
              "repo": "acme/shop",
              "issue_number": 1,
              "commit_sha": "test123",
              "task_id": "e902a9a86640bfdb",
              "trace_id": "6babf85bc07ebd96fdda1f9adc1ca999",
              "span_id": "049580837957f1da",
              "attempt": 1,
              "status": "completed",
              "language": "javascript",
              "framework": "express",
              "environment": "production",
              "started_at": "2025-11-21T04:39:58.500000Z",
              "completed_at": "2025-11-21T04:40:00.000000Z",
              "inserted_at": "2025-11-21T04:40:00.000000Z",
              "data": {
                "validated": true,
                "language": "javascript",
                "framework": "express",
                "duration_ms": 1500,
                "tests_generated": 2,
                "tests_passed": 1,
                "tests_failed": 1,
                "vulnerabilities_found": 1,
                "test_details": [
                  {
                    "name": "login",
                    "status": "passed",
                    "duration_ms": 500
                  },
                  {
                    "name": "logout",
                    "status": "failed",
                    "duration_ms": 700,
                    "error": "no cookie"
                  }
                ],
                "of_our_own": {
                  "kept": [
                    1,
                    2.5,
                    null
                  ]
                }
              }
            }
          ]
        }
    "#]],
    );
}

#[tokio::test]
async fn a_repeat_gets_the_same_body_and_stores_nothing() {
    let fixture = Fixture::new().await;
    let post = || fixture.post().header("idempotency-key", "k-1");
    let body = validation(1).to_string();
    let (first, twin) = tokio::join!(fixture.send(post(), &body), fixture.send(post(), &body));
    let mut statuses = [first.status, twin.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 201], "a twin in flight waits for the first");
    assert_eq!(first.body, twin.body);
    let again = fixture.send(post(), &body).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(again.headers["idempotent-replayed"], "true");

    let mut with_uuid = validation(1);
    with_uuid["event_uuid"] = "k-1".into();
    assert_eq!(fixture.store(&with_uuid).await.status, 200, "the key of the body is the same key");
    check(
        &fixture.send(post(), &validation(2).to_string()).await,
        expect![[r#"
        409
        content-type: application/problem+json
        {
          "type": "urn:phasor:problem:idempotency-key-reused",
          "title": "Conflict",
          "status": 409,
          "detail": "this idempotency key was used with another body in the last 24 hours"
        }
    "#]],
    );

    // The one phase and nothing else: its span, two tests; three events.
    fixture.taken(SignalKind::Traces, 3).await;
    assert_eq!(fixture.store(&mitigation(1)).await.status, 201);
    let spans: usize = fixture.taken(SignalKind::Traces, 2).await.iter().map(AnyBatch::items).sum();
    assert_eq!(spans, 2, "the mitigation and the task's root");
}

#[tokio::test]
async fn problems_name_every_offending_field_at_once() {
    let fixture = Fixture::new().await;
    let wrong = serde_json::json!({
        "phase": "mitigation", "repo": "acme", "commit_sha": "a b", "started_at": "yesterday",
        "task_id": "xyz", "event_uuid": "",
        "data": {"trust_score": "85", "files_changed": 10_001, "status": "done", "language": 7, "pr_number": 0},
    });
    check(
        &fixture.store(&wrong).await,
        expect![[r#"
        422
        content-type: application/problem+json
        {
          "type": "urn:phasor:problem:invalid-fields",
          "title": "Unprocessable Entity",
          "status": 422,
          "detail": "11 fields break their rules",
          "errors": [
            {
              "field": "repo",
              "detail": "must be `owner/name`, each 1 to 100 of A-Z a-z 0-9 . _ -, not `acme`"
            },
            {
              "field": "issue_number",
              "detail": "is required for validation and mitigation: an integer from 1"
            },
            {
              "field": "commit_sha",
              "detail": "must be 1 to 64 of 0-9 A-Z a-z . _ -, not `a b`"
            },
            {
              "field": "task_id",
              "detail": "must be 16 hex digits, not all zero, not `xyz`"
            },
            {
              "field": "event_uuid",
              "detail": "must have 1 to 128 characters, not 0"
            },
            {
              "field": "started_at",
              "detail": "must be a time such as 2026-11-21T09:30:00Z, not `yesterday`"
            },
            {
              "field": "data.status",
              "detail": "must be `completed`, `failed` or `timeout`, not `done`"
            },
            {
              "field": "data.language",
              "detail": "must be a string, not 7"
            },
            {
              "field": "data.pr_number",
              "detail": "must be an integer from 1, not 0"
            },
            {
              "field": "data.files_changed",
              "detail": "must be an integer from 0 to 10000, not 10001"
            },
            {
              "field": "data.trust_score",
              "detail": "must be a number from 0 to 100, not the string \"85\""
            }
          ]
        }
    "#]],
    );
    let mut score = mitigation(1);
    score["data"]["trust_score"] = 100.5.into();
    check(
        &fixture.store(&score).await,
        expect![[r#"
        422
        content-type: application/problem+json
        {
          "type": "urn:phasor:problem:invalid-fields",
          "title": "Unprocessable Entity",
          "status": 422,
          "detail": "1 field breaks its rule",
          "errors": [
            {
              "field": "data.trust_score",
              "detail": "must be a number from 0 to 100, not 100.5"
            }
          ]
        }
    "#]],
    );
    let mut tests = validation(1);
    tests["data"]["test_details"] =
        serde_json::json!([{"status": "passed"}, 7, {"name": "x", "duration_ms": -1}]);
    check(
        &fixture.store(&tests).await,
        expect![[r#"
        422
        content-type: application/problem+json
        {
          "type": "urn:phasor:problem:invalid-fields",
          "title": "Unprocessable Entity",
          "status": 422,
          "detail": "3 fields break their rules",
          "errors": [
            {
              "field": "data.test_details[0].name",
              "detail": "is required: a string"
            },
            {
              "field": "data.test_details[1]",
              "detail": "must be an object, not 7"
            },
            {
              "field": "data.test_details[2].duration_ms",
              "detail": "must be a number from 0 to 31622400000, not -1"
            }
          ]
        }
    "#]],
    );
    let mut joined = validation(1);
    joined["task_id"] = "00000000000000ff".into();
    check(
        &fixture.store(&joined).await,
        expect![[r#"
        422
        content-type: application/problem+json
        {
          "type": "urn:phasor:problem:invalid-fields",
          "title": "Unprocessable Entity",
          "status": 422,
          "detail": "1 field breaks its rule",
          "errors": [
            {
              "field": "task_id",
              "detail": "names no task of this repository; leave it out to open one"
            }
          ]
        }
    "#]],
    );
    check(
        &fixture.send(fixture.post(), "[]").await,
        expect![[r#"
        422
        content-type: application/problem+json
        {
          "type": "urn:phasor:problem:invalid-fields",
          "title": "Unprocessable Entity",
          "status": 422,
          "detail": "1 field breaks its rule",
          "errors": [
            {
              "field": "",
              "detail": "must be an object, not an array"
            }
          ]
        }
    "#]],
    );
    let both = fixture.post().header("idempotency-key", "a");
    joined["event_uuid"] = "b".into();
    check(
        &fixture.send(both, &joined.to_string()).await,
        expect![[r#"
        422
        content-type: application/problem+json
        {
          "type": "urn:phasor:problem:invalid-fields",
          "title": "Unprocessable Entity",
          "status": 422,
          "detail": "1 field breaks its rule",
          "errors": [
            {
              "field": "event_uuid",
              "detail": "differs from the header Idempotency-Key; send one of them, or the same in both"
            }
          ]
        }
    "#]],
    );
}

#[tokio::test]
async fn every_other_refusal_is_a_problem_document() {
    let fixture = Fixture::new().await;
    let path = "/api/v1/phases/store";
    check(
        &fixture.send(fixture.post(), "{\"phase\": \"scan\",\n \"phase\": 1}").await,
        expect![[r#"
        400
        content-type: application/problem+json
        {
          "type": "urn:phasor:problem:malformed-json",
          "title": "Bad Request",
          "status": 400,
          "detail": "the member `phase` appears twice at line 2, column 8",
          "line": 2,
          "column": 8
        }
    "#]],
    );
    let bare = || http::Request::post(format!("{}{path}", fixture.url));
    check(
        &fixture.send(bare(), "{}").await,
        expect![[r#"
        401
        content-type: application/problem+json
        www-authenticate: Bearer realm="phasor"
        {
          "type": "urn:phasor:problem:unauthenticated",
          "title": "Unauthorized",
          "status": 401,
          "detail": "send a key in `x-api-key` or `Authorization: Bearer`"
        }
    "#]],
    );
    check(
        &fixture.send(bare().header("x-api-key", "k".repeat(40)), "{}").await,
        expect![[r#"
        401
        content-type: application/problem+json
        www-authenticate: Bearer realm="phasor"
        {
          "type": "urn:phasor:problem:unauthenticated",
          "title": "Unauthorized",
          "status": 401,
          "detail": "the key is not known or was revoked"
        }
    "#]],
    );
    let form =
        bare().header("x-api-key", &fixture.key).header("content-type", "application/x-www-form-urlencoded");
    check(
        &fixture.send(form, "{}").await,
        expect![[r#"
        415
        content-type: application/problem+json
        accept: application/json
        {
          "type": "urn:phasor:problem:unsupported-media-type",
          "title": "Unsupported Media Type",
          "status": 415,
          "detail": "the content type must be application/json, not `application/x-www-form-urlencoded`"
        }
    "#]],
    );
    check(
        &fixture.send(fixture.post().header("content-encoding", "gzip"), "{}").await,
        expect![[r#"
        415
        content-type: application/problem+json
        accept-encoding: identity
        {
          "type": "urn:phasor:problem:unsupported-content-coding",
          "title": "Unsupported Media Type",
          "status": 415,
          "detail": "the content coding `gzip` is not supported; send the body as it is"
        }
    "#]],
    );
    check(
        &fixture.send(fixture.post(), &" ".repeat(4_097)).await,
        expect![[r#"
        413
        content-type: application/problem+json
        {
          "type": "urn:phasor:problem:body-too-large",
          "title": "Payload Too Large",
          "status": 413,
          "detail": "the body has more than 4096 bytes",
          "body_bytes_max": 4096
        }
    "#]],
    );
    check(
        &fixture.get(path).await,
        expect![[r#"
        405
        content-type: application/problem+json
        allow: POST
        {
          "type": "urn:phasor:problem:method-not-allowed",
          "title": "Method Not Allowed",
          "status": 405,
          "detail": "GET is not one of the methods that the header Allow names"
        }
    "#]],
    );
    check(
        &fixture.get("/api/v1/nothing").await,
        expect![[r#"
        404
        content-type: application/problem+json
        {
          "type": "urn:phasor:problem:not-found",
          "title": "Not Found",
          "status": 404,
          "detail": "there is nothing at /api/v1/nothing"
        }
    "#]],
    );
    check(
        &fixture.get("/api/v1/tasks/00000000000000ff").await,
        expect![[r#"
        404
        content-type: application/problem+json
        {
          "type": "urn:phasor:problem:not-found",
          "title": "Not Found",
          "status": 404,
          "detail": "there is no task `00000000000000ff`"
        }
    "#]],
    );
    check(
        &fixture.get("/api/v1/tasks?limit=0&color=red&status=x").await,
        expect![[r#"
        422
        content-type: application/problem+json
        {
          "type": "urn:phasor:problem:invalid-fields",
          "title": "Unprocessable Entity",
          "status": 422,
          "detail": "3 fields break their rules",
          "errors": [
            {
              "field": "color",
              "detail": "is not a parameter; there are repo, status, language, since, until, cursor, limit"
            },
            {
              "field": "limit",
              "detail": "must be from 1 to 200"
            },
            {
              "field": "status",
              "detail": "must be open, completed, failed, timeout or idle"
            }
          ]
        }
    "#]],
    );
    let reader = Fixture::key(&fixture.dir, "acme", Role::Read, &[]);
    let scoped = Fixture::key(&fixture.dir, "acme", Role::Ingest, &["beta"]);
    let post_as = |key: String| bare().header("x-api-key", key).header("content-type", "application/json");
    check(
        &fixture.send(post_as(reader), &validation(1).to_string()).await,
        expect![[r#"
        403
        content-type: application/problem+json
        {
          "type": "urn:phasor:problem:forbidden",
          "title": "Forbidden",
          "status": 403,
          "detail": "a key of the role `read` may not do this"
        }
    "#]],
    );
    check(
        &fixture.send(post_as(scoped), &validation(1).to_string()).await,
        expect![[r#"
        403
        content-type: application/problem+json
        {
          "type": "urn:phasor:problem:forbidden",
          "title": "Forbidden",
          "status": 403,
          "detail": "this key is not valid for the owner `acme`"
        }
    "#]],
    );
    fixture.trigger.begin(std::time::Duration::from_secs(5));
    check(
        &fixture.store(&validation(1)).await,
        expect![[r#"
        503
        content-type: application/problem+json
        retry-after: 1
        {
          "type": "urn:phasor:problem:unavailable",
          "title": "Service Unavailable",
          "status": 503,
          "detail": "the collector is shutting down"
        }
    "#]],
    );
}

#[tokio::test]
async fn a_body_without_a_length_is_bounded_while_it_is_read() {
    let fixture = Fixture::new().await;
    let address = fixture.url.strip_prefix("http://").unwrap().to_owned();
    let key = fixture.key.clone();
    let answer = tokio::task::spawn_blocking(move || {
        use std::io::{Read, Write};
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        write!(socket, "POST /api/v1/phases/store HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
        for _ in 0..5 {
            // The server may close after it has answered; the answer is what counts.
            write!(socket, "400\r\n{}\r\n", " ".repeat(1_024)).ok();
        }
        let mut head = [0; 12];
        socket.read_exact(&mut head).unwrap();
        String::from_utf8(head.to_vec()).unwrap()
    });
    assert_eq!(answer.await.unwrap(), "HTTP/1.1 413");
}

#[tokio::test]
async fn a_customer_sees_only_its_own_work() {
    let fixture = Fixture::new().await;
    let stored = fixture.store(&validation(1)).await;
    let task = format!("/api/v1/tasks/{}", stored.text("/task_id"));
    let other = Fixture::key(&fixture.dir, "other", Role::Read, &[]);
    let scoped = Fixture::key(&fixture.dir, "acme", Role::Read, &["beta"]);
    let own = Fixture::key(&fixture.dir, "acme", Role::Read, &["ACME"]);
    for key in [&other, &scoped] {
        assert_eq!(fixture.get_as(key, &task).await.status, 404);
        assert_eq!(fixture.get_as(key, "/api/v1/tasks").await.body["tasks"], serde_json::json!([]));
    }
    assert_eq!(
        fixture.get_as(&other, "/api/v1/phases/retrieve?repo=acme/shop").await.body["phases"],
        serde_json::json!([])
    );
    assert_eq!(fixture.get_as(&scoped, "/api/v1/phases/retrieve?repo=acme/shop").await.status, 403);
    check(
        &fixture.get_as(&own, &task).await,
        expect![[r#"
        200
        content-type: application/json
        {
          "success": true,
          "task": {
            "task_id": "e902a9a86640bfdb",
            "trace_id": "6babf85bc07ebd96fdda1f9adc1ca999",
            "span_id": "36790bd556c8e619",
            "previous_task_id": null,
            "repo": "acme/shop",
            "issue_number": 1,
            "commit_sha": null,
            "status": "open",
            "environment": "production",
            "language": "javascript",
            "framework": "express",
            "phases": 1,
            "started_at": "2025-11-21T04:39:58.500000Z",
            "ended_at": null,
            "links": {
              "self": "/api/v1/tasks/e902a9a86640bfdb",
              "trace": "/tempo/api/traces/6babf85bc07ebd96fdda1f9adc1ca999",
              "previous": null
            },
            "timeline": [
              {
                "id": 1,
                "phase": "validation",
                "repo": "acme/shop",
                "issue_number": 1,
                "commit_sha": "test123",
                "task_id": "e902a9a86640bfdb",
                "trace_id": "6babf85bc07ebd96fdda1f9adc1ca999",
                "span_id": "049580837957f1da",
                "attempt": 1,
                "status": "completed",
                "language": "javascript",
                "framework": "express",
                "environment": "production",
                "started_at": "2025-11-21T04:39:58.500000Z",
                "completed_at": "2025-11-21T04:40:00.000000Z",
                "inserted_at": "2025-11-21T04:40:00.000000Z",
                "data": {
                  "validated": true,
                  "language": "javascript",
                  "framework": "express",
                  "duration_ms": 1500,
                  "tests_generated": 2,
                  "tests_passed": 1,
                  "tests_failed": 1,
                  "vulnerabilities_found": 1,
                  "test_details": [
                    {
                      "name": "login",
                      "status": "passed",
                      "duration_ms": 500
                    },
                    {
                      "name": "logout",
                      "status": "failed",
                      "duration_ms": 700,
                      "error": "no cookie"
                    }
                  ],
                  "of_our_own": {
                    "kept": [
                      1,
                      2.5,
                      null
                    ]
                  }
                }
              }
            ]
          }
        }
    "#]],
    );
}

#[tokio::test]
async fn tasks_come_in_pages_newest_first() {
    let fixture = Fixture::new().await;
    for issue in 1..=5 {
        assert_eq!(fixture.store(&validation(issue)).await.status, 201);
    }
    assert_eq!(fixture.store(&mitigation(5)).await.status, 201);
    let (mut cursor, mut seen) = (String::new(), Vec::new());
    for _ in 0..3 {
        let page = fixture.get(&format!("/api/v1/tasks?repo=acme/shop&limit=2{cursor}")).await;
        seen.extend(
            page.body["tasks"].as_array().unwrap().iter().map(|task| task["issue_number"].as_u64().unwrap()),
        );
        cursor = format!("&cursor={}", page.text("/next_cursor"));
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
    assert_eq!(cursor, "&cursor=null", "the last page has no next");
    let count = async |filter: &str| {
        let page = fixture.get(&format!("/api/v1/tasks?{filter}")).await;
        page.body["tasks"].as_array().unwrap().len()
    };
    assert_eq!(count("status=completed").await, 1);
    assert_eq!(count("status=open").await, 4);
    assert_eq!(count("language=javascript").await, 5);
    assert_eq!(count("language=rust").await, 0);
    assert_eq!(count("since=2000-01-01T00:00:00Z&until=2001-01-01T00:00:00Z").await, 0);
}

#[tokio::test]
async fn the_trace_of_the_caller_is_the_tasks_trace() {
    let fixture = Fixture::new().await;
    let caller = "00-12345678901234567890123456789012-1234567890123456-01";
    let first = fixture.post().header("Traceparent", caller).header("tracestate", "a=1");
    let first = fixture.send(first, &validation(1).to_string()).await;
    assert_eq!(first.text("/trace_id"), "12345678901234567890123456789012");
    let second = fixture.store(&mitigation(1)).await;
    assert_eq!(second.text("/trace_id"), first.text("/trace_id"));
    assert_eq!(second.text("/task_id"), first.text("/task_id"));
}
