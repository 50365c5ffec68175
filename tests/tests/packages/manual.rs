//! `rpcguard man`.

use std::{collections::BTreeSet, fs, process::Command};

use clap::CommandFactory as _;
use rpcguard::commands::Cli;
use rpcguard_tests::lab::{Finished, rpcguard_binary};

/// The names of the pages of a command and of its subcommands.
fn pages(command: &clap::Command, name: &str, pages: &mut BTreeSet<String>) {
    pages.insert(format!("{name}.8"));
    for subcommand in command.get_subcommands() {
        self::pages(
            subcommand,
            &format!("{name}-{}", subcommand.get_name()),
            pages,
        );
    }
}

#[test]
fn there_is_a_page_for_each_command_with_all_its_options() {
    let directory = tempfile::tempdir().unwrap();
    let mut man = Command::new(rpcguard_binary());
    let _ = Finished::wait_for(man.arg("man").arg(directory.path())).succeeded();
    let mut expected = BTreeSet::new();
    pages(&Cli::command(), "rpcguard", &mut expected);
    let written: BTreeSet<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(written, expected);
    let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    let attach = read("rpcguard-attach.8");
    assert!(attach.contains(".TH rpcguard-attach 8 "), "{attach}");
    for option in Cli::command()
        .find_subcommand("attach")
        .unwrap()
        .get_arguments()
    {
        if let Some(long) = option.get_long() {
            let name = format!(r"\-\-{}", long.replace('-', r"\-"));
            assert!(attach.contains(&name), "no --{long}");
        }
    }
    assert!(read("rpcguard.8").contains("rpcguard\\-attach(8)"));
    let page = Finished::wait_for(Command::new(rpcguard_binary()).arg("man")).succeeded();
    assert_eq!(page.stdout, read("rpcguard.8"));
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let mut man = Command::new(rpcguard_binary());
    let refused = Finished::wait_for(man.args(["man", "/no/such/directory"])).exited_with(1);
    assert!(
        refused
            .stderr
            .starts_with("error: cannot write /no/such/directory/rpcguard-")
    );
}
