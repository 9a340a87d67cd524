use super::*;
use crate::routing::{Protocol, Tls};

fn addresses(urls: &[&str]) -> Addresses {
    let connecting = Connecting {
        protocol: Protocol::Http1,
        timeout: Duration::from_secs(1),
        tls: Tls::default(),
    };
    let mut upstreams = urls.iter().map(|url| Upstream::parse(url).unwrap());
    let first = upstreams.next().unwrap();
    Addresses::new(first, upstreams.collect(), &connecting)
}

fn host(address: &Address) -> String {
    address.destination().authority.to_string()
}

fn asked(addresses: &Addresses, times: usize, now: Instant) -> String {
    let hosts = (0..times).map(|_| host(addresses.pick(None, now)));
    hosts.collect()
}

/// Fails this address as often as it takes to be left out.
fn leave_out(address: &Address, now: Instant) {
    for _ in 1..FAILURES {
        assert_eq!(address.failed(now), None);
    }
    assert_eq!(address.failed(now), Some(FIRST_REST));
}

#[test]
fn addresses_are_asked_in_turn() {
    let now = Instant::now();
    assert_eq!(
        asked(&addresses(&["http://a", "http://b", "http://c"]), 6, now),
        "abcabc"
    );
    assert_eq!(asked(&addresses(&["http://a"]), 3, now), "aaa");
}

#[test]
fn what_has_just_failed_comes_last() {
    let addresses = addresses(&["http://a", "http://b"]);
    let now = Instant::now();
    for _ in 0..4 {
        assert_eq!(host(addresses.pick(Some(&addresses.first), now)), "b");
    }
}

#[test]
fn an_address_that_cannot_be_reached_is_left_out_for_a_growing_time() {
    let addresses = addresses(&["http://a", "http://b"]);
    let mut now = Instant::now();
    leave_out(&addresses.first, now);
    // What was under way says nothing new.
    assert_eq!(addresses.first.failed(now), None);

    for rest in [1, 2, 4, 8, 16, 32, 60, 60].map(Duration::from_secs) {
        assert_eq!(asked(&addresses, 4, now), "bbbb");
        now += rest;
        // One request finds out whether it is back.
        assert_eq!(asked(&addresses, 4, now).matches('a').count(), 1);
        let next = addresses.first.failed(now).unwrap();
        assert_eq!(next, (rest * 2).min(LONGEST_REST));
    }
    now += LONGEST_REST;
    assert!(asked(&addresses, 2, now).contains('a'));
    assert!(addresses.first.succeeded());
    assert_eq!(asked(&addresses, 4, now).matches('a').count(), 2);
}

#[test]
fn a_success_between_failures_counts() {
    let addresses = addresses(&["http://a", "http://b"]);
    let now = Instant::now();
    for _ in 0..10 {
        assert_eq!(addresses.first.failed(now), None);
        assert_eq!(addresses.first.failed(now), None);
        assert!(!addresses.first.succeeded());
    }
}

#[test]
fn never_are_all_left_out() {
    let addresses = addresses(&["http://a", "http://b"]);
    let now = Instant::now();
    leave_out(&addresses.first, now);
    leave_out(&addresses.others[0], now + Duration::from_millis(500));

    assert_eq!(asked(&addresses, 3, now + Duration::from_millis(600)), "aaa");
    assert_eq!(
        host(addresses.pick(Some(&addresses.first), now + Duration::from_millis(600))),
        "b"
    );
}

#[test]
fn a_new_table_knows_what_the_old_one_knew() {
    let now = Instant::now();
    let old = addresses(&["http://a", "http://b"]);
    leave_out(&old.first, now);
    let mut new = addresses(&["http://b", "http://a/v2", "http://c"]);

    new.inherit(&old.iter().collect::<Vec<_>>());

    assert!(!asked(&new, 6, now).contains('a'));
    assert!(Arc::ptr_eq(new.first.destination(), old.others[0].destination()));
}
