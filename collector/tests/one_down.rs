//! A backend that is down harms nobody but itself: others get everything at once, it gets everything later, the disk
//! is given back, and once its lag budget is used up its own policy acts, counted.

use std::{collections::BTreeSet, path::Path};

use bytes::Bytes;
use tonic::Code;

use super::support::{
    backend::Backend,
    eventually,
    phasor::{Phasor, Start, default_config},
    sender::{Sender, TRACES},
    spans,
};

/// More than a pipeline in memory may keep for the one that is down.
const REQUESTS: u64 = 200;
const SPANS: u64 = 20;
/// Of each request: all of them are more than one segment of the journal.
const PADDING: usize = 400 << 10;

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_is_down_gets_everything_later_and_the_disk_is_given_back() {
    let (up, down) = (Backend::start().await, Backend::start().await);
    let address = down.address.to_string();
    let phasor = start(&up, &address, "", "");
    let mut sender = Sender::connect(&phasor.grpc()).await;

    // Both are there, and the disk holds what it holds at work.
    sender.export(TRACES, request(0)).await.expect("accepted");
    eventually("both have the first request", || async {
        (up.spans().len() == SPANS as usize && down.spans().len() == SPANS as usize).then_some(())
    })
    .await;
    let journal = phasor.data_dir().join("journal");
    let floor = bytes_below(&journal);
    drop(down);

    for number in 1..REQUESTS {
        sender.export(TRACES, request(number)).await.expect("accepted");
    }
    eventually("the backend that is up has everything while the other one is down", || async {
        (up.span_ids().len() as u64 == REQUESTS * SPANS).then_some(())
    })
    .await;
    assert_eq!(up.spans().len() as u64, REQUESTS * SPANS, "it got nothing twice");
    let held = bytes_below(&journal);
    assert!(
        held > floor + (REQUESTS - 1) * PADDING as u64 / 2,
        "{held} bytes wait on disk, {floor} did before"
    );

    let back = Backend::listen(&address).await;
    eventually("the other one gets everything when it is back", || async {
        (back.span_ids().len() as u64 == (REQUESTS - 1) * SPANS).then_some(())
    })
    .await;
    eventually("the disk is given back", || async { (bytes_below(&journal) <= floor).then_some(()) }).await;
    assert_eq!(up.spans().len() as u64, REQUESTS * SPANS, "and the first one never noticed");
}

#[tokio::test(flavor = "multi_thread")]
async fn past_its_lag_budget_a_backend_that_is_down_loses_the_oldest_and_the_loss_is_counted() {
    for storage in ["", "sending_queue: {storage: file_storage}, "] {
        let (up, down) = (Backend::start().await, Backend::start().await);
        let address = down.address.to_string();
        drop(down);
        let policy = format!("{storage}on_full: drop_oldest, max_lag_bytes: 16MiB");
        let phasor = start(&up, &address, storage.trim_end_matches(", "), &policy);
        let mut sender = Sender::connect(&phasor.grpc()).await;
        for number in 0..REQUESTS {
            sender.export(TRACES, request(number)).await.expect("nobody who sends notices");
        }
        eventually("the backend that is up has everything", || async {
            (up.span_ids().len() as u64 == REQUESTS * SPANS).then_some(())
        })
        .await;
        let dropped = || async {
            let labels = [("exporter", "otlp_grpc/down")];
            let page = phasor.scrape().await?;
            page.sum("otelcol_exporter_enqueue_failed_spans_total", &labels).map(|spans| spans as u64)
        };
        eventually("the loss is counted", || async { dropped().await.filter(|spans| *spans > 0) }).await;
        let back = Backend::listen(&address).await;
        eventually("what was not dropped arrives, and all else is counted", || async {
            (back.span_ids().len() as u64 + dropped().await? == REQUESTS * SPANS).then_some(())
        })
        .await;
        let newest = ((REQUESTS - 1) * SPANS..REQUESTS * SPANS).map(id);
        assert!(newest.collect::<BTreeSet<_>>().is_subset(&back.span_ids()), "the newest were kept");
        assert_eq!(up.spans().len() as u64, REQUESTS * SPANS, "and the other one never noticed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn past_its_lag_budget_a_backend_that_may_not_lose_anything_holds_the_senders_back() {
    let (up, down) = (Backend::start().await, Backend::start().await);
    let address = down.address.to_string();
    drop(down);
    let phasor = start(&up, &address, "", "max_lag_bytes: 4MiB");
    let mut sender = Sender::connect(&phasor.grpc()).await;
    let mut accepted = 0;
    let refusal = loop {
        match sender.export(TRACES, request(accepted)).await {
            Ok(_) => accepted += 1,
            Err(status) => break status,
        }
        assert!(accepted < REQUESTS, "more was taken than the budget holds");
    };
    assert_eq!(refusal.code(), Code::Unavailable, "{refusal:?}");
    assert!(refusal.message().contains("lag limit"), "{refusal:?}");
    assert!(!refusal.details().is_empty(), "it says when to come back");
    let page = phasor.scrape().await.expect("a page");
    assert_eq!(page.sum("otelcol_receiver_refused_spans_total", &[]), Some(SPANS as f64));
    eventually("the other one has all that was accepted", || async {
        (up.span_ids().len() as u64 == accepted * SPANS).then_some(())
    })
    .await;

    let back = Backend::listen(&address).await;
    let again = request(accepted);
    eventually("there is room again, by itself", || {
        let (mut sender, again) = (sender.clone(), again.clone());
        async move { sender.export(TRACES, again).await.ok() }
    })
    .await;
    for backend in [&up, &back] {
        eventually("everything that was accepted is everywhere", || async {
            (backend.span_ids().len() as u64 == (accepted + 1) * SPANS).then_some(())
        })
        .await;
    }
}

/// Two exporters, and what the one to `down` is told besides.
fn start(up: &Backend, down: &str, up_says: &str, down_says: &str) -> Phasor {
    let retry = "retry_on_failure: {initial_interval: 50ms, max_interval: 200ms}";
    let also = |text: &str| if text.is_empty() { String::new() } else { format!(", {text}") };
    let exporters = format!(
        "  otlp_grpc/up: {{endpoint: \"http://{}\"{}}}\n  otlp_grpc/down: {{endpoint: \"http://{down}\", {retry}{}}}",
        up.address,
        also(up_says),
        also(down_says)
    );
    Start::config(default_config(", otlp_grpc/up, otlp_grpc/down", &exporters)).start()
}

fn request(number: u64) -> Bytes {
    spans::padded("shop", number * SPANS, SPANS, PADDING)
}

fn id(number: u64) -> Vec<u8> {
    (number + 1).to_be_bytes().to_vec()
}

/// What the files of a folder take from the disk.
fn bytes_below(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(folder).expect("the journal's folder is there").flatten();
    // A segment may go while we look.
    entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.blocks() * 512).sum()
}
