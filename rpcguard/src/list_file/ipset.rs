//! What `ipset save` prints.

use std::collections::HashMap;

use super::{
    Family, Problem,
    collector::{Collector, Reported},
    text::{Word, words},
};

/// How the output of `ipset list` begins.
pub(super) const LISTED_NAME: &str = "Name:";

const SUPPORTED: &str = "hash:net and hash:ip";

/// A set that has been created.
#[derive(Clone, Copy, Debug)]
enum Set {
    Of(Family),
    /// Its entries are passed over: the line that creates it is the one that is bad.
    Unsupported,
}

/// Parses a file of this form.
pub(super) fn parse<'a>(text: &'a str, out: &mut Collector<'a>) {
    let mut parser = Parser {
        sets: HashMap::new(),
        out,
    };
    let mut offset = 0;
    for (index, line) in text.split('\n').enumerate() {
        let mut words = words(line, offset, index + 1);
        if let Some(command) = words.next() {
            if command.text == LISTED_NAME {
                parser.out.bad(command, Problem::IpsetList);
                return;
            }
            // What is wrong with a line ends with it.
            let _: Result<(), Reported> = parser.line(command, words);
        }
        offset += line.len() + 1;
    }
}

struct Parser<'a, 'c> {
    sets: HashMap<&'a str, Set>,
    out: &'c mut Collector<'a>,
}

impl<'a> Parser<'a, '_> {
    fn line(
        &mut self,
        command: Word<'a>,
        words: impl Iterator<Item = Word<'a>>,
    ) -> Result<(), Reported> {
        match command.text {
            "create" => self.create(command, words),
            "add" => self.add(command, words),
            comment if comment.starts_with('#') => Ok(()),
            _ => Err(self.unexpected(command, "`create` or `add`")),
        }
    }

    /// `create NAME TYPE OPTION...`; of the options only the family matters.
    fn create(
        &mut self,
        command: Word<'a>,
        mut words: impl Iterator<Item = Word<'a>>,
    ) -> Result<(), Reported> {
        let name = self.next(&mut words, command, "the name of a set")?;
        let kind = self.next(&mut words, name, "the type of the set")?;
        self.out.note_set(name.text);
        if !matches!(kind.text, "hash:net" | "hash:ip") {
            self.sets.insert(name.text, Set::Unsupported);
            let supported = SUPPORTED;
            return Err(self.out.bad(kind, Problem::SetType { supported }));
        }
        let mut family = Family::V4;
        while let Some(option) = words.next() {
            if option.text == "family" {
                let expected = "`inet` or `inet6`";
                let value = self.next(&mut words, option, expected)?;
                family = match value.text {
                    "inet" => Family::V4,
                    "inet6" => Family::V6,
                    _ => return Err(self.unexpected(value, expected)),
                };
            }
        }
        self.sets.insert(name.text, Set::Of(family));
        Ok(())
    }

    /// `add NAME ENTRY OPTION...`
    fn add(
        &mut self,
        command: Word<'a>,
        mut words: impl Iterator<Item = Word<'a>>,
    ) -> Result<(), Reported> {
        let name = self.next(&mut words, command, "the name of a set")?;
        let family = match self.sets.get(name.text) {
            Some(Set::Unsupported) => return Ok(()),
            Some(Set::Of(family)) => Some(*family),
            // Lines picked out of a file come without the one that creates the set.
            None => None,
        };
        let entry = self.next(&mut words, name, "an address or a prefix")?;
        while let Some(option) = words.next() {
            match option.text {
                "timeout" => {
                    // Zero: never.
                    if self.next(&mut words, option, "a number of seconds")?.text != "0" {
                        self.out.note_timeout();
                    }
                }
                "packets" | "bytes" | "comment" | "skbmark" | "skbprio" | "skbqueue" => {
                    self.next(&mut words, option, "its value")?;
                }
                "nomatch" => return Err(self.out.bad(entry, Problem::Nomatch)),
                "-exist" | "-!" => {}
                _ => {
                    let expected = "an option of `ipset add` or the end of the line";
                    return Err(self.unexpected(option, expected));
                }
            }
        }
        self.out.entry(entry, family)
    }

    /// The word after `previous`, which should be `expected`.
    fn next(
        &mut self,
        words: &mut impl Iterator<Item = Word<'a>>,
        previous: Word<'a>,
        expected: &'static str,
    ) -> Result<Word<'a>, Reported> {
        words
            .next()
            .ok_or_else(|| self.out.bad(previous, Problem::CutShort { expected }))
    }

    fn unexpected(&mut self, word: Word<'a>, expected: &'static str) -> Reported {
        self.out.bad(word, Problem::Unexpected { expected })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{problems, written};

    #[test]
    fn options_of_an_entry_are_passed_over() {
        let list = "create s hash:net family inet hashsize 64 timeout 0 counters comment\n\
                    add s 10.0.0.0/8 timeout 7 packets 1 bytes 60 comment \"nomatch # x\"\r\n\
                    # a comment\n\
                    \n\
                    add s 192.0.2.0/24 skbmark 0x1/0xff skbprio 1:10 skbqueue 3 -exist\n\
                    add s 203.0.113.0-203.0.113.2\n";
        assert_eq!(
            written(list),
            [
                "10.0.0.0/8",
                "192.0.2.0/24",
                "203.0.113.0/31",
                "203.0.113.2/32"
            ]
        );
    }

    #[test]
    fn entries_may_come_without_their_set() {
        assert_eq!(
            written("add s 10.0.0.1\nadd t ::1"),
            ["10.0.0.1/32", "::1/128"]
        );
        assert_eq!(written("add element 10.0.0.1"), ["10.0.0.1/32"], "so named");
    }

    #[test]
    fn an_exception_is_refused_where_it_stands() {
        assert_eq!(
            problems("create s hash:net\nadd s 10.0.0.0/8\nadd s 10.1.0.0/16 nomatch\n"),
            [
                "3:7: `10.1.0.0/16` is excluded from its set (`nomatch`): remove it here and put it \
              into the deny list"
            ]
        );
    }

    #[test]
    fn a_set_of_something_else_is_refused_once() {
        assert_eq!(
            problems("create p hash:ip,port\nadd p 10.0.0.1,udp:111\nadd p 10.0.0.2,udp:111\n"),
            ["1:10: `hash:ip,port` is not a supported set type: hash:net and hash:ip are"]
        );
        assert_eq!(problems("create l list:set size 8\nadd l s").len(), 1);
        assert_eq!(
            problems("create b bitmap:ip range 10.0.0.0/24\nadd b 10.0.0.1").len(),
            1
        );
    }

    #[test]
    fn each_bad_line_is_named() {
        assert_eq!(
            problems(
                "create s hash:net family inet\n\
                 add s ::1\n\
                 add s 10.0.0.0/33\n\
                 add s\n\
                 add\n\
                 add s 10.0.0.1 timeout\n\
                 add s 10.0.0.1 port 111\n\
                 flush s\n\
                 create\n\
                 create t hash:net family inet7\n\
                 add u 10.0.0.9 # no comment to ipset\n"
            ),
            [
                "2:7: `::1` is in a set for IPv4 addresses",
                "3:7: `10.0.0.0/33` has no valid prefix length: this address takes /0 to /32",
                "4:5: `s` is the last word, but an address or a prefix should follow",
                "5:1: `add` is the last word, but the name of a set should follow",
                "6:16: `timeout` is the last word, but a number of seconds should follow",
                "7:16: `port` stands where an option of `ipset add` or the end of the line should \
                 be",
                "8:1: `flush` stands where `create` or `add` should be",
                "9:1: `create` is the last word, but the name of a set should follow",
                "10:26: `inet7` stands where `inet` or `inet6` should be",
                "11:16: `#` stands where an option of `ipset add` or the end of the line should \
                 be",
            ]
        );
    }

    #[test]
    fn the_output_of_ipset_list_is_told_apart() {
        assert_eq!(
            problems("Name: s\nType: hash:net\nMembers:\n10.0.0.0/8\n"),
            ["1:1: `Name:` looks like the output of `ipset list`: use that of `ipset save`"]
        );
    }
}
