//! Killed before each of its system calls, a command has done all of its work or none, and the
//! next command finds nothing wrong.

use std::net::IpAddr;

use rpcguard_tests::{lab::rpcguard_binary, site::Site};

use crate::{
    snapshot::{Snapshot, entries},
    traced::{self, Interference},
};

/// In the prefixes of these tests, at their edges and outside.
const SAMPLES: [&str; 12] = [
    "10.0.0.1",
    "10.0.0.2",
    "10.0.1.1",
    "10.1.0.1",
    "10.1.2.3",
    "11.0.0.1",
    "192.0.2.1",
    "198.51.100.7",
    "2001:db8:a::1",
    "2001:db8:a:b::1",
    "2001:db8:c::1",
    "2001:db8:ffff::1",
];

pub(crate) const ATTACH: &str = "attach eth0 --allow 10.0.0.0/8 --deny 10.1.0.0/16 --allow 10.1.2.0/24 \
                      --allow 2001:db8:a::/48 --deny 2001:db8:a:b::/64";

/// Two directories, ten maps, a program and a link.
const PINS: usize = 14;

pub(crate) fn samples() -> Vec<IpAddr> {
    SAMPLES.map(|address| address.parse().unwrap()).to_vec()
}

/// A command, and how to get from one state to the other.
struct Scene<'a> {
    test: &'a str,
    /// What to start from; nothing for a host that is not guarded.
    before: &'a [&'a str],
    command: &'a str,
    /// Takes back what the command does.
    undo: &'a [&'a str],
}

impl Scene<'_> {
    /// Kills the command before each of its calls in turn, every time from the state that `before`
    /// leaves, and runs it once more then.
    fn kill_everywhere(&self) {
        let Some(site) = Site::or_skip(self.test) else {
            return;
        };
        let run_all = |commands: &[&str]| {
            for command in commands {
                site.rpcguard(command);
            }
        };
        let traced = |at| {
            let mut process = site.host.command(rpcguard_binary());
            traced::run(process.args(self.command.split_whitespace()), at)
        };
        let snapshot = || Snapshot::of(&site, &samples());

        run_all(self.before);
        let (old, old_pins) = (snapshot(), site.lab.pins());
        let whole = traced(None);
        assert_eq!(whole.code, Some(0));
        let new = snapshot();
        assert_ne!(old, new, "`{}` changes something", self.command);

        let mut done = 0;
        for call in 0..whole.calls {
            run_all(self.undo);
            assert_eq!(snapshot(), old);
            let killed = traced(Some((call, Interference::Kill)));
            assert_eq!(killed.code, None, "it came to call {call}");
            let found = snapshot();
            assert!(
                found == old || found == new,
                "killed before call {call}, `{}` left {found:?}, neither {old:?} nor {new:?}",
                self.command
            );
            done += usize::from(found == new);
            self.go_on(&site, call, &found, &new);
        }
        run_all(&["detach --all"][..usize::from(new.is_some())]);
        eprintln!(
            "{}: killed {} times, {done} times after the fact",
            self.test, whole.calls
        );
        assert!(done > 0 && done < whole.calls);
        assert!(old.is_some() || old_pins.is_empty());
    }

    /// The next commands find nothing wrong, and leave nothing behind: first one about something
    /// else, then the same again.
    fn go_on(&self, site: &Site, call: usize, found: &Option<Snapshot>, new: &Option<Snapshot>) {
        let about = format!("`{}`, killed before call {call}", self.command);
        if let Some(found) = found {
            site.rpcguard("allow add 203.0.113.99");
            site.rpcguard("allow remove 203.0.113.99");
            assert_eq!(entries(site), found.prefixes.len(), "{about}");
            assert_eq!(
                Snapshot::of(site, &samples()).as_ref(),
                Some(found),
                "{about}"
            );
        }
        let again = site.host.rpcguard(self.command.split_whitespace());
        assert!(again.is_success() || found == new, "{about}: {again}");
        assert_eq!(&Snapshot::of(site, &samples()), new, "{about}");
        let pins = if new.is_some() { PINS } else { 0 };
        assert_eq!(site.lab.pins().len(), pins, "{about}");
    }
}

#[test]
fn attach_is_all_or_nothing() {
    Scene {
        test: "attach_is_all_or_nothing",
        before: &[],
        command: ATTACH,
        undo: &["detach eth0"],
    }
    .kill_everywhere();
}

#[test]
fn detach_is_all_or_nothing() {
    Scene {
        test: "detach_is_all_or_nothing",
        before: &[ATTACH],
        command: "detach eth0",
        undo: &[ATTACH],
    }
    .kill_everywhere();
}

#[test]
fn renewing_the_program_and_adding_to_its_lists_is_all_or_nothing() {
    Scene {
        test: "renewing_the_program_and_adding_to_its_lists_is_all_or_nothing",
        before: &[ATTACH],
        command: "attach eth0 --replace --allow 192.0.2.0/24 --tcp",
        undo: &["allow remove 192.0.2.0/24", "set eth0 --tcp off"],
    }
    .kill_everywhere();
}

#[test]
fn adding_prefixes_around_and_inside_others_is_all_or_nothing() {
    const PREFIXES: &str =
        "0.0.0.0/0 10.0.0.0/24 10.1.0.0/17 192.0.2.1 2001:db8::/32 2001:db8:a:b::/80";
    Scene {
        test: "adding_prefixes_around_and_inside_others_is_all_or_nothing",
        before: &[ATTACH],
        command: &format!("allow add {PREFIXES}"),
        undo: &[&format!("allow remove {PREFIXES}")],
    }
    .kill_everywhere();
}

#[test]
fn removing_prefixes_around_and_inside_others_is_all_or_nothing() {
    const PREFIXES: &str = "10.0.0.0/8 10.1.2.0/24 2001:db8:a::/48";
    Scene {
        test: "removing_prefixes_around_and_inside_others_is_all_or_nothing",
        before: &[ATTACH],
        command: &format!("allow remove {PREFIXES}"),
        undo: &[&format!("allow add {PREFIXES}")],
    }
    .kill_everywhere();
}

#[test]
fn settings_are_all_or_nothing() {
    Scene {
        test: "settings_are_all_or_nothing",
        before: &[ATTACH],
        command: "set eth0 --observe on --tcp on --port 111 --port 2049",
        undo: &["set eth0 --observe off --tcp off --port 111"],
    }
    .kill_everywhere();
}

/// The first rate policy of a guard brings another program and larger maps.
#[test]
fn beginning_a_rate_policy_is_all_or_nothing() {
    Scene {
        test: "beginning_a_rate_policy_is_all_or_nothing",
        before: &[ATTACH],
        command: "set eth0 --rate 5/s --rate-total 50/s --procedures NULL",
        undo: &["detach eth0", ATTACH],
    }
    .kill_everywhere();
}

#[test]
fn changing_a_rate_policy_is_all_or_nothing() {
    Scene {
        test: "changing_a_rate_policy_is_all_or_nothing",
        before: &[ATTACH, "set eth0 --rate 5/s"],
        command: "set eth0 --rate 9/m --burst 3 --rate-prefix 10/s --procedures default,GETSTAT",
        undo: &["set eth0 --rate off", "set eth0 --rate 5/s"],
    }
    .kill_everywhere();
}
