//! The real servers of the stack, each on a port of its own, and the stack's files filled in for them.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::{Child, Command};

use crate::support::{eventually, http, stack};

/// A running server. Killed when dropped.
pub(crate) struct Server {
    _child: Child,
    /// Host and port.
    pub(crate) address: String,
}

/// What stands for which `${NAME}` in the files that `fill.sh` fills.
pub(crate) type Variables<'a> = &'a [(&'a str, &'a str)];

/// Prometheus with this configuration, in which `localhost:9090` is itself, and exemplar storage on.
pub(crate) async fn prometheus(folder: &Path, config: &str) -> Server {
    prometheus_with(folder, config, "exemplar-storage").await
}

/// The same with these features, divided by commas.
pub(crate) async fn prometheus_with(folder: &Path, config: &str, features: &str) -> Server {
    let address = free_address();
    let file = write(folder, "prometheus.yml", &config.replace("localhost:9090", &address));
    let arguments = [
        format!("--config.file={file}"),
        format!("--storage.tsdb.path={}", folder.join("prometheus").display()),
        format!("--web.listen-address={address}"),
        format!("--enable-feature={features}"),
        "--rules.alert.resend-delay=1s".to_owned(),
    ];
    start("prometheus", &arguments, address, "/-/ready").await
}

/// Alertmanager with this configuration.
pub(crate) async fn alertmanager(folder: &Path, config: &str) -> Server {
    let file = write(folder, "alertmanager.yml", config);
    let address = free_address();
    let arguments = [
        format!("--config.file={file}"),
        format!("--storage.path={}", folder.join("alertmanager").display()),
        format!("--web.listen-address={address}"),
        "--cluster.listen-address=".to_owned(),
    ];
    start("prometheus-alertmanager", &arguments, address, "/-/ready").await
}

/// The node exporter.
pub(crate) async fn node_exporter() -> Server {
    let address = free_address();
    start("prometheus-node-exporter", &[format!("--web.listen-address={address}")], address, "/").await
}

/// The blackbox exporter with the stack's modules.
pub(crate) async fn blackbox_exporter() -> Server {
    let address = free_address();
    let modules = stack::root().join("dashboards/blackbox/blackbox.yml");
    let arguments =
        [format!("--config.file={}", modules.display()), format!("--web.listen-address={address}")];
    start("prometheus-blackbox-exporter", &arguments, address, "/-/healthy").await
}

/// A file of the repository, filled by the very script that the containers start with.
pub(crate) async fn filled(path: &str, variables: Variables<'_>) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let to = folder.path().join("filled");
    let output = Command::new("sh")
        .arg(stack::root().join("dashboards/fill.sh"))
        .arg(stack::root().join(path))
        .arg(&to)
        .arg("true")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").expect("there is a PATH"))
        .envs(variables.iter().copied())
        .output()
        .await
        .expect("sh runs");
    assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
    std::fs::read_to_string(&to).expect("the filled file is there")
}

/// An address on loopback that nobody uses now.
pub(crate) fn free_address() -> String {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    free.local_addr().expect("an address").to_string()
}

/// A program that `make deps` has brought.
pub(crate) fn program(name: &str) -> Command {
    Command::new(deps().join("usr/bin").join(name))
}

/// Where `make deps` has put everything.
pub(crate) fn deps() -> PathBuf {
    PathBuf::from(std::env::var_os("PHASOR_DEPS").expect("PHASOR_DEPS is set by `make world`"))
}

async fn start(name: &str, arguments: &[String], address: String, ready: &str) -> Server {
    let child = program(name)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let url = format!("http://{address}{ready}");
    eventually(&format!("{name} is ready"), || async {
        tokio::net::TcpStream::connect(&address).await.ok()?;
        (http::get(&url, &[]).await.status == 200).then_some(())
    })
    .await;
    Server { _child: child, address }
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let file = folder.join(name);
    std::fs::write(&file, text).expect("the configuration is written");
    file.display().to_string()
}
