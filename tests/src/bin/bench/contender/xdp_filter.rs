//! xdp-filter, of xdp-tools.

use anyhow::{Context as _, Result};
use rpcguard_tests::lab::{Finished, Host};

/// Drops what is sent to port 111, with these features. What it pins belongs to all hosts of a lab, of
/// which one can have it.
pub(super) fn load(host: &Host, features: &str) -> Result<()> {
    host.run(
        "xdp-filter",
        &["load", "-f", features, "-p", "allow", "eth0"],
    )?;
    host.run("xdp-filter", &["port", "111", "-p", "udp", "-m", "dst"])?;
    Ok(())
}

/// Drops what an address sends, whatever the port.
pub(super) fn add_address(host: &Host) -> Result<()> {
    host.run("xdp-filter", &["ip", "192.0.2.66", "-m", "src"])?;
    Ok(())
}

pub(super) fn dropped(host: &Host) -> Result<u64> {
    // Its exit code is an error's where a feature is not loaded.
    let status = Finished::wait_for(host.command("xdp-filter").arg("status"));
    packets_dropped(&status.stdout).with_context(|| format!("no count of drops: {status}"))
}

fn packets_dropped(status: &str) -> Option<u64> {
    status
        .lines()
        .find_map(|line| line.trim().strip_prefix("XDP_DROP"))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::packets_dropped;

    #[test]
    fn the_count_of_drops_is_found() {
        let status = "\
Aggregate per-action statistics:
  XDP_ABORTED                                   0 pkts           0 KiB
  XDP_DROP                                     42 pkts           3 KiB
";
        assert_eq!(packets_dropped(status), Some(42));
    }
}
