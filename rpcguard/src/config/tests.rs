use std::{collections::BTreeSet, fs, path::Path};

use super::{Config, ConfigError, ListFiles, Matched, OnStop, assemble};
use crate::{
    guard::Mode,
    policy::{Destinations, Policy, PolicyChange, RateChange},
    prefix::Prefix,
};

fn parse_in(directory: &Path, text: &str) -> Result<Config, ConfigError> {
    let files = &mut ListFiles::default();
    assemble::config(Path::new("c.toml"), directory, text.as_bytes(), files)
}

fn parse(text: &str) -> Config {
    parse_in(Path::new("/nowhere"), text).unwrap_or_else(|error| panic!("{error}"))
}

fn errors(text: &str) -> String {
    parse_in(Path::new("/nowhere"), text)
        .unwrap_err()
        .to_string()
}

fn prefixes(words: &[&str]) -> Vec<Prefix> {
    words.iter().map(|word| word.parse().unwrap()).collect()
}

#[test]
fn a_file_says_everything_that_can_be_said_on_the_command_line() {
    let config = parse(
        r#"
        metrics_listen = "127.0.0.1:9811"
        on_stop = "detach"

        [[guard]]
        interfaces = ["eth*", "!eth9"]
        allow = ["192.168.1.0/24", "10.0.0.0/8", "10.0.0.0/8"]
        deny = ["10.0.0.1"]
        ports = [111, 2049]
        rpcbind_ports = true
        tcp = true
        observe = true
        only_to = ["203.0.113.1"]
        mode = "generic"
        rate = "7/m"
        burst = 3
        rate_prefix = "9/s"
        burst_prefix = 10
        rate_total = "11/s"
        burst_total = 12
        procedures = "NULL"

        [[guard]]
        interfaces = ["lan0"]
        "#,
    );
    assert_eq!(
        config.metrics_listen,
        Some("127.0.0.1:9811".parse().unwrap())
    );
    assert_eq!(config.on_stop, OnStop::Detach);
    let [first, second] = config.tables.as_slice() else {
        panic!("{config:?}")
    };
    assert_eq!((first.line, second.line), (5, 23));
    assert_eq!(*first.allow, *prefixes(&["10.0.0.0/8", "192.168.1.0/24"]));
    assert_eq!(*first.deny, *prefixes(&["10.0.0.1"]));
    assert!(first.rpcbind_ports);
    assert_eq!(first.mode, Some(Mode::Generic));
    let mut policy = Policy::default();
    let change = PolicyChange {
        ports: Some(BTreeSet::from([111, 2049])),
        tcp: Some(true),
        observe: Some(true),
        destinations: Some(Destinations::Only(
            prefixes(&["203.0.113.1"]).into_iter().collect(),
        )),
        rate: RateChange {
            source: Some("7/m".parse().unwrap()),
            source_burst: Some(3),
            prefix: Some("9/s".parse().unwrap()),
            prefix_burst: Some(10),
            total: Some("11/s".parse().unwrap()),
            total_burst: Some(12),
            procedures: Some("NULL".parse().unwrap()),
            ..RateChange::default()
        },
        ..PolicyChange::default()
    };
    policy.apply(&change).unwrap();
    assert_eq!(first.policy, policy);
    assert_eq!(second.policy, Policy::default());
    assert_eq!((second.mode, second.rpcbind_ports), (None, false));
    assert_eq!(config.matching("eth0"), Matched::Once(first));
    assert_eq!(config.matching("eth9"), Matched::Nowhere);
}

#[test]
fn everything_that_is_wrong_is_said_with_line_and_column() {
    let text = "\
metrics_listen = \"here\"
[[guard]]
interfaces = [\"a/b\", \"eth0\"]
allow = [\"192.0.2.1/33\", \"10.0.0.0/8\"]
deny = [\"10.0.0.0/8\", \"ünicode\", \"x\"]
ports = []
burst = 3
[[guard]]
interfaces = [\"eth0\"]
rate = \"5\"
burst = 0
procedures = \"NULL,WHAT\"
[[guard]]
interfaces = [\"!eth0\"]
";
    let errors = errors(text);
    let lines: Vec<&str> = errors.lines().collect();
    for (line, (place, what)) in lines.iter().zip([
        ("1:18", "`here` is no address to listen on"),
        ("2:1", "`10.0.0.0/8` both allowed and denied"),
        ("3:15", "it contains a slash"),
        ("4:10", "`/33` is not a prefix length"),
        ("5:23", "`ünicode` is not"),
        ("5:34", "`x` is not"),
        ("6:9", "no port is guarded"),
        ("7:9", "no rate policy"),
        ("9:15", "named in the table of line 2 already"),
        ("10:8", "a rate is a number"),
        ("11:9", "a burst is a number of packets from 1 to"),
        ("12:14", "no procedure `WHAT`"),
        ("14:14", "no interface is named"),
    ]) {
        assert!(
            line.starts_with(&format!("c.toml:{place}: ")),
            "{place}: {errors}"
        );
        assert!(line.contains(what), "{what}: {line}");
    }
    assert_eq!(lines.len(), 13, "{errors}");
}

#[test]
fn more_destinations_than_a_guard_can_have_are_refused() {
    let text = |count: usize| {
        let words: Vec<String> = (0..count)
            .map(|host| format!("\"10.0.{}.{}\"", host / 256, host % 256))
            .collect();
        // What is written twice counts once.
        let words = words.join(", ");
        format!("[[guard]]\ninterfaces = [\"eth0\"]\nonly_to = [\"10.0.0.0\", {words}]\n")
    };
    parse(&text(4096));
    let errors = errors(&text(4097));
    assert!(
        errors.starts_with("c.toml:3:11: 4097 destinations are more than the 4096"),
        "{errors}"
    );
    assert_eq!(errors.lines().count(), 1, "{errors}");
}

#[test]
fn what_is_no_such_file_is_refused_with_line_and_column() {
    for (text, place, what) in [
        (
            "[[guard]]\ninterfaces = [\"eth0\"\n",
            "2:21",
            "unclosed array",
        ),
        (
            "[[guard]]\ninterfaces = [\"eth0\"]\nalow = []\n",
            "3:1",
            "unknown field `alow`",
        ),
        (
            "[[guard]]\nallow = []\n",
            "1:1",
            "missing field `interfaces`",
        ),
        ("[[guard]]\ninterfaces = \"eth0\"\n", "2:14", "expected"),
        (
            "[[guard]]\ninterfaces = [\"eth0\"]\nports = [65536]\n",
            "3:10",
            "65536",
        ),
        (
            "[[guard]]\ninterfaces = [\"eth0\"]\nmode = \"fast\"\n",
            "3:8",
            "unknown variant `fast`",
        ),
        ("on_stop = \"run\"\n", "1:11", "unknown variant `run`"),
        ("guard = 3\n", "1:9", "expected"),
    ] {
        let errors = errors(text);
        assert!(
            errors.starts_with(&format!("c.toml:{place}: ")),
            "{text}: {errors}"
        );
        assert!(errors.contains(what), "{text}: {errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
    let bytes = b"on_stop = \"leave\"\n# \xff\n";
    let error = assemble::config(
        Path::new("c"),
        Path::new("/"),
        bytes,
        &mut ListFiles::default(),
    );
    assert!(
        error
            .unwrap_err()
            .to_string()
            .starts_with("c:2:3: is not UTF-8")
    );
}

#[test]
fn list_files_are_relative_to_the_file_and_all_their_flaws_are_said() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("good", "192.0.2.0/24\n# more\n198.51.100.7\n");
    write("bad", "192.0.2.1\n  x\n10.0.0.0/99\n");
    let text = |files: &str| {
        format!(
            "[[guard]]\ninterfaces = [\"a\"]\nallow = [\"10.0.0.1\"]\nallow_files = [{files}]\n"
        )
    };
    let config = parse_in(directory.path(), &text("\"good\"")).unwrap();
    let wanted = prefixes(&["10.0.0.1", "192.0.2.0/24", "198.51.100.7"]);
    assert_eq!(*config.tables[0].allow, *wanted);
    let error = parse_in(directory.path(), &text("\"bad\", \"gone\", \"good\"")).unwrap_err();
    let error = error.to_string();
    let bad = directory.path().join("bad");
    for place in ["2:3: `x`", "3:1: `10.0.0.0/99`"] {
        assert!(
            error.contains(&format!("{}:{place}", bad.display())),
            "{error}"
        );
    }
    assert!(error.contains("gone` does not exist"), "{error}");
    assert_eq!(error.lines().count(), 3, "{error}");
}

#[test]
fn host_bits_are_masked_and_said_so() {
    let config = parse("[[guard]]\ninterfaces = [\"a\"]\nallow = [\"192.0.2.1/24\"]\n");
    assert_eq!(*config.tables[0].allow, *prefixes(&["192.0.2.0/24"]));
    assert_eq!(
        config.notes,
        ["line 3: `192.0.2.1/24` has host bits set, read as 192.0.2.0/24"]
    );
}

#[test]
fn an_interface_in_two_tables_is_an_error_that_names_both() {
    let config = parse("[[guard]]\ninterfaces = [\"eth*\"]\n\n[[guard]]\ninterfaces = [\"*0\"]\n");
    let path = Path::new("c.toml");
    config
        .check_interfaces(path, ["eth1", "wlan0", "lo"])
        .unwrap();
    let error = config
        .check_interfaces(path, ["eth1", "eth0"])
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("c.toml:4:1: the interface `eth0`"),
        "{error}"
    );
    assert!(error.contains("of lines 1 and 4"), "{error}");
}

#[test]
fn an_empty_file_guards_nothing() {
    let config = parse("");
    assert_eq!(config.tables, []);
    assert_eq!(config.on_stop, OnStop::Leave);
    assert_eq!(config.metrics_listen, None);
}

#[test]
fn what_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let read = |path: &Path| {
        Config::read(path, &mut ListFiles::default())
            .unwrap_err()
            .to_string()
    };
    let missing = directory.path().join("missing.toml");
    assert!(read(&missing).contains("missing.toml cannot be read: No such file"));
    assert!(read(directory.path()).contains("no regular file"));
}
