//! From a fault to a person: the collector dies, the real Prometheus with the stack's rules notices, the real
//! Alertmanager with the stack's routes tells the webhook once; it comes back, and that is told once.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Response, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;

use crate::{
    files::ALERTMANAGER,
    impatient_rules,
    servers::{self, filled, free_address},
    support::{
        eventually, http,
        phasor::Start,
        stack::{self, list},
    },
};

#[tokio::test]
async fn an_alert_arrives_once_and_so_does_its_end() {
    let webhook = Webhook::start().await;
    let folder = tempfile::tempdir().expect("a temporary folder");

    // The stack's own routes and inhibitions; only the waiting is shorter.
    let url = format!("http://{}/", webhook.address);
    let variables: Vec<_> = ALERTMANAGER
        .iter()
        .map(|(name, value)| (*name, if *name == "ALERT_WEBHOOK_URL" { url.as_str() } else { value }))
        .collect();
    let routes = filled("dashboards/alertmanager/alertmanager.yml", &variables).await;
    let routes = routes
        .replace("group_wait: 30s", "group_wait: 0s")
        .replace("group_interval: 5m", "group_interval: 1s");
    let alertmanager = servers::alertmanager(folder.path(), &routes).await;

    // The collector's endpoint stays where it is over a restart.
    let endpoint = free_address();
    let config = stack::collector_config("127.0.0.1:9").replacen(
        "prometheus: {endpoint: \"127.0.0.1:0\"",
        &format!("prometheus: {{endpoint: \"{endpoint}\""),
        1,
    );
    let mut phasor = Start::config(config).start();
    assert_eq!(phasor.prometheus(), endpoint);

    let rules = impatient_rules("dashboards/prometheus/rules/pipeline.yml", "200ms");
    std::fs::write(folder.path().join("rules.yml"), rules).expect("the rules are written");
    let config = format!(
        "global: {{scrape_interval: 200ms, evaluation_interval: 200ms}}\nrule_files: [rules.yml]\n\
         alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{}']}}]}}]}}\n\
         scrape_configs:\n  - {{job_name: phasor, honor_labels: true, static_configs: \
         [{{targets: ['{endpoint}'], labels: {{environment: production}}}}]}}\n",
        alertmanager.address
    );
    let prometheus = servers::prometheus(folder.path(), &config).await;
    eventually("Prometheus sees the collector", || async {
        let url = format!("http://{}/api/v1/query?query=up", prometheus.address);
        (http::get(&url, &[]).await.json()["data"]["result"][0]["value"][1] == "1").then_some(())
    })
    .await;
    assert_eq!(webhook.told("CollectorDown"), Vec::<String>::new());

    phasor.kill();
    eventually("the alert arrives", || async { (!webhook.told("CollectorDown").is_empty()).then_some(()) })
        .await;

    // What follows from it is silent: it is inhibited, and does not arrive.
    let consequence =
        r#"[{"labels": {"alertname": "DataRefused", "severity": "warning", "environment": "production"}}]"#;
    let alerts = format!("http://{}/api/v2/alerts", alertmanager.address);
    let answer = http::post(&alerts, &[("content-type", "application/json")], consequence.into()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    eventually("the consequence is inhibited", || async {
        let known = http::get(&alerts, &[]).await.json();
        let found =
            list(&known, "").iter().find(|alert| alert["labels"]["alertname"] == "DataRefused").cloned();
        (!list(&found?, "/status/inhibitedBy").is_empty()).then_some(())
    })
    .await;

    // Over many evaluations and several intervals of the group.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(webhook.told("CollectorDown"), ["firing"]);
    assert_eq!(webhook.told("DataRefused"), Vec::<String>::new());

    phasor.kill_and_restart();
    eventually("the recovery arrives", || async { (webhook.told("CollectorDown").len() > 1).then_some(()) })
        .await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(webhook.told("CollectorDown"), ["firing", "resolved"]);
}

/// An endpoint that keeps what Alertmanager tells it.
struct Webhook {
    address: SocketAddr,
    notifications: Arc<Mutex<Vec<Value>>>,
    task: tokio::task::JoinHandle<()>,
}

// === impl Webhook ===

impl Webhook {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("the webhook binds");
        let address = listener.local_addr().expect("an address");
        let notifications = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&notifications);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                    let kept = Arc::clone(&kept);
                    async move {
                        let body = request.into_body().collect().await.expect("a whole body").to_bytes();
                        let told = serde_json::from_slice(&body).expect("Alertmanager sends JSON");
                        kept.lock().expect("no panic while locked").push(told);
                        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
                    }
                });
                connections.spawn(async move {
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, notifications, task }
    }

    /// The states in which an alert was told, one for each notification and alert in it.
    fn told(&self, name: &str) -> Vec<String> {
        let notifications = self.notifications.lock().expect("no panic while locked");
        let alerts = notifications.iter().flat_map(|told| list(told, "/alerts"));
        let of_name = alerts.filter(|alert| alert["labels"]["alertname"] == name);
        of_name.map(|alert| alert["status"].as_str().expect("a status").to_owned()).collect()
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.task.abort();
    }
}
