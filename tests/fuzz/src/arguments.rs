//! What people write on command lines.

use std::{fmt::Display, net::IpAddr, str::FromStr};

use clap::Parser as _;
use rpcguard::{
    commands::Cli,
    policy::{Procedures, Rate},
    prefix::Prefix,
};

/// A word is refused, or says the same when it is printed; a command is refused or taken.
pub fn words(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    reads_the_same::<Rate>(text);
    reads_the_same::<Procedures>(text);
    reads_the_same::<Prefix>(text);
    if let Ok((prefix, masked)) = Prefix::parse_masking(text) {
        // Of what was written, only host bits and the spelling are gone.
        let (address, length) = text.split_once('/').unzip();
        let address: IpAddr = address.unwrap_or(text).parse().expect("an address");
        let host = Prefix::from(address);
        assert_eq!(masked, address != prefix.address());
        assert!(prefix.contains(host));
        let length = length.map_or(host.length(), |length| length.parse().expect("a length"));
        assert_eq!(prefix.length(), length);
    }
    // Clap takes a thousand times as long.
    if ["set ", "attach ", "allow ", "deny "]
        .iter()
        .any(|command| text.starts_with(command))
    {
        let words = std::iter::once("rpcguard").chain(text.split(' '));
        if let Err(error) = Cli::try_parse_from(words) {
            assert!(!error.to_string().is_empty());
        }
    }
}

fn reads_the_same<T: FromStr + Display + PartialEq>(text: &str) {
    let Ok(value) = text.parse::<T>() else {
        return;
    };
    let printed = value.to_string();
    assert!(printed.parse().ok() == Some(value), "{text:?}: {printed:?}");
}
