//! The programs and settings that need the portmapper, as `rpcguard disable` shows it.

use std::io::{self, Write};

use crate::disable::Need;

/// Writes those that stop `--apply`, and then those that do not, each below the reason why.
pub(super) fn write(out: &mut impl Write, needs: &[Need]) -> io::Result<()> {
    let (blocking, others): (Vec<_>, Vec<_>) = needs.iter().partition(|need| need.blocks());
    if blocking.is_empty() {
        writeln!(out, "nobody needs it, as far as can be seen here")?;
    } else {
        writeln!(out, "it is needed:")?;
        write_reasons(out, &blocking)?;
    }
    if !others.is_empty() {
        writeln!(
            out,
            "it may be needed, and `--apply` does not ask (others than root say so, or it is off):"
        )?;
        write_reasons(out, &others)?;
    }
    Ok(())
}

fn write_reasons(out: &mut impl Write, needs: &[&Need]) -> io::Result<()> {
    let mut reasons: Vec<_> = needs.iter().map(|need| need.reason()).collect();
    // They are in the order of the needs, of which those with the same reason may be apart.
    let mut seen = Vec::new();
    reasons.retain(|reason| {
        let is_new = !seen.contains(reason);
        seen.push(*reason);
        is_new
    });
    for reason in reasons {
        for need in needs.iter().filter(|need| need.reason() == reason) {
            writeln!(out, "  {need}")?;
        }
        writeln!(out, "    because {reason}")?;
    }
    Ok(())
}
