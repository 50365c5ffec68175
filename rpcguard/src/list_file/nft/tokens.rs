//! nft's words, one after the other.

use crate::list_file::text::Word;

/// Reads words: braces, commas and the like, strings in their quotation marks, and all else that
/// stands between them. Comments and white space are passed over.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    text: &'a str,
    offset: usize,
    line: usize,
    next: Option<Word<'a>>,
    last: Word<'a>,
}

/// Whether a word is one of the marks that give a file its structure.
pub(super) fn is_mark(word: &str) -> bool {
    matches!(word, "{" | "}" | "=" | "," | ";")
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut tokens = Self {
            text,
            offset: 0,
            line: 1,
            next: None,
            last: Word {
                text: "",
                offset: 0,
                line: 1,
            },
        };
        tokens.next = tokens.scan();
        tokens
    }

    /// The next word, which stays the next.
    pub(super) fn peek(&self) -> Option<Word<'a>> {
        self.next
    }

    /// Whether the next word is this one.
    pub(super) fn at(&self, text: &str) -> bool {
        self.next.is_some_and(|word| word.text == text)
    }

    /// Goes past the next word and returns it. At the end of the file, the last word again.
    pub(super) fn advance(&mut self) -> Word<'a> {
        if let Some(word) = self.next {
            self.last = word;
            self.next = self.scan();
        }
        self.last
    }

    /// The last word that was gone past.
    pub(super) fn last(&self) -> Word<'a> {
        self.last
    }

    /// Whether the statement of the last word goes on.
    pub(super) fn in_statement(&self) -> bool {
        self.next
            .is_some_and(|word| word.line == self.last.line && !matches!(word.text, ";" | "}"))
    }

    /// All from the word `first` to the last word.
    pub(super) fn since(&self, first: Word<'a>) -> Word<'a> {
        let end = self.last.offset + self.last.text.len();
        Word {
            text: &self.text[first.offset..end],
            ..first
        }
    }

    /// Goes past the rest of a statement, and past blocks that begin in it.
    pub(super) fn skip_statement(&mut self) {
        while self.in_statement() {
            if self.advance().text == "{" {
                self.skip_block();
            }
        }
    }

    /// Goes past the rest of a block, with its closing brace.
    pub(super) fn skip_block(&mut self) {
        let mut depth = 1;
        while depth > 0 && self.next.is_some() {
            match self.advance().text {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
        }
    }

    /// Goes to the comma or brace that ends an element.
    pub(super) fn skip_element(&mut self) {
        while let Some(word) = self.next
            && !matches!(word.text, "," | "}")
        {
            if self.advance().text == "{" {
                self.skip_block();
            }
        }
    }

    fn scan(&mut self) -> Option<Word<'a>> {
        self.pass_space();
        let rest = &self.text[self.offset..];
        let length = match rest.bytes().next()? {
            b'{' | b'}' | b'=' | b',' | b';' => 1,
            b'"' => string_length(rest),
            _ => rest.find(ends_word).unwrap_or(rest.len()).max(1),
        };
        let word = Word {
            text: &rest[..length],
            offset: self.offset,
            line: self.line,
        };
        self.offset += length;
        Some(word)
    }

    /// Goes past white space, comments and escaped line ends.
    fn pass_space(&mut self) {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.offset) {
            match byte {
                b'\n' => self.line += 1,
                b'#' => {
                    let comment = &self.text[self.offset..];
                    // The line end itself is for the next round, to be counted.
                    self.offset += comment.find('\n').unwrap_or(comment.len());
                    continue;
                }
                b'\\' if matches!(bytes.get(self.offset + 1), Some(b'\n' | b'\r')) => {}
                byte if byte.is_ascii_whitespace() => {}
                _ => break,
            }
            self.offset += 1;
        }
    }
}

/// The length of the string that `text` begins with. Without an end, it goes to that of the line.
fn string_length(text: &str) -> usize {
    match text[1..].find(['"', '\n']) {
        Some(end) if text[1 + end..].starts_with('"') => end + 2,
        Some(end) => end + 1,
        None => text.len(),
    }
}

fn ends_word(character: char) -> bool {
    character.is_ascii_whitespace() || matches!(character, '{' | '}' | '=' | ',' | ';' | '"' | '#')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<(&str, usize)> {
        let mut tokens = Tokens::new(text);
        std::iter::from_fn(|| {
            tokens.peek()?;
            let word = tokens.advance();
            Some((word.text, word.line))
        })
        .collect()
    }

    #[test]
    fn marks_and_strings_are_words_of_their_own() {
        assert_eq!(
            texts("a={10.0.0.1,::1-::2 comment\"x, }#\";}"),
            [
                "a",
                "=",
                "{",
                "10.0.0.1",
                ",",
                "::1-::2",
                "comment",
                "\"x, }#\"",
                ";",
                "}"
            ]
            .map(|text| (text, 1))
        );
    }

    #[test]
    fn lines_are_counted_through_comments_and_escapes() {
        assert_eq!(
            texts("a # b\n\\\r\n c\\\n\"open\nd"),
            [("a", 1), ("c\\", 3), ("\"open", 4), ("d", 5)]
        );
    }
}
