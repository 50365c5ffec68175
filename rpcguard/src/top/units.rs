//! Numbers that fit into a column.

use std::time::Duration;

/// At most five characters, for any number up to 999 E: `7`, `0.5`, `999`, `1.23k`, `98.7M`, `123G`.
pub(super) fn compact(number: f64) -> String {
    const PREFIXES: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    if number > 0.0 && number < 0.05 {
        return "<0.1".to_owned();
    }
    let mut value = number;
    let mut prefixes = PREFIXES.iter();
    let mut prefix = prefixes.next();
    // What rounds to a thousand is one of the next.
    while value >= 999.5
        && let Some(next) = prefixes.next()
    {
        value /= 1000.0;
        prefix = Some(next);
    }
    let prefix = prefix.copied().unwrap_or_default();
    let decimals = match prefix {
        "" if value < 9.95 && value.fract() != 0.0 => 1,
        "" => 0,
        _ if value < 9.995 => 2,
        _ if value < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}{prefix}")
}

/// As [`compact`], with the unit: `1.23kB`.
pub(super) fn bytes(number: f64) -> String {
    compact(number) + "B"
}

/// `00:04:12`, `3d 04:12:33`
pub(super) fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let clock = format!("{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
    match days {
        0 => clock,
        days => format!("{days}d {clock}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_count() {
        for (number, text) in [
            (0.0, "0"),
            (0.0003, "<0.1"),
            (0.5, "0.5"),
            (7.0, "7"),
            (9.96, "10"),
            (999.4, "999"),
            (999.6, "1.00k"),
            (1234.0, "1.23k"),
            (9_996.0, "10.0k"),
            (98_700.0, "98.7k"),
            (99_960.0, "100k"),
            (999_600.0, "1.00M"),
            (1.5e9, "1.50G"),
            (u64::MAX as f64, "18.4E"),
        ] {
            assert_eq!(compact(number), text);
            assert!(text.len() <= 5);
        }
    }

    #[test]
    fn long_times_have_days() {
        assert_eq!(clock(Duration::from_secs(59)), "00:00:59");
        assert_eq!(clock(Duration::from_secs(86_399)), "23:59:59");
        assert_eq!(clock(Duration::from_secs(3 * 86_400 + 3661)), "3d 01:01:01");
    }
}
