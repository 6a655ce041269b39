//! The files of the stack that `docker-compose.yml` starts: dashboards, rules, provisioning.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// An expression and where it stands, for the message of a failing test.
#[derive(Clone, Debug)]
pub struct Query {
    /// Such as `rfc-060-validation-metrics.json, panel "Trust score", A`.
    pub place: String,
    /// PromQL, with Grafana's variables in it.
    pub expression: String,
}

/// A dashboard.
#[derive(Clone, Debug)]
pub struct Dashboard {
    /// The file's name.
    pub file: String,
    /// What it holds.
    pub json: Value,
}

/// The folder of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace").to_owned()
}

/// A file of the repository as text.
pub fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A YAML file of the repository.
pub fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The configuration of the collector in `docker-compose.yml`, on ports that the system chooses, with its backend
/// at `backend`, and with values shown at once, since tests scrape more often than every 15 s.
pub fn collector_config(backend: &str) -> String {
    let config = text("dashboards/phasor/config.yaml").replace("tempo:4317", backend);
    let config = config.replace("zero_first: 15s", "zero_first: 0s");
    let lines = config.lines().map(|line| match line.split_once("0.0.0.0:") {
        None => line.to_owned(),
        Some((before, after)) => {
            format!("{before}127.0.0.1:0{}", after.trim_start_matches(|next: char| next.is_ascii_digit()))
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The names of the files of a folder that end so, sorted.
pub fn files(folder: &str, ending: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let names = entries.map(|entry| entry.expect("a folder entry").file_name().display().to_string());
    let mut names: Vec<_> = names.filter(|name| name.ends_with(ending)).collect();
    names.sort();
    assert!(!names.is_empty(), "{folder} has no file ending in {ending}");
    names
}

/// The members of a list; none where there is no list.
pub fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A member that must be text.
pub fn string<'a>(value: &'a Value, pointer: &str) -> &'a str {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("no text at {pointer} of {value}"))
}

/// Every dashboard.
pub fn dashboards() -> Vec<Dashboard> {
    let read = |file: String| {
        let json = serde_json::from_str(&text(&format!("{DASHBOARDS}/{file}")));
        Dashboard { json: json.unwrap_or_else(|error| panic!("{file}: {error}")), file }
    };
    files(DASHBOARDS, ".json").into_iter().map(read).collect()
}

/// Every PromQL query of every panel, variable, annotation and rule.
pub fn queries() -> Vec<Query> {
    let mut found: Vec<Query> = dashboards().iter().flat_map(Dashboard::queries).collect();
    found.extend(data_source_queries());
    found.extend(rules().iter().map(|(file, rule)| Query {
        place: format!("{file}, {}", rule_name(rule)),
        expression: string(rule, "/expr").to_owned(),
    }));
    found
}

/// The queries that lead from a span to its numbers. Grafana replaces `$__tags` by matchers.
fn data_source_queries() -> Vec<Query> {
    let file = "dashboards/grafana/provisioning/datasources/phasor.yaml";
    let sources = yaml(file);
    let queries = list(&sources, "/datasources")
        .iter()
        .flat_map(|source| list(source, "/jsonData/tracesToMetrics/queries"));
    queries
        .map(|query| Query {
            place: format!("{file}, {}", query["name"]),
            expression: string(query, "/query").replace("$$", "$"),
        })
        .collect()
}

/// Every rule with the name of its file.
pub fn rules() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for file in files(RULES, ".yml") {
        let groups = yaml(&format!("{RULES}/{file}"));
        for group in list(&groups, "/groups") {
            found.extend(list(group, "/rules").iter().map(|rule| (file.clone(), rule.clone())));
        }
    }
    found
}

/// The name of an alert or of the series a rule records.
pub fn rule_name(rule: &Value) -> &str {
    let name = rule.get("alert").or_else(|| rule.get("record")).and_then(Value::as_str);
    name.unwrap_or_else(|| panic!("neither alert nor record: {rule}"))
}

// === impl Dashboard ===

impl Dashboard {
    /// Every panel but the rows that group them.
    pub fn panels(&self) -> impl Iterator<Item = &Value> {
        list(&self.json, "/panels").iter().filter(|panel| panel["type"] != "row")
    }

    /// Every PromQL query.
    pub fn queries(&self) -> Vec<Query> {
        let mut found = Vec::new();
        let mut add = |place: String, expression: &Value| {
            if let Some(expression) = expression.as_str() {
                found.push(Query {
                    place: format!("{}, {place}", self.file),
                    expression: expression.to_owned(),
                });
            }
        };
        for panel in self.panels() {
            for target in list(panel, "/targets").iter().filter(|target| asks_prometheus(target)) {
                add(format!("panel {}, {}", panel["title"], target["refId"]), &target["expr"]);
            }
        }
        for variable in
            list(&self.json, "/templating/list").iter().filter(|variable| asks_prometheus(variable))
        {
            add(format!("variable {}", variable["name"]), &variable["query"]["query"]);
        }
        for annotation in list(&self.json, "/annotations/list").iter().filter(|entry| asks_prometheus(entry))
        {
            add(format!("annotation {}", annotation["name"]), &annotation["target"]["expr"]);
        }
        found
    }
}

/// Whether a target, variable or annotation is meant for Prometheus.
pub fn asks_prometheus(value: &Value) -> bool {
    value["datasource"]["type"] == "prometheus"
}

/// Where the dashboards are.
pub const DASHBOARDS: &str = "dashboards/grafana/dashboards";
/// Where the rules are.
pub const RULES: &str = "dashboards/prometheus/rules";
