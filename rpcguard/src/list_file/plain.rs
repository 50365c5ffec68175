//! One prefix a line.

use std::net::Ipv4Addr;

use super::{Problem, collector::Collector, text::words};

/// Parses a file of this form.
pub(super) fn parse<'a>(text: &'a str, out: &mut Collector<'a>) {
    let mut offset = 0;
    for (index, line) in text.split('\n').enumerate() {
        // As most lines of the longest lists are.
        match line.parse::<Ipv4Addr>() {
            Ok(address) => out.host(address.into(), index + 1),
            Err(_) => entry(line, offset, index + 1, out),
        }
        offset += line.len() + 1;
    }
}

fn entry<'a>(line: &'a str, offset: usize, number: usize, out: &mut Collector<'a>) {
    let comment = line.bytes().position(|byte| byte == b'#');
    let content = &line[..comment.unwrap_or(line.len())];
    let mut words = words(content, offset, number);
    let Some(word) = words.next() else { return };
    if out.entry(word, None).is_ok()
        && let Some(extra) = words.next()
    {
        out.bad(
            extra,
            Problem::Unexpected {
                expected: "a # comment or the end of the line",
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{problems, written};

    #[test]
    fn comments_and_white_space_are_passed_over() {
        let list =
            "\u{feff}# clients\r\n\r\n  10.0.0.0/8\t# office\r\n192.0.2.7#x\n\t\n2001:DB8::/32";
        assert_eq!(
            written(list),
            ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"]
        );
    }

    #[test]
    fn ranges_are_taken() {
        assert_eq!(
            written("192.0.2.0-192.0.2.4"),
            ["192.0.2.0/30", "192.0.2.4/32"]
        );
    }

    #[test]
    fn each_bad_line_is_named() {
        assert_eq!(
            problems("10.0.0.0/8\n10.0.0.300\n\t10.0.0.0/33 # x\n10.0.0.1 10.0.0.2\nä b\n/8"),
            [
                "2:1: `10.0.0.300` is not an IPv4 or IPv6 address",
                "3:2: `10.0.0.0/33` has no valid prefix length: this address takes /0 to /32",
                "4:10: `10.0.0.2` stands where a # comment or the end of the line should be",
                "5:1: `ä` is not an IPv4 or IPv6 address",
                "6:1: `/8` is not an IPv4 or IPv6 address",
            ]
        );
    }

    #[test]
    fn a_bad_line_far_down_is_named() {
        let list = "192.0.2.1\n".repeat(70_000) + "  mistake\n";
        assert_eq!(
            problems(&list),
            ["70001:3: `mistake` is not an IPv4 or IPv6 address"]
        );
    }
}
