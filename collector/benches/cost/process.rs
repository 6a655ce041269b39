//! The release binary as a process: its CPU time, its memory, its size, and how soon it takes the first span.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Instant,
};

use tempfile::TempDir;

use crate::{forward, line};

/// A process under measurement, and the address it listens on.
pub(crate) struct Process {
    child: Child,
    /// Where it takes gRPC.
    pub(crate) address: String,
    /// Where it takes HTTP, if it does.
    pub(crate) http: Option<String>,
    _folder: Option<TempDir>,
}

// === impl Process ===

impl Process {
    /// The release binary with this configuration; its gRPC port is read from the banner.
    pub(crate) fn phasor(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("config.yaml");
        std::fs::write(&file, config).expect("the configuration is written");
        let mut command = Command::new(binary());
        command.arg("run").arg("--config").arg(&file).arg("--data-dir").arg(folder.path().join("data"));
        let (child, mut lines) = start(command);
        let banner = ready(lines.by_ref());
        // The rest is read so that the pipe never fills.
        std::thread::spawn(move || lines.for_each(drop));
        let address = banner.grpc.expect("gRPC is configured");
        Self { child, address, http: banner.http, _folder: Some(folder) }
    }

    /// This bench as a bare forwarder to `backend`: `bare`, or `bare-tonic`.
    pub(crate) fn bare(kind: &str, backend: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("a path"));
        command.args([kind, "127.0.0.1:0", backend]);
        let (child, mut lines) = start(command);
        let address = lines.next().expect("it says where it listens").trim().to_owned();
        Self { child, address, http: None, _folder: None }
    }

    /// CPU nanoseconds of all its threads so far.
    pub(crate) fn cpu_ns(&self) -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("the process lives");
        let files =
            tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok());
        files.filter_map(|text| text.split_whitespace().next()?.parse::<u64>().ok()).sum()
    }

    /// Resident memory.
    pub(crate) fn resident_bytes(&self) -> u64 {
        resident_bytes(self.child.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a collector listens, as its banner says.
#[derive(Debug, Default)]
pub(crate) struct Banner {
    pub(crate) grpc: Option<String>,
    pub(crate) http: Option<String>,
}

/// Reads the banner, which ends with `ready`.
pub(crate) fn ready(lines: impl Iterator<Item = String>) -> Banner {
    let mut banner = Banner::default();
    for line in lines.take_while(|line| line != "ready") {
        let address = |name| {
            let address = line.trim().strip_prefix(name)?.trim();
            Some(address.trim_start_matches("http://").to_owned())
        };
        banner.grpc = banner.grpc.or_else(|| address("OTLP/gRPC"));
        banner.http = banner.http.or_else(|| address("OTLP/HTTP"));
    }
    banner
}

fn start(mut command: Command) -> (Child, impl Iterator<Item = String> + Send + 'static) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the process starts");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    (child, lines)
}

/// Resident memory of a process.
pub(crate) fn resident_bytes(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a resident size");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// Footprint of the embedded default.
pub(crate) fn report(wanted: impl Fn(&str) -> bool) {
    if !wanted("footprint") {
        return;
    }
    let size = std::fs::metadata(binary()).expect("the release binary").len();
    line("release binary", format!("{:.1} MiB", size as f64 / MIB), String::new(), "40 MiB", "25 MiB");
    let config = ports_to_zero(phasor_collector::config::DEFAULT);
    let mut least = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        let phasor = Process::phasor(&config);
        forward::send_one(&phasor.address);
        least = least.min(start.elapsed().as_secs_f64() * 1e3);
    }
    line("start to first accepted span", format!("{least:.0} ms"), String::new(), "200 ms", "50 ms");
    let phasor = Process::phasor(&config);
    std::thread::sleep(std::time::Duration::from_secs(3));
    let idle = format!("{:.1} MiB", phasor.resident_bytes() as f64 / MIB);
    line("idle resident memory", idle, String::new(), "25 MiB", "15 MiB");
}

/// The embedded default on ports that the system chooses.
fn ports_to_zero(config: &str) -> String {
    let mut out = String::new();
    let mut rest = config;
    while let Some((before, after)) = rest.split_once("127.0.0.1:") {
        let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        out.push_str(before);
        out.push_str("127.0.0.1:0");
        rest = &after[digits..];
    }
    out + rest
}

fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_phasor"))
}

const MIB: f64 = (1 << 20) as f64;
