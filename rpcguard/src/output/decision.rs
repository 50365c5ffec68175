//! What would happen to packets from an address.

use std::{io::Write as _, net::IpAddr};

use serde::Serialize;

use super::{Document, stdout};
use crate::{
    error::Result,
    guard::{Decided, Guard, Verdict},
};

#[derive(Serialize)]
struct DecisionView {
    name: String,
    address: IpAddr,
    /// `allow`, `deny` or `unlisted`.
    verdict: &'static str,
    prefix: Option<String>,
    /// `pass` or `drop`, with regard to `observe`.
    action: &'static str,
}

impl DecisionView {
    fn of(guard: &Guard, address: IpAddr) -> Result<Self> {
        let Decided { by } = guard.decide(address)?;
        let observe = guard.policy()?.observe;
        let verdict = by.map(|(_, verdict)| verdict);
        let passes = observe || verdict == Some(Verdict::Allow);
        Ok(Self {
            name: guard.interface().to_owned(),
            address,
            verdict: verdict.map_or("unlisted", Verdict::name),
            prefix: by.map(|(prefix, _)| prefix.to_string()),
            action: if passes { "pass" } else { "drop" },
        })
    }
}

pub(crate) fn print_json(guards: &[Guard], address: IpAddr) -> anyhow::Result<()> {
    let views = guards.iter().map(|guard| DecisionView::of(guard, address));
    Document::new(views.collect::<Result<_>>()?).print()
}

pub(crate) fn print_text(guards: &[Guard], address: IpAddr) -> anyhow::Result<()> {
    let mut out = stdout();
    for guard in guards {
        let view = DecisionView::of(guard, address)?;
        let why = match (&view.prefix, view.verdict) {
            (Some(prefix), "allow") => format!("allowed by {prefix}"),
            (Some(prefix), _) => format!("denied by {prefix}"),
            (None, _) => "in no prefix".to_owned(),
        };
        let what = match (view.action, view.verdict) {
            ("drop", _) => "its packets to guarded ports are dropped",
            (_, "allow") => "its packets pass",
            _ => "its packets pass while observing, and would be dropped otherwise",
        };
        writeln!(out, "{}: {address} is {why}: {what}", view.name)?;
    }
    out.flush()?;
    Ok(())
}
