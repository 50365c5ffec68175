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
    /// `pass`, `drop` or `limit`, with regard to `observe`.
    action: &'static str,
}

impl DecisionView {
    fn of(guard: &Guard, address: IpAddr) -> Result<Self> {
        let Decided { by } = guard.decide(address)?;
        let policy = guard.policy()?;
        let verdict = by.map(|(_, verdict)| verdict);
        let action = match verdict {
            _ if policy.observe => "pass",
            Some(Verdict::Allow) => "pass",
            None if policy.rate.is_some() => "limit",
            None | Some(Verdict::Deny) => "drop",
        };
        Ok(Self {
            name: guard.interface().to_owned(),
            address,
            verdict: verdict.map_or("unlisted", Verdict::name),
            prefix: by.map(|(prefix, _)| prefix.to_string()),
            action,
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
            ("limit", _) => "its packets to guarded ports are served within limits",
            (_, "allow") => "its packets pass",
            _ => "its packets pass while observing, and would be dropped otherwise",
        };
        writeln!(out, "{}: {address} is {why}: {what}", view.name)?;
    }
    out.flush()?;
    Ok(())
}
