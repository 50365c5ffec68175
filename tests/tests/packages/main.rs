//! What is handed out: that a Debian package can be installed, renewed, removed and purged without a gap or a
//! trace, what is in it, and what systemd thinks of the units.

mod boot;
mod completions;
#[path = "../disable/container.rs"]
#[expect(dead_code, reason = "the tests of `disable` use all of it")]
mod container;
mod contents;
mod debian;
mod manual;
mod package;
mod units;
