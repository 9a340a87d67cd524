//! Which addresses may be called: pure, the resolver and the caller ask here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

/// Where calls may go: the public Internet, and the networks that the operator allows beside it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Targets(Arc<[IpNet]>);

/// Why an address may not be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ForbiddenTarget {
    /// Neither public nor allowed by the operator.
    #[error("it leads into a network that is neither public nor one of [outbound] allowed_networks")]
    Network,
    /// `http` to another machine, or something else altogether.
    #[error("it is not https, nor http on loopback")]
    Scheme,
}

/// IPv4 networks that are not of the public Internet (IANA's registry of special-purpose addresses, RFC 6890).
const SPECIAL_V4: [Ipv4Net; 15] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),
    v4([192, 88, 99, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    // Multicast, and what is reserved with the broadcast address.
    v4([224, 0, 0, 0], 4),
    v4([240, 0, 0, 0], 4),
];

/// What is handed out of IPv6 to the public Internet.
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0], 3);

/// The parts of it that are not: protocol assignments with Teredo, documentation, and 6to4, behind which any IPv4
/// address may be.
const SPECIAL_V6: [Ipv6Net; 4] = [
    v6([0x2001, 0, 0], 23),
    v6([0x2001, 0xdb8, 0], 32),
    v6([0x2002, 0, 0], 16),
    v6([0x3fff, 0, 0], 20),
];

/// Translated IPv4 (RFC 6052 §2.1).
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0], 96);

const fn v4(octets: [u8; 4], bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]), bits)
}

const fn v6(first: [u16; 3], bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first[0], first[1], first[2], 0, 0, 0, 0, 0), bits)
}

impl Targets {
    /// The public Internet and these networks.
    #[must_use]
    pub(crate) fn new(allowed: &[IpNet]) -> Self {
        Self(allowed.into())
    }

    /// Judges what can be judged without resolving a name.
    pub(crate) fn judge(&self, address: &Url) -> Result<(), ForbiddenTarget> {
        let host = address.host();
        let is_plain = match address.scheme() {
            "https" => false,
            "http" => true,
            _ => return Err(ForbiddenTarget::Scheme),
        };
        if is_plain && !host.as_ref().is_some_and(is_this_machine) {
            return Err(ForbiddenTarget::Scheme);
        }
        let literal = match host {
            // The resolver of the connection judges what the name leads to.
            Some(Host::Domain(_)) => return Ok(()),
            Some(Host::Ipv4(literal)) => IpAddr::V4(literal),
            Some(Host::Ipv6(literal)) => IpAddr::V6(literal),
            None => return Err(ForbiddenTarget::Scheme),
        };
        match self.admit(literal) {
            true => Ok(()),
            false => Err(ForbiddenTarget::Network),
        }
    }

    /// Whether this machine may be called.
    pub(crate) fn admit(&self, address: IpAddr) -> bool {
        let address = embedded(address);
        is_public(address) || self.0.iter().any(|network| network.contains(&address))
    }
}

/// Reads an address to be called from a registration. Whether it may be called is judged when it is.
///
/// # Errors
/// Says which rule it breaks.
pub(crate) fn parse(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "must be an absolute URL")?;
    let is_reachable = match url.scheme() {
        "https" => url.host().is_some(),
        "http" => url.host().as_ref().is_some_and(is_this_machine),
        _ => false,
    };
    if !is_reachable {
        return Err("must be https: http is for 127.0.0.1, [::1] and localhost only");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not carry a user name or a password");
    }
    if url.fragment().is_some() {
        return Err("must not have a fragment");
    }
    Ok(url)
}

fn is_this_machine(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => is_localhost(name),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

pub(super) fn is_localhost(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost")
}

/// The IPv4 address that an IPv6 address stands for, if it does.
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let translated = || {
        let [.., a, b, c, d] = v6.octets();
        NAT64.contains(&v6).then(|| Ipv4Addr::new(a, b, c, d))
    };
    match v6.to_ipv4_mapped().or_else(translated) {
        Some(v4) => IpAddr::V4(v4),
        None => address,
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !SPECIAL_V4.iter().any(|network| network.contains(&v4)),
        IpAddr::V6(v6) => GLOBAL_V6.contains(&v6) && !SPECIAL_V6.iter().any(|network| network.contains(&v6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(targets: &Targets, address: &str) -> bool {
        targets.admit(address.parse().unwrap())
    }

    #[test]
    fn special_addresses_in_every_spelling_are_not_public() {
        let nothing_allowed = Targets::default();
        for special in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.170",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::10.0.0.1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!admits(&nothing_allowed, special), "{special}");
        }
        for public in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00::1",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
        ] {
            assert!(admits(&nothing_allowed, public), "{public}");
        }
    }

    #[test]
    fn an_operator_allows_networks_and_no_more() {
        let targets = Targets::new(&["10.1.0.0/16".parse().unwrap(), "fd00:1::/32".parse().unwrap()]);
        assert!(admits(&targets, "10.1.200.1"));
        assert!(admits(&targets, "::ffff:10.1.200.1"));
        assert!(admits(&targets, "fd00:1::7"));
        assert!(!admits(&targets, "10.2.0.1"));
        assert!(!admits(&targets, "127.0.0.1"));
        assert!(!admits(&targets, "fd00:2::7"));
    }

    #[test]
    fn plain_http_stays_on_this_machine_and_literals_are_judged_at_once() {
        let with_loopback = Targets::new(&["127.0.0.0/8".parse().unwrap()]);
        let judged = |targets: &Targets, text: &str| targets.judge(&Url::parse(text).unwrap());
        for address in [
            "http://127.0.0.1:1/",
            "http://localhost/",
            "https://127.0.0.1/",
            "https://keys.example/",
        ] {
            assert_eq!(judged(&with_loopback, address), Ok(()), "{address}");
        }
        for address in [
            "http://keys.example/",
            "http://1.1.1.1/",
            "ftp://keys.example/",
            "data:,x",
        ] {
            assert_eq!(
                judged(&with_loopback, address),
                Err(ForbiddenTarget::Scheme),
                "{address}"
            );
        }
        // Among them other spellings of 127.0.0.1 and of an address of cloud metadata.
        for address in [
            "http://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://[::ffff:7f00:1]/",
            "https://169.254.169.254/",
            "https://0xa9fea9fe/",
            "https://[fd00::1]/",
        ] {
            assert_eq!(
                judged(&Targets::default(), address),
                Err(ForbiddenTarget::Network),
                "{address}"
            );
        }
    }

    #[test]
    fn a_registered_address_is_https_and_bare() {
        for address in [
            "https://a.example/jwks?x=1",
            "http://127.0.0.1:8080/k",
            "http://[::1]/",
            "http://localhost/",
        ] {
            assert!(parse(address).is_ok(), "{address}");
        }
        for address in [
            "http://a.example/",
            "http://localhost.example/",
            "https://u@a.example/",
            "https://:p@a.example/",
            "https://a.example/#k",
            "/jwks",
            "file:///etc/passwd",
            "https://",
        ] {
            assert!(parse(address).is_err(), "{address}");
        }
    }
}
