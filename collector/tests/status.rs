//! What people and their tools can ask a running collector: is it alive, is it ready, what runs, and what is wrong.

use serde_json::Value;

use super::support::{
    backend::Backend,
    eventually, http,
    phasor::{API_KEY, Phasor, Start, default_config},
    sender::{Sender, TRACES},
    spans,
};

/// A collector whose backend is at `address`.
fn start(address: &str) -> Phasor {
    let exporters = format!(
        "  otlp_grpc/backend: {{endpoint: \"{address}\", tls: {{insecure: true}}, headers: {{authorization: {SECRET}}}, \
         retry_on_failure: {{initial_interval: 50ms, max_interval: 100ms}}}}"
    );
    Start::config(default_config(", otlp_grpc/backend", &exporters)).start()
}

async fn status(phasor: &Phasor) -> Value {
    let answer = http::get(&format!("http://{}/api/v1/status", phasor.api()), &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn component<'a>(status: &'a Value, kind: &str, id: &str) -> &'a Value {
    let components = status["components"].as_array().expect("a list of components");
    let found = components.iter().find(|component| component["kind"] == kind && component["id"] == id);
    found.unwrap_or_else(|| panic!("no {kind} {id} in {status}"))
}

/// Two spans.
fn request() -> bytes::Bytes {
    spans::padded("shop", 1, 2, 10)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_names_every_part_and_how_it_fares() {
    let backend = Backend::start().await;
    let phasor = start(&backend.address.to_string());
    let first = status(&phasor).await;
    for (kind, id) in [
        ("receiver", "otlp"),
        ("receiver", "phase_store"),
        ("processor", "memory_limiter"),
        ("connector", "span_metrics"),
        ("exporter", "otlp_grpc/backend"),
        ("extension", "file_storage"),
    ] {
        assert_eq!(component(&first, kind, id)["status"], "StatusOK", "{id}");
    }
    assert_eq!(first["ready"], true);
    let listeners = first["listeners"].as_array().expect("a list of listeners");
    for (name, address) in
        [("OTLP/gRPC", phasor.grpc()), ("API", phasor.api()), ("metrics", phasor.prometheus())]
    {
        let real =
            listeners.iter().any(|listener| listener["name"] == name && listener["address"] == *address);
        assert!(real, "{name} at {address}: {first}");
    }
    Sender::connect(&phasor.grpc()).await.export(TRACES, request()).await.expect("accepted");
    let sent = eventually("the spans are on the page", || async {
        let now = status(&phasor).await;
        let pipelines = now["pipelines"].as_array()?.clone();
        let traces = pipelines.into_iter().find(|pipeline| pipeline["name"] == "traces")?;
        let exits = traces["exporters"].as_array()?.clone();
        let exit = exits.into_iter().find(|exit| exit["id"] == "otlp_grpc/backend")?;
        (exit["sent"] == 2).then_some((traces, exit))
    })
    .await;
    assert_eq!(sent.0["receivers"][0]["accepted"], 2);
    assert_eq!(sent.0["processors"][0]["incoming"], 2);
    assert_eq!(sent.0["mode"], "durable");
    assert_eq!(sent.1["lag_bytes"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_keeps_state_lags_by_what_it_has_not_taken_in_and_not_by_what_no_snapshot_holds() {
    let backend = Backend::start().await;
    let phasor = start(&backend.address.to_string());
    Sender::connect(&phasor.grpc()).await.export(TRACES, request()).await.expect("accepted");
    let cursor = eventually("the connector has counted the spans", || async {
        let now = status(&phasor).await;
        let traces = now["pipelines"].as_array()?.iter().find(|pipeline| pipeline["name"] == "traces")?;
        let exit = traces["exporters"].as_array()?.iter().find(|exit| exit["id"] == "span_metrics")?;
        let cursors = now["cursors"].as_array()?;
        let cursor = cursors.iter().find(|cursor| cursor["consumer"] == "span_metrics")?;
        let has_caught_up = exit["sent"] == 2 && exit["lag_bytes"] == 0 && cursor["lag_items"] == 0;
        has_caught_up.then(|| cursor.clone())
    })
    .await;
    assert_eq!(cursor["lag_bytes"], 0);
    assert!(cursor["held_bytes"].is_u64(), "{cursor}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_is_down_is_a_recoverable_error_with_its_words_and_age_until_it_is_back() {
    let backend = Backend::start().await;
    let address = backend.address.to_string();
    drop(backend);
    let phasor = start(&address);
    Sender::connect(&phasor.grpc()).await.export(TRACES, request()).await.expect("accepted");
    let failing = eventually("the failure is shown", || async {
        let now = status(&phasor).await;
        let exporter = component(&now, "exporter", "otlp_grpc/backend").clone();
        (exporter["status"] == "StatusRecoverableError").then_some((now, exporter))
    })
    .await;
    assert_eq!(failing.0["status"], "StatusRecoverableError", "the whole is as its worst part");
    let error = &failing.1["last_error"];
    assert!(error["message"].as_str().is_some_and(|words| words.starts_with("UNAVAILABLE: ")), "{error}");
    assert!(error["age_seconds"].as_f64().is_some_and(|age| age >= 0.0), "{error}");
    let lagging = failing.0["cursors"].as_array().expect("cursors");
    let lag = lagging.iter().find(|cursor| cursor["consumer"] == "otlp_grpc/backend").expect("its cursor");
    assert_eq!(lag["lag_items"], 2);
    assert!(!failing.0.to_string().contains(SECRET), "no headers");
    let page = http::get(&format!("http://{}/debug/pipelines", phasor.api()), &[]).await.text();
    assert!(page.contains("otlp_grpc/backend") && page.contains("UNAVAILABLE: "), "{page}");
    assert!(!page.contains(SECRET) && !page.contains("<script"), "{page}");

    let back = Backend::listen(&address).await;
    eventually("it is well again, and the error has a past", || async {
        let now = status(&phasor).await;
        let exporter = component(&now, "exporter", "otlp_grpc/backend").clone();
        (exporter["status"] == "StatusOK" && exporter["last_error"]["message"].is_string()).then_some(())
    })
    .await;
    drop(back);
}

#[tokio::test]
async fn probes_answer_at_both_ports_and_say_what_they_looked_at() {
    let phasor = Start::config(default_config("", "")).start();
    for address in [phasor.api(), phasor.address("health").to_owned()] {
        for path in ["/livez", "/readyz"] {
            let url = format!("http://{address}{path}");
            let plain = http::get(&url, &[]).await;
            assert_eq!((plain.status, plain.text().as_str()), (200, "ok\n"), "{url}");
            let json = http::get(&url, &[("accept", "application/json")]).await.json();
            assert_eq!(json["status"], "ok", "{url}");
        }
        let live = http::get(&format!("http://{address}/livez?verbose"), &[]).await.text();
        for name in
            ["runtime", "journal writer", "connector span_metrics (traces)", "exporter prometheus (metrics)"]
        {
            assert!(live.contains(&format!("[+] {name}: ok\n")), "{name}: {live}");
        }
        let ready = http::get(&format!("http://{address}/readyz?verbose"), &[]).await.text();
        assert_eq!(ready, "[+] receivers: ok\n[+] journal: ok\nok\n");
    }
    let health = http::get(&format!("http://{}/", phasor.address("health")), &[]).await.json();
    assert_eq!(health["status"], "Server available");
}

#[tokio::test]
async fn every_health_check_has_its_door() {
    let config = default_config("", "")
        .replace(
            "  health_check: {endpoint: \"127.0.0.1:0\"}",
            "  health_check: {endpoint: \"127.0.0.1:0\"}\n  health_check/b: {endpoint: \"127.0.0.1:0\", path: /b}",
        )
        .replace("extensions: [health_check,", "extensions: [health_check, health_check/b,");
    let phasor = Start::config(config).start();
    let listeners = status(&phasor).await["listeners"].clone();
    let doors = listeners.as_array().expect("a list").iter().filter(|listener| listener["name"] == "health");
    let doors: Vec<_> = doors.filter_map(|door| door["address"].as_str()).collect();
    assert_eq!(doors.len(), 2, "{listeners}");
    for (address, path) in doors.into_iter().zip(["/", "/b"]) {
        let health = http::get(&format!("http://{address}{path}"), &[]).await;
        assert_eq!(health.json()["status"], "Server available", "{path}");
    }
}

#[tokio::test]
async fn beyond_loopback_the_status_is_for_operators_and_probes_are_for_all() {
    let config = default_config("", "")
        .replace("endpoint: \"127.0.0.1:0\", storage", "endpoint: \"0.0.0.0:0\", storage");
    let config = config
        .replace("health_check: {endpoint: \"127.0.0.1:0\"}", "health_check: {endpoint: \"0.0.0.0:0\"}");
    let phasor = Start::config(config).start();
    let local = |label: &str| phasor.address(label).replace("0.0.0.0", "127.0.0.1");
    for path in ["/api/v1/status", "/debug/pipelines"] {
        let api = format!("http://{}{path}", local("API"));
        assert_eq!(http::get(&api, &[]).await.status, 401, "{path}");
        assert_eq!(http::get(&api, &[("x-api-key", API_KEY)]).await.status, 200, "{path}");
        assert_eq!(http::get(&format!("http://{}{path}", local("health")), &[]).await.status, 404, "{path}");
    }
    for label in ["API", "health"] {
        assert_eq!(http::get(&format!("http://{}/livez", local(label)), &[]).await.status, 200);
    }
}

const SECRET: &str = "Bearer-do-not-show-this";
