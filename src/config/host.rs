//! Host names as an operator writes them in exceptions to the address policy.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A host name without a port, in lower case, without a trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostName(String);

impl HostName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let host = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
            return Err(format!("`{text}` is an address, not a name; allow it with `upstream.allow_networks`"));
        }
        let is_name = host.split('.').all(|label| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        });
        if is_name {
            Ok(Self(host))
        } else {
            Err(format!("`{text}` is not a host name; write it without scheme, port and path"))
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
    fn a_host_has_one_spelling() {
        let host = |text: &str| text.parse::<HostName>().map(|host| host.to_string());
        assert_eq!(host("API.Example.com.").unwrap(), "api.example.com");
        assert!(host("[::1]").unwrap_err().contains("is an address"));
        assert!(host("127.0.0.1").unwrap_err().contains("is an address"));
        assert!(host("http://example.com").is_err());
        assert!(host("example.com:8080").is_err());
        assert!(host("").is_err());
    }
}
