//! A real Prometheus that scrapes real guards, with the rules loaded, asked what the dashboard asks.

use std::{
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use rpcguard::{guard::Registry, metrics, portmapper::Heard};
use rpcguard_tests::{
    lab::{Host, missing_tools, skip},
    packet::{
        peers::{FOE_V4, FRIEND_V4},
        rpc,
    },
};
use serde_json::Value;

use crate::{dashboard, exposition, http, rules, server::Server, status::busy_site};

/// For Prometheus to start, and to have scraped often enough.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ends with this value.
struct Prometheus<'a> {
    host: &'a Host,
    process: Child,
    address: SocketAddr,
    _directory: tempfile::TempDir,
}

impl<'a> Prometheus<'a> {
    /// One that scrapes `target` every second, both on loopback of the host.
    fn start(host: &'a Host, target: SocketAddr) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let rules = rules::directory().join("rpcguard.rules.yml");
        let configuration = directory.path().join("prometheus.yml");
        let text = format!(
            "global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  evaluation_interval: 1s\n\
             rule_files: ['{}']\n\
             scrape_configs:\n  - job_name: rpcguard\n    static_configs:\n      - targets: ['{target}']\n",
            rules.display()
        );
        fs::write(&configuration, text).unwrap();
        // The host's loopback is its own.
        let address: SocketAddr = ([127, 0, 0, 1], 9090).into();
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let process = host
            .command("prometheus")
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                directory.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self {
            host,
            process,
            address,
            _directory: directory,
        }
    }

    /// What an address of its API answers, once it does.
    fn ask(&self, path: &str) -> Value {
        let start = Instant::now();
        loop {
            // HTTP/1.0, so that the answer comes in one piece.
            let request = format!("GET {path} HTTP/1.0\r\n\r\n");
            match self.host.enter(|| http::ask(self.address, &request)) {
                Ok(answer) if answer.status == 200 => {
                    let answer: Value = serde_json::from_str(&answer.body).unwrap();
                    assert_eq!(answer["status"], "success", "{answer}");
                    return answer["data"].clone();
                }
                Ok(answer) if answer.status != 503 => panic!("{path}: {answer:?}"),
                later => assert!(start.elapsed() < PATIENCE, "{path}: {later:?}"),
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// What an expression comes to, once it comes to something.
    fn query(&self, expression: &str) -> Vec<Value> {
        let start = Instant::now();
        let path = format!("/api/v1/query?query={}", encoded(expression));
        loop {
            let data = self.ask(&path);
            let results = data["result"].as_array().unwrap();
            if !results.is_empty() {
                return results.clone();
            }
            assert!(start.elapsed() < PATIENCE, "nothing comes of {expression}");
            thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Prometheus<'_> {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// As part of a URL.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// With the values that a dashboard's variables have when all is selected.
fn substituted(expression: &str) -> String {
    expression
        .replace("$__rate_interval", "10s")
        .replace("$job", ".*")
        .replace("$instance", ".*")
        .replace("$interface", ".*")
}

/// The names of rpcguard's metrics in a text.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("rpcguard_"))
        .collect()
}

#[test]
fn prometheus_finds_all_that_the_rules_and_the_dashboard_ask_for() {
    const TEST: &str = "prometheus_finds_all_that_the_rules_and_the_dashboard_ask_for";
    if !missing_tools(&["prometheus"]).is_empty() {
        skip(
            TEST,
            "prometheus is missing: `cargo xtask setup` unpacks it",
        );
        return;
    }
    let Some(site) = busy_site(TEST) else {
        return;
    };
    let registry = site.registry(Registry::clone);
    let server = site
        .host
        .enter(move || Server::start(move || metrics::render(&registry, &mut Heard::default())));
    let prometheus = Prometheus::start(&site.host, server.address);

    // The panels of what is asked for show what has grown since Prometheus has known of it.
    prometheus.query("rpcguard_guards");
    thread::sleep(Duration::from_millis(1500));
    site.send_datagram(FRIEND_V4.into(), 111, &rpc::DUMP);
    site.send_datagram(FOE_V4.into(), 111, &rpc::DUMP);
    for query in dashboard::queries() {
        let results = prometheus.query(&substituted(&query.expression));
        for label in &query.labels {
            let shown = results
                .iter()
                .all(|result| result["metric"][label].is_string());
            assert!(shown, "{}: {label} of {results:?}", query.panel);
        }
    }
    for (series, label) in dashboard::variables() {
        for result in prometheus.query(&substituted(&series)) {
            assert!(result["metric"][&label].is_string(), "{label} of {result}");
        }
    }

    let data = prometheus.ask("/api/v1/rules");
    let loaded = data["groups"][0]["rules"].as_array().unwrap();
    assert_eq!(loaded.len(), 11);
    for rule in loaded {
        // Evaluated, and nothing wrong with it.
        assert_eq!(rule["health"], "ok", "{rule}");
    }

    // All names are real ones, and no metric is shown nowhere.
    let text = site.rpcguard("metrics");
    let real: BTreeSet<&str> = exposition::names(&text).into_iter().collect();
    let rules = fs::read_to_string(rules::directory().join("rpcguard.rules.yml")).unwrap();
    let expressions = dashboard::queries()
        .into_iter()
        .map(|query| query.expression);
    let expressions: String = expressions.collect::<Vec<_>>().join("\n");
    assert_eq!(metrics_in(&expressions), real);
    let unknown: Vec<_> = metrics_in(&rules).difference(&real).copied().collect();
    assert_eq!(unknown, [""; 0]);
    drop(prometheus);
    drop(server);
    site.rpcguard("detach --all");
}
