//! The filter on real traffic: the real rpcbind, its real clients, and packets of every shape, in
//! native and in generic mode.

mod clients;
mod counters;
mod devices;
mod rate;
mod segment;
mod shapes;
mod tcp;

/// Runs a test in each mode.
fn in_both_modes(test: &str, body: impl Fn(&str)) {
    for mode in ["native", "generic"] {
        eprintln!("{test}: {mode} mode");
        body(mode);
    }
}
