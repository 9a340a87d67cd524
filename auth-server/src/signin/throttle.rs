//! How often a password may be guessed.

use std::net::IpAddr;
use std::time::Duration;

use crate::secret::Digest;
use crate::store::AttemptLimits;

const WINDOW: Duration = Duration::from_secs(15 * 60);

/// Wrong passwords for one user name, whether or not it exists, from one address: who guesses locks out nobody but
/// the own network.
const PER_ACCOUNT_AND_ADDRESS: AttemptLimits = AttemptLimits {
    failures: 10,
    window: WINDOW,
};
/// Wrong passwords for one user name from anywhere. It is high, because it lets a guesser who has many networks lock
/// the account, and there, because that guesser would otherwise have as many guesses as networks.
const PER_ACCOUNT: AttemptLimits = AttemptLimits {
    failures: 100,
    window: Duration::from_secs(3600),
};
/// Wrong passwords from one address, whichever names they are for. Many people may share an address.
const PER_ADDRESS: AttemptLimits = AttemptLimits {
    failures: 100,
    window: WINDOW,
};

/// The counters that an attempt has to find room in.
#[derive(Debug)]
pub(crate) struct Buckets {
    /// The name from this address: starts afresh with a right password.
    pub(crate) account_and_address: Digest,
    pub(crate) account: Digest,
    pub(crate) address: Digest,
}

impl Buckets {
    /// The counters for a name, in its one spelling, and the address that sends it.
    pub(crate) fn of(name: &str, address: IpAddr) -> Self {
        let network = network_of(address);
        Self {
            // The address comes first: it has no space in it, whatever the name has.
            account_and_address: Digest::of(format!("account-and-address:{network} {name}").as_bytes()),
            account: Digest::of(format!("account:{name}").as_bytes()),
            address: Digest::of(format!("address:{network}").as_bytes()),
        }
    }

    /// The counters with their limits.
    pub(crate) fn with_limits(&self) -> [(Digest, AttemptLimits); 3] {
        [
            (self.account_and_address, PER_ACCOUNT_AND_ADDRESS),
            (self.account, PER_ACCOUNT),
            (self.address, PER_ADDRESS),
        ]
    }
}

/// One customer usually holds a whole /64 of IPv6, so that is what counts as one address.
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// The part of an address that may stand in the log: enough to recognise a guesser, too little to name a person.
pub(crate) fn logged_network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            format!("{}/48", IpAddr::from([a, b, c, 0, 0, 0, 0, 0]))
        }
    }
}

/// The address that a request comes from: the peer, or what trusted proxies say about the client, last hop first.
///
/// A socket for both families writes IPv4 as `::ffff:…`; that is the same address.
pub(crate) fn client_address(peer: IpAddr, forwarded_for: &[&str], trusted_proxies: &[IpAddr]) -> IpAddr {
    let is_trusted = |address: IpAddr| {
        trusted_proxies
            .iter()
            .any(|proxy| proxy.to_canonical() == address)
    };
    let mut address = peer.to_canonical();
    let hops = forwarded_for.iter().rev().flat_map(|header| header.rsplit(','));
    for hop in hops {
        if !is_trusted(address) {
            break;
        }
        // What a trusted proxy wrote and we cannot read names nobody: the proxy itself stays.
        let Ok(next) = hop.trim().parse::<IpAddr>() else {
            break;
        };
        address = next.to_canonical();
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_whole_ipv6_network_is_one_address() {
        assert_eq!(network_of(ip("2001:db8:1:2:3:4:5:6")), ip("2001:db8:1:2::"));
        assert_eq!(network_of(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let proxies = [ip("10.0.0.1"), ip("10.0.0.2")];
        let address = |peer, headers: &[&str]| client_address(ip(peer), headers, &proxies);
        assert_eq!(address("192.0.2.7", &["198.51.100.1"]), ip("192.0.2.7"));
        assert_eq!(address("10.0.0.1", &["198.51.100.1"]), ip("198.51.100.1"));
        assert_eq!(
            address("10.0.0.1", &["6.6.6.6, 198.51.100.1, 10.0.0.2"]),
            ip("198.51.100.1")
        );
        assert_eq!(
            address("10.0.0.1", &["6.6.6.6", "198.51.100.1, 10.0.0.2"]),
            ip("198.51.100.1")
        );
        assert_eq!(address("10.0.0.1", &["nonsense"]), ip("10.0.0.1"));
        assert_eq!(address("10.0.0.1", &[]), ip("10.0.0.1"));
    }

    #[test]
    fn an_ipv4_address_in_ipv6_spelling_is_the_same() {
        let address = |peer, header, proxy| client_address(ip(peer), &[header], &[ip(proxy)]);
        assert_eq!(address("::ffff:10.0.0.1", "1.2.3.4", "10.0.0.1"), ip("1.2.3.4"));
        assert_eq!(address("10.0.0.1", "1.2.3.4", "::ffff:10.0.0.1"), ip("1.2.3.4"));
        assert_eq!(
            address("10.0.0.1", "1.2.3.4, ::ffff:10.0.0.1", "10.0.0.1"),
            ip("1.2.3.4")
        );
        assert_eq!(address("::ffff:10.0.0.2", "1.2.3.4", "10.0.0.1"), ip("10.0.0.2"));
    }

    #[test]
    fn an_account_is_counted_per_network_and_as_a_whole() {
        let here = Buckets::of("alice", ip("192.0.2.1"));
        let there = Buckets::of("alice", ip("192.0.2.2"));
        let bytes = |buckets: &Buckets| {
            let [both, account, address] = buckets.with_limits();
            [both, account, address].map(|(bucket, _)| bucket.as_bytes().to_vec())
        };
        let [here, there] = [here, there].map(|buckets| bytes(&buckets));
        assert_ne!(here[0], there[0]);
        assert_eq!(here[1], there[1]);
        assert_ne!(here[2], there[2]);
        let bob = bytes(&Buckets::of("bob", ip("192.0.2.1")));
        assert_ne!(here[0], bob[0]);
        assert_ne!(here[1], bob[1]);
        assert_eq!(here[2], bob[2]);
    }

    #[test]
    fn the_log_names_networks_only() {
        assert_eq!(logged_network(ip("192.0.2.77")), "192.0.2.0/24");
        assert_eq!(logged_network(ip("::ffff:192.0.2.77")), "192.0.2.0/24");
        assert_eq!(logged_network(ip("2001:db8:1:2:3:4:5:6")), "2001:db8:1::/48");
    }
}
