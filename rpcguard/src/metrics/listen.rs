//! Where to listen for those who scrape.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// Where metrics are served: `9811` and `:9811` are that port of 127.0.0.1, which only this machine
/// reaches; `192.0.2.1:9811`, `0.0.0.0:9811` and `[::]:9811` have to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ListenAddress(pub SocketAddr);

impl ListenAddress {
    /// Whether no other machine reaches it.
    #[must_use]
    pub const fn is_loopback(self) -> bool {
        self.0.ip().is_loopback()
    }
}

/// What is no address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no address to listen on; `9811` is that port of 127.0.0.1, and others are written \
     `192.0.2.1:9811` or `[::1]:9811`"
)]
pub struct ParseListenAddressError(String);

impl FromStr for ListenAddress {
    type Err = ParseListenAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let port = text.strip_prefix(':').unwrap_or(text);
        // u16 would take a sign.
        let port = Some(port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
        port.and_then(|port| port.parse().ok())
            .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
            .or_else(|| text.parse().ok())
            // Zero would be any port that is free, which nobody could know.
            .filter(|address| address.port() != 0)
            .map(Self)
            .ok_or_else(|| ParseListenAddressError(text.to_owned()))
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = ParseListenAddressError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ListenAddress> for String {
    fn from(address: ListenAddress) -> Self {
        address.to_string()
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::ListenAddress;

    #[test]
    fn a_port_alone_is_one_of_loopback() {
        for (text, address) in [
            ("9811", "127.0.0.1:9811"),
            (":9811", "127.0.0.1:9811"),
            ("[::1]:9811", "[::1]:9811"),
            ("0.0.0.0:9811", "0.0.0.0:9811"),
        ] {
            let parsed: ListenAddress = text.parse().unwrap();
            assert_eq!(parsed.to_string(), address);
            assert_eq!(parsed.is_loopback(), address != "0.0.0.0:9811");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            ":",
            "+9811",
            ":+1",
            "65536",
            "::1:9811",
            "localhost:9811",
            "127.0.0.1",
            "1.2.3.4:",
            " 9811",
            "::9811",
            "0",
            ":0",
            "[::1]:0",
        ] {
            let error = text.parse::<ListenAddress>().unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("`{text}` is no address"))
            );
        }
    }
}
