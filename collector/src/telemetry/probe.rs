//! The answers of `/livez` and `/readyz`: 200 or 503, with the reasons in the body.
//!
//! - **In:** what was checked, and what was found wrong.
//! - **Out:** `ok`, or a line for each fault; every check with `?verbose`, as Kubernetes' own components answer; JSON
//!   for who accepts `application/json`.
//! - **Not here:** what is checked ([`super::health`]).

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, Uri, header::ACCEPT};
use serde::Serialize;

/// What was checked, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// Whether it is as it should be.
    pub ok: bool,
    /// If not, why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    status: &'static str,
    checks: &'a [Check],
}

// === impl Check ===

impl Check {
    /// A check by what is wrong, if anything is.
    pub fn new(name: impl Into<String>, fault: Option<String>) -> Self {
        Self { name: name.into(), ok: fault.is_none(), reason: fault }
    }
}

/// Answers a probe.
pub fn answer(uri: &Uri, headers: &HeaderMap, checks: &[Check]) -> Response {
    let ok = checks.iter().all(|check| check.ok);
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if wants_json(headers) {
        let body = Body { status: if ok { "ok" } else { "failed" }, checks };
        return (status, Json(body)).into_response();
    }
    (status, text(checks, is_verbose(uri))).into_response()
}

fn text(checks: &[Check], verbose: bool) -> String {
    let mut text = String::new();
    for check in checks {
        match (&check.reason, verbose) {
            (None, false) => {}
            (None, true) => text.push_str(&format!("[+] {}: ok\n", check.name)),
            (Some(reason), false) => text.push_str(&format!("{}: {reason}\n", check.name)),
            (Some(reason), true) => text.push_str(&format!("[-] {}: {reason}\n", check.name)),
        }
    }
    if checks.iter().all(|check| check.ok) {
        text.push_str("ok\n");
    }
    text
}

fn is_verbose(uri: &Uri) -> bool {
    let mut words = uri.query().unwrap_or_default().split('&');
    words.any(|word| word.split_once('=').map_or(word, |(key, _)| key) == "verbose")
}

fn wants_json(headers: &HeaderMap) -> bool {
    let accepts =
        |value: &http::HeaderValue| value.to_str().is_ok_and(|text| text.contains("application/json"));
    headers.get_all(ACCEPT).iter().any(accepts)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(query: &str, accept: &'static str, faults: &[(&str, &str)], expected: Expect) {
        let checks = ["receivers", "journal"].map(|name| {
            let fault = faults.iter().find(|(at, _)| *at == name).map(|(_, fault)| (*fault).to_owned());
            Check::new(name, fault)
        });
        let uri: Uri = format!("/readyz{query}").parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, http::HeaderValue::from_static(accept));
        let response = answer(&uri, &headers, &checks);
        let status = response.status().as_u16();
        let body = futures_util::FutureExt::now_or_never(axum::body::to_bytes(response.into_body(), 4096));
        let body = String::from_utf8(body.unwrap().unwrap().to_vec()).unwrap();
        expected.assert_eq(&format!("{status}\n{body}"));
    }

    #[test]
    fn a_good_answer_is_one_word() {
        check(
            "",
            "*/*",
            &[],
            expect![[r#"
            200
            ok
        "#]],
        );
    }

    #[test]
    fn a_bad_answer_says_why() {
        check(
            "",
            "*/*",
            &[("journal", "its disk is full")],
            expect![[r#"
            503
            journal: its disk is full
        "#]],
        );
    }

    #[test]
    fn verbose_names_every_check() {
        check(
            "?verbose",
            "*/*",
            &[],
            expect![[r#"
            200
            [+] receivers: ok
            [+] journal: ok
            ok
        "#]],
        );
        check(
            "?a=b&verbose=1",
            "*/*",
            &[("journal", "its disk is full")],
            expect![[r#"
            503
            [+] receivers: ok
            [-] journal: its disk is full
        "#]],
        );
    }

    #[test]
    fn json_has_every_check() {
        check(
            "",
            "application/json",
            &[("journal", "its disk is full")],
            expect![[r#"
            503
            {"status":"failed","checks":[{"name":"receivers","ok":true},{"name":"journal","ok":false,"reason":"its disk is full"}]}"#]],
        );
    }
}
