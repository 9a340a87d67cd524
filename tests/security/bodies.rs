//! Bodies and what belongs to them pass unharmed, whoever breaks off.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use e2e::browser::Browser;
use e2e::log::Excerpt;
use e2e::on_one_store;
use e2e::raw;
use e2e::stack::{Deployment, SESSION_COOKIE};
use e2e::wait::{eventually, within_patience};
use futures_util::{StreamExt as _, stream};
use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// (44) How soon who breaks off is noticed at the other end.
const AT_ONCE: Duration = Duration::from_secs(1);
const FIRST_BYTE: Duration = Duration::from_millis(100);

async fn c44_an_event_reaches_the_browser_at_once(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let mut events = browser.fetch("/api/lab/events").open().await;
    let feed = stack.upstream().feeds().nth(0).await;

    let mut took = Vec::new();
    for number in 0..21 {
        let (said, event) = (Instant::now(), format!("data: {number}\n\n"));
        feed.say(&event).await;
        let heard = within_patience("the event", events.next()).await.unwrap();
        took.push(said.elapsed());
        assert_eq!(heard, Some(Bytes::from(event)));
    }
    took.sort();
    // A busy machine may keep one of them waiting; whoever gathers events keeps all.
    assert!(took[10] < FIRST_BYTE, "{took:?}");
}

async fn c44_a_browser_that_breaks_off_a_download_is_noticed_by_the_upstream(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    for (number, path) in ["/api/lab/events", "/open/lab/feed"].into_iter().enumerate() {
        let mut download = browser.fetch(path).open().await;
        let feed = stack.upstream().feeds().nth(number).await;
        feed.say("first").await;
        assert!(download.next().await.unwrap().is_some());

        let left = Instant::now();
        drop(download);

        feed.is_left().await;
        let took = left.elapsed();
        assert!(took < AT_ONCE, "{path}: it took {took:?}");
    }
}

async fn c44_a_browser_that_breaks_off_an_upload_is_noticed_by_the_upstream(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let pieces = stream::iter([Ok::<_, std::io::Error>(Bytes::from(vec![1; 100_000]))]);
    let upload = browser
        .fetch("/api/lab/sink")
        .method(Method::POST)
        .body(reqwest::Body::wrap_stream(pieces.chain(stream::pending())))
        .spawn();
    within_patience("the upload begins", async {
        while stack.upstream().received().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;

    let left = Instant::now();
    upload.abort();

    stack.upstream().upload_breaks_off().await;
    let took = left.elapsed();
    assert!(took < AT_ONCE, "it took {took:?}");
}

/// A browser that waits for an answer's head goes away.
async fn c44_a_browser_that_gives_up_waiting_is_noticed_by_the_upstream(deployment: Deployment) {
    let stack = deployment.start().await;
    let (address, request) = authorized(
        &stack.browser_logged_in_as("alice").await,
        "GET /api/lab/silence",
        &[],
    );
    let mut waiting = TcpStream::connect(address).await.unwrap();
    waiting.write_all(&request).await.unwrap();
    let silence = stack.upstream().feeds().nth(0).await;

    let left = Instant::now();
    drop(waiting);

    silence.is_left().await;
    let took = left.elapsed();
    assert!(took < AT_ONCE, "it took {took:?}");
}

async fn c44_an_upstream_that_breaks_off_is_noticed_by_the_browser(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    for (number, path) in ["/api/lab/events", "/api/lab/feed"].into_iter().enumerate() {
        let mut download = browser.fetch(path).open().await;
        let feed = stack.upstream().feeds().nth(number).await;
        feed.say("first").await;
        assert!(download.next().await.unwrap().is_some());

        let left = Instant::now();
        feed.cut().await;

        let rest = within_patience("the download ends", download.next()).await;
        assert!(rest.is_err(), "a part was taken for the whole: {rest:?}");
        let took = left.elapsed();
        assert!(took < AT_ONCE, "{path}: it took {took:?}");
    }
}

/// What an upstream refuses while it is still being told is told at once, not after the rest.
async fn an_upload_that_is_refused_early_is_told_early(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let (address, request) = authorized(&browser, "POST /api/lab/teapot", &["Content-Length: 50000000"]);
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(&request).await.unwrap();
    connection.write_all(&[b'x'; 1000]).await.unwrap();

    let head = head_of(&mut connection).await;

    assert!(head.starts_with("HTTP/1.1 418"), "{head}");
    assert!(head.to_ascii_lowercase().contains("connection: close"), "{head}");
}

/// Most clients send all of a body before they look for an answer. Were the connection closed meanwhile, they would learn of a reset
/// and not of the refusal.
async fn an_upload_that_is_refused_learns_why(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let body = vec![b'x'; 4 << 20];
    let length = format!("Content-Length: {}", body.len());
    for _ in 0..10 {
        let (address, request) = authorized(
            &browser,
            "POST /api/lab/a",
            &[&length, "Origin: https://evil.example"],
        );
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(&request).await.unwrap();
        connection
            .write_all(&body)
            .await
            .expect("all of the body is taken");

        let head = head_of(&mut connection).await;

        assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    }
}

/// The token is refused from the head, and the body comes while another one is fetched: it belongs to the second request, or,
/// if it cannot be told to that one, the refusal stands.
async fn c45_a_body_that_comes_after_a_refusal_is_not_torn(deployment: Deployment) {
    for (framing, body) in [
        ("Content-Length: 10", "0123456789"),
        (
            "Transfer-Encoding: chunked",
            "5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n",
        ),
    ] {
        for comes_first in [true, false] {
            let stack = deployment.clone().start().await;
            let browser = stack.browser_logged_in_as("alice").await;
            stack.advance(Duration::from_secs(15)).await;
            browser.fetch("/api/lab/x").await.assert_status(200);
            let bearer = stack.upstream().last().header("authorization").remove(0);
            stack.upstream().refuse(&bearer);
            let gate = stack.provider().hold(stack.endpoints().token);
            let (address, request) =
                authorized(&browser, "POST /api/lab/hasty", &[framing, "Connection: close"]);
            let mut connection = TcpStream::connect(address).await.unwrap();
            connection.write_all(&request).await.unwrap();
            gate.reached().await;
            if comes_first {
                connection.write_all(body.as_bytes()).await.unwrap();
                gate.open();
            } else {
                gate.open();
                eventually("the request is sent again", || async {
                    (stack.upstream().received().len() == 3).then_some(())
                })
                .await;
                connection.write_all(body.as_bytes()).await.unwrap();
            }

            let mut answer = String::new();
            within_patience("the answer", connection.read_to_string(&mut answer))
                .await
                .unwrap();
            if comes_first && answer.starts_with("HTTP/1.1 401") {
                continue;
            }
            assert!(answer.starts_with("HTTP/1.1 200"), "{framing}: {answer}");
            assert!(
                answer.replace("\r\n", "").contains("0123456789") || answer.contains("01234\r\n5\r\n56789"),
                "{framing}: {answer}"
            );
        }
    }
}

/// RFC 9112 §6.3: only 1xx, 204 and 304 have no body without saying so.
async fn c39_an_answer_without_a_body_says_so(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let (address, request) = authorized(&browser, "GET /api/lab/reset", &[]);
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(&request).await.unwrap();

    let head = head_of(&mut connection).await.to_ascii_lowercase();

    assert!(head.starts_with("http/1.1 205"), "{head}");
    assert!(head.contains("content-length: 0"), "{head}");
}

async fn a_client_that_expects_100_is_told_to_go_on_before_it_sends(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let lines = ["Content-Length: 5", "Expect: 100-continue"];
    let (address, request) = authorized(&browser, "POST /api/lab/echo", &lines);
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(&request).await.unwrap();

    let head = head_of(&mut connection).await;
    assert!(head.starts_with("HTTP/1.1 100"), "{head}");
    connection.write_all(b"hello").await.unwrap();
    let mut answer = String::new();
    within_patience("the answer", connection.read_to_string(&mut answer))
        .await
        .unwrap();

    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("hello"),
        "{answer}"
    );
    let received = stack.upstream().last();
    assert!(received.header("expect").is_empty(), "{:?}", received.headers);
}

/// Without a session nothing of the body is waited for.
async fn a_client_that_expects_100_and_may_not_is_refused_before_it_sends(deployment: Deployment) {
    let stack = deployment.start().await;
    let host = stack.browser().app().authority().to_owned();
    let bytes = format!(
        "POST /api/lab/echo HTTP/1.1\r\nHost: {host}\r\nX-CSRF: 1\r\nContent-Length: 50000000\r\n\
         Expect: 100-continue\r\n\r\n"
    );
    let mut connection = TcpStream::connect(stack.bff_address()).await.unwrap();
    connection.write_all(bytes.as_bytes()).await.unwrap();

    let mut head = head_of(&mut connection).await;
    if head.starts_with("HTTP/1.1 100") {
        head = head_of(&mut connection).await;
    }
    assert!(head.starts_with("HTTP/1.1 401"), "{head}");
    assert!(stack.upstream().received().is_empty());
}

async fn ranges_heads_and_compressed_bodies_pass_untouched(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;

    let part = browser
        .fetch("/api/lab/stored")
        .header("range", "bytes=2-5")
        .await;
    part.assert_status(206);
    assert_eq!(part.header("content-range"), Some("bytes 2-5/10"));
    assert_eq!(part.body.as_ref(), b"2345");
    assert_eq!(stack.upstream().last().header("range"), ["bytes=2-5"]);

    let head = browser.fetch("/api/lab/stored").method(Method::HEAD).await;
    head.assert_status(200);
    assert_eq!(head.header("content-length"), Some("10"));
    assert!(head.body.is_empty());
    assert_eq!(stack.upstream().last().method, "HEAD");

    let unchanged = browser
        .fetch("/api/lab/stored")
        .header("if-none-match", "\"v1\"")
        .await;
    unchanged.assert_status(304);
    assert_eq!(unchanged.header("etag"), Some("\"v1\""));

    // The bytes are no gzip, so whoever touched them would fail.
    let (address, request) = authorized(&browser, "GET /api/lab/compressed", &["Accept-Encoding: gzip"]);
    let answer = raw::send(address, &request).await;
    assert_eq!(answer.status, Some(200), "{}", answer.text);
    assert!(answer.text.contains("content-encoding: gzip"), "{}", answer.text);
    assert!(answer.text.contains("no gzip at all"), "{}", answer.text);
    assert_eq!(stack.upstream().last().header("accept-encoding"), ["gzip"]);
}

/// Informational answers are between the upstream and us; the browser gets the one that counts.
async fn informational_answers_of_an_upstream_do_no_harm(deployment: Deployment) {
    const ANSWERS: &[u8] =
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n\
        HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = upstream.local_addr().unwrap();
    let route = deployment.with_route("/hints", format!("upstream = \"http://{address}\""));
    let stack = route.start().await;
    let browser = stack.browser_logged_in_as("alice").await;

    let answer = browser.fetch("/hints").spawn();
    let (mut connection, _) = within_patience("the BFF comes", upstream.accept()).await.unwrap();
    head_of(&mut connection).await;
    connection.write_all(ANSWERS).await.unwrap();

    let answer = answer.await.unwrap();
    answer.assert_status(200);
    assert_eq!(answer.text(), "hello");
    assert!(answer.header("link").is_none(), "{}", answer.summary());
}

/// A client that announces a body and does not send it is slow, and its upstream is not.
async fn c92_a_body_that_does_not_come(deployment: Deployment) {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rules = format!(
        "upstream = \"http://{}\"\naccess = \"anonymous\"",
        upstream.local_addr().unwrap()
    );
    let stack = deployment
        .with_upstream_timeout("1s")
        .with_route("/never-fed", rules)
        .start()
        .await;
    let log = Excerpt::from_now_on();
    let ask = async |body: &str| {
        let host = stack.browser().app().authority().to_owned();
        let mut request = raw::request("POST", "/never-fed", &host, &["X-CSRF: 1", "Content-Length: 10"]);
        request.extend_from_slice(body.as_bytes());
        raw::send(stack.bff_address(), &request).await
    };
    let failures = "bff_upstream_failures_total{route=\"/never-fed\"";

    for begun in ["", "half"] {
        let answer = ask(begun).await;
        assert_eq!(answer.status, Some(408), "{}", answer.text);
        assert!(answer.text.contains("request-timeout"), "{}", answer.text);
    }
    assert!(!stack.metrics().await.contains(failures));
    let told = log.warnings();
    assert!(!told.contains("/never-fed"), "{told}");

    // It has the whole request, so this silence is its own.
    let answer = ask("0123456789").await;
    assert_eq!(answer.status, Some(504), "{}", answer.text);
    assert!(stack.metrics().await.contains(failures));
}

/// Where a browser's request goes, and its bytes.
fn authorized(browser: &Browser, line: &str, lines: &[&str]) -> (SocketAddr, Vec<u8>) {
    let (method, target) = line.split_once(' ').expect("method and target");
    let cookie = format!(
        "Cookie: {SESSION_COOKIE}={}",
        browser.session_cookie().expect("signed in")
    );
    let mut all = vec![cookie.as_str(), "X-CSRF: 1"];
    all.extend(lines);
    let port = browser.app().port().expect("a port");
    let bytes = raw::request(method, target, browser.app().authority(), &all);
    (SocketAddr::from(([127, 0, 0, 1], port)), bytes)
}

async fn head_of(connection: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = within_patience("a head comes", connection.read_u8()).await;
        head.push(byte.expect("the head is whole"));
    }
    String::from_utf8(head).expect("a head is text")
}

on_one_store!(
    a_client_that_expects_100_and_may_not_is_refused_before_it_sends,
    a_client_that_expects_100_is_told_to_go_on_before_it_sends,
    an_upload_that_is_refused_early_is_told_early,
    an_upload_that_is_refused_learns_why,
    c39_an_answer_without_a_body_says_so,
    c45_a_body_that_comes_after_a_refusal_is_not_torn,
    c44_a_browser_that_breaks_off_a_download_is_noticed_by_the_upstream,
    c44_a_browser_that_breaks_off_an_upload_is_noticed_by_the_upstream,
    c44_a_browser_that_gives_up_waiting_is_noticed_by_the_upstream,
    c44_an_event_reaches_the_browser_at_once,
    c44_an_upstream_that_breaks_off_is_noticed_by_the_browser,
    c92_a_body_that_does_not_come,
    informational_answers_of_an_upstream_do_no_harm,
    ranges_heads_and_compressed_bodies_pass_untouched,
);
