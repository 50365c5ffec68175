//! What the command says about itself.

use std::process::Command;

use clap::CommandFactory as _;
use expect_test::expect_file;
use rpcguard::commands::Cli;
use rpcguard_tests::lab::{Finished, rpcguard_binary};

/// `UPDATE_EXPECT=1` accepts what has changed.
#[test]
fn the_whole_help_is_as_reviewed() {
    let mut pages = String::new();
    add_pages(&Cli::command(), &[], &mut pages);
    expect_file!["snapshots/help.txt"].assert_eq(&pages);
}

/// The page of a command, and those of its subcommands.
fn add_pages(command: &clap::Command, path: &[&str], pages: &mut String) {
    let words = [path, &["--help"]].concat();
    let page = rpcguard(&words).succeeded();
    assert_eq!(page.stderr, "", "{page}");
    pages.push_str(&format!(
        "$ rpcguard {}\n{}\n",
        words.join(" "),
        page.stdout
    ));
    for subcommand in command.get_subcommands() {
        add_pages(
            subcommand,
            &[path, &[subcommand.get_name()]].concat(),
            pages,
        );
    }
}

fn rpcguard(arguments: &[&str]) -> Finished {
    let mut command = Command::new(rpcguard_binary());
    command.args(arguments).env_remove("COLUMNS");
    Finished::wait_for(&mut command)
}

#[test]
fn no_line_of_the_help_is_wider_than_100_columns() {
    let help = include_str!("snapshots/help.txt");
    for line in help.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn without_a_command_the_help_is_an_error() {
    let help = rpcguard(&[]).exited_with(2);
    assert_eq!(help.stdout, "");
    assert!(help.stderr.contains("Usage: rpcguard [OPTIONS] <COMMAND>"));
}

#[test]
fn the_version_is_that_of_the_package() {
    let expected = concat!("rpcguard ", env!("CARGO_PKG_VERSION"), "\n");
    for flag in ["--version", "-V"] {
        assert_eq!(rpcguard(&[flag]).succeeded().stdout, expected);
    }
}
