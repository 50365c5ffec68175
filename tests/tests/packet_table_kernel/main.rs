//! What only the kernel can show: tries that match as the naive search does, changes that take
//! effect in one instant, and constants that the verifier removes code by.

mod constants;
mod epochs;
mod tries;
