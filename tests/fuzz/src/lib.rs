//! Properties that hold for any bytes.
//!
//! Each is a function that panics where it does not hold. The fuzzers in `targets` look for such
//! bytes (`cargo xtask fuzz`). An ordinary test shows the properties what is stored here of them: seeds,
//! which somebody wrote; the corpus, inputs of fuzzers of which each reaches something that the others do
//! not; and regressions, which were exceptions once.

#![expect(
    clippy::missing_panics_doc,
    reason = "that is how a property says that it does not hold"
)]

mod arguments;
mod limiter;
mod limits;
mod list;
mod naive;
mod packet;
mod record;
mod registrations;
mod reply;
mod rpc;
mod sampler;

pub use arguments::words;
pub use limits::limits;
pub use list::{ipset_list, nft_list, plain_list};
pub use packet::packet;
pub use record::record;
pub use registrations::registrations;
pub use reply::reply;
pub use rpc::call;

/// A property's name, which is its fuzzer's too, and the property.
pub type Property = (&'static str, fn(&[u8]));

/// All of them.
pub const PROPERTIES: [Property; 10] = [
    ("packet", packet),
    ("call", call),
    ("reply", reply),
    ("record", record),
    ("registrations", registrations),
    ("plain_list", plain_list),
    ("ipset_list", ipset_list),
    ("nft_list", nft_list),
    ("words", words),
    ("limits", limits),
];
