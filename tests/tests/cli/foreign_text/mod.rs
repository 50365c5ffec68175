//! Whatever others have named: nothing of it reaches a terminal as it is, by whichever command.

mod portmapper;
mod scene;

use std::{ffi::OsString, os::unix::ffi::OsStringExt as _};

use clap::CommandFactory as _;
use rpcguard::commands::Cli;

use self::scene::{GUARDED, OTHER, Scene};

/// The options that are added to every command, to see its log too.
const VERBOSE: &str = "-vv";

/// An argument that no command knows.
const ARGUMENT: &[u8] = b"--\x1b[2J\x9b\xe2\x80\xae=\nforged";

/// One that is no value of an option.
const VALUE: &[u8] = b"--verbose=\x1b[2J\nforged";

/// One that is no address, no interface and no file.
const TOO_MANY: &[u8] = b"\x07\xc2\x9b\nforged";

/// A name as a terminal would obey it, for arguments that are no interface.
const WORD: &str = "\x1b]0;x\x07\u{9b}1m\u{202e}";

/// Every command that does something, as words.
fn leaves(command: &clap::Command, path: &[&str]) -> Vec<String> {
    if !command.has_subcommands() {
        return vec![path.join(" ")];
    }
    let subcommands = command.get_subcommands();
    subcommands
        .flat_map(|subcommand| leaves(subcommand, &[path, &[subcommand.get_name()]].concat()))
        .collect()
}

/// How each command is called, so that it says as much as possible about what others have named.
fn calls(scene: &Scene, command: &str) -> Vec<Vec<OsString>> {
    let line = |text: String| text.split(' ').map(OsString::from).collect::<Vec<_>>();
    let with = |text: &str, path: &std::path::Path| {
        let words = text.split(' ').map(OsString::from);
        words.chain([path.into()]).collect::<Vec<_>>()
    };
    let of_list = |list: &str| match list {
        "add" => vec![
            line(format!("add 192.0.2.9/24 -i {GUARDED}")),
            line(format!("add 10.0.0.0/8 -i {OTHER}")),
            line(format!("add {WORD}")),
            line(format!("add 10.0.0.0/8 --for {WORD}")),
        ],
        "remove" => vec![
            line(format!("remove 203.0.113.0/24 -i {GUARDED}")),
            line(format!("remove {WORD}")),
        ],
        "list" => vec![
            line("list".to_owned()),
            line("list --json".to_owned()),
            line(format!("list -i {OTHER}")),
        ],
        "replace" => scene
            .lists
            .iter()
            .map(|path| with("replace", path))
            .collect(),
        "test" => vec![
            line("test 192.0.2.1".to_owned()),
            line("test 192.0.2.1 --json".to_owned()),
            line(format!("test {WORD}")),
        ],
        other => panic!("no call of the list command `{other}`: add one here"),
    };
    match command {
        "attach" => [
            vec![
                line(format!("attach {GUARDED}")),
                line(format!("attach {GUARDED} --replace --json")),
                line(format!("attach {GUARDED} --replace")),
                line(format!("attach {OTHER} --mode native")),
                line(format!("attach {WORD}")),
                line(format!("attach {GUARDED} --replace --allow {WORD}")),
                line(format!("detach {OTHER}")),
                line(format!("attach {OTHER} --confirm 1")),
            ],
            scene
                .lists
                .iter()
                .map(|path| with(&format!("attach {OTHER} --allow-file"), path))
                .collect(),
        ]
        .concat(),
        "confirm" | "status" | "report" | "doctor" => vec![
            line(format!("{command} {GUARDED}")),
            line(format!("{command} {GUARDED} --json")),
            line(format!("{command} {OTHER}")),
            line(format!("{command} {WORD}")),
        ],
        "detach" => vec![
            line(format!("detach {OTHER}")),
            line(format!("detach {WORD}")),
            line(format!("detach {GUARDED}")),
        ],
        "set" => vec![
            line(format!("set {GUARDED} --tcp on")),
            line(format!("set {GUARDED} --rate 5/s --json")),
            line(format!("set {OTHER} --tcp on")),
            line(format!("set {GUARDED} --rate {WORD}")),
            line(format!("set {GUARDED} --procedures {WORD}")),
        ],
        "top" => vec![
            line("top --count 2 --interval 0.1 --plain".to_owned()),
            line("top --count 2 --interval 0.1 --json".to_owned()),
            line(format!("top --count 1 {WORD}")),
        ],
        "events" => vec![
            line("events --count 1".to_owned()),
            line("events --count 1 --json".to_owned()),
            line(format!("events {OTHER}")),
        ],
        "metrics" => vec![
            line("metrics".to_owned()),
            with("metrics --output", &scene.missing.join("metrics.prom")),
        ],
        "check" => vec![
            line("check".to_owned()),
            line("check --json".to_owned()),
            line("check 127.0.0.1".to_owned()),
            line("check 127.0.0.1 --json".to_owned()),
            with(
                "check 127.0.0.1 --evidence",
                &scene.missing.join("evidence"),
            ),
            with("check 127.0.0.1 --evidence", &scene.lists[0]),
            line("check 127.0.0.1 --evidence /dev/stderr".to_owned()),
            line(format!("check {WORD}.test")),
        ],
        // Not with --apply: this machine's own portmapper would be disabled.
        "disable" => vec![
            line("disable".to_owned()),
            line("disable --json".to_owned()),
            line("disable --undo".to_owned()),
        ],
        "completions" => vec![line(format!("completions {WORD}"))],
        "man" => vec![with("man", &scene.missing)],
        "run" => scene
            .configurations
            .iter()
            .map(|path| with("run --config", path))
            .collect(),
        "config check" => scene
            .configurations
            .iter()
            .chain([&scene.missing])
            .map(|path| with("config check", path))
            .collect(),
        "config show" => vec![
            line("config show".to_owned()),
            line(format!("config show {OTHER}")),
            with("config show --lists", &scene.missing),
        ],
        "adopt" => vec![
            line(format!("adopt {OTHER}")),
            line(format!("adopt {WORD}")),
        ],
        other => match other.split_once(' ') {
            Some((list @ ("allow" | "deny"), verb)) => of_list(verb)
                .into_iter()
                .map(|words| [vec![list.into()], words].concat())
                .collect(),
            _ => panic!("no call of `rpcguard {other}` with hostile names: add one here"),
        },
    }
}

#[test]
fn no_command_prints_what_a_terminal_would_obey() {
    let Some(scene) = Scene::or_skip("no_command_prints_what_a_terminal_would_obey") else {
        return;
    };
    let mut faults = Vec::new();
    scene.with_portmapper(|| {
        for command in leaves(&Cli::command(), &[]) {
            scene.guard();
            let words = command.split(' ').map(OsString::from).collect::<Vec<_>>();
            let unknown = [ARGUMENT, VALUE, TOO_MANY]
                .map(|word| [&words[..], &[OsString::from_vec(word.to_vec())]].concat());
            for mut call in [calls(&scene, &command), unknown.to_vec()].concat() {
                call.push(VERBOSE.into());
                faults.extend(scene.fault(&call));
            }
        }
        scene.boot_systemd();
        for command in ["check", "disable"] {
            let calls = calls(&scene, command);
            faults.extend(calls.iter().filter_map(|call| scene.fault(call)));
        }
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_configuration_that_is_shown_names_the_same_interfaces() {
    let test = "a_configuration_that_is_shown_names_the_same_interfaces";
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    scene.guard();
    let shown = scene.machine.does("config show").stdout;
    let file = scene.machine.file("shown.toml", &shown);
    let checked = scene
        .machine
        .does(&format!("config check {}", file.display()));
    let escaped = "\\u{1b}[2J\\u{9b}1m\\u{202e}";
    assert!(
        checked
            .stdout
            .contains(&format!("here and now: {escaped}\n")),
        "{checked}"
    );
}

#[test]
fn json_means_the_names_as_they_are() {
    let Some(scene) = Scene::or_skip("json_means_the_names_as_they_are") else {
        return;
    };
    scene.guard();
    let status = scene.machine.does("status --json").json();
    assert_eq!(status["interfaces"][0]["name"], GUARDED);
}
