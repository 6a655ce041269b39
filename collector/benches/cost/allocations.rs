//! Allocations of a whole process for each request: those of hyper, h2 and tonic included.
//!
//! The process is started twice; the difference between many requests and few leaves start and stop out.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout, Command, Stdio},
};

use crate::{
    forward::{self, Path},
    line,
    process::ready,
    support::backend::Backend,
};

/// A process that counts.
struct Counted {
    child: Child,
    output: BufReader<ChildStdout>,
    address: String,
    _folder: tempfile::TempDir,
}

/// Measures what is wanted.
pub(crate) fn report(wanted: impl Fn(&str) -> bool) {
    if !wanted("allocations") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    for (work, path) in [
        ("gRPC -> journal -> gRPC, a request", Path::Forward),
        ("the same with span metrics", Path::SpanMetrics),
        ("the same to two backends", Path::FanOut),
    ] {
        let (few, many) = (runtime.block_on(count(path, FEW)), runtime.block_on(count(path, MANY)));
        let a_request = |few: u64, many: u64| (many as f64 - few as f64) / (MANY - FEW) as f64;
        let measured = format!("{:.1} allocs", a_request(few.0, many.0));
        let bytes = format!("{:.0} B", a_request(few.1, many.1));
        line(work, measured, bytes, "-", "-");
    }
}

/// Allocations, and their bytes, of a process that has forwarded so many requests.
async fn count(path: Path, requests: usize) -> (u64, u64) {
    let backends = forward::backends(path).await;
    let counted = Counted::start(&path.config(&backends));
    let sent = forward::load(&counted.address, requests).await;
    for backend in &backends {
        Backend::wait_for_bytes(backend, sent * forward::request_bytes()).await;
    }
    counted.stop()
}

// === impl Counted ===

impl Counted {
    fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("config.yaml");
        std::fs::write(&file, config).expect("the configuration is written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_phasor-counted"));
        command.arg("run").arg("--config").arg(&file).arg("--data-dir").arg(folder.path().join("data"));
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the process starts");
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let banner = ready(output.by_ref().lines().map_while(Result::ok));
        Self { child, output, address: banner.grpc.expect("gRPC is configured"), _folder: folder }
    }

    /// Ends the process as an operator would, and reads its last line.
    fn stop(mut self) -> (u64, u64) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.expect("a process"), rustix::process::Signal::TERM)
            .expect("the process is ours");
        let mut said = String::new();
        self.output.read_to_string(&mut said).expect("the output is text");
        self.child.wait().expect("the process ends");
        let counts = said.lines().find_map(|line| line.strip_prefix("allocations ")).expect("the count");
        let mut counts = counts.split(' ').map(|count| count.parse().expect("a number"));
        (counts.next().expect("a number"), counts.next().expect("bytes"))
    }
}

const FEW: usize = 320;
const MANY: usize = 3_200;
