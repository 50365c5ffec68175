//! How often something may be read that costs more than the counters.

use std::time::Instant;

use super::sample::Timed;

/// For each second that reading takes, so many pass before it is done again.
const PAUSE: u32 = 20;

/// Keeps reading something to a small part of the time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    next: Option<Instant>,
}

impl Pace {
    /// Calls `read` if it is time to.
    pub(super) fn read<T, E>(
        &mut self,
        read: impl FnOnce() -> Result<T, E>,
    ) -> Result<Option<Timed<T>>, E> {
        let at = Instant::now();
        if self.next.is_some_and(|next| at < next) {
            return Ok(None);
        }
        let value = read()?;
        self.next = Some(at + PAUSE * at.elapsed());
        Ok(Some(Timed { at, value }))
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, thread, time::Duration};

    use super::*;

    #[test]
    fn what_takes_long_is_read_less_often() {
        const COST: Duration = Duration::from_millis(50);
        let slow = || {
            thread::sleep(COST);
            Ok::<_, Infallible>(())
        };
        let mut pace = Pace::default();
        let first = pace.read(slow).unwrap().expect("it is read at once");
        assert!(pace.read(slow).unwrap().is_none());
        assert!(pace.next.unwrap() >= first.at + PAUSE * COST);
    }

    #[test]
    fn what_takes_no_time_is_always_read() {
        let mut pace = Pace {
            next: Some(Instant::now()),
        };
        assert!(pace.read(|| Ok::<_, Infallible>(())).unwrap().is_some());
    }
}
