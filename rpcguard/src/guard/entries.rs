//! The entries that a change writes.
//!
//! The entry of a prefix that is not in the list, before the change or after it, repeats what its longest
//! listed ancestor says then. That one may change as well.

use rpcguard_common::abi::{Decision, PrefixEntry};

use super::{change::Edit, cover::Cover, plan::Step};
use crate::prefix::Prefix;

/// What is written for a change, and what remains to be done once it is in force.
#[derive(Debug, Default)]
pub(super) struct Entries {
    /// The entries: shorter prefixes first.
    pub(super) entries: Vec<(Prefix, PrefixEntry)>,
    pub(super) left: Left,
}

/// What remains to be done about the entries of a change once it is in force.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// Prefixes whose entries can go.
    pub(super) removed: Vec<Prefix>,
    /// The hit slots that they leave.
    pub(super) freed: Vec<u32>,
    /// Prefixes that were added when no slot was left, and what they say.
    pub(super) uncounted: Vec<(Prefix, Decision)>,
    /// The ends that prefixes have no more.
    pub(super) ended: Vec<u32>,
}

impl Entries {
    /// The entries for steps in ascending order, under `epoch`, which is not in force yet. Prefixes that
    /// are added get the `slots`, as far as they go; those that are added for some time, the `ends`.
    pub(super) fn new(steps: &[Step], slots: Vec<u32>, ends: &[u32], epoch: u32) -> Self {
        let mut slots = slots.into_iter();
        let mut ends = ends.iter();
        let mut left = Left::default();
        let mut entries = Vec::with_capacity(steps.len());
        let mut cover = Cover::new();
        for Step {
            prefix,
            edit,
            before: known,
        } in steps
        {
            // The one that changes is the longer one, or is what `known` tells of, as it was.
            let parent = match cover.advance(*prefix) {
                Some((parent, entry)) if parent.length() >= known.parent_length => *entry,
                _ => PrefixEntry::settled(known.parent_length, known.parent),
            };
            left.ended
                .extend(Some(known.own.end()).filter(|end| *end != 0));
            let (before, after) = match edit {
                Edit::Add(verdict, until) => {
                    let end = until.and_then(|_| ends.next()).copied().unwrap_or(0);
                    let own = Decision::listed((*verdict).into(), 0).until(end);
                    if known.own.is_listed() {
                        (known.own, own.counted_in(known.own.hit_slot()))
                    } else {
                        let slot = slots.next().unwrap_or(0);
                        if slot == 0 {
                            left.uncounted.push((*prefix, own));
                        }
                        (parent.before.inherited(), own.counted_in(slot))
                    }
                }
                Edit::Move(verdict) => {
                    let own = Decision::listed((*verdict).into(), known.own.hit_slot());
                    (known.own, own)
                }
                Edit::Remove(_) => {
                    left.removed.push(*prefix);
                    let slot = known.own.hit_slot();
                    left.freed.extend(Some(slot).filter(|slot| *slot != 0));
                    (known.own, parent.after.inherited())
                }
            };
            let entry = PrefixEntry {
                before,
                after,
                epoch,
                length: prefix.length().into(),
            };
            entries.push((*prefix, entry));
            cover.push(*prefix, entry);
        }
        entries.sort_by_key(|(prefix, _)| prefix.length());
        Self { entries, left }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::{collection::btree_map, prelude::*};

    use super::*;
    use crate::guard::{
        Change, Verdict,
        plan::{Plan, remaining},
        prefixes::listed_verdict,
    };

    type Lists = BTreeMap<Prefix, Verdict>;

    /// Lists of prefixes that often cover each other.
    fn lists() -> impl Strategy<Value = Lists> {
        let prefix = prop_oneof![
            (0..8_u8, 0..=8_u8).prop_map(|(bits, length)| ([10, bits << 5, 0, 0].into(), length)),
            (0..4_u16, 0..=4_u8)
                .prop_map(|(bits, length)| { ([bits << 12, 0, 0, 0, 0, 0, 0, 0].into(), length) }),
        ];
        let prefix = prefix.prop_map(|(address, length)| Prefix::new(address, length).unwrap());
        let verdict =
            any::<bool>().prop_map(|allow| if allow { Verdict::Allow } else { Verdict::Deny });
        btree_map(prefix, verdict, 0..12)
    }

    fn longest(lists: &Lists, prefix: Prefix) -> Option<Verdict> {
        let covering = lists.iter().filter(|(other, _)| other.contains(prefix));
        covering
            .max_by_key(|(other, _)| other.length())
            .map(|(_, verdict)| *verdict)
    }

    fn said(decision: Decision) -> Option<Verdict> {
        listed_verdict(Decision::listed(decision.verdict(), 0))
    }

    proptest! {
        #[test]
        fn an_entry_says_what_the_lists_say_before_and_after(
            before in lists(),
            wanted in lists(),
            moves in any::<bool>(),
        ) {
            let mut after = wanted;
            let mut change = Change::default();
            if moves {
                change.move_between_lists();
            } else {
                after.retain(|prefix, verdict| before.get(prefix).is_none_or(|listed| listed == verdict));
            }
            for list in [Verdict::Allow, Verdict::Deny] {
                let wanted = after.iter().filter(|(_, verdict)| **verdict == list);
                change.replace(list, wanted.map(|(prefix, _)| *prefix));
            }
            let listed: Vec<_> = (1..)
                .zip(&before)
                .map(|(slot, (prefix, verdict))| (*prefix, Decision::listed((*verdict).into(), slot)))
                .collect();

            let mut plan = Plan::new("eth0", moves);
            plan.whole(&change, &listed).unwrap();
            let (steps, _) = plan.finish();
            let Entries { entries, left } = Entries::new(&steps, vec![1000], &[], 7);

            prop_assert!(entries.is_sorted_by_key(|(prefix, _)| prefix.length()));
            for (prefix, entry) in &entries {
                let (old, new) = (entry.at(6), entry.at(7));
                prop_assert_eq!(said(old), longest(&before, *prefix));
                prop_assert_eq!(said(new), longest(&after, *prefix));
                prop_assert_eq!(old.is_listed(), before.contains_key(prefix));
                prop_assert_eq!(new.is_listed(), after.contains_key(prefix));
                if old.is_listed() && new.is_listed() {
                    prop_assert!(moves && old.verdict() != new.verdict());
                    prop_assert_eq!(old.hit_slot(), new.hit_slot());
                } else {
                    prop_assert!(old.is_listed() != new.is_listed());
                }
            }
            let mut left_over: Vec<_> = remaining(&listed, &steps).collect();
            left_over.extend(steps.iter().filter(|step| step.adds()).map(|step| step.prefix));
            left_over.sort_unstable();
            // What is moved was there, and is there.
            left_over.dedup();
            prop_assert!(left_over.iter().eq(after.keys()));
            let removed = before.keys().filter(|prefix| !after.contains_key(prefix));
            prop_assert!(left.removed.iter().eq(removed));
        }
    }
}
