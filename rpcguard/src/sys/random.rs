//! Numbers that nobody can guess.

use std::num::NonZero;

use rustix::rand::{GetRandomFlags, getrandom};

use crate::error::{Doing as _, Result};

/// A seed for hashes.
///
/// # Errors
///
/// If the kernel gives none.
pub(crate) fn seed() -> Result<u64> {
    let mut bytes = [0_u8; 8];
    // So few bytes are always given as a whole (getrandom(2)).
    getrandom(&mut bytes, GetRandomFlags::empty()).doing("get random bytes")?;
    Ok(u64::from_ne_bytes(bytes))
}

/// A number for a change, other than those of changes that were interrupted lately.
///
/// # Errors
///
/// As for [`seed`].
pub(crate) fn number() -> Result<NonZero<u32>> {
    Ok(NonZero::new(seed()? as u32).unwrap_or(NonZero::<u32>::MAX))
}
