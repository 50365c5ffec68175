//! Who gets how many lines.

/// Shares `height` lines among parts that want so many each, the first of which matter most. Whoever
/// gets any gets at least two: a heading and what it is the heading of.
pub(super) fn share(height: usize, wants: &[usize]) -> Vec<usize> {
    const LEAST: usize = 2;
    let mut rest = height;
    let mut shares: Vec<usize> = wants
        .iter()
        .map(|want| {
            let least = LEAST.min(*want);
            if rest < least {
                return 0;
            }
            rest -= least;
            least
        })
        .collect();
    while rest > 0 {
        let before = rest;
        for (share, want) in shares.iter_mut().zip(wants) {
            if rest > 0 && *share > 0 && *share < *want {
                *share += 1;
                rest -= 1;
            }
        }
        if rest == before {
            break;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn everybody_gets_what_they_want_if_there_is_enough() {
        assert_eq!(share(20, &[5, 3, 4]), [5, 3, 4]);
    }

    #[test]
    fn what_one_does_not_want_goes_to_the_others() {
        assert_eq!(share(12, &[9, 2, 9]), [5, 2, 5]);
    }

    #[test]
    fn the_last_get_nothing_rather_than_a_heading_alone() {
        assert_eq!(share(5, &[9, 9, 9]), [3, 2, 0]);
        assert_eq!(share(1, &[9]), [0]);
        assert_eq!(share(0, &[]), [0; 0]);
    }
}
