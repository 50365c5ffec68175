//! The command line, as operators type it and scripts read it.

mod arguments;
mod attack_documents;
mod attacks;
mod check_documents;
mod confirm;
mod disable;
mod doctor;
mod documents;
mod foreign_text;
mod help;
mod interfaces;
mod json;
mod limits;
mod list_files;
mod lists;
mod machine;
mod privileges;
mod rate;
mod streams;
mod top;
mod tty;
mod tun;
