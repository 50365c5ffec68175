//! Mistakes that can be made in the parser, and what they are to be recognised by.

use rpcguard_tests::hunt::judge::Kind;

/// A mistake: some text of a source file replaced by another.
pub(crate) struct Break {
    /// Says what is wrong, as a file name.
    pub(crate) name: &'static str,
    pub(crate) file: &'static str,
    pub(crate) right: &'static str,
    pub(crate) wrong: &'static str,
    /// What it leads to.
    pub(crate) kind: Kind,
}

const PARSE: &str = "rpcguard-common/src/parse.rs";
const GLANCE: &str = "rpcguard-common/src/glance.rs";
const POLICY: &str = "rpcguard-common/src/policy.rs";

pub(crate) const ALL: [Break; 15] = [
    Break {
        name: "ignores-ipv4-options",
        file: PARSE,
        right: "    let offset = start + header_len;\n",
        wrong: "    let offset = start + Ipv4Hdr::LEN;\n",
        kind: Kind::Bypass,
    },
    Break {
        name: "stops-at-the-first-extension-header",
        file: PARSE,
        right: "next => parse_extensions(packet, route.network, next, offset, payload_len),",
        wrong: "_ => Parsed::Other,",
        kind: Kind::Bypass,
    },
    Break {
        name: "reads-ports-in-later-fragments",
        file: PARSE,
        right: "        return later_fragment(transport, route);\n    }\n    let first_fragment = fragment & IPV4_MORE",
        wrong: "        core::hint::black_box(());\n    }\n    let first_fragment = fragment & IPV4_MORE",
        kind: Kind::Harm,
    },
    Break {
        name: "skips-the-second-tag",
        file: PARSE,
        right: "        if tags == MAX_VLAN_TAGS {\n            return Parsed::Undecidable(Route::UNKNOWN);",
        wrong: "        if tags == 1 {\n            return Parsed::Other;",
        kind: Kind::Bypass,
    },
    Break {
        name: "passes-first-fragments",
        file: PARSE,
        right: "    let first_fragment = fragment & IPV4_MORE_FRAGMENTS != 0;\n",
        wrong: "    let first_fragment = fragment & IPV4_MORE_FRAGMENTS != 0;\n    if first_fragment {\n        return Parsed::Other;\n    }\n",
        kind: Kind::Bypass,
    },
    Break {
        name: "passes-ipv6-first-fragments",
        file: PARSE,
        right: "            fragment_bits |= usize::from(fragment);\n",
        wrong: "            if fragment & 1 != 0 {\n                return Parsed::Other;\n            }\n            fragment_bits |= usize::from(fragment);\n",
        kind: Kind::Bypass,
    },
    Break {
        name: "drops-later-fragments",
        file: POLICY,
        right: "Parsed::LaterFragment(_) => return Some(Outcome::because(Reason::LaterFragment)),",
        wrong: "Parsed::LaterFragment(_) => return Some(Outcome::because(Reason::Fragment)),",
        kind: Kind::Harm,
    },
    Break {
        name: "counts-extension-headers-short",
        file: PARSE,
        right: "            offset += (usize::from(extension[1]) + 1) * 8;\n",
        wrong: "            offset += 8;\n",
        kind: Kind::Bypass,
    },
    Break {
        name: "follows-two-extension-headers",
        file: PARSE,
        right: "        if headers == MAX_EXTENSION_HEADERS {\n            return Parsed::Undecidable(route);",
        wrong: "        if headers == 2 {\n            return Parsed::Other;",
        kind: Kind::Bypass,
    },
    Break {
        name: "gives-up-at-four-extension-headers",
        file: PARSE,
        right: "        if headers == MAX_EXTENSION_HEADERS {",
        wrong: "        if headers == 4 {",
        kind: Kind::Harm,
    },
    Break {
        name: "glances-at-any-header-length",
        file: GLANCE,
        right: "Pattern::new([0xff, 0xff, 0xff, 0], [0x08, 0x00, 0x45, 0]);",
        wrong: "Pattern::new([0xff, 0xff, 0xf0, 0], [0x08, 0x00, 0x40, 0]);",
        kind: Kind::Bypass,
    },
    Break {
        name: "takes-only-bare-syns-for-connections",
        file: POLICY,
        right: "    flags & (TCP_SYN | TCP_ACK) == TCP_SYN\n",
        wrong: "    flags == TCP_SYN\n",
        kind: Kind::Bypass,
    },
    Break {
        name: "takes-replies-for-connections",
        file: POLICY,
        right: "    flags & (TCP_SYN | TCP_ACK) == TCP_SYN\n",
        wrong: "    flags & TCP_SYN == TCP_SYN\n",
        kind: Kind::Harm,
    },
    Break {
        name: "reads-fragments-to-their-last-byte",
        file: PARSE,
        right: "    end.saturating_sub(rest * more_fragments as usize)\n",
        wrong: "    end.saturating_sub(0 * rest * more_fragments as usize)\n",
        kind: Kind::Bypass,
    },
    Break {
        name: "reads-the-source-port",
        file: POLICY,
        right: "    let Some(port) = packet.read::<2>(flow.offset + 2) else {",
        wrong: "    let Some(port) = packet.read::<2>(flow.offset) else {",
        kind: Kind::Bypass,
    },
];
