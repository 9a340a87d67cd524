//! Who is at the other end, when proxies stand between.
//!
//! A proxy appends the address of its own peer to what it was told, so the list is worth reading from the right, and only
//! as long as whoever wrote an entry is trusted. What stands to the left of the first stranger is that stranger's story.

pub mod middleware;

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// The header in which the trusted proxies tell. One of them: a proxy that writes the one passes a forged other one on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressHeader {
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl AddressHeader {
    /// Reads its name.
    ///
    /// # Errors
    /// The rule, when it is another one.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "x-forwarded-for" => Ok(Self::XForwardedFor),
            "forwarded" => Ok(Self::Forwarded),
            _ => Err("must be \"x-forwarded-for\" or \"forwarded\""),
        }
    }

    /// The address that one entry of the list names.
    fn address(self, entry: &str) -> Option<IpAddr> {
        match self {
            Self::XForwardedFor => node(entry.trim()),
            Self::Forwarded => forwarded_for(entry),
        }
    }
}

/// The proxies whose word counts.
#[derive(Debug, Clone)]
pub struct TrustedProxies {
    /// Their networks; none by default.
    pub networks: Vec<IpNet>,
    /// Where they tell.
    pub header: AddressHeader,
}

impl TrustedProxies {
    /// Reads a network such as `10.0.0.0/8`, or one address.
    ///
    /// # Errors
    /// The rule, when it is neither.
    pub fn parse_network(text: &str) -> Result<IpNet, &'static str> {
        let network = text
            .parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
            .map_err(|_| "must be a network such as 10.0.0.0/8, or an address")?;
        if network.prefix_len() == 0 {
            return Err("must not be everybody: whoever connects could then claim any address");
        }
        Ok(network)
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// The address of the client: the first from the right that is no proxy of ours. `lines` are the lines of
    /// [`header`](Self::header) in their order. An entry that cannot be read ends the reading: who wrote it is known, whom
    /// it means is not.
    #[must_use]
    pub fn client<'l>(&self, peer: IpAddr, lines: impl DoubleEndedIterator<Item = &'l str>) -> IpAddr {
        let mut client = peer.to_canonical();
        for entry in lines.rev().flat_map(|line| line.rsplit(',')) {
            if !self.trusts(client) {
                break;
            }
            match self.header.address(entry) {
                Some(address) => client = address,
                None => break,
            }
        }
        client
    }
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn node(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let address = bare
        .parse()
        .or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address| address.to_canonical())
}

/// The `for` of one element of `Forwarded`; none when it is hidden, unknown, or there twice.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let mut named = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    let (_, value) = named.next()?;
    if named.next().is_some() {
        return None;
    }
    let value = value.trim();
    let unquoted = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(value);
    node(unquoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(header: AddressHeader, peer: &str, lines: &[&str]) -> String {
        let proxies = TrustedProxies {
            networks: ["10.0.0.0/8", "2001:db8:1::/48"]
                .map(|network| TrustedProxies::parse_network(network).unwrap())
                .to_vec(),
            header,
        };
        proxies
            .client(peer.parse().unwrap(), lines.iter().copied())
            .to_string()
    }

    /// Checklist 47.
    #[test]
    fn the_list_is_read_from_the_right_up_to_the_first_stranger() {
        let told = |peer, lines: &[&str]| client(AddressHeader::XForwardedFor, peer, lines);
        assert_eq!(told("10.0.0.1", &["192.0.2.7"]), "192.0.2.7");
        assert_eq!(told("10.0.0.1", &["6.6.6.6, 192.0.2.7, 10.0.0.2"]), "192.0.2.7");
        assert_eq!(
            told("10.0.0.1", &["6.6.6.6", "192.0.2.7", "10.9.9.9"]),
            "192.0.2.7"
        );
        assert_eq!(told("10.0.0.1", &["10.0.0.3,10.0.0.2"]), "10.0.0.3");
        assert_eq!(told("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(told("::ffff:10.0.0.1", &["192.0.2.7:4711"]), "192.0.2.7");
        assert_eq!(told("2001:db8:1::1", &["[2001:db8:2::7]:80"]), "2001:db8:2::7");
    }

    /// Checklist 41.
    #[test]
    fn a_stranger_is_not_believed() {
        for header in [AddressHeader::XForwardedFor, AddressHeader::Forwarded] {
            assert_eq!(client(header, "192.0.2.1", &["10.0.0.9"]), "192.0.2.1");
            assert_eq!(client(header, "192.0.2.1", &["for=10.0.0.9"]), "192.0.2.1");
        }
    }

    #[test]
    fn an_entry_that_names_nobody_ends_the_reading() {
        for entry in ["unknown", "_hidden", "", "1.2.3", "6.6.6.6 6.6.6.7", "localhost"] {
            let line = format!("6.6.6.6, {entry}, 10.0.0.2");
            assert_eq!(
                client(AddressHeader::XForwardedFor, "10.0.0.1", &[&line]),
                "10.0.0.2",
                "{entry}"
            );
        }
    }

    /// RFC 7239 §4.
    #[test]
    fn forwarded_is_read_with_its_parameters() {
        let told = |lines: &[&str]| client(AddressHeader::Forwarded, "10.0.0.1", lines);
        assert_eq!(told(&["for=192.0.2.7;proto=https;by=10.0.0.1"]), "192.0.2.7");
        assert_eq!(
            told(&["for=6.6.6.6, For=\"[2001:db8:2::7]:4711\";host=x", "for=10.0.0.2"]),
            "2001:db8:2::7"
        );
        assert_eq!(told(&["for=6.6.6.6;for=192.0.2.7"]), "10.0.0.1");
        assert_eq!(told(&["for=6.6.6.6, for=_secret"]), "10.0.0.1");
        // A comma in a quoted text tears it apart: what is left is no address.
        assert_eq!(told(&["for=\"6.6.6.6,\""]), "10.0.0.1");
    }

    #[test]
    fn nobody_trusts_everybody() {
        for bad in ["0.0.0.0/0", "::/0", "10.0.0.0/33", "lan", ""] {
            assert!(TrustedProxies::parse_network(bad).is_err(), "{bad}");
        }
        assert!(TrustedProxies::parse_network("192.0.2.1").is_ok());
    }
}
