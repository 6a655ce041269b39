use super::*;

fn paths(config: &Config) -> Vec<String> {
    config.check().into_iter().map(|error| error.path).collect()
}

#[test]
fn the_default_is_valid_and_everything_wrong_is_named_at_once() {
    assert!(Config::default().check().is_empty());
    let config = Config {
        endpoint: "nowhere".to_owned(),
        auth: Auth { kind: AuthKind::Basic, ..Auth::default() },
        ..Config::default()
    };
    assert_eq!(paths(&config), ["endpoint", "auth.user", "auth.password"]);
}

#[test]
fn p_n10_the_strategy_overrules_the_older_key() {
    for (strategy, suffixes, utf8) in [
        (TranslationStrategy::UnderscoreEscapingWithSuffixes, true, false),
        (TranslationStrategy::UnderscoreEscapingWithoutSuffixes, false, false),
        (TranslationStrategy::NoUTF8EscapingWithSuffixes, true, true),
        (TranslationStrategy::NoTranslation, false, true),
    ] {
        let config = Config {
            translation_strategy: Some(strategy),
            add_metric_suffixes: Some(!suffixes),
            ..Config::default()
        };
        assert_eq!((config.adds_suffixes(), config.keeps_utf8()), (suffixes, utf8), "{strategy:?}");
        assert!(config.check().is_empty());
        assert_eq!(config.without_effect()[0].path, "add_metric_suffixes");
    }
}

#[test]
fn what_the_collector_knows_and_this_version_refuses_is_an_error() {
    let config: Config = serde_saphyr::from_str(
        "{tls: {cert_file: x}, middlewares: [{id: a}], auth: {authenticator: basicauth}, transport: unix, \
         response_headers: {'a b': c}}",
    )
    .unwrap();
    assert_eq!(
        paths(&config),
        ["auth.authenticator", "transport", "response_headers.a b", "tls", "middlewares"]
    );
}

#[test]
fn all_keys_of_a_server_of_the_collector_are_read() {
    let config: Config = serde_saphyr::from_str(
        "{cors: {allowed_origins: ['*']}, read_timeout: 1m, max_request_body_size: 20971520, include_metadata: true, \
         compression_algorithms: [gzip], include_tls_metadata: true, read_header_timeout: 10s, idle_timeout: 20s, \
         write_timeout: 5s, keep_alives_enabled: false, transport: tcp4, response_headers: {x-a: b}}",
    )
    .unwrap();
    assert_eq!(config.check(), []);
    assert_eq!((config.silence_max().as_secs(), config.write_patience().as_secs()), (20, 5));
    assert_eq!(config.response_headers()["x-a"], "b");
}

#[test]
fn resource_labels_are_chosen_by_patterns() {
    let labels = |included: &[&str], excluded: &[&str]| ResourceLabels {
        included: included.iter().map(|&pattern| pattern.to_owned()).collect(),
        excluded: excluded.iter().map(|&pattern| pattern.to_owned()).collect(),
    };
    for (labels, key, expected) in [
        (labels(&["k8s.pod.*"], &[]), "k8s.pod.name", true),
        (labels(&["k8s.pod.*"], &[]), "k8s.node", false),
        (labels(&["*"], &["*.id"]), "host.id", false),
        (labels(&[], &["*.id"]), "host.name", true),
        (labels(&["a*b*c"], &[]), "a1b2c", true),
        (labels(&["a*b*c"], &[]), "a1c", false),
        (labels(&["exact"], &[]), "exact.not", false),
        (labels(&["a*a"], &[]), "a", false),
    ] {
        assert_eq!(labels.takes(key), expected, "{labels:?} {key}");
    }
    assert!(!labels(&[], &[]).is_given());
}

#[test]
fn secrets_are_not_shown() {
    let auth = Auth { token: "hush".to_owned(), ..Auth::default() };
    assert!(!format!("{auth:?}").contains("hush"));
}

#[test]
fn a_series_may_not_end_before_its_first_value_is_shown() {
    let paths = |yaml: &str| {
        let config: Config = serde_saphyr::from_str(yaml).unwrap();
        config.check().into_iter().map(|error| error.path).collect::<Vec<_>>()
    };
    assert_eq!(paths("{zero_first: 6s, metric_expiration: 6s}"), ["zero_first"]);
    assert_eq!(paths("{zero_first: 6s, metric_expiration: 7s}"), Vec::<String>::new());
    assert_eq!(paths("{zero_first: 6s}"), Vec::<String>::new());
}
