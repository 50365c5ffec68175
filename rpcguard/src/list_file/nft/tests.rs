use crate::list_file::tests::{problems, written};

#[test]
fn sets_are_read_from_tables_and_without() {
    let expected = ["10.0.0.0/8", "192.0.2.7/32"];
    for list in [
        "table inet t { set s { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, \
         192.0.2.7, } } }",
        "table t {\n comment \"x\"\n set s {\n typeof ip saddr\n flags interval, timeout\n size 65535\n \
         timeout 1d\n gc-interval 10s\n policy memory\n auto-merge\n counter packets 0 bytes 0\n \
         comment \"type }\"\n elements = { 10.0.0.0/8 timeout 1h expires 59m,\n 192.0.2.7 counter \
         packets 1 bytes 2 comment \"a, b\" }\n }\n}\n",
        "set s { elements = { 10.0.0.0/8, 192.0.2.7 } ; type ipv4_addr }",
        "elements={10.0.0.0/8,192.0.2.7}",
        "define A = { 10.0.0.0/8 }\ndefine B = 192.0.2.7",
        "add element inet t s { 10.0.0.0/8 }; add element t s { 192.0.2.7 }",
        "#!/usr/sbin/nft -f\n{ 10.0.0.0/8,# comment }\n192.0.2.7 }",
        "define A = { \\\n 10.0.0.0/8, \\\n 192.0.2.7 \\\n}\n",
    ] {
        assert_eq!(written(list), expected, "{list}");
    }
}

#[test]
fn the_elements_must_be_of_the_set_s_family() {
    assert_eq!(
        problems("set s {\n type ipv6_addr\n elements = { ::1, 10.0.0.1, 10.0.0.1-10.0.0.2 }\n}"),
        [
            "3:20: `10.0.0.1` is in a set for IPv6 addresses",
            "3:30: `10.0.0.1-10.0.0.2` is in a set for IPv6 addresses",
        ]
    );
}

#[test]
fn each_bad_element_is_named() {
    assert_eq!(
        problems(
            "elements = { 10.0.0.1, @others, $more, 111, eth0 . 111,\n\
             \u{20}10.0.0.2 : drop, , 10.0.0.3 10.0.0.4, 10.0.0.5 limit rate 1/second,\n\
             \u{20}{ 10.0.0.6, }, = , \"x\", 10.0.0.300 }"
        ),
        [
            "1:24: `@others` refers to elements that are elsewhere: write them here instead",
            "1:33: `$more` refers to elements that are elsewhere: write them here instead",
            "1:40: `111` is not an IPv4 or IPv6 address",
            "1:45: `eth0` is not an IPv4 or IPv6 address",
            "2:11: `:` stands where `,` or `}` should be",
            "2:19: `,` stands where an address or a prefix should be",
            "2:30: `10.0.0.4` stands where `,` or `}` should be",
            "2:49: `limit` stands where `,` or `}` should be",
            "3:2: `{` stands where an address or a prefix should be",
            "3:17: `=` stands where an address or a prefix should be",
            "3:21: `\"x\"` is not an IPv4 or IPv6 address",
            "3:26: `10.0.0.300` is not an IPv4 or IPv6 address",
        ]
    );
}

#[test]
fn each_statement_about_something_else_is_named_once() {
    let what = "is not about a set of addresses: save just the sets, with `nft list set`";
    assert_eq!(
        problems(
            "flush ruleset\n\
             table inet t {\n\
             \u{20}chain c {\n  ip saddr { 10.0.0.1, 10.0.0.2 } drop\n }\n\
             \u{20}map m { type ipv4_addr : verdict; elements = { 10.0.0.1 : drop } }\n\
             \u{20}set s { type ipv4_addr; quota 1 mbytes; elements = { 10.0.0.1 } }\n\
             }\n\
             include \"more.nft\"\n\
             }\n"
        ),
        [
            format!("1:1: `flush` {what}"),
            format!("3:2: `chain` {what}"),
            format!("6:2: `map` {what}"),
            format!("7:26: `quota` {what}"),
            format!("9:1: `include` {what}"),
            format!("10:1: `}}` {what}"),
        ]
    );
    assert_eq!(
        problems("add rule t c drop"),
        [format!("1:1: `add` {what}")]
    );
}

#[test]
fn a_set_of_something_else_is_refused_by_its_type() {
    let what = "is not a supported set type: ipv4_addr and ipv6_addr are";
    assert_eq!(
        problems(
            "table t {\n set a { type inet_service; elements = { 1, 2 } }\n\
             \u{20}set b { typeof ip saddr . tcp dport; elements = { 10.0.0.1 . 2 } }\n\
             \u{20}set c { type ipv4_addr elements = { 10.0.0.1 }\n }\n\
             \u{20}set d { type ipv4_addr; elements = { bad } }\n}"
        ),
        [
            format!("2:15: `inet_service` {what}"),
            format!("3:17: `ip saddr . tcp dport` {what}"),
            format!("4:15: `ipv4_addr elements =` {what}"),
            "6:39: `bad` is not an IPv4 or IPv6 address".to_owned(),
        ]
    );
}

#[test]
fn nothing_on_a_line_is_passed_over_in_silence() {
    assert_eq!(
        problems("set s { counter elements = { 10.0.0.1 }\n flags interval size 9\n}"),
        [
            "1:17: `elements` stands where `;` or the end of the line should be",
            "2:17: `size` stands where `;` or the end of the line should be",
        ]
    );
    assert_eq!(
        problems("define A = 10.0.0.1 10.0.0.2"),
        ["1:21: `10.0.0.2` stands where `;` or the end of the line should be"]
    );
}

#[test]
fn what_is_not_closed_is_named_where_it_opens() {
    assert_eq!(
        problems("table t {\n set s { type ipv4_addr; elements = { 10.0.0.1,\n 10.0.0.2"),
        [
            "2:37: `{` is never closed",
            "2:8: `{` is never closed",
            "1:9: `{` is never closed",
        ]
    );
    assert_eq!(
        problems("{ 10.0.0.1 comment \"x }\n, 10.0.0.2 }"),
        ["1:20: `\"x }` is never closed"]
    );
}

#[test]
fn a_file_that_ends_too_early_is_told_what_is_missing() {
    for (list, problem) in [
        (
            "table",
            "1:1: `table` is the last word, but the name of a table should follow",
        ),
        (
            "define X",
            "1:8: `X` is the last word, but `=` should follow",
        ),
        (
            "add element t",
            "1:13: `t` is the last word, but the name of a set should follow",
        ),
        ("set s", "1:5: `s` is the last word, but `{` should follow"),
    ] {
        assert_eq!(problems(list), [problem]);
    }
}
