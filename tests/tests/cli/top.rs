//! `rpcguard top`.

mod document;
mod lines;
mod screen;
