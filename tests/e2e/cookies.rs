//! Cookies that are no tickets (23, 68), and tickets that are nobody's (21).

use std::collections::HashSet;

use e2e::on_every_store;
use e2e::on_one_store;
use e2e::stack::{Deployment, SESSION_COOKIE};

use crate::claims;

async fn garbage_is_anonymous(deployment: Deployment) {
    let stack = deployment.start().await;
    let real = stack
        .browser_logged_in_as("alice")
        .await
        .session_cookie()
        .expect("signed in");
    let browser = stack.browser();
    let flipped: String = real.chars().map(|c| if c == 'a' { 'b' } else { 'a' }).collect();
    let mut tampered = real.clone().into_bytes();
    let last = tampered.len() - 1;
    tampered[last] = if tampered[last] == b'A' { b'Q' } else { b'A' };
    let tampered = String::from_utf8(tampered).unwrap();
    // Longer heads are refused as a whole.
    let oversized = "x".repeat(60_000);
    for value in [
        "",
        "=",
        "garbage",
        "\"\"",
        "%00",
        "%ff%fe",
        "null",
        "../../etc/passwd",
        "' OR 1=1 --",
        "*",
        "{}",
        "eyJhbGciOiJub25lIn0",
        &real[..real.len() - 1],
        &format!("{real}A"),
        &format!("{real}="),
        &real.to_uppercase(),
        &flipped,
        &tampered,
        &"A".repeat(43),
        &oversized,
    ] {
        for path in ["/bff/user", "/api/notes"] {
            let header = format!("{SESSION_COOKIE}={value}");
            let answer = browser.fetch(path).header("cookie", &header).await;
            assert_eq!(answer.status, 401, "{value:.60}: {}", answer.summary());
            answer.assert_problem(401, "session-required");
        }
        let landed = browser
            .fetch("/app.js")
            .header("cookie", &format!("{SESSION_COOKIE}={value}"))
            .await;
        landed.assert_status(200);
    }
    assert!(stack.upstream().received().is_empty());
}

/// The header as a whole, not a cookie's value.
async fn a_strange_cookie_header_is_no_reason_to_fail(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let own = format!(
        "{SESSION_COOKIE}={}",
        browser.session_cookie().expect("signed in")
    );
    for header in [
        format!("a; b; =; ;; {own}"),
        format!("{own}; {own}"),
        format!("other=x; {own}; __Host-other=y"),
        format!("   {own}  "),
        format!("\"quoted\"=\"v\"; {own}"),
        format!("{}; {own}", "n=v; ".repeat(500)),
    ] {
        let answer = browser.fetch("/api/notes").header("cookie", &header).await;
        assert_eq!(answer.status, 200, "{header:.80}: {}", answer.summary());
        assert!(stack.upstream().last().header("authorization").len() == 1);
    }
}

/// A cookie that shadows the ticket, from another path or a neighbour with the same name.
async fn two_tickets_never_mix_two_users(deployment: Deployment) {
    let stack = deployment.start().await;
    let ticket = async |name: &str| {
        let browser = stack.browser_logged_in_as(name).await;
        let sub = claims(&browser.fetch("/bff/user").await)["sub"]
            .as_str()
            .unwrap()
            .to_owned();
        (browser.session_cookie().expect("signed in"), sub)
    };
    let ((alices, alice), (bobs, bob)) = (ticket("alice").await, ticket("bob").await);
    let browser = stack.browser();
    for (first, second) in [(&alices, &bobs), (&bobs, &alices)] {
        let both = format!("{SESSION_COOKIE}={first}; {SESSION_COOKIE}={second}");
        let mut seen = HashSet::new();
        for _ in 0..5 {
            let answer = browser.fetch("/bff/user").header("cookie", &both).await;
            seen.insert(match answer.status {
                401 => "nobody".to_owned(),
                _ => claims(&answer)["sub"].as_str().unwrap().to_owned(),
            });
        }
        assert_eq!(
            seen.len(),
            1,
            "the same header is not always the same user: {seen:?}"
        );
        let seen = seen.into_iter().next().unwrap();
        assert!(
            [alice.as_str(), bob.as_str(), "nobody"].contains(&seen.as_str()),
            "{seen}"
        );
    }
    for (first, second) in [("garbage", alices.as_str()), (alices.as_str(), "garbage")] {
        let both = format!("{SESSION_COOKIE}={first}; {SESSION_COOKIE}={second}");
        let answer = browser.fetch("/bff/user").header("cookie", &both).await;
        assert!([200, 401].contains(&answer.status), "{}", answer.summary());
        if answer.status == 200 {
            assert_eq!(claims(&answer)["sub"], alice);
        }
    }
}

/// (21)
async fn tickets_are_long_and_never_alike(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let mut tickets = HashSet::new();
    for _ in 0..20 {
        // The provider knows the user by now, so that each is a login without a form.
        browser.visit("/bff/login").await.assert_status(200);
        let ticket = browser.session_cookie().expect("signed in");
        assert!(
            ticket.len() >= 43,
            "256 bits take 43 characters: {}",
            ticket.len()
        );
        assert!(tickets.insert(ticket), "a ticket was issued twice");
    }
    for received in stack.upstream().received() {
        assert!(
            !tickets
                .iter()
                .any(|ticket| format!("{received:?}").contains(ticket))
        );
    }
}

on_every_store!(garbage_is_anonymous, two_tickets_never_mix_two_users);
on_one_store!(
    a_strange_cookie_header_is_no_reason_to_fail,
    tickets_are_long_and_never_alike
);
