//! Connections of a gateway (23), by which many people ask: what the BFF remembers of one request is nobody else's in the next.

use e2e::on_one_store;
use e2e::raw::{Talk, ToldUpstream};
use e2e::stack::{Deployment, Stack};
use http::Method;

use crate::cookie_line;

const YES: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes";

/// One connection to the BFF, and an upstream that is told who asks.
struct Gateway {
    upstream: ToldUpstream,
    client: Talk,
    line: Option<Talk>,
    host: String,
}

impl Gateway {
    async fn before(stack: &Stack, host: &str) -> Self {
        let upstream = ToldUpstream::start().await;
        let route = upstream.route("/told", "access = \"session\"");
        stack.reload_bff(|text| text + route.as_str()).await;
        Self {
            upstream,
            client: Talk::to(stack.bff_address()).await,
            line: None,
            host: host.to_owned(),
        }
    }

    /// The line with the token that the upstream gets for a request with these lines of cookies; `None` when the client is told to
    /// sign in.
    async fn token_of(&mut self, cookies: &[&str]) -> Option<String> {
        let (host, cookies) = (
            &self.host,
            cookies
                .iter()
                .map(|line| format!("{line}\r\n"))
                .collect::<String>(),
        );
        let request = format!("GET /told/x HTTP/1.1\r\nHost: {host}\r\n{cookies}X-CSRF: 1\r\n\r\n");
        self.client.say(&request).await;
        let asked = async {
            if self.line.is_none() {
                self.line = Some(self.upstream.accept().await);
            }
            let line = self.line.as_mut().expect("a connection");
            let heard = line.hear().await;
            line.say(YES).await;
            let token = heard.lines().find(|line| line.starts_with("authorization: "));
            token.expect("a token").to_owned()
        };
        let mut asked = std::pin::pin!(asked);
        tokio::select! {
            token = &mut asked => {
                let answer = self.client.hear().await;
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
                Some(token)
            }
            answer = self.client.hear() => {
                assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
                None
            }
        }
    }
}

/// With another character at this place of the cookie's value.
fn forged(cookie: &str, at: usize) -> String {
    let place = cookie.find('=').expect("a cookie") + 1 + at;
    let other = if cookie[place..].starts_with('A') {
        "B"
    } else {
        "A"
    };
    [&cookie[..place], other, &cookie[place + 1..]].concat()
}

async fn c23_each_request_of_a_connection_is_of_whoever_it_names(deployment: Deployment) {
    let stack = deployment.start().await;
    let alice = stack.browser_logged_in_as("alice").await;
    let bob = stack.browser_logged_in_as("bob").await;
    let [of_alice, of_bob] = [cookie_line(&alice), cookie_line(&bob)];
    let (of_alice, of_bob) = (of_alice.as_str(), of_bob.as_str());
    let mut gateway = Gateway::before(&stack, alice.app().authority()).await;
    let (a, b) = (
        gateway.token_of(&[of_alice]).await,
        gateway.token_of(&[of_bob]).await,
    );
    assert!(a.is_some() && b.is_some() && a != b);

    let last = of_alice.len() - of_alice.find('=').unwrap() - 2;
    let [another_signature, another_id] = [0, last].map(|at| forged(of_alice, at));
    let beside = |others: &str| format!("{of_alice}; {others}");
    let many = format!("__Host-Http-login-x={}", "y".repeat(2000));
    for (cookies, token) in [
        (&[of_bob][..], &b),
        (&[of_alice], &a),
        (&[], &None),
        (&[of_alice], &a),
        (&[&another_id], &None),
        (&[of_alice], &a),
        (&[&another_signature], &None),
        (&[of_alice], &a),
        (&[&of_alice[..of_alice.len() - 1]], &None),
        (&[&beside("theme=dark")], &a),
        (&[of_bob, of_alice], &b),
        (&[of_alice, of_bob], &a),
        (&[&beside("__Host-Http-login-x=y")], &a),
        (&[&beside(&many)], &a),
        (&[of_bob], &b),
    ] {
        assert_eq!(&gateway.token_of(cookies).await, token, "{cookies:?}");
    }
}

async fn c23_what_a_connection_brought_before_opens_nothing_after_the_logout(deployment: Deployment) {
    let stack = deployment.start().await;
    let alice = stack.browser_logged_in_as("alice").await;
    let bob = stack.browser_logged_in_as("bob").await;
    let [of_alice, of_bob] = [cookie_line(&alice), cookie_line(&bob)];
    let mut gateway = Gateway::before(&stack, alice.app().authority()).await;
    let b = gateway.token_of(&[&of_bob]).await;
    let a = gateway.token_of(&[&of_alice]).await;
    assert!(a.is_some());

    let logout = alice.fetch("/bff/logout").method(Method::POST).await;

    logout.assert_status(200);
    assert_eq!(gateway.token_of(&[&of_alice]).await, None);
    assert_eq!(gateway.token_of(&[&of_bob]).await, b);
    let again = stack.browser_logged_in_as("alice").await;
    let of_her_again = gateway.token_of(&[&cookie_line(&again)]).await;
    assert!(of_her_again.is_some() && of_her_again != a && of_her_again != b);
    assert_eq!(gateway.token_of(&[&of_alice]).await, None);
}

on_one_store!(
    c23_each_request_of_a_connection_is_of_whoever_it_names,
    c23_what_a_connection_brought_before_opens_nothing_after_the_logout,
);
