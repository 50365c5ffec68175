//! What holds for any prefixes and any text.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use proptest::prelude::*;

use crate::list_file::*;

fn any_prefix() -> impl Strategy<Value = Prefix> {
    let v4 = (any::<u32>(), 0..=32_u8).prop_map(|(a, l)| (IpAddr::from(Ipv4Addr::from(a)), l));
    let v6 = (any::<u128>(), 0..=128_u8).prop_map(|(a, l)| (IpAddr::from(Ipv6Addr::from(a)), l));
    prop_oneof![v4, v6].prop_map(|(address, length)| Prefix::new(address, length).unwrap())
}

/// A list in each form.
fn in_every_form(prefixes: &BTreeSet<Prefix>) -> Vec<String> {
    let mut forms = vec![String::new(); 4];
    let [plain, ipset, nft, commands] = forms.as_mut_slice() else {
        unreachable!("four forms")
    };
    for (family, name) in [("inet", "v4"), ("inet6", "v6")] {
        writeln!(ipset, "create {name} hash:net family {family} comment").unwrap();
    }
    nft.push_str("table inet t {\n");
    for (v4, kind) in [(true, "ipv4_addr"), (false, "ipv6_addr")] {
        writeln!(nft, "\tset {kind}s {{\n\t\ttype {kind}\n\t\telements = {{").unwrap();
        for prefix in prefixes
            .iter()
            .filter(|prefix| prefix.address().is_ipv4() == v4)
        {
            let name = if v4 { "v4" } else { "v6" };
            writeln!(plain, " {prefix} # comment").unwrap();
            writeln!(ipset, "add {name} {prefix} comment \"a comment\"").unwrap();
            writeln!(
                nft,
                "\t\t\t{prefix} counter packets 1 bytes 2 comment \"a, }}\","
            )
            .unwrap();
            write!(commands, "add element inet t s {{ {prefix} }}; ").unwrap();
        }
        nft.push_str("\t\t}\n\t}\n");
    }
    nft.push_str("}\n");
    forms
}

proptest! {
    #[test]
    fn prefixes_printed_in_any_form_are_read_back(
        prefixes in prop::collection::btree_set(any_prefix(), 0..40)
    ) {
        for text in in_every_form(&prefixes) {
            let list = parse("list", text.as_bytes()).unwrap();
            let found: BTreeSet<_> = list.entries.iter().map(|entry| entry.prefix).collect();
            prop_assert_eq!(&found, &prefixes, "{}", text);
            prop_assert_eq!(list.entries.len(), prefixes.len());
        }
    }

    #[test]
    fn bytes_are_read_or_refused(bytes: Vec<u8>) {
        let _ = parse("list", &bytes);
    }

    /// Words that mean something, in any order, reach further than bytes do.
    #[test]
    fn words_are_read_or_refused_where_they_stand(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "table", "set", "s", "{", "}", "=", ",", ";", "\n", "#", "\"", "\"x\"", "\\\n",
                "elements", "type", "typeof", "ipv4_addr", "ip6", "saddr", ".", "flags", "counter",
                "packets", "1", "timeout", "comment", "define", "add", "element", "create",
                "hash:net", "family", "inet6", "nomatch", "10.0.0.1", "::1/64", "10.0.0.1-10.0.0.9",
                "@s", "$s", "ä", "map", "-", "Name:", "\u{feff}",
            ]),
            0..40,
        ),
        space in prop::sample::select(vec![" ", "", "\n"]),
    ) {
        let text = words.join(space);
        if let Err(ListFileError::Bad(bad)) = parse("list", text.as_bytes()) {
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
            for entry in bad.described {
                let line = text.split('\n').nth(entry.line - 1);
                let rest: String = line.unwrap().chars().skip(entry.column - 1).collect();
                let start: String = entry.text.chars().take(1).collect();
                prop_assert!(
                    rest.starts_with(&start) || text::shown(&rest).starts_with(&start),
                    "{:?} is not at {}:{} of {:?}", entry.text, entry.line, entry.column, text
                );
            }
        }
    }
}
