//! What a destination refuses for good is not gone: it is kept, shown and sent again, or its sender is told.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering::Relaxed},
    },
};

use super::support::{
    backend::{Backend, Mind},
    eventually, http,
    phasor::{Phasor, Start, default_config},
    sender::{Sender, TRACES},
    spans,
};

/// A backend that answers every request with the code it was last told.
async fn moody(code: u16) -> (Backend, Arc<AtomicU16>) {
    let mood = Arc::new(AtomicU16::new(code));
    let told = Arc::clone(&mood);
    let mind: Mind = Arc::new(move |_| {
        let code = told.load(Relaxed);
        Box::pin(async move { code })
    });
    (Backend::with_mind("127.0.0.1:0", mind).await, mood)
}

/// The items of all dead letters, as the command counts them.
async fn items(phasor: &Phasor) -> u64 {
    let (success, list) = phasor.command(&["journal", "dead-letters", "--json"]).await;
    assert!(success, "{list}");
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    let letters = list["dead_letters"].as_array().expect("a list");
    assert!(letters.iter().all(|letter| letter["code"] == "INVALID_ARGUMENT"), "{letters:?}");
    letters.iter().map(|letter| letter["items"].as_u64().expect("a number")).sum()
}

#[tokio::test]
async fn what_is_refused_for_good_outlives_sigkill_and_is_sent_again() {
    let (refusing, _) = moody(3).await;
    let exporter = format!("  otlp_grpc: {{endpoint: \"http://{}\"}}", refusing.address);
    let mut phasor = Start::config(default_config(", otlp_grpc", &exporter)).start();
    assert_eq!(items(&phasor).await, 0);
    let mut sender = Sender::connect(&phasor.grpc()).await;
    for request in 0..10 {
        let message = spans::encoded("shop", "GET /", request * 8, 8);
        sender.export(TRACES, message).await.expect("acknowledged");
    }
    let page = eventually("every span is refused", || async {
        let page = phasor.scrape().await?;
        let labels = [("exporter", "otlp_grpc"), ("error_type", "INVALID_ARGUMENT")];
        (page.sum("otelcol_exporter_send_failed_spans_total", &labels)? == 80.0).then_some(page)
    })
    .await;
    let kept = [("exporter", "otlp_grpc"), ("outcome", "kept")];
    assert!(page.sum("phasor_exporter_dead_letters_total", &kept) > Some(0.0));
    assert_eq!(items(&phasor).await, 80, "the list works beside the running server");

    // What was not committed when the process died is refused again, and then kept twice.
    phasor.kill_and_restart();
    eventually("nothing waits to be sent", || async {
        let page = phasor.scrape().await?;
        let waiting = page.sum("otelcol_exporter_queue_size", &[("exporter", "otlp_grpc")])?;
        (waiting == 0.0).then_some(())
    })
    .await;
    let before = items(&phasor).await;
    assert!(before >= 80);

    let (success, text) =
        phasor.command(&["journal", "dead-letters", "--replay-to", "http://127.0.0.1:1"]).await;
    assert!(!success && items(&phasor).await >= before, "nobody listens there, and nothing is lost: {text}");

    let good = Backend::start().await;
    let endpoint = format!("http://{}", good.address);
    let (success, text) = phasor.command(&["journal", "dead-letters", "--replay-to", &endpoint]).await;
    assert!(success, "{text}");
    let arrived: BTreeSet<_> = good.spans().into_iter().map(|span| span.span_id).collect();
    assert_eq!(arrived.len(), 80);
    assert_eq!(items(&phasor).await, 0);
}

#[tokio::test]
async fn a_sender_that_waits_for_the_delivery_hears_what_the_destination_said() {
    let (backend, mood) = moody(0).await;
    let config = format!(
        r#"
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:0"}}, http: {{endpoint: "127.0.0.1:0"}}}}}}
exporters:
  otlp_grpc: {{endpoint: "http://{}", sending_queue: {{enabled: false}}, retry_on_failure: {{enabled: false}}}}
service:
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp_grpc]}}
"#,
        backend.address
    );
    let phasor = Start::config(config).start();
    let mut sender = Sender::connect(&phasor.grpc()).await;
    let url = format!("http://{}/v1/traces", phasor.http());
    let message = || spans::encoded("shop", "GET /", 0, 8);
    // What the backend says, what a gRPC sender hears, and what an HTTP sender hears.
    for (said, code, status) in
        [(0, 0, 200), (3, 3, 400), (7, 7, 403), (16, 16, 401), (13, 13, 500), (14, 14, 503), (0, 0, 200)]
    {
        mood.store(said, Relaxed);
        let heard = sender.export(TRACES, message()).await.map_or_else(|status| status.code() as i32, |_| 0);
        let headers = [("content-type", "application/x-protobuf")];
        let answer = http::post(&url, &headers, message()).await;
        assert_eq!((heard, answer.status), (code, status), "the backend said {said}");
        assert_eq!(answer.header("retry-after").is_some(), said == 14, "the backend said {said}");
    }
    assert_eq!(items(&phasor).await, 0, "senders that were told have the data themselves");
}
