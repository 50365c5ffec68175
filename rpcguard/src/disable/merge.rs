//! A service as it was, as rpcguard has left it, and as it is now.

/// A service of an init system.
pub(super) trait Item: Clone {
    /// Its name.
    fn name(&self) -> &str;
    /// How it is set, for people.
    fn setting(&self) -> String;
    /// Whether it is set in the same way.
    fn is_same(&self, other: &Self) -> bool;
    /// Whether it runs, or is started, where it was not.
    fn is_more_than(&self, was: &Self) -> bool;
    /// The state to restore if it was changed by hand in the meantime.
    fn set_anew(&self, was: &Self) -> Self {
        let _ = was;
        self.clone()
    }
}

/// Adds what is found now to what is recorded. Something that somebody has set anew since rpcguard
/// `left` it is recorded anew; without a record of that, because the command was interrupted,
/// something that is more than it was.
pub(super) fn merge<T: Item>(before: &mut Vec<T>, left: Option<&[T]>, now: &[T]) {
    for is in now {
        let Some(was) = before.iter_mut().find(|was| was.name() == is.name()) else {
            before.push(is.clone());
            continue;
        };
        let left = find(left.unwrap_or_default(), is.name());
        if left.map_or_else(|| is.is_more_than(was), |left| !is.is_same(left)) {
            *was = is.set_anew(was);
        }
    }
}

/// Takes what somebody has set anew since rpcguard `left` it out of what is to be restored, and
/// says what it was.
pub(super) fn keep_untouched<T: Item>(before: &mut Vec<T>, left: &[T], now: &[T]) -> Vec<String> {
    let mut differs = Vec::new();
    before.retain(|was| {
        let Some(is) = find(now, was.name()) else {
            differs.push(format!("{} is not there any more", was.name()));
            return false;
        };
        match find(left, was.name()) {
            Some(left) if !(is.is_same(left) || is.is_same(was)) => {
                differs.push(format!(
                    "{} is {} now; rpcguard had left it {}",
                    was.name(),
                    is.setting(),
                    left.setting()
                ));
                false
            }
            _ => true,
        }
    });
    differs
}

fn find<'a, T: Item>(items: &'a [T], name: &str) -> Option<&'a T> {
    items.iter().find(|item| item.name() == name)
}

#[cfg(test)]
mod tests {
    use super::{super::sysv::Script, keep_untouched, merge};

    fn script(name: &str, levels: &str, running: bool) -> Script {
        Script {
            name: name.to_owned(),
            levels: levels.chars().collect(),
            running,
        }
    }

    #[test]
    fn what_is_found_now_wins_over_an_old_record() {
        let old = [script("rpcbind", "2345", true)];
        let off = [script("rpcbind", "", false)];
        let by_hand = [script("rpcbind", "3", true), script("portmap", "2", true)];
        let merged = |left: Option<&[Script]>, now: &[Script]| {
            let mut before = old.to_vec();
            merge(&mut before, left, now);
            before
        };
        // Nothing was touched: what was recorded first is kept.
        assert_eq!(merged(Some(&off), &off), old);
        assert_eq!(merged(None, &off), old);
        // Enabled by hand, in one runlevel alone.
        assert_eq!(merged(Some(&off), &by_hand), by_hand);
        // Interrupted halfway: that is no setting of anybody's.
        assert_eq!(merged(None, &[script("rpcbind", "", true)]), old);
        let more = [script("rpcbind", "12345", true)];
        assert_eq!(merged(None, &more), more);
    }

    #[test]
    fn what_somebody_has_set_anew_is_left_alone_and_named() {
        let off = [script("rpcbind", "", false), script("portmap", "", false)];
        let old = [
            script("rpcbind", "2345", true),
            script("portmap", "2", true),
        ];
        let mut before = old.to_vec();
        assert_eq!(keep_untouched(&mut before, &off, &off), [""; 0]);
        assert_eq!(before, old);
        let now = [script("rpcbind", "3", false)];
        assert_eq!(
            keep_untouched(&mut before, &off, &now),
            [
                "rpcbind is started in the runlevels 3, not running now; rpcguard had left it started in no \
                 runlevel, not running",
                "portmap is not there any more",
            ]
        );
        assert_eq!(before, []);
        // Restored by hand: nothing is to be done, and nothing to be said.
        let mut before = old.to_vec();
        assert_eq!(keep_untouched(&mut before, &off, &old), [""; 0]);
    }
}
