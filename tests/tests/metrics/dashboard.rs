//! The dashboard in `deploy/grafana`: what Grafana requires of one, and where its queries are.

use std::collections::BTreeSet;

use rpcguard_ebpf::build::workspace;
use serde_json::Value;

/// What is asked for in a panel.
pub(crate) struct Query {
    pub(crate) panel: String,
    /// With the dashboard's variables in it.
    pub(crate) expression: String,
    /// Labels that the legend shows.
    pub(crate) labels: Vec<String>,
}

fn dashboard() -> Value {
    let path = workspace().join("deploy/grafana/rpcguard.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn list<'a>(value: &'a Value, what: &str) -> &'a [Value] {
    value[what]
        .as_array()
        .unwrap_or_else(|| panic!("no {what} in {value}"))
}

fn text<'a>(value: &'a Value, what: &str) -> &'a str {
    value[what]
        .as_str()
        .unwrap_or_else(|| panic!("no {what} in {value}"))
}

/// Panels that show something.
fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    let panels = list(dashboard, "panels").iter();
    panels.filter(|panel| panel["type"] != "row")
}

/// Every query of every panel.
pub(crate) fn queries() -> Vec<Query> {
    let dashboard = dashboard();
    let mut queries = Vec::new();
    for panel in panels(&dashboard) {
        for target in list(panel, "targets") {
            let legend = text(target, "legendFormat");
            let labels = legend.split("{{").skip(1);
            queries.push(Query {
                panel: text(panel, "title").to_owned(),
                expression: text(target, "expr").to_owned(),
                labels: labels
                    .map(|label| label.split("}}").next().unwrap().to_owned())
                    .collect(),
            });
        }
    }
    queries
}

/// What the lists of the dashboard's variables are made of: a metric's series, and one of its labels.
pub(crate) fn variables() -> Vec<(String, String)> {
    let dashboard = dashboard();
    list(&dashboard["templating"], "list")
        .iter()
        .filter(|variable| variable["type"] == "query")
        .map(|variable| {
            let query = text(&variable["query"], "query");
            let query = query.strip_prefix("label_values(").unwrap();
            let (series, label) = query.strip_suffix(')').unwrap().rsplit_once(", ").unwrap();
            (series.to_owned(), label.to_owned())
        })
        .collect()
}

#[test]
fn the_dashboard_is_one_that_grafana_imports() {
    let dashboard = dashboard();
    assert_eq!(dashboard["id"], Value::Null, "Grafana gives it its number");
    assert_eq!(dashboard["uid"], "rpcguard");
    assert_eq!(dashboard["title"], "rpcguard");
    // The schema of Grafana 10, which later ones migrate from.
    assert_eq!(dashboard["schemaVersion"], 38);
    let variables = list(&dashboard["templating"], "list");
    let datasource = variables
        .iter()
        .find(|v| v["name"] == "datasource")
        .unwrap();
    assert_eq!(datasource["type"], "datasource");
    assert_eq!(datasource["query"], "prometheus");
    let mut numbers = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in list(&dashboard, "panels") {
        assert!(numbers.insert(panel["id"].as_u64().unwrap()), "{panel}");
        assert!(!text(panel, "title").is_empty());
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
        assert!(x + w <= 24, "{panel} is wider than the page");
        for place in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(place), "{panel} covers another one");
        }
    }
    for panel in panels(&dashboard) {
        assert!(["stat", "timeseries", "table"].contains(&text(panel, "type")));
        assert!(!text(panel, "description").is_empty());
        let targets = list(panel, "targets");
        assert!(!targets.is_empty());
        let names: BTreeSet<_> = targets.iter().map(|target| text(target, "refId")).collect();
        assert_eq!(names.len(), targets.len(), "{panel}");
        for part in targets.iter().chain([panel]) {
            assert_eq!(part["datasource"]["uid"], "${datasource}", "{part}");
        }
    }
}

#[test]
fn every_variable_that_is_used_is_one_of_the_dashboard_or_of_grafana() {
    let dashboard = dashboard();
    let defined: BTreeSet<&str> = list(&dashboard["templating"], "list")
        .iter()
        .map(|variable| text(variable, "name"))
        .chain(["__rate_interval", "__all"])
        .collect();
    let whole = dashboard.to_string();
    let used = whole.split('$').skip(1).map(|rest| {
        let rest = rest.trim_start_matches('{');
        rest.split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .next()
            .unwrap()
    });
    for name in used {
        assert!(defined.contains(name), "${name}");
    }
}
