//! What holds for all forms.

mod properties;
mod reading;

use ipnet::IpNet;

use super::*;

/// The prefixes of a list that is good, in its order.
pub(super) fn written(list: &str) -> Vec<String> {
    let list = parse("list", list.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    list.entries
        .iter()
        .map(|entry| entry.prefix.to_string())
        .collect()
}

/// The bad entries of a list, without its name.
pub(super) fn problems(list: &str) -> Vec<String> {
    match parse("list", list.as_bytes()) {
        Err(ListFileError::Bad(bad)) => bad.described.iter().map(ToString::to_string).collect(),
        other => panic!("no bad entries: {other:?}"),
    }
}

fn notes(list: &str) -> Vec<String> {
    let list = parse("list", list.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    list.notes.iter().map(ToString::to_string).collect()
}

/// The addresses that a list covers, however they are cut into prefixes.
fn covered(list: &str) -> Vec<IpNet> {
    let nets = written(list)
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
    IpNet::aggregate(&nets)
}

#[test]
fn what_ipset_saved_is_what_it_was_given() {
    let saved = include_str!("../fixtures/ipset-save-sets.txt");
    assert_eq!(
        covered(saved),
        covered(include_str!("../fixtures/sets.ipset"))
    );
    assert_eq!(written(saved).len(), 13);
    assert_eq!(
        notes(saved),
        [
            "1 entry has a timeout, but will not expire here",
            "4 sets were read as one list: rpc-clients, rpc-clients6, hosts, skb",
        ]
    );
}

#[test]
fn what_ipset_saved_of_other_sets_is_refused() {
    assert_eq!(
        problems(include_str!("../fixtures/ipset-save-others.txt")),
        [
            "2:13: `10.1.0.0/16` is excluded from its set (`nomatch`): remove it here and put it \
             into the deny list",
            "4:14: `hash:ip,port` is not a supported set type: hash:net and hash:ip are",
            "6:11: `bitmap:ip` is not a supported set type: hash:net and hash:ip are",
            "8:12: `list:set` is not a supported set type: hash:net and hash:ip are",
        ]
    );
    let listed = problems(include_str!("../fixtures/ipset-list.txt"));
    assert_eq!(listed.len(), 1);
    assert!(listed[0].contains("ipset save"), "{listed:?}");
}

#[test]
fn what_nft_printed_is_what_it_was_given() {
    let printed = include_str!("../fixtures/nft-list-ruleset-sets.txt");
    assert_eq!(
        covered(printed),
        covered(include_str!("../fixtures/sets.nft"))
    );
    assert_eq!(
        notes(printed),
        [
            "3 entries have a timeout, but will not expire here",
            "5 sets were read as one list: clients4, clients6, recent, none, fixed",
        ]
    );
    let range = [
        "203.0.113.5/32",
        "203.0.113.6/31",
        "203.0.113.8/29",
        "203.0.113.16/30",
    ];
    assert_eq!(
        written(include_str!("../fixtures/nft-list-set.txt")),
        [
            &["10.0.0.0/8", "192.0.2.0/24", "198.51.100.7/32"],
            &range[..],
            &["203.0.113.20/32"]
        ]
        .concat()
    );
    let handles = written(include_str!("../fixtures/nft-list-set-handles.txt"));
    assert_eq!(handles.first().map(String::as_str), Some("2001:db8::/32"));
    assert_eq!(handles.last().map(String::as_str), Some("fe80::/10"));
}

#[test]
fn what_nft_printed_of_other_things_is_refused() {
    assert_eq!(
        problems(include_str!("../fixtures/nft-list-ruleset-others.txt")),
        [
            "8:8: `inet_service` is not a supported set type: ipv4_addr and ipv6_addr are",
            "13:8: `ipv4_addr . inet_service` is not a supported set type: ipv4_addr and \
             ipv6_addr are",
            "17:2: `map` is not about a set of addresses: save just the sets, with `nft list set`",
            "22:2: `chain` is not about a set of addresses: save just the sets, with `nft list \
             set`",
        ]
    );
    assert_eq!(
        problems(include_str!("../fixtures/nft-list-set-json.txt")),
        ["1:1: `{` begins JSON, which is not read: run `nft list set` without `-j`"]
    );
}

#[test]
fn the_form_is_told_from_the_first_line_with_content() {
    for (text, form) in [
        ("", Form::Plain),
        ("# add element\n\n10.0.0.1", Form::Plain),
        ("addresses", Form::Plain),
        ("  \n#x\n create s hash:net", Form::Ipset),
        ("add s 10.0.0.1", Form::Ipset),
        ("add element 10.0.0.1", Form::Ipset),
        ("add element t s { 10.0.0.1 }", Form::Nft),
        ("add element", Form::Nft),
        ("add rule t c drop", Form::Nft),
        ("#!/usr/sbin/nft -f\ntable t {", Form::Nft),
        ("define X={", Form::Nft),
        ("elements={", Form::Nft),
        ("{ 10.0.0.1 }", Form::Nft),
        ("flush ruleset", Form::Nft),
        ("tables", Form::Plain),
    ] {
        assert_eq!(Form::of(text), form, "{text:?}");
    }
}

#[test]
fn a_list_without_prefixes_is_empty_in_every_form() {
    for list in [
        "",
        "\n",
        "# nothing\n",
        "create s hash:net family inet",
        "table t { set s { type ipv4_addr; } }",
        "{}",
    ] {
        assert_eq!(
            parse("list", list.as_bytes()).unwrap(),
            List {
                entries: vec![],
                notes: vec![]
            }
        );
    }
}

#[test]
fn host_bits_are_masked_marked_and_noted() {
    let list = parse("list", b"10.0.0.0/8\n192.168.1.7/24").unwrap();
    assert_eq!(
        list.entries,
        [
            Entry {
                prefix: "10.0.0.0/8".parse().unwrap(),
                line: 1,
                masked: false
            },
            Entry {
                prefix: "192.168.1.0/24".parse().unwrap(),
                line: 2,
                masked: true
            }
        ]
    );
    assert_eq!(
        notes("10.0.0.0/8\n192.168.1.7/24"),
        ["line 2: `192.168.1.7/24` has host bits set, read as 192.168.1.0/24"]
    );
    let many: String = (0..23).map(|i| format!("10.{i}.0.1/16\n")).collect();
    assert_eq!(notes(&many).len(), 21);
    assert_eq!(
        notes(&many)[20],
        "3 more had host bits set, which were masked"
    );
}

#[test]
fn what_is_repeated_is_kept_where_it_was_first() {
    let list = "10.0.0.0/8\n::1\n10.1.2.3/8\n::1/128\n10.0.0.0/9\n";
    let kept: Vec<_> = parse("list", list.as_bytes())
        .unwrap()
        .entries
        .iter()
        .map(|entry| (entry.prefix.to_string(), entry.line))
        .collect();
    assert_eq!(
        kept,
        [("10.0.0.0/8", 1), ("::1/128", 2), ("10.0.0.0/9", 5)]
            .map(|(prefix, line)| (prefix.to_owned(), line))
    );
    assert_eq!(notes(list).last().unwrap(), "2 entries repeat earlier ones");
    assert_eq!(notes("::1\n::1"), ["1 entry repeats an earlier one"]);
}

#[test]
fn a_thousand_bad_entries_are_described_and_the_rest_counted() {
    let list = "10.0.0.0/8\n".to_owned() + &"x\n".repeat(1003);
    let shown = parse("a\nb", list.as_bytes()).unwrap_err().to_string();
    assert_eq!(shown.lines().count(), 1001);
    assert_eq!(
        shown.lines().next().unwrap(),
        "a\\nb:2:1: `x` is not an IPv4 or IPv6 address"
    );
    assert_eq!(shown.lines().last().unwrap(), "a\\nb: 3 more bad entries");
}
