//! Sets of addresses as nft prints them and takes them.

#[cfg(test)]
mod tests;
mod tokens;

use self::tokens::{Tokens, is_mark};
use super::{
    Family, Problem,
    collector::{Collector, Reported},
    text::Word,
};

const ADDRESS: &str = "an address or a prefix";
const SUPPORTED_TYPES: &str = "ipv4_addr and ipv6_addr";

/// How files of this form begin, also those in which nothing can be read.
const FIRST_WORDS: [&str; 10] = [
    "table", "set", "elements", "define", "include", "flush", "delete", "destroy", "map", "chain",
];

/// Whether a file of this form can begin with `line`.
pub(super) fn begins(line: &str) -> bool {
    let end = line.find(|character: char| !character.is_ascii_alphabetic());
    let first = &line[..end.unwrap_or(line.len())];
    line.starts_with('{') || FIRST_WORDS.contains(&first)
}

/// Parses a file of this form.
pub(super) fn parse<'a>(text: &'a str, out: &mut Collector<'a>) {
    let tokens = Tokens::new(text);
    let mut parser = Parser { tokens, out };
    while let Some(word) = parser.tokens.peek() {
        let result = match word.text {
            "table" => parser.table(),
            "set" => parser.set(),
            "elements" => parser.assigned_elements(None),
            "define" => parser.define(),
            "add" => parser.add_element(),
            "{" => {
                let open = parser.tokens.advance();
                if parser
                    .tokens
                    .peek()
                    .is_some_and(|word| word.text.starts_with('"'))
                {
                    parser.out.bad(open, Problem::Json);
                    return;
                }
                parser.elements_after(open, None)
            }
            ";" => {
                parser.tokens.advance();
                Ok(())
            }
            _ => Err(parser.refuse_statement()),
        };
        if result.is_err() {
            parser.tokens.skip_statement();
        }
    }
}

struct Parser<'a, 'c> {
    tokens: Tokens<'a>,
    out: &'c mut Collector<'a>,
}

impl<'a> Parser<'a, '_> {
    /// `table [FAMILY] NAME { set ... }`
    fn table(&mut self) -> Result<(), Reported> {
        self.tokens.advance();
        self.word("the name of a table")?;
        if !self.tokens.at("{") {
            self.word("`{`")?;
        }
        let open = self.mark("{", "`{`")?;
        while !self.statements_closed(open)? {
            let result = match self.tokens.peek().map_or("", |word| word.text) {
                "set" => self.set(),
                "comment" => self.valued_option().and_then(|()| self.end_of_statement()),
                _ => Err(self.refuse_statement()),
            };
            if result.is_err() {
                self.tokens.skip_statement();
            }
        }
        Ok(())
    }

    /// `set NAME { PROPERTY ... }`
    fn set(&mut self) -> Result<(), Reported> {
        self.tokens.advance();
        let name = self.word("the name of a set")?;
        let open = self.mark("{", "`{`")?;
        self.out.note_set(name.text);
        let mut family = None;
        while !self.statements_closed(open)? {
            let property = self.tokens.peek().map_or("", |word| word.text);
            let result = match property {
                "type" | "typeof" => match self.set_type() {
                    Ok(found) => {
                        family = Some(found);
                        Ok(())
                    }
                    Err(Reported) => {
                        // Each element would be bad.
                        self.tokens.skip_block();
                        return Ok(());
                    }
                },
                "elements" => self.assigned_elements(family),
                "flags" => self.flags(),
                "timeout" | "gc-interval" | "size" | "policy" | "comment" => self.valued_option(),
                "auto-merge" => {
                    self.tokens.advance();
                    Ok(())
                }
                "counter" => self.counter(),
                _ => Err(self.refuse_statement()),
            };
            if result.and_then(|()| self.end_of_statement()).is_err() {
                self.tokens.skip_statement();
            }
        }
        Ok(())
    }

    /// `type ipv4_addr`, `typeof ip6 saddr`
    fn set_type(&mut self) -> Result<Family, Reported> {
        self.tokens.advance();
        let first = self.word("a type")?;
        while self.tokens.in_statement() && !self.tokens.at("{") {
            self.tokens.advance();
        }
        let written = self.tokens.since(first);
        let words: [_; 3] = {
            let mut words = written.text.split_whitespace();
            std::array::from_fn(|_| words.next())
        };
        match words {
            [Some("ipv4_addr"), None, _] | [Some("ip"), Some("saddr" | "daddr"), None] => {
                Ok(Family::V4)
            }
            [Some("ipv6_addr"), None, _] | [Some("ip6"), Some("saddr" | "daddr"), None] => {
                Ok(Family::V6)
            }
            _ => Err(self.out.bad(
                written,
                Problem::SetType {
                    supported: SUPPORTED_TYPES,
                },
            )),
        }
    }

    /// `flags FLAG[, FLAG]...`
    fn flags(&mut self) -> Result<(), Reported> {
        self.tokens.advance();
        self.word("a flag")?;
        while self.tokens.at(",") {
            self.tokens.advance();
            self.word("a flag")?;
        }
        Ok(())
    }

    /// `define NAME = { ... }`, `define NAME = ADDRESS`
    fn define(&mut self) -> Result<(), Reported> {
        self.tokens.advance();
        self.word("a name")?;
        self.mark("=", "`=`")?;
        if self.tokens.at("{") {
            self.elements(None)?;
        } else {
            let word = self.word(ADDRESS)?;
            self.entry(word, None)?;
        }
        self.end_of_statement()
    }

    /// `add element [FAMILY] TABLE SET { ... }`
    fn add_element(&mut self) -> Result<(), Reported> {
        let add = self.tokens.advance();
        if !self.tokens.at("element") {
            return Err(self.out.bad(add, Problem::NftStatement));
        }
        self.tokens.advance();
        self.word("the name of a table")?;
        let mut set = self.word("the name of a set")?;
        if !self.tokens.at("{") {
            set = self.word("`{`")?;
        }
        self.out.note_set(set.text);
        self.elements(None)?;
        self.end_of_statement()
    }

    /// `elements = { ... }`
    fn assigned_elements(&mut self, family: Option<Family>) -> Result<(), Reported> {
        self.tokens.advance();
        self.mark("=", "`=`")?;
        self.elements(family)
    }

    /// `{ ... }`
    fn elements(&mut self, family: Option<Family>) -> Result<(), Reported> {
        let open = self.mark("{", "`{`")?;
        self.elements_after(open, family)
    }

    /// Elements and the closing brace.
    fn elements_after(&mut self, open: Word<'a>, family: Option<Family>) -> Result<(), Reported> {
        while !self.closed(open)? {
            if self.element(family).is_err() {
                self.tokens.skip_element();
            }
            if self.tokens.at(",") {
                self.tokens.advance();
            }
        }
        Ok(())
    }

    /// `ADDRESS OPTION...`
    fn element(&mut self, family: Option<Family>) -> Result<(), Reported> {
        let word = self.word(ADDRESS)?;
        self.entry(word, family)?;
        let mut expires = false;
        while let Some(option) = self.tokens.peek() {
            match option.text {
                "," | "}" => break,
                "timeout" | "expires" => {
                    self.valued_option()?;
                    expires = true;
                }
                "comment" => self.valued_option()?,
                "counter" => self.counter()?,
                _ => return Err(self.unexpected("`,` or `}`")),
            }
        }
        if expires {
            self.out.note_timeout();
        }
        Ok(())
    }

    fn entry(&mut self, word: Word<'a>, family: Option<Family>) -> Result<(), Reported> {
        if word.text.starts_with(['@', '$']) {
            return Err(self.out.bad(word, Problem::Reference));
        }
        self.out.entry(word, family)
    }

    /// `counter [packets N bytes N]`
    fn counter(&mut self) -> Result<(), Reported> {
        self.tokens.advance();
        while self.tokens.at("packets") || self.tokens.at("bytes") {
            self.valued_option()?;
        }
        Ok(())
    }

    /// A keyword and its value.
    fn valued_option(&mut self) -> Result<(), Reported> {
        self.tokens.advance();
        let value = self.word("a value")?;
        match value.text.strip_prefix('"') {
            Some(string) if !string.ends_with('"') => {
                Err(self.out.bad(value, Problem::NeverClosed))
            }
            _ => Ok(()),
        }
    }

    /// Any word that is no mark.
    fn word(&mut self, expected: &'static str) -> Result<Word<'a>, Reported> {
        match self.tokens.peek() {
            Some(word) if !is_mark(word.text) => Ok(self.tokens.advance()),
            _ => Err(self.unexpected(expected)),
        }
    }

    /// This mark.
    fn mark(&mut self, mark: &str, expected: &'static str) -> Result<Word<'a>, Reported> {
        if self.tokens.at(mark) {
            Ok(self.tokens.advance())
        } else {
            Err(self.unexpected(expected))
        }
    }

    /// Whether the block that begins with `open` ends here; if so, goes past its end.
    fn closed(&mut self, open: Word<'a>) -> Result<bool, Reported> {
        match self.tokens.peek() {
            None => Err(self.out.bad(open, Problem::NeverClosed)),
            Some(word) if word.text == "}" => {
                self.tokens.advance();
                Ok(true)
            }
            Some(_) => Ok(false),
        }
    }

    /// The same for a block of statements.
    fn statements_closed(&mut self, open: Word<'a>) -> Result<bool, Reported> {
        while self.tokens.at(";") {
            self.tokens.advance();
        }
        self.closed(open)
    }

    /// Refuses what follows on the line of a statement that is complete.
    fn end_of_statement(&mut self) -> Result<(), Reported> {
        if self.tokens.in_statement() {
            return Err(self.unexpected("`;` or the end of the line"));
        }
        Ok(())
    }

    /// Refuses a statement by its first word.
    fn refuse_statement(&mut self) -> Reported {
        let word = self.tokens.advance();
        self.out.bad(word, Problem::NftStatement)
    }

    /// Refuses the next word, or the end of the file.
    fn unexpected(&mut self, expected: &'static str) -> Reported {
        match self.tokens.peek() {
            Some(word) => self.out.bad(word, Problem::Unexpected { expected }),
            None => {
                let last = self.tokens.last();
                self.out.bad(last, Problem::CutShort { expected })
            }
        }
    }
}
