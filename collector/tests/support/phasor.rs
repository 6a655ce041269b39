//! The real binary, started with a configuration and a data directory of its own.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread::JoinHandle,
    time::Duration,
};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use super::{http, metrics::Metrics};

/// A running collector. Killed when dropped.
pub struct Phasor {
    child: Child,
    /// Gives what the process has written to standard error, when it has ended.
    log: Option<JoinHandle<String>>,
    folder: TempDir,
    /// The program and its arguments.
    command: Vec<String>,
    environment: Vec<(String, String)>,
    /// What the banner says: a label and its value.
    banner: BTreeMap<String, String>,
}

/// How a collector is started.
pub struct Start {
    config: String,
    environment: Vec<(String, String)>,
    /// A command that ends by running what follows it.
    wrapper: Vec<String>,
}

/// The API key that every test collector knows from its environment.
pub const API_KEY: &str = "test-key-0123456789abcdef0123456789ab";

/// The embedded default on ports the system chooses, with whatever exporters a test adds to the traces.
pub fn default_config(trace_exporters: &str, exporters: &str) -> String {
    format!(
        r#"
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:0"}}, http: {{endpoint: "127.0.0.1:0"}}}}}}
  phase_store: {{endpoint: "127.0.0.1:0", storage: "sqlite", environment: "test"}}
processors:
  memory_limiter: {{limit_mib: 512}}
connectors:
  span_metrics: {{metrics_flush_interval: 200ms}}
  event_metrics: {{catalog: [rsolv], metrics_flush_interval: 200ms}}
exporters:
  prometheus: {{endpoint: "127.0.0.1:0"}}
  debug: {{}}
{exporters}
extensions:
  health_check: {{endpoint: "127.0.0.1:0"}}
  file_storage: {{}}
service:
  extensions: [health_check, file_storage]
  pipelines:
    traces: {{receivers: [otlp, phase_store], processors: [memory_limiter], exporters: [span_metrics{trace_exporters}]}}
    logs: {{receivers: [otlp, phase_store], processors: [memory_limiter], exporters: [event_metrics]}}
    metrics: {{receivers: [otlp, span_metrics, event_metrics], processors: [memory_limiter], exporters: [prometheus]}}
"#
    )
}

// === impl Start ===

impl Start {
    /// With this configuration.
    pub fn config(config: impl Into<String>) -> Self {
        Self {
            config: config.into(),
            environment: vec![("PHASOR_BOOTSTRAP_API_KEY".to_owned(), API_KEY.to_owned())],
            wrapper: Vec::new(),
        }
    }

    /// Inside a command that ends by running what follows it, with the data directory in the variable `DATA`.
    pub fn inside(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// With this variable in its environment.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it and waits for its banner.
    pub fn start(self) -> Phasor {
        let Self { config, mut environment, wrapper: mut command } = self;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("config.yaml");
        std::fs::write(&file, &config).expect("the configuration is written");
        let data = folder.path().join("data").display().to_string();
        environment.push(("DATA".to_owned(), data.clone()));
        let file = file.display().to_string();
        let own = [env!("CARGO_BIN_EXE_phasor"), "run", "--config", &file, "--data-dir", &data];
        command.extend(own.map(str::to_owned));
        let (child, log, banner) = spawn(&command, &environment);
        Phasor { child, log: Some(log), folder, command, environment, banner }
    }
}

// === impl Phasor ===

impl Phasor {
    /// Kills it with SIGKILL and starts it again on the same data directory.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        let (child, log, banner) = spawn(&self.command, &self.environment);
        (self.child, self.log, self.banner) = (child, Some(log), banner);
    }

    /// Another command of the binary, with the same configuration and data directory: whether it succeeded, and what
    /// it wrote to standard output.
    pub async fn command(&self, command: &[&str]) -> (bool, String) {
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_phasor"))
            .args(command)
            .arg("--config")
            .arg(self.folder.path().join("config.yaml"))
            .arg("--data-dir")
            .arg(self.folder.path().join("data"))
            .output()
            .await
            .expect("the command runs");
        (output.status.success(), String::from_utf8(output.stdout).expect("text"))
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().expect("SIGKILL is sent");
        self.child.wait().expect("the process ends");
    }

    /// SIGTERM, and its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.child.wait().expect("the process ends").code()
    }

    /// SIGTERM and SIGINT, which are two signals also when they come at once; and its exit code.
    pub fn stop_at_once(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.signal(Signal::INT);
        self.child.wait().expect("the process ends").code()
    }

    /// What it has written to standard error; empty at a second call. To be called when it has ended.
    pub fn log(&mut self) -> String {
        self.log.take().map(|log| log.join().expect("the log is read")).unwrap_or_default()
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        let pid = Pid::from_raw(pid).expect("a process id");
        rustix::process::kill_process(pid, signal).expect("the signal is sent");
    }

    /// What the banner says behind a label.
    pub fn banner(&self, label: &str) -> &str {
        self.banner.get(label).unwrap_or_else(|| panic!("the banner has no `{label}`: {:?}", self.banner))
    }

    /// The address behind a label of the banner.
    pub fn address(&self, label: &str) -> &str {
        let value = self.banner(label);
        let value = value.split_whitespace().next().expect("a value");
        let value = value.split_once("://").map_or(value, |(_, address)| address);
        value.split('/').next().expect("an address")
    }

    /// Its data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Bytes of its memory that are resident at the moment.
    pub fn resident_bytes(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most that ever was.
    pub fn peak_bytes(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, which: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it lives");
        let line = status.lines().find_map(|line| line.strip_prefix(which)).expect("it has memory");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kib * 1024
    }

    /// Host and port of OTLP/gRPC.
    pub fn grpc(&self) -> String {
        self.address("OTLP/gRPC").to_owned()
    }

    /// Host and port of OTLP/HTTP.
    pub fn http(&self) -> String {
        self.address("OTLP/HTTP").to_owned()
    }

    /// Host and port of the application API.
    pub fn api(&self) -> String {
        self.address("API").to_owned()
    }

    /// Host and port of the Prometheus endpoint.
    pub fn prometheus(&self) -> String {
        self.address("metrics").to_owned()
    }

    /// One scrape, as OpenMetrics. Nothing while the collector says 503.
    pub async fn scrape(&self) -> Option<Metrics> {
        let url = format!("http://{}/metrics", self.prometheus());
        let answer = http::get(&url, &[("accept", "application/openmetrics-text;version=1.0.0")]).await;
        match answer.status {
            200 => Some(Metrics::parse(&answer.text())),
            503 => None,
            status => panic!("/metrics answered {status}: {}", answer.text()),
        }
    }

    /// Posts JSON to the application API.
    pub async fn post(&self, path: &str, json: &str) -> http::Answer {
        let url = format!("http://{}{path}", self.api());
        let headers = [("content-type", "application/json"), ("x-api-key", API_KEY)];
        http::post(&url, &headers, json.as_bytes().to_vec()).await
    }
}

impl Drop for Phasor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The process, its log, and its banner.
type Spawned = (Child, JoinHandle<String>, BTreeMap<String, String>);

/// Starts the binary and reads its banner: lines of two spaces, a label, two or more spaces, a value.
fn spawn(command: &[String], environment: &[(String, String)]) -> Spawned {
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .env_remove("PHASOR_CONFIG")
        .env_remove("PHASOR_DATA_DIR")
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let stdout = child.stdout.take().expect("standard output is piped");
    let stderr = child.stderr.take().expect("standard error is piped");
    let log = std::thread::spawn(move || read_log(stderr));
    let (tx, rx) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let mut banner = BTreeMap::new();
        for line in lines.by_ref() {
            if line.trim() == "ready" {
                let _ = tx.send(banner);
                break;
            }
            if let Some((label, value)) = line.trim().split_once("  ") {
                banner.insert(label.to_owned(), value.trim().to_owned());
            }
        }
        lines.for_each(drop);
    });
    match rx.recv_timeout(Duration::from_secs(60)) {
        Ok(banner) => (child, log, banner),
        Err(_) => {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the collector did not start:\n{}", log.join().expect("the log is read"));
        }
    }
}

/// Reads the log to its end, so that the pipe never fills, and keeps the first part of it.
fn read_log(mut from: impl Read) -> String {
    let mut kept = Vec::new();
    let mut chunk = [0; 8192];
    while let Ok(read @ 1..) = from.read(&mut chunk) {
        if kept.len() < 65_536 {
            kept.extend_from_slice(&chunk[..read]);
        }
        if std::env::var_os("PHASOR_TEST_LOG").is_some() {
            eprint!("{}", String::from_utf8_lossy(&chunk[..read]));
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}
