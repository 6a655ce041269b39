//! The style that all dashboards share: what each panel must say of itself, and how dashboards hang together.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::stack::{self, Dashboard, asks_prometheus, list, string};

#[test]
fn the_validation_dashboard_has_exactly_the_twelve_panels_of_rfc_060() {
    let board = board("rfc-060-validation-metrics.json");
    assert_eq!(board.json["uid"], "rfc-060-validation");
    let panels: Vec<_> =
        board.panels().map(|panel| (string(panel, "/title"), string(panel, "/type"))).collect();
    let expected = [
        ("Validation success rate", "gauge"),
        ("Total validation executions", "stat"),
        ("Total mitigation executions", "stat"),
        ("Trust score", "gauge"),
        ("Average validation duration", "timeseries"),
        ("Validation duration histogram", "heatmap"),
        ("Trust score distribution", "heatmap"),
        ("Tests generated vs passed", "timeseries"),
        ("Language breakdown", "piechart"),
        ("Framework breakdown", "piechart"),
        ("Recent activity timeline", "timeseries"),
        ("Error rate", "timeseries"),
    ];
    assert_eq!(panels, expected);
}

#[test]
fn no_two_dashboards_share_a_uid_or_a_title() {
    let boards = stack::dashboards();
    for key in ["uid", "title"] {
        let values: BTreeSet<_> = boards.iter().map(|board| board.json[key].to_string()).collect();
        assert_eq!(values.len(), boards.len(), "{key}: {values:?}");
    }
}

#[test]
fn panels_have_ids_of_their_own_and_do_not_overlap() {
    for Dashboard { file, json } in stack::dashboards() {
        let mut ids = BTreeSet::new();
        let mut taken = BTreeSet::new();
        for panel in list(&json, "/panels") {
            assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{file}: id {} twice", panel["id"]);
            let at = |key: &str| panel["gridPos"][key].as_u64().unwrap_or_else(|| panic!("{file}: no {key}"));
            assert!(at("x") + at("w") <= 24, "{file}, {}: wider than the grid", panel["title"]);
            for x in at("x")..at("x") + at("w") {
                for y in at("y")..at("y") + at("h") {
                    assert!(taken.insert((x, y)), "{file}, {}: overlaps another panel", panel["title"]);
                }
            }
        }
    }
}

#[test]
fn every_panel_has_a_title_a_description_a_unit_and_thresholds() {
    for board in stack::dashboards() {
        for panel in board.panels() {
            let place = format!("{}, panel {}", board.file, panel["title"]);
            let described = ["/title", "/description", "/fieldConfig/defaults/unit"];
            for pointer in described {
                assert!(!string(panel, pointer).is_empty(), "{place}: {pointer} is empty");
            }
            assert!(string(panel, "/description").ends_with('.'), "{place}: the description is no sentence");
            let steps = list(panel, "/fieldConfig/defaults/thresholds/steps");
            assert!(steps.first().is_some_and(|step| step["value"].is_null()), "{place}: no thresholds");
            assert!(!list(panel, "/targets").is_empty(), "{place}: asks for nothing");
        }
    }
}

#[test]
fn every_query_names_a_provisioned_data_source() {
    let sources = stack::yaml("dashboards/grafana/provisioning/datasources/phasor.yaml");
    let known: BTreeSet<_> = list(&sources, "/datasources")
        .iter()
        .map(|source| (string(source, "/type"), string(source, "/uid")))
        .collect();
    let check = |place: &str, value: &Value| {
        let named = (string(value, "/datasource/type"), string(value, "/datasource/uid"));
        assert!(known.contains(&named), "{place}: no data source {named:?}");
    };
    for board in stack::dashboards() {
        for panel in board.panels() {
            let place = format!("{}, panel {}", board.file, panel["title"]);
            check(&place, panel);
            list(panel, "/targets").iter().for_each(|target| check(&place, target));
            let refs: BTreeSet<_> =
                list(panel, "/targets").iter().map(|target| string(target, "/refId")).collect();
            assert_eq!(refs.len(), list(panel, "/targets").len(), "{place}: a refId twice");
        }
        for variable in list(&board.json, "/templating/list") {
            check(&format!("{}, variable {}", board.file, variable["name"]), variable);
        }
    }
}

#[test]
fn every_panel_over_a_histogram_that_can_draw_exemplars_asks_for_them() {
    for board in stack::dashboards() {
        for panel in board.panels() {
            let place = format!("{}, panel {}", board.file, panel["title"]);
            let targets = || list(panel, "/targets").iter().filter(|target| asks_prometheus(target));
            let over_histogram = targets().any(|target| string(target, "/expr").contains("_bucket"));
            let draws = ["timeseries", "heatmap"].contains(&string(panel, "/type"));
            let asks = targets().any(|target| target["exemplar"] == true);
            assert!(!over_histogram || !draws || asks, "{place}: shows a histogram without exemplars");
            for target in targets().filter(|target| target["exemplar"] == true) {
                assert_eq!(target["range"], true, "{place}: exemplars need a range query");
            }
            for target in targets() {
                assert_ne!(target["range"], target["instant"], "{place}: either a range or an instant");
            }
        }
    }
}

#[test]
fn every_dashboard_has_the_environment_links_and_annotations() {
    for Dashboard { file, json } in stack::dashboards() {
        let environment = &json["templating"]["list"][0];
        assert_eq!(environment["name"], "environment", "{file}: the first variable");
        assert_eq!(environment["includeAll"], true, "{file}: all environments at once");
        let link = &json["links"][0];
        assert_eq!(
            (&link["type"], &link["tags"][0]),
            (&"dashboards".into(), &"phasor".into()),
            "{file}: links"
        );
        assert_eq!(json["tags"][0], "phasor", "{file}: the tag by which the others link to it");
        let annotations: Vec<_> =
            list(&json, "/annotations/list").iter().map(|entry| string(entry, "/name")).collect();
        assert_eq!(annotations, ["Annotations & Alerts", "Alerts", "Collector starts"], "{file}");
        for panel in list(&json, "/panels").iter().filter(|panel| panel["type"] != "row") {
            for target in list(panel, "/targets").iter().filter(|target| asks_prometheus(target)) {
                let expression = string(target, "/expr");
                assert!(
                    expression.contains("$environment"),
                    "{file}, {}: all environments: {expression}",
                    panel["title"]
                );
            }
        }
    }
}

#[test]
fn what_counts_by_the_interval_says_the_shortest_that_holds_enough_scrapes() {
    for board in stack::dashboards() {
        for panel in board.panels() {
            let targets = list(panel, "/targets").iter().filter(|target| asks_prometheus(target));
            let by_interval =
                targets.filter(|target| string(target, "/expr").contains("$__interval")).count() > 0;
            let expected = if by_interval { Value::from("1m") } else { Value::Null };
            assert_eq!(panel["interval"], expected, "{}, panel {}", board.file, panel["title"]);
        }
    }
}

#[test]
fn exemplars_lead_to_the_trace_and_spans_to_their_numbers() {
    let sources = stack::yaml("dashboards/grafana/provisioning/datasources/phasor.yaml");
    let of = |kind: &str| {
        let found = list(&sources, "/datasources").iter().find(|source| source["type"] == kind);
        found.unwrap_or_else(|| panic!("no data source of type {kind}")).clone()
    };
    let (prometheus, tempo) = (of("prometheus"), of("tempo"));
    let destination = &prometheus["jsonData"]["exemplarTraceIdDestinations"][0];
    assert_eq!((&destination["name"], &destination["datasourceUid"]), (&"trace_id".into(), &tempo["uid"]));
    for feature in ["tracesToMetrics", "serviceMap"] {
        assert_eq!(tempo["jsonData"][feature]["datasourceUid"], prometheus["uid"], "{feature}");
    }
}

fn board(file: &str) -> Dashboard {
    let found = stack::dashboards().into_iter().find(|board| board.file == file);
    found.unwrap_or_else(|| panic!("{file} is missing"))
}
