//! Numbers as the programs here show them.

use std::fmt::Display;

/// A whole number in groups of three digits.
#[must_use]
pub fn grouped(number: impl Display) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .filter_map(|group| str::from_utf8(group).ok())
        .collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn thousands_are_set_apart() {
        let numbers = [0_u64, 100, 1_000, 1_000_000].map(grouped);
        assert_eq!(numbers, ["0", "100", "1,000", "1,000,000"]);
    }
}
