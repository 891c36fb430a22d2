//! Networks and hosts as an operator writes them in exceptions to the address policy.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A range of addresses, `ADDRESS/PREFIX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether `address` lies in the range. An IPv4 address written as IPv6 (`::ffff:10.0.0.1`) is taken as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (first, width) = bits(self.first);
        let (other, other_width) = bits(address.to_canonical());
        let differing = first ^ other;
        width == other_width && differing.checked_shr(u32::from(width - self.prefix)).unwrap_or(0) == 0
    }
}

/// The address as a number, and how many bits it has.
const fn bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(v4) => (v4.to_bits() as u128, 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || format!("`{text}` is not a network like `10.1.2.0/24` or `fd00::1/128`");
        let (address, prefix) = text.split_once('/').ok_or_else(form)?;
        let address: IpAddr = address.parse().map_err(|_| form())?;
        let prefix: u8 = prefix.parse().map_err(|_| form())?;
        let first = address.to_canonical();
        if first != address {
            return Err(format!("`{text}` is an IPv4 network written as IPv6; write it as IPv4"));
        }
        let (number, width) = bits(first);
        if prefix > width {
            return Err(format!("`{text}` has a prefix longer than {width} bits"));
        }
        let below = u32::from(width - prefix);
        let network = number.checked_shr(below).and_then(|high| high.checked_shl(below)).unwrap_or(0);
        if network != number {
            return Err(format!("`{text}` names an address inside a network; clear the bits behind the prefix"));
        }
        Ok(Self { first, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

/// A host without a port: a name in lower case without a trailing dot, or an address without brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostName(String);

impl HostName {
    /// The name or address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        let host = inner.strip_suffix('.').unwrap_or(inner).to_ascii_lowercase();
        let is_name = host.split('.').all(|label| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        });
        match host.parse::<IpAddr>() {
            Ok(address) => Ok(Self(address.to_string())),
            Err(_) if is_name => Ok(Self(host)),
            Err(_) => Err(format!("`{text}` is not a host name or an address; write it without scheme, port and path")),
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_own_addresses_only() {
        let holds = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().contains(address.parse::<IpAddr>().unwrap())
        };
        assert!(holds("127.0.0.0/8", "127.255.0.1"));
        assert!(!holds("127.0.0.0/8", "128.0.0.1"));
        assert!(holds("127.0.0.1/32", "::ffff:127.0.0.1"));
        assert!(!holds("127.0.0.1/32", "127.0.0.2"));
        assert!(holds("fd00::/8", "fdff::1"));
        assert!(!holds("fd00::/8", "fe00::1"));
        assert!(!holds("::/0", "10.0.0.1"), "an IPv6 network holds no IPv4 address");
        assert!(holds("0.0.0.0/0", "10.0.0.1"));
    }

    #[test]
    fn a_network_is_refused_with_what_is_wrong() {
        for (text, part) in [
            ("10.0.0.1", "not a network"),
            ("10.0.0.0/33", "longer than 32"),
            ("10.0.0.1/8", "clear the bits"),
            ("::ffff:10.0.0.0/104", "write it as IPv4"),
            ("lan/8", "not a network"),
        ] {
            let refusal = text.parse::<Network>().unwrap_err();
            assert!(refusal.contains(part), "{text}: {refusal}");
        }
    }

    #[test]
    fn a_host_has_one_spelling() {
        let host = |text: &str| text.parse::<HostName>().map(|host| host.to_string());
        assert_eq!(host("API.Example.com.").unwrap(), "api.example.com");
        assert_eq!(host("[::1]").unwrap(), "::1");
        assert!(host("http://example.com").is_err());
        assert!(host("example.com:8080").is_err());
        assert!(host("").is_err());
    }
}
