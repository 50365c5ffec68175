//! Text that others chose: names of processes, units and interfaces, paths, messages of the kernel, of
//! drivers and of other hosts. None of it reaches a terminal as it is.

/// The longest text that [`short`] leaves whole, in bytes.
const SHORT: usize = 64;

/// Returns the text on one line, with everything but printable ASCII escaped: no terminal obeys it.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        push(&mut shown, letter);
    }
    shown
}

/// As [`printable`], cut off after some 64 bytes: for a column of a table, or one of many names in a line.
pub(crate) fn short(text: &str) -> String {
    let mut shown = String::new();
    for letter in text.chars() {
        if shown.len() >= SHORT {
            shown.push_str("...");
            break;
        }
        push(&mut shown, letter);
    }
    shown
}

fn push(shown: &mut String, letter: char) {
    if letter == ' ' || letter.is_ascii_graphic() {
        shown.push(letter);
    } else {
        shown.extend(letter.escape_default());
    }
}

#[cfg(test)]
mod tests {
    use super::{printable, short};

    #[test]
    fn no_text_of_others_reaches_the_terminal_as_it_is() {
        assert_eq!(short("/run/rpcbind.sock"), "/run/rpcbind.sock");
        for escape in [printable, short] {
            assert_eq!(escape("\x1b[2J\n\u{202e}"), "\\u{1b}[2J\\n\\u{202e}");
        }
        assert_eq!(short(&"x".repeat(100)).len(), 67);
        assert_eq!(printable(&"x".repeat(100)).len(), 100);
    }
}
