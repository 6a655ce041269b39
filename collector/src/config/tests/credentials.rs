//! Files that `tls` and extensions name.

use std::{fs, path::Path};

use rcgen::{CertificateParams, KeyPair};

use super::{
    diagnostic::{Diagnostic, Severity},
    *,
};

fn certificate(folder: &Path, name: &str) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
    fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

/// Place, path and message of what is said about the files; `FOLDER` stands for theirs.
fn said(folder: &Path, yaml: &str) -> Vec<String> {
    let text = yaml.replace("FOLDER", &folder.display().to_string());
    let loaded = read(&text).unwrap_or_else(|said| panic!("{said}"));
    let diagnostics = match loaded.with_sound_files() {
        Ok(_) => return Vec::new(),
        Err(diagnostics) => diagnostics.0,
    };
    let line = |one: Diagnostic| {
        let place = one.place.expect("a key names it");
        let text = format!("{}:{}:{} {}: {}", place.file, place.line, place.column, one.path, one.message);
        text.replace(&folder.display().to_string(), "FOLDER")
    };
    diagnostics.into_iter().filter(|one| one.severity == Severity::Error).map(line).collect()
}

/// Where this file is named.
fn place(folder: &Path, yaml: &str, file: &str) -> String {
    let text = yaml.replace("FOLDER", &folder.display().to_string());
    let before = &text[..text.find(&folder.join(file).display().to_string()).unwrap()];
    let column = before.rsplit('\n').next().unwrap().len() + 1;
    format!("phasor.yaml:{}:{column}", before.lines().count())
}

/// A configuration whose receiver, exporter and extensions name these files.
fn naming(tls: &str, exporter: &str, extensions: &str) -> String {
    format!(
        "receivers:
  otlp: {{protocols: {{http: {{tls: {{{tls}}}}}}}}}
exporters:
  otlp/x: {{endpoint: 'https://a:1', tls: {{{exporter}}}}}
extensions: {{{extensions}}}
service:
  extensions: [bearertokenauth, basicauth]
  pipelines: {{traces: {{receivers: [otlp], exporters: [otlp/x]}}}}
"
    )
}

#[test]
fn files_that_are_there_and_right_are_fine() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path(), "a");
    fs::write(folder.path().join("token"), "abc").unwrap();
    fs::write(folder.path().join("users"), "a:b").unwrap();
    let yaml = naming(
        "cert_file: FOLDER/a.pem, key_file: FOLDER/a.key, client_ca_file: FOLDER/a.pem",
        "ca_file: FOLDER/a.pem",
        "bearertokenauth: {filename: FOLDER/token}, basicauth: {htpasswd: {file: FOLDER/users}}",
    );
    assert_eq!(said(folder.path(), &yaml), Vec::<String>::new());
}

#[test]
fn each_file_that_is_missing_or_wrong_is_said_at_its_key() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path(), "a");
    certificate(folder.path(), "b");
    fs::write(folder.path().join("empty"), "\n").unwrap();
    fs::write(folder.path().join("users"), "a:b\nc").unwrap();
    let yaml = naming(
        "cert_file: FOLDER/a.pem, key_file: FOLDER/b.key",
        "ca_file: FOLDER/empty",
        "bearertokenauth: {filename: FOLDER/none}, basicauth: {htpasswd: {file: FOLDER/users}}",
    );
    let said = said(folder.path(), &yaml);
    let expected = [
        ("b.key", "receivers.otlp.protocols.http.tls.key_file: does not fit cert_file: "),
        ("empty", "exporters.otlp/x.tls.ca_file: holds no certificate in PEM"),
        ("none", "extensions.bearertokenauth.filename: `FOLDER/none` cannot be read: "),
        ("users", "extensions.basicauth.htpasswd.file: line 2: is not user:password"),
    ];
    assert_eq!(said.len(), expected.len(), "{said:#?}");
    for (said, (file, message)) in said.iter().zip(expected) {
        let expected = format!("{} {message}", place(folder.path(), &yaml, file));
        assert!(said.starts_with(&expected), "{said}\n{expected}");
    }
}

#[test]
fn files_of_what_is_not_used_are_not_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = with("", "") + "extensions: {bearertokenauth: {filename: FOLDER/none}}\n";
    assert_eq!(said(folder.path(), &yaml), Vec::<String>::new());
}
