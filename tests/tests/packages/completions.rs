//! `rpcguard completions`.

use std::process::Command;

use clap::CommandFactory as _;
use rpcguard::commands::Cli;
use rpcguard_tests::lab::{Finished, rpcguard_binary};

fn script(shell: &str) -> String {
    let mut command = Command::new(rpcguard_binary());
    Finished::wait_for(command.args(["completions", shell]))
        .succeeded()
        .stdout
}

#[test]
fn every_shell_is_told_every_command_and_option() {
    for shell in ["bash", "zsh", "fish"] {
        let script = script(shell);
        for command in Cli::command().get_subcommands() {
            assert!(script.contains(command.get_name()), "{shell}: {command}");
            for option in command.get_arguments().filter_map(clap::Arg::get_long) {
                assert!(script.contains(option), "{shell}: {command} --{option}");
            }
        }
    }
}

/// What bash offers for the last of these words.
fn offered(words: &[&str]) -> Vec<String> {
    let last = words.len() - 1;
    let ask = format!(
        "{}\nCOMP_WORDS=({}); COMP_CWORD={last}; _rpcguard rpcguard '{}' '{}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script("bash"),
        words.join(" "),
        words[last],
        words[last - 1]
    );
    let asked = Finished::wait_for(Command::new("bash").args(["--norc", "-c", &ask]));
    asked.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_values() {
    assert_eq!(offered(&["rpcguard", "att"]), ["attach"]);
    assert_eq!(
        offered(&["rpcguard", "attach", "--allow-f"]),
        ["--allow-file"]
    );
    assert_eq!(offered(&["rpcguard", "allow", "repl"]), ["replace"]);
    assert_eq!(
        offered(&["rpcguard", "attach", "--mode", "nat"]),
        ["native"]
    );
}

#[test]
fn what_is_no_shell_is_wrong_usage() {
    let mut command = Command::new(rpcguard_binary());
    let refused = Finished::wait_for(command.args(["completions", "dos"])).exited_with(2);
    assert!(refused.stderr.contains("bash"), "{refused}");
}
