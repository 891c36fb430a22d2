//! Exact subnets in operator configuration: `127.0.0.0/8`, `::1/128` or a bare address. Pure.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    base: IpAddr,
    prefix: u8,
}

/// A text that is no subnet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubnetError {
    /// Not an address with an optional prefix length.
    #[error("`{0}` is not a subnet: write an address and a prefix length, such as 10.1.0.0/16 or fd00::/8")]
    Malformed(String),
    /// The address has bits set that its prefix leaves out, so one of the two is a slip.
    #[error("`{0}` has bits beyond its prefix; write {1}")]
    LooseBits(String, Subnet),
}

impl Subnet {
    /// Whether `address` lies in the range. IPv4 written as mapped IPv6 must be made IPv4 before.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.base.is_ipv4() == address.is_ipv4() && masked(address, self.prefix) == self.base
    }
}

const fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = if prefix == 0 { 0 } else { u32::MAX << (32 - prefix as u32) };
            IpAddr::V4(std::net::Ipv4Addr::from_bits(v4.to_bits() & mask))
        }
        IpAddr::V6(v6) => {
            let mask = if prefix == 0 { 0 } else { u128::MAX << (128 - prefix as u32) };
            IpAddr::V6(std::net::Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    }
}

impl FromStr for Subnet {
    type Err = SubnetError;

    fn from_str(text: &str) -> Result<Self, SubnetError> {
        let malformed = || SubnetError::Malformed(text.chars().take(64).collect());
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| malformed())?;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(widest), |p| p.parse().map_err(|_| malformed()))?;
        if prefix > widest {
            return Err(malformed());
        }
        let subnet = Self { base: masked(address, prefix), prefix };
        if subnet.base != address {
            return Err(SubnetError::LooseBits(text.to_owned(), subnet));
        }
        Ok(subnet)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subnet_contains_its_first_and_last_address_and_neither_neighbour() {
        let subnet: Subnet = "172.16.0.0/12".parse().unwrap();
        for (address, inside) in
            [("172.15.255.255", false), ("172.16.0.0", true), ("172.31.255.255", true), ("172.32.0.0", false)]
        {
            assert_eq!(subnet.contains(address.parse().unwrap()), inside, "{address}");
        }
        let all: Subnet = "::/0".parse().unwrap();
        assert!(all.contains("2001:db8::1".parse().unwrap()));
        assert!(!all.contains("10.0.0.1".parse().unwrap()), "an IPv6 range holds no IPv4 address");
    }

    #[test]
    fn a_bare_address_is_a_subnet_of_one() {
        assert_eq!("::1".parse::<Subnet>().unwrap().to_string(), "::1/128");
        assert_eq!("10.0.0.7".parse::<Subnet>().unwrap().to_string(), "10.0.0.7/32");
    }

    #[test]
    fn slips_in_the_configuration_are_named() {
        let loose = "127.0.0.1/8".parse::<Subnet>().unwrap_err();
        assert_eq!(loose.to_string(), "`127.0.0.1/8` has bits beyond its prefix; write 127.0.0.0/8");
        for text in ["", "localhost", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0/8", "10.0.0.0/"] {
            assert!(matches!(text.parse::<Subnet>(), Err(SubnetError::Malformed(_))), "{text}");
        }
    }
}
