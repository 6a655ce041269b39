//! Who `auth` of a component may name.

use super::{diagnostic::Diagnostic, *};

/// The whole of what is said about an exporter that names `authenticator`, as path and message.
fn said(authenticator: &str, extensions: &str, enabled: &str) -> Vec<(String, String)> {
    let text = format!(
        "
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0'}}}}}}}}
exporters: {{otlp/x: {{endpoint: 'https://a:1', auth: {{authenticator: {authenticator}}}}}}}
extensions: {{{extensions}}}
service: {{extensions: [{enabled}], pipelines: {{traces: {{receivers: [otlp], exporters: [otlp/x]}}}}}}
"
    );
    let source = Source::Text { name: "phasor.yaml".to_owned(), text };
    let diagnostics = match load_with(&[source], &|_| None) {
        Ok(loaded) => loaded.warnings,
        Err(diagnostics) => diagnostics,
    };
    let help = |one: &Diagnostic| one.help.clone().unwrap_or_default();
    let said = |one: Diagnostic| (one.path.clone(), format!("{}|{}", one.message, help(&one)));
    diagnostics.0.into_iter().map(said).collect()
}

#[test]
fn an_exporter_names_an_extension_that_is_defined_enabled_and_for_clients() {
    let path = "exporters.otlp/x.auth.authenticator".to_owned();
    let token = "bearertokenauth/a: {token: x}, health_check: {}, basicauth/in: {htpasswd: {inline: 'a:b'}}";
    let enabled = "bearertokenauth/a, health_check, basicauth/in";
    assert_eq!(said("bearertokenauth/a", token, enabled), []);
    for (authenticator, enabled, expected) in [
        (
            "bearertokenauth/b",
            enabled,
            "`bearertokenauth/b` is not defined under extensions|did you mean `bearertokenauth/a`?",
        ),
        (
            "health_check",
            enabled,
            "the extension `health_check` does not know who somebody is; write bearertokenauth or basicauth|",
        ),
        (
            "bearertokenauth/a",
            "health_check, basicauth/in",
            "the extension `bearertokenauth/a` is not named under `service.extensions`|",
        ),
        ("basicauth/in", enabled, "the extension `basicauth/in` has no client_auth, which says who we are|"),
    ] {
        let found = said(authenticator, token, enabled);
        let expected = (path.clone(), expected.to_owned());
        assert!(found.contains(&expected), "{found:?}");
    }
}

#[test]
fn what_an_extension_lacks_is_said_at_its_place() {
    let found = said("bearertokenauth", "bearertokenauth: {}", "bearertokenauth");
    let expected = "a token is missing; write token, tokens or filename|".to_owned();
    assert_eq!(found, [("extensions.bearertokenauth".to_owned(), expected)]);
}
