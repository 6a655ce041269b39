use http::{HeaderMap, header::AUTHORIZATION};

use super::*;
use crate::watched::LOOK_EVERY;

fn bearer(yaml: &str) -> BearerTokenAuth {
    serde_saphyr::from_str(yaml).unwrap()
}

fn basic(yaml: &str) -> BasicAuth {
    serde_saphyr::from_str(yaml).unwrap()
}

fn texts(errors: Vec<ConfigError>) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

/// What a request carries.
fn sent(authenticator: Authenticator, name: &str) -> String {
    let mut headers = HeaderMap::new();
    Credentials::new(&authenticator).unwrap().apply(&mut headers);
    let value = &headers[name];
    assert!(value.is_sensitive(), "no table of headers keeps a secret");
    value.to_str().unwrap().to_owned()
}

#[test]
fn a_token_is_sent_behind_its_scheme_in_its_header() {
    let sent = |yaml| sent(Authenticator::BearerToken(bearer(yaml)), "authorization");
    assert_eq!(sent("{token: abc}"), "Bearer abc");
    assert_eq!(sent("{token: abc, scheme: Token}"), "Token abc");
    assert_eq!(sent("{token: abc, scheme: ''}"), "abc");
    assert_eq!(sent("{tokens: [one, two]}"), "Bearer one");
    let own = Authenticator::BearerToken(bearer("{token: abc, header: X-Api-Key, scheme: ''}"));
    assert_eq!(super::tests::sent(own, "x-api-key"), "abc");
}

#[test]
fn a_name_and_a_password_are_sent_as_http_wants_them() {
    let config = basic("{client_auth: {username: Aladdin, password: open sesame}}");
    assert_eq!(config.check(), []);
    // The example of RFC 7617.
    assert_eq!(sent(Authenticator::Basic(config), "authorization"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

#[tokio::test(start_paused = true)]
async fn files_are_read_again_when_they_change() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "one\n\ntwo\n").unwrap();
    let tokens = Tokens::open(&bearer(&format!("{{filename: '{}'}}", file.display()))).unwrap();
    assert_eq!(tokens.values().to_vec(), ["Bearer one", "Bearer two"]);
    std::fs::write(&file, "three").unwrap();
    tokio::time::advance(LOOK_EVERY).await;
    assert_eq!(tokens.values().to_vec(), ["Bearer three"]);
    std::fs::write(&file, "\n").unwrap();
    tokio::time::advance(LOOK_EVERY).await;
    assert_eq!(tokens.values().to_vec(), ["Bearer three"], "an empty file lets nobody in, and nobody out");

    let client = basic(&format!("{{client_auth: {{username: u, password_file: '{}'}}}}", file.display()));
    let credentials = Credentials::new(&Authenticator::Basic(client)).unwrap();
    let applied = || {
        let mut headers = HeaderMap::new();
        credentials.apply(&mut headers);
        headers[AUTHORIZATION].to_str().unwrap().to_owned()
    };
    assert_eq!(applied(), "Basic dTo=");
    std::fs::write(&file, "secret\n").unwrap();
    tokio::time::advance(LOOK_EVERY).await;
    assert_eq!(applied(), "Basic dTpzZWNyZXQ=");
}

#[test]
fn faults_are_named_with_what_would_be_right() {
    for (yaml, expected) in [
        ("{}", ": a token is missing; write token, tokens or filename"),
        ("{token: a, tokens: [b]}", "tokens: says the same as token; write one of them"),
        ("{tokens: [a, '']}", "tokens[1]: is empty, which everybody can say"),
        ("{token: \"a\\nb\"}", "token: holds characters that no header can hold"),
        ("{token: a, header: 'a b'}", "header: `a b` is not the name of a header"),
    ] {
        assert_eq!(texts(bearer(yaml).check()), [expected], "{yaml}");
    }
    for (yaml, path) in [
        ("{}", ""),
        ("{htpasswd: {inline: 'a:b'}, client_auth: {username: a}}", "client_auth"),
        ("{htpasswd: {}}", "htpasswd"),
        ("{client_auth: {password: a}}", "client_auth"),
        ("{client_auth: {username: 'a:b'}}", "client_auth.username"),
        ("{client_auth: {aws_secrets_manager: {secret_arn: x}}}", "client_auth.aws_secrets_manager"),
    ] {
        let errors = basic(yaml).check();
        assert_eq!(errors.iter().map(|error| error.path.as_str()).collect::<Vec<_>>(), [path], "{yaml}");
    }
    let beside = bearer("{filename: x, token: a}").without_effect();
    assert_eq!(texts(beside), ["token: has no effect beside filename"]);
    let missing = Tokens::open(&bearer("{filename: /nowhere/token}")).unwrap_err().to_string();
    assert!(missing.starts_with("filename: `/nowhere/token` cannot be read"), "{missing}");
}

#[test]
fn an_extension_is_found_by_its_id_and_only_for_the_side_it_serves() {
    let all: Authenticators = [
        (ComponentId::new("bearertokenauth"), Authenticator::BearerToken(bearer("{token: a}"))),
        (ComponentId::named("basicauth", "in"), Authenticator::Basic(basic("{htpasswd: {inline: 'a:b'}}"))),
    ]
    .into_iter()
    .collect();
    let find = |text: &str, side| {
        let reference = Reference { authenticator: text.to_owned() };
        all.find(&reference, side).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(find("bearertokenauth", Side::Client), Ok(()));
    assert_eq!(find(" basicauth / in ", Side::Server), Ok(()));
    let unfit = find("basicauth/in", Side::Client).unwrap_err();
    assert!(unfit.starts_with("auth.authenticator: `basicauth/in` has no client_auth"), "{unfit}");
    assert!(find("basicauth", Side::Server).unwrap_err().contains("no extension that is enabled"));
}

#[test]
fn secrets_are_not_shown() {
    let bearer = bearer("{token: hunter2, tokens: [hunter2]}");
    let basic = basic("{htpasswd: {inline: 'a:hunter2'}, client_auth: {username: a, password: hunter2}}");
    for shown in [
        format!("{bearer:?} {basic:?}"),
        serde_json::to_string(&bearer).unwrap(),
        serde_json::to_string(&basic).unwrap(),
        texts(bearer.check()).concat(),
        format!("{:?}", Tokens::open(&BearerTokenAuth { tokens: Vec::new(), ..bearer.clone() })),
    ] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
