//! How a guard is to be, and what makes it so.

use std::{cmp::Ordering, collections::BTreeSet, sync::Arc};

use crate::{
    config::Table,
    error::Result,
    guard::{Change, Verdict},
    policy::{Policy, PolicyChange, RateChange, RatePolicy},
    portmapper::UdpPorts,
    prefix::Prefix,
};

/// How a guard is to be.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) policy: Policy,
    pub(super) allow: Arc<[Prefix]>,
    pub(super) deny: Arc<[Prefix]>,
}

impl Wanted {
    /// What a table says, where rpcbind has these ports open.
    pub(super) fn by(table: &Table, rpcbind: &UdpPorts) -> Self {
        let mut policy = table.policy.clone();
        if table.rpcbind_ports {
            policy.ports.extend(rpcbind.for_guard(policy.tcp));
        }
        Self {
            policy,
            allow: Arc::clone(&table.allow),
            deny: Arc::clone(&table.deny),
        }
    }

    /// Whether both are the same, and in the same place: found out without looking at the lists.
    pub(super) fn is_known_to_be(&self, other: &Self) -> bool {
        self.policy == other.policy
            && Arc::ptr_eq(&self.allow, &other.allow)
            && Arc::ptr_eq(&self.deny, &other.deny)
    }

    /// What changes a guard that is as `before`; `None` if nothing is to be changed.
    pub(super) fn change_from(&self, before: &Self) -> Result<Option<Change>> {
        let mut change = Change::default();
        change.move_between_lists();
        let mut any = false;
        if self.policy != before.policy {
            change.policy(whole(&self.policy));
            any = true;
        }
        let lists = [
            (Verdict::Allow, &before.allow, &self.allow, &self.deny),
            (Verdict::Deny, &before.deny, &self.deny, &self.allow),
        ];
        for (verdict, before, after, other) in lists {
            if Arc::ptr_eq(before, after) {
                continue;
            }
            let (added, removed) = difference(before, after);
            any |= !added.is_empty() || !removed.is_empty();
            for prefix in removed {
                // One that is added to the other list is taken out of this one by that.
                if other.binary_search(&prefix).is_err() {
                    change.remove(verdict, prefix);
                }
            }
            for prefix in added {
                change.add(verdict, prefix)?;
            }
        }
        Ok(any.then_some(change))
    }
}

/// What makes a policy this one, whatever it is.
fn whole(policy: &Policy) -> PolicyChange {
    PolicyChange {
        ports: Some(policy.ports.clone()),
        more_ports: BTreeSet::new(),
        tcp: Some(policy.tcp),
        observe: Some(policy.observe),
        destinations: Some(policy.destinations.clone()),
        rate: match policy.rate {
            Some(rate) => whole_rate(rate),
            None => RateChange {
                off: true,
                ..RateChange::default()
            },
        },
    }
}

const fn whole_rate(rate: RatePolicy) -> RateChange {
    RateChange {
        off: false,
        source: Some(rate.source.rate),
        source_burst: Some(rate.source.burst),
        prefix: Some(rate.prefix.rate),
        prefix_burst: Some(rate.prefix.burst),
        total: Some(rate.total.rate),
        total_burst: Some(rate.total.burst),
        procedures: Some(rate.procedures),
    }
}

/// What is only in the second and what is only in the first of two ascending lists.
fn difference(before: &[Prefix], after: &[Prefix]) -> (Vec<Prefix>, Vec<Prefix>) {
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    let (mut old, mut new) = (before.iter().peekable(), after.iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return (added, removed),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.cmp(new),
        };
        if order.is_le() {
            let gone = old.next().filter(|_| order.is_lt());
            removed.extend(gone);
        }
        if order.is_ge() {
            let come = new.next().filter(|_| order.is_gt());
            added.extend(come);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::btree_set, prelude::*};

    use super::*;

    fn list(hosts: &BTreeSet<u8>) -> Arc<[Prefix]> {
        let prefix = |host: &u8| Prefix::new([192, 0, 2, *host].into(), 32).unwrap();
        hosts.iter().map(prefix).collect()
    }

    fn wanted(allow: &BTreeSet<u8>, deny: &BTreeSet<u8>) -> Wanted {
        let deny = deny.difference(allow).copied().collect();
        Wanted {
            policy: Policy::default(),
            allow: list(allow),
            deny: list(&deny),
        }
    }

    proptest! {
        #[test]
        fn what_is_added_and_removed_makes_one_list_of_the_other(
            one in btree_set(0..40_u8, 0..30),
            other in btree_set(0..40_u8, 0..30),
        ) {
            let (added, removed) = difference(&list(&one), &list(&other));
            let expected = |set: Vec<u8>| list(&set.into_iter().collect()).to_vec();
            prop_assert_eq!(added, expected(other.difference(&one).copied().collect()));
            prop_assert_eq!(removed, expected(one.difference(&other).copied().collect()));
        }

        #[test]
        fn there_is_a_change_where_something_is_different_and_only_there(
            lists in [btree_set(0..9_u8, 0..5), btree_set(0..9_u8, 0..5)],
            others in [btree_set(0..9_u8, 0..5), btree_set(0..9_u8, 0..5)],
        ) {
            let (before, after) = (wanted(&lists[0], &lists[1]), wanted(&others[0], &others[1]));
            let is_same = before.allow == after.allow && before.deny == after.deny;
            prop_assert_eq!(after.change_from(&before).unwrap().is_none(), is_same);
            prop_assert!(after.change_from(&after.clone()).unwrap().is_none());
        }
    }

    #[test]
    fn a_whole_policy_is_what_it_is_made_of_whatever_was_before() {
        let rate = RatePolicy {
            procedures: "NULL".parse().unwrap(),
            ..RatePolicy::default()
        };
        let policies = [
            Policy::default(),
            Policy {
                rate: Some(rate),
                tcp: true,
                ..Policy::default()
            },
            Policy {
                ports: BTreeSet::from([7]),
                observe: true,
                ..Policy::default()
            },
        ];
        for before in &policies {
            for after in &policies {
                let mut policy = before.clone();
                policy.apply(&whole(after)).unwrap();
                assert_eq!(policy, *after);
            }
        }
    }
}
