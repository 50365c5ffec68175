//! Processes of services: a user may call a process whatever they like.

use crate::disable::{machine::Machine, process::Process};

/// Root and the accounts of services have smaller numbers on every distribution; `nobody` has a
/// larger one, and is nobody's service.
const FIRST_USER: u32 = 1000;

/// Whether a user number is that of root or of a service.
pub(super) const fn is_service(user: u32) -> bool {
    user < FIRST_USER
}

/// Processes of these names that root or the account of a service runs.
pub(super) fn of_services<'a>(
    machine: &'a Machine,
    names: &[&str],
) -> impl Iterator<Item = Process> + use<'a> {
    let processes = Process::find(machine, names).into_iter();
    processes.filter(|process| {
        let users = users(machine, process.id);
        !users.is_empty() && users.into_iter().all(is_service)
    })
}

/// The real user and the others of a process. The owner of its files in /proc is root's where it
/// may not be looked into.
fn users(machine: &Machine, id: i32) -> Vec<u32> {
    let status = machine.text(format!("proc/{id}/status"));
    let numbers = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let numbers = numbers.unwrap_or_default().split_whitespace();
    numbers
        .map(|number| number.parse().unwrap_or(u32::MAX))
        .collect()
}
