//! Which URLs and addresses a request may go to. Pure.
//!
//! Two questions, each answered for itself: [`AddressPolicy::check`] looks at a rendered URL before anything is
//! resolved, [`AddressPolicy::permits`] at an address before it is dialled. The first looks at the raw text as well
//! as at the parsed URL, because the parser silently mends what an attacker breaks on purpose: it deletes tabs and
//! line ends, turns `\` into `/` and resolves `..`. What this module lacks is the definition's own rule about hosts:
//! that is the renderer's.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use url::{Host, Url};

use crate::config::Subnet;

/// The longest URL that is sent, in bytes.
const LONGEST_URL: usize = 8 * 1024;

/// What the operator permits beyond public addresses over https on port 443.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyOptions {
    /// Subnets that may be reached although they are not public; over http too, and on any port.
    pub allow_addresses: Vec<Subnet>,
    /// Subnets that are never reached, public or allowed: our own listeners, the operator's list.
    pub deny_addresses: Vec<Subnet>,
    /// Host names that may be asked over http and on any port. Their addresses must be permitted all the same.
    pub allow_http: Vec<String>,
    /// Ports besides 443.
    pub ports: Vec<u16>,
}

/// The rule, ready to be asked. Cheap to ask: nothing is allocated but the parsed URL.
#[derive(Debug, Clone, Default)]
pub struct AddressPolicy {
    options: PolicyOptions,
}

/// Why a URL is refused, in a sentence that shows at most its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn refuse<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal(message.into()))
}

impl AddressPolicy {
    /// Makes the rule from what the operator wrote.
    #[must_use]
    pub fn new(mut options: PolicyOptions) -> Self {
        for host in &mut options.allow_http {
            host.make_ascii_lowercase();
        }
        Self { options }
    }

    /// Whether `address` may be dialled: public, or in an allowed subnet, and not in a denied one.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        !holds(&self.options.deny_addresses, address) && (is_public(address) || self.allows(address))
    }

    fn allows(&self, address: IpAddr) -> bool {
        holds(&self.options.allow_addresses, address.to_canonical())
    }

    /// Checks the raw text and what it parses to. The URL that comes back has no trailing dot on its host.
    ///
    /// # Errors
    /// A [`Refusal`]; it never shows the path, the query or anything else that may hold a secret.
    pub fn check(&self, raw: &str) -> Result<Url, Refusal> {
        check_raw(raw)?;
        let Ok(mut url) = Url::parse(raw) else {
            return refuse("the URL cannot be parsed: check its host and port");
        };
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("the URL carries user information; send credentials in a header");
        }
        if url.host_str().is_some_and(|host| host.ends_with('.')) {
            let host = url.host_str().unwrap_or_default().trim_end_matches('.').to_owned();
            if url.set_host(Some(&host)).is_err() {
                return refuse("the URL has no valid host");
            }
        }
        let trusted = self.check_host(&url)?;
        let host = url.host_str().unwrap_or_default();
        if url.scheme() != "https" && !trusted {
            return refuse(format!(
                "{host} may be asked over https only; for a test host, add it to `upstream.allow_http_hosts`"
            ));
        }
        let port = url.port_or_known_default().unwrap_or_default();
        if !trusted && port != 443 && !self.options.ports.contains(&port) {
            return refuse(format!("port {port} of {host} is neither 443 nor one of the permitted `ports`"));
        }
        Ok(url)
    }

    /// Refuses bad names and forbidden literals; says whether the operator listed the host.
    fn check_host(&self, url: &Url) -> Result<bool, Refusal> {
        let address = match url.host() {
            None => return refuse("the URL has no host"),
            Some(Host::Domain(name)) => {
                if !well_formed(name) {
                    return refuse("the URL's host is not a valid name");
                }
                return Ok(self.options.allow_http.iter().any(|host| host == name));
            }
            Some(Host::Ipv4(v4)) => IpAddr::V4(v4),
            Some(Host::Ipv6(v6)) => IpAddr::V6(v6),
        };
        if self.permits(address) {
            return Ok(self.allows(address));
        }
        refuse(format!(
            "the address {address} is not public; to permit it, add its subnet to `upstream.allow_networks`"
        ))
    }
}

fn holds(subnets: &[Subnet], address: IpAddr) -> bool {
    subnets.iter().any(|subnet| subnet.contains(address))
}

/// A DNS name: at most 253 bytes, labels of 1 to 63 letters, digits, hyphens and underscores.
fn well_formed(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

fn check_raw(raw: &str) -> Result<(), Refusal> {
    if raw.len() > LONGEST_URL {
        return refuse(format!("the URL is longer than {LONGEST_URL} bytes"));
    }
    let odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '\\' | '\u{feff}' | '\u{200b}');
    if raw.contains(odd) {
        return refuse("the URL has a control character, a space or a backslash; encode it");
    }
    if raw.contains("{{") {
        return refuse("the URL has a placeholder that was not filled in");
    }
    let Some((scheme, rest)) = raw.split_once("://") else {
        return refuse("the URL does not start with https://");
    };
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return refuse("the URL's scheme is not https");
    }
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if authority.is_empty() || authority.starts_with(':') {
        return refuse("the URL has no host");
    }
    if authority.contains('@') {
        return refuse("the URL carries user information; send credentials in a header");
    }
    if !authority.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b)) {
        return refuse("the URL's host has characters that no host name has; write other scripts as punycode");
    }
    if authority.contains("..") || authority.starts_with('.') {
        return refuse("the URL's host is not a valid name");
    }
    check_path(&rest[..rest.find(['?', '#']).unwrap_or(rest.len())])
}

/// Refuses what some server or proxy on the way may read as another path than the one the definition names.
fn check_path(path: &str) -> Result<(), Refusal> {
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let code = rest.as_bytes().get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        // Once more encoded (`%252f`) is what a server that decodes twice sees as a slash.
        let twice = rest.get(at + 3..at + 5).is_some_and(|hex| matches!(byte(hex), Some(b'.' | b'/' | b'\\')));
        match code.and_then(byte) {
            None => return refuse("the URL's path has a `%` that is not an encoded byte"),
            Some(b'.' | b'/' | b'\\') => return refuse("the URL's path has an encoded dot, slash or backslash"),
            Some(b'%') if twice => return refuse("the URL's path has an encoded dot, slash or backslash"),
            Some(0..=0x1f | 0x7f) => return refuse("the URL's path has an encoded control character"),
            Some(_) => rest = &rest[at + 3..],
        }
    }
    // `..;x` is `..` to servers that know path parameters.
    let dots = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
    if path.split('/').any(dots) {
        return refuse("the URL's path has a `.` or `..` segment");
    }
    Ok(())
}

fn byte(hex: &str) -> Option<u8> {
    if hex.len() == 2 && hex.bytes().all(|b| b.is_ascii_hexdigit()) { u8::from_str_radix(hex, 16).ok() } else { None }
}

/// Whether an address is routed on the public internet. IPv4 in mapped IPv6 counts as IPv4.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            !SPECIAL_V4.iter().any(|&(base, prefix)| (v4.to_bits() ^ base.to_bits()) >> (32 - prefix) == 0)
        }
        IpAddr::V6(v6) => {
            let [first, second, ..] = v6.segments();
            // Everything public lies in 2000::/3. That alone refuses ::, ::1, v4-compatible, 64:ff9b::/96 and
            // 64:ff9b:1::/48 (NAT64), 100::/64, 5f00::/16, fc00::/7, fe80::/10, fec0::/10 and ff00::/8.
            first & 0xe000 == 0x2000
                && !(first == 0x2001 && second < 0x0200) // 2001::/23: Teredo, ORCHID, benchmarks
                && !(first == 0x2001 && second == 0x0db8) // documentation
                && first != 0x2002 // 6to4 carries an IPv4 address of anyone's choice
                && !(first == 0x3fff && second < 0x1000) // documentation
        }
    }
}

/// The IANA special-purpose registry's ranges, multicast, and the reserved top with the broadcast address.
const SPECIAL_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

#[cfg(test)]
mod tests;
