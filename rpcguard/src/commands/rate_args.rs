//! The arguments of the rate policy.

use clap::builder::RangedU64ValueParser;

use crate::policy::{Procedures, Rate, RateChange, RateLimit};

/// Arguments of `attach` and `set`.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Rate policy")]
pub(super) struct RateArgs {
    /// How many packets may come at once from a source, after a pause [default: 20].
    #[arg(long, value_name = "N", value_parser = burst())]
    burst: Option<u32>,
    /// Serve each neighbourhood, an IPv4 /24 or IPv6 /48, at this rate at most [default: 40/s].
    #[arg(long, value_name = "N/UNIT")]
    rate_prefix: Option<Rate>,
    /// How many packets may come at once from a neighbourhood [default: 160].
    #[arg(long, value_name = "N", value_parser = burst())]
    burst_prefix: Option<u32>,
    /// Serve all unlisted sources together at this rate at most [default: 200/s].
    #[arg(long, value_name = "N/UNIT")]
    rate_total: Option<Rate>,
    /// How many packets may come at once from all unlisted sources together [default: 400].
    #[arg(long, value_name = "N", value_parser = burst())]
    burst_total: Option<u32>,
    /// The procedures that unlisted sources are served, with commas between them: GETPORT,
    /// v3.GETADDR and so on; `default` for those that neither amplify nor relay.
    #[arg(long, value_name = "NAMES")]
    procedures: Option<Procedures>,
}

fn burst() -> RangedU64ValueParser<u32> {
    RangedU64ValueParser::new().range(1..=u64::from(RateLimit::MAX_BURST))
}

impl RateArgs {
    /// The change that they ask for, with the rate of a source that was given.
    pub(super) const fn change(&self, source: Option<Rate>) -> RateChange {
        RateChange {
            off: false,
            source,
            source_burst: self.burst,
            prefix: self.rate_prefix,
            prefix_burst: self.burst_prefix,
            total: self.rate_total,
            total_burst: self.burst_total,
            procedures: self.procedures,
        }
    }
}
