//! What the tools of the trade say of the stack's files: promtool of rules and their cases, amtool of Alertmanager's
//! configuration, docker-compose of the compose file, npm's `@grafana/schema` of the dashboards.

use std::path::Path;

use tokio::process::Command;

use crate::{
    python, run,
    servers::{Variables, deps, filled, program},
    support::{phasor::Start, stack},
};

#[tokio::test]
async fn promtool_accepts_the_rules_and_every_case_of_them_passes() {
    let rules = absolute(stack::RULES, ".yml");
    let said = run(program("promtool").args(["check", "rules"]).args(&rules)).await;
    assert_eq!(said.matches("SUCCESS").count(), rules.len(), "{said}");
    let cases = absolute("dashboards/prometheus/tests", ".yml");
    let said = run(program("promtool").args(["test", "rules"]).args(&cases)).await;
    assert_eq!(said.matches("SUCCESS").count(), cases.len(), "{said}");
}

#[tokio::test]
async fn promtool_accepts_the_configuration_of_prometheus() {
    for url in ["", "https://example.com"] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let variables = [("PHASOR_ENVIRONMENT", "pro\"duction\\"), ("UPTIME_URL", url)];
        let config = filled("dashboards/prometheus/prometheus.yml", &variables).await;
        let config =
            config.replace("/etc/prometheus/rules", &stack::root().join(stack::RULES).display().to_string());
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, config).expect("the configuration is written");
        let said = run(program("promtool").args(["check", "config"]).arg(&file)).await;
        assert!(said.contains("3 rule files found"), "{said}");
    }
}

#[tokio::test]
async fn amtool_accepts_alertmanagers_configuration_and_finds_each_severity_its_receiver() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("alertmanager.yml");
    let config = filled("dashboards/alertmanager/alertmanager.yml", ALERTMANAGER).await;
    std::fs::write(&file, config).expect("the configuration is written");
    run(program("amtool").arg("check-config").arg(&file)).await;
    for (severity, receiver) in [("critical", "people"), ("warning", "webhook"), ("info", "quiet")] {
        let mut command = program("amtool");
        command.args(["config", "routes", "test", "--config.file"]).arg(&file);
        let said = run(command.arg(format!("severity={severity}"))).await;
        assert_eq!(said.lines().next(), Some(receiver), "{severity}: {said}");
    }
}

/// The Python package `jsonschema` says what editors would.
#[tokio::test]
async fn configurations_fit_the_schema_that_we_print_and_a_broken_one_does_not() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (schema, broken) = (folder.path().join("schema.json"), folder.path().join("broken.yaml"));
    let printed = run(Command::new(env!("CARGO_BIN_EXE_phasor")).arg("print-schema")).await;
    std::fs::write(&schema, printed).expect("the schema is written");
    let mut files = absolute("collector/tests/configs", ".yaml");
    let own = ["collector/src/config/default.yaml", "dashboards/phasor/config.yaml"];
    files.extend(own.map(|file| stack::root().join(file).display().to_string()));
    let said = run(python("fits_schema.py").arg(&schema).args(&files)).await;
    assert!(said.contains(" 0 faults"), "{said}");
    std::fs::write(&broken, "exporters: {otlp: {endpiont: 'tempo:4317'}}\n").expect("the file is written");
    let said = python("fits_schema.py").arg(&schema).arg(&broken).output().await.expect("python runs");
    assert!(String::from_utf8_lossy(&said.stdout).contains(" 1 faults"), "{said:?}");
}

#[tokio::test]
async fn docker_compose_accepts_the_compose_file_and_demands_the_secrets() {
    let compose = |environment: Variables<'_>| {
        let mut command = Command::new(deps().join("python/bin/python"));
        command
            .args(["-c", "from compose.cli.main import main; main()"])
            .args(["--profile", "postgres", "config", "--quiet"])
            .current_dir(stack::root())
            .env("PYTHONPATH", deps().join("usr/lib/python3/dist-packages"))
            .env_remove("PHASOR_BOOTSTRAP_API_KEY")
            .env_remove("GRAFANA_ADMIN_PASSWORD")
            .envs(environment.iter().copied());
        command
    };
    run(&mut compose(&[("PHASOR_BOOTSTRAP_API_KEY", "any"), ("GRAFANA_ADMIN_PASSWORD", "any")])).await;
    for (given, missing) in [
        ("GRAFANA_ADMIN_PASSWORD", "PHASOR_BOOTSTRAP_API_KEY"),
        ("PHASOR_BOOTSTRAP_API_KEY", "GRAFANA_ADMIN_PASSWORD"),
    ] {
        let output = compose(&[(given, "any")]).output().await.expect("docker-compose runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(missing), "{said}");
    }
}

#[tokio::test]
async fn the_health_check_of_the_image_says_yes_while_the_collector_runs_and_no_when_it_is_gone() {
    let dockerfile = stack::text("Dockerfile");
    let (_, check) = dockerfile.split_once("HEALTHCHECK ").expect("the image has a health check");
    let (_, check) = check.split_once("CMD ").expect("a command");
    let words: Vec<String> =
        serde_json::from_str(check.lines().next().expect("a line")).expect("the command is a list");
    let mut phasor = Start::config(stack::collector_config("127.0.0.1:9")).start();
    let (_, port) = phasor.address("health").rsplit_once(':').expect("host:port");
    let port = port.to_owned();
    let check = || {
        let words: Vec<_> = words.iter().map(|word| word.replace("/13133", &format!("/{port}"))).collect();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command
    };
    assert!(check().status().await.expect("bash runs").success());
    phasor.kill();
    assert!(!check().output().await.expect("bash runs").status.success());
}

#[tokio::test]
async fn the_committed_dashboards_equal_their_source() {
    run(Command::new("python3").arg(stack::root().join("dashboards/generate.py")).arg("--check")).await;
}

#[tokio::test]
async fn the_dashboards_fit_the_types_of_grafanas_schema() {
    let mut node = Command::new("node");
    node.arg(stack::root().join("collector/tests/world/schema.cjs")).arg(deps().join("node/node_modules"));
    let boards = absolute(stack::DASHBOARDS, ".json");
    let said = run(node.args(&boards)).await;
    assert_eq!(said.trim(), format!("{} dashboards fit", boards.len()));
}

#[tokio::test]
async fn the_script_that_fills_files_names_what_is_missing_and_changes_nothing_else() {
    let script = stack::root().join("dashboards/fill.sh");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    std::fs::write(&from, "# ${UNSET}\na: \"${A}\" ${A}$1 ${b} $$\n").expect("a file");
    let fill = |value: Option<&str>| {
        let mut command = Command::new("sh");
        command.arg(&script).arg(&from).arg(&to).arg("cat").arg(&to);
        command.env_remove("A").envs(value.map(|value| ("A", value)));
        command
    };
    let filled = run(&mut fill(Some(r#"&|\"x"#))).await;
    assert_eq!(filled, "# ${UNSET}\na: \"&|\\\\\\\"x\" &|\\\\\\\"x$1 ${b} $$\n");
    let output = fill(None).output().await.expect("sh runs");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("A is not set"));
}

/// What the compose file gives Alertmanager.
pub(crate) const ALERTMANAGER: Variables<'static> = &[
    ("ALERT_EMAIL_TO", "people@example.com"),
    ("ALERT_EMAIL_FROM", "phasor@example.com"),
    ("SMTP_HOST", "127.0.0.1:9"),
    ("SMTP_USER", ""),
    ("SMTP_PASSWORD", ""),
    ("ALERT_WEBHOOK_URL", "http://127.0.0.1:9/"),
];

/// The files of a folder of the repository, by their whole path.
fn absolute(folder: &str, ending: &str) -> Vec<String> {
    let root: &Path = &stack::root();
    let names = stack::files(folder, ending);
    names.iter().map(|name| root.join(folder).join(name).display().to_string()).collect()
}
