//! The promises about the source itself: which crate may know which, and what each file must say.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// `proto <- pipelines <- exporters <- collector`, and no other arrow.
#[test]
fn dependencies_point_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("phasor-proto", &[] as &[&str]),
        ("phasor-pipelines", &["phasor-proto"]),
        ("phasor-exporters", &["phasor-proto", "phasor-pipelines"]),
        ("phasor", &["phasor-proto", "phasor-pipelines", "phasor-exporters"]),
    ]);
    for (package, allowed) in allowed {
        let tree = cargo_tree(&[
            "--package",
            package,
            "--edges",
            "normal,build",
            "--depth",
            "1",
            "--prefix",
            "none",
        ]);
        let ours = tree
            .lines()
            .skip(1)
            .filter_map(|line| line.split(' ').next())
            .filter(|name| name.starts_with("phasor"));
        for name in ours {
            assert!(allowed.contains(&name), "{package} depends on {name}");
        }
    }
}

/// One version of everything the wire path is made of, and none of the crates we decided against.
#[test]
fn the_wire_stack_exists_once_and_without_a_second_tls() {
    let all = cargo_tree(&["--workspace", "--edges", "normal", "--prefix", "none"]);
    for name in ["aws-lc-sys", "aws-lc-rs", "openssl-sys", "reqwest", "protobuf", "native-tls"] {
        let found = all.lines().any(|line| line.split(' ').next() == Some(name));
        assert!(!found, "{name} is in the dependency tree");
    }
    for name in
        ["tonic", "prost", "hyper", "h2", "http", "axum", "tower", "rustls", "zstd-sys", "tokio", "bytes"]
    {
        let mut versions: Vec<_> = all
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(" v"))
            .filter_map(|rest| rest.split(' ').next())
            .collect();
        versions.sort_unstable();
        versions.dedup();
        assert!(versions.len() <= 1, "{name} is there in several versions: {versions:?}");
    }
}

/// tonic and prost stay at the edge: in generated code, the gRPC receiver, the gRPC exporter, the phase
/// store's gRPC face, and where own traces leave.
#[test]
fn tonic_is_named_only_at_the_edge() {
    let may = |path: &str| {
        path.contains("proto/src/generated")
            || path.contains("collector/src/receivers/otlp")
            || path.contains("exporters/src/otlp_grpc")
            || path.contains("collector/src/phase_store/grpc")
            || path.contains("collector/src/telemetry/traces")
    };
    let is_test = |path: &str| path.contains("/tests");
    for (path, text) in sources().into_iter().filter(|(path, _)| !is_test(path)) {
        let names = text.lines().any(|line| {
            let code = line.split("//").next().unwrap_or_default();
            code.contains("tonic::") || code.contains("use tonic") || code.contains("prost::")
        });
        assert!(!names || may(&path), "{path} names tonic or prost");
    }
}

/// Every file opens by saying what it is; no module hides in a `mod.rs`; nothing is left for later.
#[test]
fn every_file_says_what_it_is() {
    for (path, text) in sources().into_iter().filter(|(path, _)| !path.contains("generated/")) {
        let is_tests = path.ends_with("/tests.rs");
        assert!(is_tests || text.starts_with("//!"), "{path} does not open with a module doc");
        assert!(!path.ends_with("/mod.rs"), "{path}: a module with children is foo.rs beside foo/");
        for word in
            [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("#[ig", "nore"), concat!("should_", "panic")]
        {
            assert!(!text.contains(word), "{path} contains {word}");
        }
    }
}

/// The cores own no clock: the lint that forbids `Instant::now` is lifted only in the engine, in receivers,
/// in exporters and in the process around them.
#[test]
fn cores_do_not_read_clocks() {
    let core = |path: &str| {
        path.contains("proto/src")
            || path.contains("pipelines/src/processors")
            || path.contains("pipelines/src/connectors")
            || path.contains("exporters/src/prometheus/series")
            || path.contains("exporters/src/prometheus/translate")
            || path.ends_with("phase_store/phase.rs")
    };
    for (path, text) in sources().into_iter().filter(|(path, _)| core(path)) {
        for clock in ["Instant::now", "SystemTime::now", "UnixNanos::now", "Timestamp::now"] {
            assert!(!text.contains(clock), "{path} reads a clock: {clock}");
        }
    }
}

/// The README's table of components names every component there is.
#[test]
fn the_readme_names_every_component() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md is readable");
    let kinds = [
        phasor_collector::receivers::KINDS,
        pipelines::processors::KINDS,
        pipelines::connectors::KINDS,
        exporters::KINDS,
    ];
    for kind in kinds.into_iter().flatten() {
        assert!(readme.contains(&format!("| `{kind}` |")), "README's table of components lacks `{kind}`");
    }
}

/// Every Rust file of the four crates, with its path from the root.
fn sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for member in ["proto/src", "pipelines/src", "exporters/src", "collector/src"] {
        collect(&root().join(member), &mut files);
    }
    assert!(files.len() > 30, "the walk over the sources found only {} files", files.len());
    files
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a source file is readable");
            let name = path.strip_prefix(root()).expect("the file is below the root").display().to_string();
            (name, text)
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a source folder is readable") {
        let path = entry.expect("a folder entry is readable").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn cargo_tree(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .arg("tree")
        .args(["--locked", "--offline"])
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo writes UTF-8")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace").to_owned()
}
