//! The real binary on one data directory, started as often as it takes.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::sync::oneshot;

use super::{sinks::Sinks, support::phasor::API_KEY};

/// A data directory, a configuration and a log.
pub struct Laboratory {
    folder: TempDir,
}

/// One life of the collector. Killed when dropped.
pub struct Process {
    child: Child,
    banner: Option<oneshot::Receiver<BTreeMap<String, String>>>,
}

/// Where the collector that lives now is found.
#[derive(Clone, Debug)]
pub struct Doors {
    pub grpc: String,
    pub api: String,
    pub metrics: String,
    /// How many spans had been acknowledged before this life began: its first page has them.
    pub acknowledged: u64,
}

// === impl Laboratory ===

impl Laboratory {
    pub fn new(sinks: &Sinks) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let exporters: Vec<_> = sinks.addresses();
        let exporter = |name: &str, address: &str| {
            format!("  otlp_grpc/{name}: {{endpoint: \"http://{address}\", {RETRY}}}\n")
        };
        let exporters: String = exporters.iter().map(|(name, address)| exporter(name, address)).collect();
        std::fs::write(folder.path().join("config.yaml"), CONFIG.replace("{exporters}", &exporters)).unwrap();
        Self { folder }
    }

    /// Starts the binary, and does not wait for it.
    pub fn spawn(&self) -> Process {
        let log = File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_phasor"))
            .arg("run")
            .arg("--config")
            .arg(self.folder.path().join("config.yaml"))
            .arg("--data-dir")
            .arg(self.folder.path().join("data"))
            .env_remove("PHASOR_CONFIG")
            .env_remove("PHASOR_DATA_DIR")
            .env("PHASOR_BOOTSTRAP_API_KEY", API_KEY)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let (ready, banner) = oneshot::channel();
        std::thread::spawn(move || {
            let mut found = BTreeMap::new();
            let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
            for line in lines.by_ref() {
                if line.trim() == "ready" {
                    let _ = ready.send(found);
                    break;
                }
                if let Some((label, value)) = line.trim().split_once("  ") {
                    found.insert(label.to_owned(), value.trim().to_owned());
                }
            }
            lines.for_each(drop);
        });
        Process { child, banner: Some(banner) }
    }

    /// Leaves everything on disk, and says where.
    pub fn keep(self) -> PathBuf {
        self.folder.keep()
    }
}

// === impl Process ===

impl Process {
    /// Waits for the banner. `Err`: it has died, or says nothing.
    pub async fn ready(&mut self, acknowledged: u64) -> Result<Doors, String> {
        let banner = self.banner.take().expect("asked once");
        match tokio::time::timeout(PATIENCE, banner).await {
            Ok(Ok(banner)) => {
                let address = |label: &str| {
                    let value = banner.get(label).unwrap_or_else(|| panic!("no `{label}` in {banner:?}"));
                    let value = value.strip_prefix("http://").unwrap_or(value);
                    value.split('/').next().unwrap().to_owned()
                };
                Ok(Doors {
                    grpc: address("OTLP/gRPC"),
                    api: address("API"),
                    metrics: address("metrics"),
                    acknowledged,
                })
            }
            Ok(Err(_)) => Err(format!("it ended by itself: {:?}", self.child.wait())),
            Err(_) => Err(format!("no banner within {PATIENCE:?}")),
        }
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and waits for its end.
    pub async fn stop(mut self) -> ExitStatus {
        let pid = rustix::process::Pid::from_raw(self.child.id() as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        tokio::task::spawn_blocking(move || self.child.wait().unwrap()).await.unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const PATIENCE: Duration = Duration::from_secs(120);
const RETRY: &str = "retry_on_failure: {initial_interval: 20ms, max_interval: 100ms}";
const CONFIG: &str = r#"
receivers:
  otlp: {protocols: {grpc: {endpoint: "127.0.0.1:0"}}}
  phase_store: {endpoint: "127.0.0.1:0", storage: "sqlite", environment: "test"}
processors:
  memory_limiter: {limit_mib: 256}
connectors:
  span_metrics: {metrics_flush_interval: 50ms}
  event_metrics: {catalog: [rsolv], metrics_flush_interval: 50ms}
exporters:
  prometheus: {endpoint: "127.0.0.1:0", created_timestamps: true}
{exporters}
extensions:
  file_storage: {}
service:
  extensions: [file_storage]
  pipelines:
    traces: {receivers: [otlp, phase_store], processors: [memory_limiter], exporters: [span_metrics, otlp_grpc/steady, otlp_grpc/moody]}
    logs: {receivers: [otlp, phase_store], processors: [memory_limiter], exporters: [event_metrics]}
    metrics: {receivers: [otlp, span_metrics, event_metrics], processors: [memory_limiter], exporters: [prometheus]}
"#;
