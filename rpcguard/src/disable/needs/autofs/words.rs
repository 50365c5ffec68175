//! Words of automounter maps.

/// Splits a line into words, which quotes and backslashes keep together. One that begins with `#`
/// and what is behind it is a comment.
pub(super) fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            '\\' => {
                let next = letters.next().unwrap_or('\\');
                word.get_or_insert_default().push(next);
            }
            '#' if word.is_none() && !is_quoted => break,
            letter if letter.is_whitespace() && !is_quoted => words.extend(word.take()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn quotes_and_backslashes_keep_words_together() {
        assert_eq!(
            split(r#"key  -rw "nas:/my pub" nas:/a\ b#c # d"#),
            ["key", "-rw", "nas:/my pub", "nas:/a b#c"]
        );
        assert_eq!(split(r#"# all"#), [""; 0]);
        assert_eq!(split(r#""" \"#), ["", "\\"]);
    }
}
