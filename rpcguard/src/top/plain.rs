//! Lines to be read.

use std::io::Write as _;

use super::{
    lines::Now,
    model::{Interface, Model, Standing},
    order::{Row, Sort},
    units::{bytes, compact},
};
use crate::{
    guard::Action,
    output::{self, rfc3339_to},
};

/// Prints a line for each interface.
pub(super) fn print(model: &Model, now: Now) -> anyhow::Result<()> {
    let mut out = output::stdout();
    let time = rfc3339_to(3, now.time);
    if model.interfaces.is_empty() {
        writeln!(out, "{time} no interface is guarded")?;
    }
    for interface in &model.interfaces {
        writeln!(out, "{time} {}", line(interface))?;
    }
    out.flush()?;
    Ok(())
}

/// `eth0 guarded: dropped 1.23M/s 98.7MB/s, passed 12/s 984B/s; unlisted 1.23M/s, ...`
fn line(interface: &Interface) -> String {
    let Interface {
        name,
        standing,
        traffic,
        ..
    } = interface;
    let state = format!("{name} {}", standing.words());
    let dropping = match standing {
        Standing::Guarded => "dropped",
        Standing::Observing => "would have dropped",
        Standing::NotGuarded | Standing::Gone | Standing::Incompatible => return state,
    };
    if !traffic.measured {
        return format!("{state}: measuring");
    }
    let [dropped, passed] = [Action::Drop, Action::Pass].map(|action| {
        let rate = traffic.of(action).rate;
        format!("{}/s {}/s", compact(rate.packets), bytes(rate.bytes))
    });
    let mut line = format!("{state}: {dropping} {dropped}, passed {passed}");
    let mut most = Vec::new();
    let mut add = |name: &str, estimated: &str, rate: f64| {
        if rate > 0.0 {
            most.push(format!("{name} {estimated}{}/s", compact(rate)));
        }
    };
    let drops = traffic
        .reasons()
        .filter(|(reason, _)| reason.action() == Action::Drop);
    if let Some((reason, flow)) =
        drops.max_by(|(_, a), (_, b)| a.rate.packets.total_cmp(&b.rate.packets))
    {
        add(reason.name(), "", flow.rate.packets);
    }
    if let Some(row) = fastest(traffic.requests()) {
        add(row.0.name(), "", row.rate());
    }
    if let Some(source) = fastest(traffic.hosts.iter().copied()) {
        add(&source.prefix.to_string(), "~", source.rate());
    }
    if !most.is_empty() {
        line.push_str("; most: ");
        line.push_str(&most.join(", "));
    }
    line
}

fn fastest<T: Row>(rows: impl IntoIterator<Item = T>) -> Option<T> {
    Sort::Rate.rows(rows).into_iter().next()
}
