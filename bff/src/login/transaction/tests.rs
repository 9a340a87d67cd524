use resource_server::time::ManualClock;

use super::*;
use crate::session::key_ring::{KeyName, KeyRing};

fn transactions() -> (LoginTransactions, ManualClock) {
    let clock = ManualClock::new(UnixTime::from_secs(1_000));
    let ring = KeyRing::parse(&KeyRing::generate(&KeyName::parse("k1").unwrap())).unwrap();
    let vault = Vault::new(Arc::new(ring));
    (
        LoginTransactions::new(vault, Arc::new(clock.clone()), "/bff".to_owned()),
        clock,
    )
}

fn path(text: &str) -> ReturnTo {
    ReturnTo::parse(text, "/bff").unwrap()
}

/// What a browser would send after these `Set-Cookie` values.
fn jar(header: &str, set_cookies: &[String]) -> String {
    let mut jar: Vec<(String, String)> = Cookie::split_parse(header)
        .flatten()
        .map(|cookie| (cookie.name().to_owned(), cookie.value().to_owned()))
        .collect();
    for text in set_cookies {
        let cookie = Cookie::parse(text.as_str()).unwrap();
        jar.retain(|(name, _)| name != cookie.name());
        if cookie.max_age() != Some(cookie::time::Duration::ZERO) {
            jar.push((cookie.name().to_owned(), cookie.value().to_owned()));
        }
    }
    jar.iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join("; ")
}

#[test]
fn an_attempt_is_found_by_its_state_in_its_own_browser_only() {
    let (transactions, _) = transactions();
    let (begun, cookies) = transactions.begin(path("/notes"), "");
    let header = jar("", &cookies);

    let found = transactions.find(&begun.state, &header).unwrap();

    assert_eq!(found.nonce, begun.nonce);
    assert_eq!(found.code_verifier, begun.code_verifier);
    assert_eq!(found.return_to.as_str(), "/notes");
    assert!(transactions.find(&begun.state, "").is_none());
    assert!(transactions.find("another state", &header).is_none());
}

#[test]
fn two_attempts_share_no_value() {
    let (transactions, _) = transactions();
    let (a, _) = transactions.begin(ReturnTo::root(), "");
    let (b, _) = transactions.begin(ReturnTo::root(), "");
    assert!(a.state != b.state && a.nonce != b.nonce && a.code_verifier != b.code_verifier);
    assert_eq!(a.code_verifier.len(), 43);
}

#[test]
fn the_cookie_hides_everything_and_has_the_attributes_of_its_prefix() {
    let (transactions, _) = transactions();
    let (begun, cookies) = transactions.begin(path("/secret-place"), "");
    let text = cookies.join("\n");
    for secret in [
        &begun.state,
        &begun.nonce,
        &begun.code_verifier,
        &"/secret-place".to_owned(),
    ] {
        assert!(!text.contains(secret.as_str()));
    }
    for attribute in [
        "__Host-Http-login-",
        "HttpOnly",
        "Secure",
        "SameSite=Lax",
        "Path=/",
        "Max-Age=600",
    ] {
        assert!(text.contains(attribute), "{attribute} is missing: {text}");
    }
    assert!(!text.contains("Domain"));
}

#[test]
fn an_attempt_is_over_after_ten_minutes() {
    let (transactions, clock) = transactions();
    let (begun, cookies) = transactions.begin(ReturnTo::root(), "");
    clock.advance(Duration::from_secs(599));
    assert!(transactions.find(&begun.state, &jar("", &cookies)).is_some());
    clock.advance(Duration::from_secs(1));
    assert!(transactions.find(&begun.state, &jar("", &cookies)).is_none());
}

/// Checklist 7.
#[test]
fn ten_attempts_fit_and_an_eleventh_replaces_the_oldest() {
    let (transactions, clock) = transactions();
    let mut header = String::new();
    let mut states = Vec::new();
    for _ in 0..11 {
        let (begun, cookies) = transactions.begin(path("/notes?filter=recent"), &header);
        header = jar(&header, &cookies);
        states.push(begun.state);
        clock.advance(Duration::from_secs(1));
        assert!(header.len() < 8_000, "{} bytes of cookies", header.len());
    }
    let found: Vec<bool> = states
        .iter()
        .map(|state| transactions.find(state, &header).is_some())
        .collect();
    assert_eq!(
        found,
        [false, true, true, true, true, true, true, true, true, true, true]
    );
}

#[test]
fn long_return_paths_make_room_by_size() {
    let (transactions, clock) = transactions();
    let mut header = String::new();
    for _ in 0..10 {
        let long = format!("/{}", "a".repeat(1_000));
        let (begun, cookies) = transactions.begin(path(&long), &header);
        header = jar(&header, &cookies);
        clock.advance(Duration::from_secs(1));
        assert!(header.len() < 8_000);
        assert!(cookies.iter().all(|cookie| cookie.len() < 4_096));
        assert!(transactions.find(&begun.state, &header).is_some());
    }
}

#[test]
fn a_changed_or_renamed_cookie_is_no_attempt() {
    let (transactions, _) = transactions();
    let (begun, cookies) = transactions.begin(ReturnTo::root(), "");
    let header = jar("", &cookies);
    let (other, _) = transactions.begin(ReturnTo::root(), "");
    let renamed = header.replace(&cookie_name(&begun.state), &cookie_name(&other.state));
    assert!(transactions.find(&other.state, &renamed).is_none());
    let changed = format!("{}A", &header[..header.len() - 1]);
    let again = format!("{}B", &header[..header.len() - 1]);
    let opened = [&changed, &again]
        .iter()
        .filter(|h| transactions.find(&begun.state, h).is_some())
        .count();
    assert!(opened <= 1, "the last character of a sealed value may be changed");
}
