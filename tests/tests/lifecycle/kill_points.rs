//! A command that is killed at each of its system calls, and what is to be found then.

use rpcguard_tests::site::Site;

use crate::{
    effort::{amount, choice},
    scene::{Scene, Seen},
    traced::{Calls, Interference},
};

/// At how many points a command is killed in a quick test.
const QUICK: usize = 9;

/// What may be found after a command about several interfaces was killed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Several {
    /// All are as before, or all are changed.
    Together,
    /// Each is as before or changed.
    OneByOne,
}

/// Kills the command at each of its calls in turn, every time from the state that `before` leaves, and
/// runs it once more then.
pub(crate) fn kill_everywhere(scene: &Scene<'_>, several: Several) {
    let Some(site) = scene.set() else {
        return;
    };
    let old = scene.see(&site);
    // It may have less to do at first, when nothing is left of an earlier time.
    let first = scene.traced(&site, Calls::Changing, None);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    scene.run_all(&site, scene.undo);
    assert_eq!(scene.guards(&site), old.guards);
    let whole = scene.traced(&site, Calls::Changing, None);
    assert_eq!(whole.code, Some(0), "{}", whole.stderr);
    let new = scene.see(&site);
    assert_ne!(
        old.guards, new.guards,
        "`{}` changes something",
        scene.command
    );

    // The last call is the end of the process, which it does not come back from.
    let points: Vec<(usize, bool)> = (0..whole.calls.len())
        .flat_map(|call| [(call, false), (call, true)])
        .take(2 * whole.calls.len() - 1)
        .collect();
    let points = choice(points, amount(QUICK, 4));
    let (mut done, mut missed) = (0, 0);
    for (call, after) in &points {
        let (when, kill) = if *after {
            ("after", Interference::KillAfter)
        } else {
            ("before", Interference::KillBefore)
        };
        scene.run_all(&site, scene.undo);
        assert_eq!(scene.guards(&site), old.guards);
        let killed = scene.traced(&site, Calls::Changing, Some((*call, kill)));
        if killed.code == Some(0) {
            // Hosts have other places under each seed, and are moved in more or fewer calls.
            assert_eq!(scene.guards(&site), new.guards);
            missed += 1;
            continue;
        }
        assert_eq!(killed.code, None, "it came to call {call}");
        let about = format!("`{}`, killed {when} call {call}", scene.command);
        done += usize::from(survive(scene, &site, several, (&old, &new), &about));
    }
    if new.guards.iter().any(Option::is_some) {
        site.rpcguard("detach --all");
    }
    eprintln!(
        "{}: killed {} times, {done} times after the fact",
        scene.test,
        points.len() - missed
    );
    assert!(3 * missed <= points.len(), "{missed} of {}", points.len());
    let done = done + missed;
    assert!(done > 0 && done < points.len());
}

/// Checks what a killed command left, and that the next ones find nothing wrong: first one about
/// something else, then the same again. Returns whether the command's work was done.
fn survive(
    scene: &Scene<'_>,
    site: &Site,
    several: Several,
    (old, new): (&Seen, &Seen),
    about: &str,
) -> bool {
    let found = scene.guards(site);
    match several {
        Several::Together => assert!(
            found == old.guards || found == new.guards,
            "{about}: {found:?}, neither {old:?} nor {new:?}"
        ),
        Several::OneByOne => {
            for (index, found) in found.iter().enumerate() {
                assert!(
                    *found == old.guards[index] || *found == new.guards[index],
                    "{about}: {found:?}, neither {old:?} nor {new:?}"
                );
            }
        }
    }
    scene.probe(site, about);
    assert_eq!(scene.guards(site), found, "{about}");

    let mut again = site.host.rpcguard(scene.command.split_whitespace());
    let mixed = found != old.guards && found != new.guards;
    if mixed && !again.is_success() {
        // It said which interface is guarded already.
        scene.run_all(site, scene.undo);
        again = site.host.rpcguard(scene.command.split_whitespace());
    }
    assert!(
        again.is_success() || found == new.guards,
        "{about}: {again}"
    );
    scene.assert_is(site, new, about);
    found == new.guards
}
