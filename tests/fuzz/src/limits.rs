//! The arithmetic of limits and samples, under any settings, at any times.

use arbitrary::{Arbitrary as _, Result, Unstructured};

use crate::{limiter, sampler};

/// The bytes say what to do; when they end, so does the property.
pub fn limits(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    // An error is the end of the bytes.
    let _ended: Result<()> = match u8::arbitrary(&mut bytes) {
        Ok(choice) if choice < 0xa0 => limiter::admits_no_more_than_the_limits(&mut bytes),
        Ok(choice) if choice < 0xc0 => limiter::settings_hold_what_a_policy_is(&mut bytes),
        Ok(choice) if choice < 0xe0 => sampler::samples_stand_for_all_drops(&mut bytes),
        Ok(_) => sampler::sources_sent_about_as_much(&mut bytes),
        Err(error) => Err(error),
    };
}
