//! Half an hour of a security bot's work, made up and compressed in time: a minute for each scrape.
//!
//! The same phases every time: what a minute holds follows from its number.

use crate::support::phasor::Phasor;

/// One phase of a minute.
struct Phase {
    phase: &'static str,
    status: Option<&'static str>,
    issue: u32,
    minute: u32,
}

/// Stores what happens in one minute: each task begins with a scan, and two minutes later it is validated, and then
/// mitigated. Some fail, some take too long, and the afternoon is busier than the morning.
pub(crate) async fn minute(phasor: &Phasor, minute: u32) {
    let tasks = 1 + minute / 10;
    for task in 0..tasks {
        let issue = 100 + minute * 10 + task;
        Phase { phase: "scan", status: None, issue, minute }.store(phasor).await;
        let Some(earlier) = minute.checked_sub(2) else { continue };
        if task > earlier / 10 {
            continue;
        }
        let issue = 100 + earlier * 10 + task;
        let status = match issue % 7 {
            0 => Some("failed"),
            3 => Some("timeout"),
            _ => None,
        };
        Phase { phase: "validation", status, issue, minute }.store(phasor).await;
        if status.is_none() {
            let status = (issue % 5 == 0).then_some("failed");
            Phase { phase: "mitigation", status, issue, minute }.store(phasor).await;
        }
    }
}

// === impl Phase ===

impl Phase {
    async fn store(&self, phasor: &Phasor) {
        let (language, framework) = LANGUAGES[self.issue as usize % LANGUAGES.len()];
        let duration = 2_000 + (self.issue * 7_919 + self.minute * 104_729) % 240_000;
        let more = match (self.phase, self.status) {
            ("scan", _) => {
                r#""files_scanned": 40, "vulnerabilities_found": 2, "issues_created": 1"#.to_owned()
            }
            (_, Some(status)) => format!(r#""status": "{status}""#),
            ("validation", None) => {
                r#""validated": true, "tests_generated": 5, "tests_passed": 4, "tests_failed": 1"#.to_owned()
            }
            _ => format!(
                r#""files_changed": 2, "pr_number": {issue}, "pr_url": "https://example.com/pull/{issue}",
                   "trust_score": {trust}"#,
                issue = self.issue,
                trust = 40 + self.issue % 60,
            ),
        };
        let body = format!(
            r#"{{"phase": "{}", "repo": "bot/{language}", "issue_number": {}, "commit_sha": "test123",
                "data": {{"language": "{language}", "framework": "{framework}", "duration_ms": {duration}, {more}}}}}"#,
            self.phase, self.issue,
        );
        let answer = phasor.post("/api/v1/phases/store", &body).await;
        assert_eq!(answer.status, 201, "{body}: {}", answer.text());
    }
}

/// How many minutes there are.
pub(crate) const MINUTES: u32 = 30;

const LANGUAGES: [(&str, &str); 4] =
    [("javascript", "express"), ("python", "django"), ("ruby", "rails"), ("php", "laravel")];
