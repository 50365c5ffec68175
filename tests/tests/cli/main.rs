//! The command line, as operators type it and scripts read it.

mod arguments;
mod documents;
mod help;
mod interfaces;
mod json;
mod machine;
mod privileges;
mod tun;
