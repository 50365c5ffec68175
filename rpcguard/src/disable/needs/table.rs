//! Rows of fstab(5) and of /proc/self/mounts.

use super::options;

/// A row.
pub(super) struct Row {
    pub(super) source: String,
    pub(super) target: String,
    pub(super) kind: String,
    pub(super) options: Vec<String>,
}

impl Row {
    /// Reads a line that is no comment.
    pub(super) fn of(line: &str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace().map(unescaped);
        Some(Self {
            source: fields.next()?,
            target: fields.next()?,
            kind: fields.next()?,
            options: options::split(&fields.next().unwrap_or_default()),
        })
    }
}

/// Replaces what getmntent(3) writes for blanks and the like, such as `\040`.
pub(super) fn unescaped(field: &str) -> String {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|digits| {
            first == b'\\' && digits.iter().all(|digit| matches!(digit, b'0'..=b'7'))
        });
        let code = digits
            .and_then(|digits| str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => {
                bytes.push(code);
                rest = &after[3..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::unescaped;

    #[test]
    fn odd_escapes_are_left_as_they_are() {
        for (field, expected) in [
            (r"/a\040b", "/a b"),
            (r"/a\04", r"/a\04"),
            (r"/a\999", r"/a\999"),
            (r"/a\+40", r"/a\+40"),
            (r"/a\777", r"/a\777"),
            (r"\", r"\"),
            (r"/é\134", r"/é\"),
        ] {
            assert_eq!(unescaped(field), expected);
        }
    }
}
