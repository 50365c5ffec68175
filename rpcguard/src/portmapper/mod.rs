//! The portmapper of this host, as its clients see it.

mod ask;
mod registrations;
mod reply_sizes;

pub use ask::is_reply_to;
pub use registrations::{Registration, registrations, registrations_in};
pub use reply_sizes::{ReplySize, ReplySizes};
