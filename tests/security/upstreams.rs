//! Several addresses, one that is gone, bodies that are too long or stand still, HTTP/2.

use std::net::SocketAddr;
use std::path::Path;

use bytes::Bytes;
use e2e::browser::Browser;
use e2e::on_one_store;
use e2e::peer::{Closed, Peer};
use e2e::stack::{Deployment, Stack};
use e2e::wait::{eventually, within_patience};
use futures_util::stream;
use http::{Method, Version};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Adds a route to this configuration.
pub(crate) async fn add_route(stack: &Stack, prefix: &str, lines: &str) {
    stack
        .reload_bff(|text| {
            format!(
                "{text}[[route]]\nprefix = \"{prefix}\"\nstrip_prefix = true\naccess = \"anonymous\"\n{lines}\n"
            )
        })
        .await;
}

/// A route to addresses without TLS.
async fn add_route_to(stack: &Stack, addresses: &[SocketAddr], lines: &str) {
    let urls: Vec<_> = addresses
        .iter()
        .map(|address| format!("http://{address}"))
        .collect();
    add_route(stack, "/many", &format!("upstreams = {urls:?}\n{lines}")).await;
}

/// `path = "…"` of a configuration.
pub(crate) fn file(key: &str, path: &Path) -> String {
    format!("{key} = {path:?}\n")
}

async fn who_answers(browser: &Browser, path: &str) -> String {
    let answer = browser.fetch(path).await;
    answer.assert_status(200);
    answer.text()
}

async fn c90_addresses_are_asked_in_turn_and_one_that_is_gone_is_nobodys_error(deployment: Deployment) {
    let stack = deployment.start().await;
    let (one, gone, two) = (Peer::http1("one"), Closed::new(), Peer::http1("two"));
    add_route_to(&stack, &[one.address(), gone.address(), two.address()], "").await;
    let browser = stack.browser();

    for turn in 0..18 {
        let answer = browser
            .fetch("/many/x")
            .method(Method::POST)
            .body(format!("body {turn}"));
        // Nothing of it had left when the connection was refused, so this may go elsewhere although it is a POST.
        answer.await.assert_status(200);
    }

    let (by_one, by_two) = (one.heard(), two.heard());
    let mut bodies: Vec<_> = by_one
        .iter()
        .chain(&by_two)
        .map(|heard| heard.body.clone())
        .collect();
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), 18, "each arrived once, and whole");
    assert!(
        by_one.len() >= 6 && by_two.len() >= 6,
        "{} {}",
        by_one.len(),
        by_two.len()
    );
    let address = gone.address().to_string();
    let is_told = |what: &str| {
        let log = stack.log();
        log.lines()
            .any(|line| line.contains(&address) && line.contains(what))
    };
    assert!(is_told("left out"), "{}", stack.log());

    let back = gone.open("back");
    eventually("the address that was gone is asked again", async || {
        (who_answers(&browser, "/many/x").await == "back").then_some(())
    })
    .await;
    assert!(!back.heard().is_empty());
    eventually("it has its turn again", async || is_told("is back").then_some(())).await;
}

async fn c90_never_are_all_addresses_left_out(deployment: Deployment) {
    let stack = deployment.start().await;
    let (one, two) = (Closed::new(), Closed::new());
    add_route_to(&stack, &[one.address(), two.address()], "").await;
    let browser = stack.browser();

    for _ in 0..10 {
        browser
            .fetch("/many/x")
            .await
            .assert_problem(502, "upstream-unavailable");
    }
    let _peer = two.open("two");

    // The one that will be asked soonest may be the other one: the second attempt finds this.
    assert_eq!(who_answers(&browser, "/many/x").await, "two");
}

async fn c92_an_upstream_that_says_nothing_while_connecting_is_given_up(deployment: Deployment) {
    let stack = deployment.start().await;
    let silent = Closed::new();
    let url = format!("upstream = \"https://localhost:{}\"", silent.address().port());
    add_route(&stack, "/silent", &format!("{url}\nconnect_timeout = \"100ms\"")).await;
    let _listener = silent.accept_and_be_silent();

    let answer = within_patience(
        "connecting is given up",
        stack.browser().fetch("/silent/x").send(),
    )
    .await;

    answer.assert_problem(502, "upstream-unavailable");
}

/// (34) What is matched does not change; only the host that the upstream is told may.
async fn c34_an_upstream_may_be_told_the_host_that_browsers_use(deployment: Deployment) {
    let stack = deployment.start().await;
    let (http1, h2) = (Peer::http1("http1"), Peer::h2("h2"));
    let browser = stack.browser();
    let app = browser.app().authority().to_owned();

    for (peer, protocol) in [(&http1, "http1"), (&h2, "h2")] {
        let own = format!("protocol = \"{protocol}\"");
        add_route_to(&stack, &[peer.address()], &own).await;
        assert_eq!(who_answers(&browser, "/many/x").await, protocol);
        add_route_to(&stack, &[peer.address()], &format!("{own}\nhost = \"browser\"")).await;
        browser
            .fetch("/many/x")
            .header("x-forwarded-host", "evil.example")
            .await
            .assert_status(200);

        let hosts: Vec<_> = peer.heard().into_iter().map(|heard| heard.host).collect();
        assert_eq!(hosts, [peer.address().to_string(), app.clone()]);
    }
}

async fn c39_an_upstream_is_spoken_to_in_http2(deployment: Deployment) {
    let stack = deployment.start().await;
    let peer = Peer::h2("h2");
    add_route_to(&stack, &[peer.address()], "protocol = \"h2\"").await;
    let browser = stack.browser();

    let body = stream::iter(["one ", "two"].map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece))));
    let answer = browser
        .fetch("/many/x?q=1")
        .method(Method::POST)
        .header("connection", "keep-alive, x-hop")
        .header("x-hop", "for us only")
        .header("te", "trailers, gzip")
        .header("x-kept", "yes")
        .body(reqwest::Body::wrap_stream(body))
        .await;

    answer.assert_status(200);
    assert_eq!(answer.text(), "h2");
    let heard = peer.heard().pop().unwrap();
    assert_eq!(heard.version, Version::HTTP_2);
    assert_eq!(&heard.body[..], b"one two");
    assert_eq!(heard.headers["x-kept"], "yes");
    // Each hop says for itself what it takes, and HTTP/2 knows `trailers` only.
    assert_eq!(heard.headers["te"], "trailers");
    for hop in [
        "connection",
        "x-hop",
        "keep-alive",
        "transfer-encoding",
        "upgrade",
    ] {
        assert!(!heard.headers.contains_key(hop), "{hop}: {:?}", heard.headers);
    }
}

/// An HTTP/2 server that refuses its first request and answers the others with 204. It says what body each of these had.
async fn refuse_once(listener: TcpListener, bodies: mpsc::UnboundedSender<Bytes>) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut connection = h2::server::handshake(stream).await.unwrap();
    let mut is_first = true;
    while let Some(request) = connection.accept().await {
        let Ok((request, mut respond)) = request else {
            return;
        };
        if std::mem::take(&mut is_first) {
            respond.send_reset(h2::Reason::REFUSED_STREAM);
            continue;
        }
        let bodies = bodies.clone();
        tokio::spawn(async move {
            let body = request.into_body().data().await;
            let _ = bodies.send(body.transpose().unwrap().unwrap_or_default());
            let answer = http::Response::builder().status(204).body(()).unwrap();
            respond.send_response(answer, true).unwrap();
        });
    }
}

async fn c45_what_an_upstream_refused_to_begin_with_is_sent_again(deployment: Deployment) {
    let stack = deployment.start().await;
    let closed = Closed::new();
    let lines = format!(
        "upstream = \"http://{}\"\nprotocol = \"h2\"\naccess = \"session\"",
        closed.address()
    );
    stack
        .reload_bff(|text| format!("{text}[[route]]\nprefix = \"/h2\"\n{lines}\n"))
        .await;
    let (sender, mut bodies) = mpsc::unbounded_channel();
    let server = tokio::spawn(refuse_once(closed.accept_and_be_silent(), sender));
    let browser = stack.browser_logged_in_as("alice").await;

    let answer = browser.fetch("/h2/x").method(Method::POST).body("once");

    answer.await.assert_status(204);
    assert_eq!(bodies.recv().await.as_deref(), Some(&b"once"[..]));
    assert!(bodies.try_recv().is_err(), "it was told once");
    server.abort();
}

async fn c92_a_request_that_says_it_is_too_long_goes_no_further(deployment: Deployment) {
    let stack = deployment.start().await;
    let peer = Peer::http1("one");
    add_route_to(&stack, &[peer.address()], "max_body_size = \"1KiB\"").await;
    let browser = stack.browser();
    let post = |length: usize| {
        let request = browser.fetch("/many/x").method(Method::POST);
        request.body(vec![b'x'; length])
    };

    post(1024).await.assert_status(200);
    post(1025).await.assert_problem(413, "body-too-long");

    assert_eq!(peer.heard().len(), 1, "the upstream heard of the one that fits");
}

async fn c92_a_request_that_turns_out_too_long_is_cut(deployment: Deployment) {
    let stack = deployment.start().await;
    let peer = Peer::http1("one");
    add_route_to(&stack, &[peer.address()], "max_body_size = \"1KiB\"").await;
    let browser = stack.browser();
    let post = |pieces: usize| {
        let pieces = (0..pieces).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 256])));
        let request = browser.fetch("/many/x").method(Method::POST);
        request.body(reqwest::Body::wrap_stream(stream::iter(pieces)))
    };

    post(4).await.assert_status(200);
    post(5).await.assert_problem(413, "body-too-long");

    assert_eq!(peer.heard().len(), 1, "what was cut never was a request");
}

async fn c92_an_answer_that_stands_still_is_cut_where_the_route_says_so(deployment: Deployment) {
    let stack = deployment
        .with_route("/brief", "access = \"anonymous\"\nidle_timeout = \"1s\"")
        .start()
        .await;
    let browser = stack.browser();
    let gate = stack.upstream().hold("/lab/drip");

    let mut cut = browser.fetch("/brief/lab/drip").open().await;
    let mut patient = browser.fetch("/open/lab/drip").open().await;
    assert_eq!(cut.next().await.unwrap().as_deref(), Some(&b"first\n"[..]));
    assert_eq!(patient.next().await.unwrap().as_deref(), Some(&b"first\n"[..]));
    let end = within_patience("the answer is cut", cut.next()).await;

    assert!(end.is_err(), "a body that was cut must not look whole: {end:?}");
    gate.open();
    let second = within_patience("the other goes on", patient.next()).await;
    assert_eq!(second.unwrap().as_deref(), Some(&b"second\n"[..]));
}

async fn c91_upstreams_are_counted_by_route(deployment: Deployment) {
    let stack = deployment.start().await;
    let gone = Closed::new();
    add_route(
        &stack,
        "/counted",
        &format!("upstream = \"http://{}\"", gone.address()),
    )
    .await;
    let browser = stack.browser();
    browser.fetch("/counted/x").await.assert_status(502);
    browser.fetch("/open/lab/teapot").await.assert_status(418);

    let metrics = stack.metrics().await;

    for line in [
        "bff_upstream_failures_total{route=\"/counted\",reason=\"unconnected\"}",
        "bff_upstream_duration_seconds_count{route=\"/open\",status_class=\"4xx\"}",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}

on_one_store!(
    c45_what_an_upstream_refused_to_begin_with_is_sent_again,
    c90_addresses_are_asked_in_turn_and_one_that_is_gone_is_nobodys_error,
    c90_never_are_all_addresses_left_out,
    c92_an_upstream_that_says_nothing_while_connecting_is_given_up,
    c34_an_upstream_may_be_told_the_host_that_browsers_use,
    c39_an_upstream_is_spoken_to_in_http2,
    c92_a_request_that_says_it_is_too_long_goes_no_further,
    c92_a_request_that_turns_out_too_long_is_cut,
    c92_an_answer_that_stands_still_is_cut_where_the_route_says_so,
    c91_upstreams_are_counted_by_route,
);
