//! A short hunt for frames that the filter judges wrongly, and what longer ones have found.

mod breaks;
mod broken;
mod clean;
mod found;
