//! What is printed as JSON: its schemas, and the exact values of a known state.

use expect_test::{ExpectFile, expect_file};
use rpcguard_common::{abi::HIT_SLOTS, reason::Reason, rpc::Request};
use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    attack_documents::{EventDocument, ReportDocument},
    check_documents::{HostDocument, LocalDocument},
    documents::{self, ListDocument, StatusDocument, TestDocument},
    machine::{Machine, addresses},
};

/// The schema of what is printed, as opposed to what can be read.
fn schema_of<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<T>()
}

#[track_caller]
pub(crate) fn is_schema_of<T: JsonSchema>(file: &ExpectFile) {
    let schema = serde_json::to_string_pretty(&schema_of::<T>()).unwrap();
    file.assert_eq(&(schema + "\n"));
}

/// `UPDATE_EXPECT=1` writes them.
#[test]
fn the_schemas_in_the_documentation_are_those_of_the_documents() {
    is_schema_of::<StatusDocument>(&expect_file!["../../../docs/schema/status.json"]);
    is_schema_of::<ListDocument>(&expect_file!["../../../docs/schema/list.json"]);
    is_schema_of::<TestDocument>(&expect_file!["../../../docs/schema/test.json"]);
    is_schema_of::<EventDocument>(&expect_file!["../../../docs/schema/event.json"]);
    is_schema_of::<ReportDocument>(&expect_file!["../../../docs/schema/report.json"]);
    is_schema_of::<LocalDocument>(&expect_file!["../../../docs/schema/check.json"]);
    is_schema_of::<HostDocument>(&expect_file!["../../../docs/schema/check_host.json"]);
}

#[test]
fn every_reason_is_in_the_schema_and_nothing_else() {
    let schema = schema_of::<documents::Counters>();
    let properties = schema.get("properties").unwrap().as_object().unwrap();
    let mut names: Vec<&str> = properties.keys().map(String::as_str).collect();
    let mut reasons = Reason::ALL.map(Reason::name);
    names.sort_unstable();
    reasons.sort_unstable();
    assert_eq!(names, reasons);
}

fn json_of(machine: &Machine, arguments: &str) -> Value {
    let finished = machine.does(arguments);
    assert_eq!(finished.stderr, "");
    assert_eq!(finished.stdout.lines().count(), 1, "one document, one line");
    finished.json()
}

#[test]
fn documents_say_exactly_what_is_the_case() {
    let Some(machine) = Machine::or_skip("documents_say_exactly_what_is_the_case") else {
        return;
    };
    let started = jiff::Timestamp::now();
    let attached = json_of(
        &machine,
        "attach eth0 --allow 10.0.0.0/8 --allow 2001:db8::/32 --deny 10.1.0.0/16 --tcp \
         --port 2049 --port 111 --mode native --json",
    );
    // Ethernet, IPv4 and UDP headers are 42 bytes.
    machine.call_portmapper([10, 0, 0, 1], 58);
    machine.call_portmapper([10, 0, 0, 2], 158);
    machine.call_portmapper([10, 1, 0, 1], 258);
    machine.call_portmapper([203, 0, 113, 1], 358);

    let status = json_of(&machine, "status --json");
    documents::read::<StatusDocument>(&status);
    let guard = &status["interfaces"][0];
    let counted = |packets: u64, bytes: u64| json!({ "packets": packets, "bytes": bytes });
    let fate = |passed: Value, dropped: Value| json!({ "passed": passed, "dropped": dropped });
    let untouched = || fate(counted(0, 0), counted(0, 0));
    let names = Request::all().map(|request| (request.name().to_owned(), untouched()));
    let mut procedures: Map<String, Value> = names.collect();
    // Zeroes are no calls.
    procedures["malformed"] = fate(counted(2, 300), counted(2, 700));
    let expected = json!({
        "schema_version": 1,
        "interfaces": [{
            "name": "eth0",
            "ifindex": machine.host().ifindex("eth0").unwrap(),
            "mode": "native",
            "program_id": machine.programs()["eth0"],
            "link_id": guard["link_id"],
            "attached_at": guard["attached_at"],
            "confirmed": true,
            "policy": {
                "unlisted": "drop",
                "observe": false,
                "tcp": true,
                "ports": [111, 2049],
                "rate": null,
                "only_to": null,
            },
            "prefixes": { "allow": { "v4": 1, "v6": 1 }, "deny": { "v4": 1, "v6": 0 } },
            "counters": {
                "allowed": counted(2, 300),
                "unlisted": counted(1, 400),
                "denied": counted(1, 300),
                "within_rate": counted(0, 0),
                "over_rate": counted(0, 0),
                "amplifier": counted(0, 0),
                "malformed": counted(0, 0),
                "fragment": counted(0, 0),
                "undecidable": counted(0, 0),
                "later_fragment": counted(0, 0),
            },
            "procedures": procedures,
            "unguarded_rpcbind_ports": [],
        }],
    });
    assert_eq!(status, expected);
    assert!(guard["link_id"].as_u64().unwrap() > 0);
    let attached_at: jiff::Timestamp = guard["attached_at"].as_str().unwrap().parse().unwrap();
    assert!(attached_at.as_second() >= started.as_second());
    assert!(attached_at <= jiff::Timestamp::now());
    // What attach printed is the same document, before the packets.
    let mut before = expected;
    for reason in ["allowed", "unlisted", "denied"] {
        before["interfaces"][0]["counters"][reason] = counted(0, 0);
    }
    before["interfaces"][0]["procedures"]["malformed"] = untouched();
    assert_eq!(attached, before);

    let allowed = json_of(&machine, "allow list --json");
    documents::read::<ListDocument>(&allowed);
    let expected = json!({
        "schema_version": 1,
        "interfaces": [{
            "name": "eth0",
            "prefixes": [
                { "prefix": "10.0.0.0/8", "verdict": "allow", "packets": 2, "bytes": 300, "until": null },
                { "prefix": "2001:db8::/32", "verdict": "allow", "packets": 0, "bytes": 0, "until": null },
            ],
        }],
    });
    assert_eq!(allowed, expected);
    let denied = json_of(&machine, "deny list --json");
    documents::read::<ListDocument>(&denied);
    let prefix = json!({ "prefix": "10.1.0.0/16", "verdict": "deny", "packets": 1, "bytes": 300, "until": null });
    assert_eq!(denied["interfaces"][0]["prefixes"], json!([prefix]));
}

#[test]
fn a_tested_address_has_its_prefix_and_its_fate() {
    let Some(machine) = Machine::or_skip("a_tested_address_has_its_prefix_and_its_fate") else {
        return;
    };
    machine.does("attach eth0 --allow 10.0.0.0/8 --deny 10.1.0.0/16");
    machine.does("attach eth1 --observe --deny 10.1.0.0/16");
    let cases = [
        (
            "10.0.0.1",
            ("allow", json!("10.0.0.0/8"), "pass"),
            ("unlisted", json!(null), "pass"),
        ),
        (
            "10.1.0.1",
            ("deny", json!("10.1.0.0/16"), "drop"),
            ("deny", json!("10.1.0.0/16"), "pass"),
        ),
        (
            "2001:db8::1",
            ("unlisted", json!(null), "drop"),
            ("unlisted", json!(null), "pass"),
        ),
    ];
    for (address, eth0, eth1) in cases {
        let document = json_of(&machine, &format!("allow test {address} --json"));
        documents::read::<TestDocument>(&document);
        let decision = |name: &str, (verdict, prefix, action): (&str, Value, &str)| {
            json!({
                "name": name,
                "address": address,
                "verdict": verdict,
                "prefix": prefix,
                "action": action,
            })
        };
        let interfaces = json!([decision("eth0", eth0), decision("eth1", eth1)]);
        assert_eq!(
            document,
            json!({ "schema_version": 1, "interfaces": interfaces })
        );
        // It is the same question of either list.
        let of_deny = json_of(&machine, &format!("deny test {address} --json"));
        assert_eq!(of_deny, document);
    }
}

#[test]
fn hits_that_are_not_counted_are_null() {
    let Some(machine) = Machine::or_skip("hits_that_are_not_counted_are_null") else {
        return;
    };
    let file = machine.file("list", addresses(HIT_SLOTS + 1));
    machine.does(&format!("attach eth0 --allow-file {}", file.display()));
    let document = json_of(&machine, "allow list --json");
    let list: ListDocument = documents::read(&document);
    let counted = |listed: &&documents::ListedPrefix| listed.packets.is_some();
    let prefixes = &list.interfaces[0].prefixes;
    assert_eq!(prefixes.len(), HIT_SLOTS as usize + 1);
    assert_eq!(prefixes.iter().filter(counted).count(), HIT_SLOTS as usize);
}

#[test]
fn an_interface_that_is_gone_says_so() {
    let Some(machine) = Machine::or_skip("an_interface_that_is_gone_says_so") else {
        return;
    };
    machine.does("attach eth0 eth1");
    machine.host().ip("link del eth1").unwrap();
    let status = json_of(&machine, "status --json");
    documents::read::<StatusDocument>(&status);
    let gone = json!({ "name": "eth1", "state": "gone", "abi_version": null });
    assert_eq!(status["interfaces"][1], gone);
    let text = machine.does("status").stdout;
    let line = "eth1: gone; `rpcguard detach eth1` removes what is left of its guard\n";
    assert!(text.ends_with(line), "{text}");
}

#[test]
fn no_guard_is_an_empty_document() {
    let Some(machine) = Machine::or_skip("no_guard_is_an_empty_document") else {
        return;
    };
    let status = json_of(&machine, "status --json");
    documents::read::<StatusDocument>(&status);
    assert_eq!(status, json!({ "schema_version": 1, "interfaces": [] }));
}
