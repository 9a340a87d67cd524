//! WebSockets through the BFF.

use e2e::browser::Closed;
use e2e::raw;
use e2e::secrets::Kind;
use e2e::stack::{Deployment, SESSION_COOKIE};
use e2e::wait::within_patience;
use e2e::{on_every_store, on_one_store};
use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const SOCKET: &str = "/api/lab/socket";

async fn c30_a_websocket_of_a_foreign_or_unnamed_origin_is_refused(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let ticket = browser.session_cookie().expect("signed in");
    let cookie = format!("{SESSION_COOKIE}={ticket}");
    let same_host = format!("http://localhost.evil.example:{}", browser.app().port().unwrap());
    let other_port = "http://localhost:1";

    let attempts = [
        browser.socket(SOCKET).without("origin"),
        browser.socket(SOCKET).without("origin").header("x-csrf", "1"),
        browser
            .socket(SOCKET)
            .header("origin", "null")
            .header("sec-fetch-site", "same-origin"),
        // Whatever `SameSite` does, the cookie may be there.
        browser
            .socket(SOCKET)
            .by_page("http://evil.example")
            .header("cookie", &cookie),
        browser
            .socket(SOCKET)
            .by_page(&same_host)
            .header("cookie", &cookie),
        browser
            .socket(SOCKET)
            .by_page(other_port)
            .header("cookie", &cookie),
        browser
            .socket(SOCKET)
            .header("origin", other_port)
            .header("x-csrf", "1"),
        browser.socket(SOCKET).header("sec-fetch-site", "cross-site"),
        browser.socket("/maybe/lab/socket").without("origin"),
        browser.socket("/page/lab/socket").without("origin"),
        // No session is looked at, and a page of somebody else is no guest all the same.
        browser.socket("/open/lab/socket").by_page("http://evil.example"),
    ];
    for attempt in attempts {
        let refused = attempt.open().await.expect_err("it was opened");
        refused.assert_problem(403, "cross-site");
    }

    let received = stack.upstream().received();
    assert!(received.is_empty(), "the upstream heard of it: {received:?}");
}

async fn c30_a_page_of_an_allowed_origin_opens_a_websocket_and_its_neighbour_none(deployment: Deployment) {
    let allowed = "[cors]\nallowed_origins = [\"http://localhost:4200\"]\n";
    let stack = deployment.with_sections(allowed).start().await;
    let browser = stack.browser_logged_in_as("alice").await;

    let neighbour = browser.socket(SOCKET).by_page("http://localhost:4201");
    let refused = neighbour.open().await.expect_err("it was opened");
    refused.assert_problem(403, "cross-site");
    assert!(stack.upstream().received().is_empty());

    let mut socket = browser.socket(SOCKET).by_page("http://localhost:4200").await;
    socket.say("hello").await;
    assert_eq!(socket.hear().await, "hello");
}

async fn c37_a_websocket_reaches_the_upstream_with_the_token_and_nothing_of_the_browsers(
    deployment: Deployment,
) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;

    let mut socket = browser
        .socket(&format!("{SOCKET}?room=7"))
        .header("authorization", "Bearer of-the-client")
        .header("x-forwarded-user", "root")
        .header("sec-websocket-protocol", "chat.v1, chat.v2")
        .await;

    assert_eq!(socket.head.header("sec-websocket-protocol"), Some("chat.v2"));
    socket.say("hello").await;
    assert_eq!(socket.hear().await, "hello");
    let received = stack.upstream().last();
    assert_eq!(received.target, "/lab/socket?room=7");
    let authorization = received.header("authorization");
    let tokens = stack.secrets().of_kind(Kind::AccessToken);
    assert!(
        matches!(authorization.as_slice(), [one] if tokens.iter().any(|token| *one == format!("Bearer {token}"))),
        "{authorization:?}"
    );
    assert!(received.header("cookie").is_empty() && received.header("x-forwarded-user").is_empty());
    assert_eq!(received.header("sec-websocket-protocol"), ["chat.v1, chat.v2"]);
}

async fn messages_pass_in_both_directions_and_in_every_size(deployment: Deployment) {
    let stack = deployment.start().await;
    let mut socket = stack.browser_logged_in_as("alice").await.socket(SOCKET).await;

    for length in [0, 1, 125, 126, 65_535, 65_536, 3_000_000] {
        let message = bytes::Bytes::from(vec![length as u8; length]);
        socket
            .send(tokio_tungstenite::tungstenite::Message::Binary(message.clone()))
            .await;
        assert!(socket.hear_bytes().await == message, "{length} bytes");
    }
    for number in 0..200 {
        socket.say(&number.to_string()).await;
    }
    for number in 0..200 {
        assert_eq!(socket.hear().await, number.to_string());
    }
}

async fn close_codes_pass_in_both_directions(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;

    let mut closed_by_browser = browser.socket(SOCKET).await;
    closed_by_browser.close(4001, "done").await;
    assert_eq!(stack.upstream().sockets().first_end().await, Some(4001));

    let mut closed_by_upstream = browser.socket(SOCKET).await;
    closed_by_upstream.say("close 4007 no more chat").await;
    let closed = closed_by_upstream.closed().await;
    assert_eq!(closed, Closed::With(4007, "no more chat".to_owned()));

    let mut cut_by_upstream = browser.socket(SOCKET).await;
    cut_by_upstream.say("cut").await;
    assert_eq!(cut_by_upstream.closed().await, Closed::BrokenOff);
}

async fn c44_a_browser_that_vanishes_is_noticed_by_the_upstream(deployment: Deployment) {
    let stack = deployment.start().await;
    let mut socket = stack.browser_logged_in_as("alice").await.socket(SOCKET).await;
    socket.say("flood").await;
    socket.hear_bytes().await;

    let dropped = std::time::Instant::now();
    drop(socket);

    assert_eq!(stack.upstream().sockets().first_end().await, None);
    let took = dropped.elapsed();
    assert!(took < std::time::Duration::from_secs(1), "it took {took:?}");
}

/// Extensions are a matter between the two ends: what compresses there stays compressed here.
async fn extensions_pass_untouched(deployment: Deployment) {
    let stack = deployment.start().await;
    let socket = stack.browser_logged_in_as("alice").await.socket(SOCKET);

    let socket = socket
        .header(
            "sec-websocket-extensions",
            "permessage-deflate; client_max_window_bits",
        )
        .await;

    let received = stack.upstream().last();
    assert_eq!(
        received.header("sec-websocket-extensions"),
        ["permessage-deflate; client_max_window_bits"]
    );
    drop(socket);
}

/// What a WebSocket carries is nobody's business in between: reserved bits and opcodes, half a frame, bytes that are none.
async fn bytes_pass_as_they_are_once_both_ends_have_agreed(deployment: Deployment) {
    const AGREED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: x\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00";
    const SAID: &[u8] = b"\xc1\x87\x01\x02\x03\x04\xf3\x4a\xce\xcd\xc8\x05\x03\xf3\x83";
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = upstream.local_addr().unwrap();
    let route = deployment.with_route(
        "/raw",
        format!("access = \"anonymous\"\nupstream = \"http://{address}\""),
    );
    let stack = route.start().await;
    let mut browser = TcpStream::connect(stack.bff_address()).await.unwrap();
    let host = stack.browser().app().authority().to_owned();
    let handshake = format!(
        "GET /raw HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    );
    // It says something before it has an answer, too.
    browser
        .write_all(&[handshake.as_bytes(), SAID].concat())
        .await
        .unwrap();
    let (mut upstream, _) = within_patience("the BFF comes", upstream.accept()).await.unwrap();
    let asked = up_to(&mut upstream, b"\r\n\r\n").await;
    let asked = String::from_utf8_lossy(&asked).to_lowercase();
    assert!(
        asked.contains("upgrade: websocket") && asked.contains("connection: upgrade"),
        "{asked}"
    );
    upstream.write_all(AGREED).await.unwrap();

    let answer = up_to(&mut browser, &AGREED[AGREED.len() - 9..]).await;
    let text = String::from_utf8_lossy(&answer);
    assert!(text.starts_with("HTTP/1.1 101"), "{text}");
    assert!(
        text.contains("sec-websocket-extensions: permessage-deflate"),
        "{text}"
    );
    assert!(
        !text.contains("content-length") && !text.contains("transfer-encoding"),
        "{text}"
    );
    assert_eq!(up_to(&mut upstream, SAID).await, SAID);
    drop(upstream);
    let mut rest = Vec::new();
    within_patience("the end", browser.read_to_end(&mut rest))
        .await
        .unwrap();
    assert!(rest.is_empty());
}

/// Reads until these bytes have come, and not one more.
async fn up_to(stream: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut read = Vec::new();
    while !read.ends_with(end) {
        let byte = within_patience("it goes on", stream.read_u8()).await;
        read.push(byte.expect("it was not all"));
    }
    read
}

async fn without_a_session_there_is_no_websocket(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser();

    let refused = browser.socket(SOCKET).open().await.expect_err("it was opened");
    refused.assert_problem(401, "session-required");
    assert!(stack.upstream().received().is_empty());

    // A route that needs none is open to anybody.
    let mut open = browser.socket("/open/lab/socket").await;
    open.say("hello").await;
    assert_eq!(open.hear().await, "hello");
    assert!(stack.upstream().last().header("authorization").is_empty());
}

async fn what_the_upstream_answers_instead_of_a_websocket_is_passed_on(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;

    for (path, status) in [("/api/lab/teapot", 418), ("/api/lab/source?bytes=100000", 200)] {
        let answer = browser.socket(path).open().await.expect_err("it was opened");
        assert_eq!(answer.status, status, "{}", answer.summary());
    }
    let notes = browser
        .fetch("/api/lab/echo")
        .method(Method::POST)
        .body("still here");
    assert_eq!(notes.await.text(), "still here");
}

/// The server reads such a connection as a WebSocket, so that a body or a next request could be smuggled in it.
async fn c40_an_upgrade_that_no_browser_asks_for_is_refused(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let (app, host) = (
        browser.app().as_str().trim_end_matches('/'),
        browser.app().authority(),
    );
    let cookie = format!(
        "Cookie: {SESSION_COOKIE}={}",
        browser.session_cookie().expect("signed in")
    );
    let origin = format!("Origin: {app}");
    let smuggled = "GET /api/smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    let request = |first_line: &str, lines: &[&str]| {
        let mut head = format!("{first_line}\r\nHost: {host}\r\n{cookie}\r\n{origin}\r\nX-CSRF: 1\r\n");
        for line in lines {
            head.push_str(line);
            head.push_str("\r\n");
        }
        format!("{head}\r\n{smuggled}").into_bytes()
    };

    let get = format!("GET {SOCKET} HTTP/1.1");
    let post = format!("POST {SOCKET} HTTP/1.1");
    let old = format!("GET {SOCKET} HTTP/1.0");
    let upgrade = ["Upgrade: websocket", "Connection: upgrade"];
    for bytes in [
        request(&post, &upgrade),
        request(&old, &upgrade),
        request(&get, &upgrade[..1]),
        request(&get, &["Upgrade: WebSocket", "Connection: close"]),
        request(&get, &[upgrade[0], upgrade[1], "Content-Length: 5"]),
        request(&post, &[upgrade[0], upgrade[1], "Content-Length: 5"]),
    ] {
        let answer = raw::send(stack.bff_address(), &bytes).await;
        assert_eq!(answer.status, Some(400), "{}", answer.text);
        assert_eq!(answer.text.matches("HTTP/1.").count(), 1, "{}", answer.text);
    }
    let received = stack.upstream().received();
    assert!(received.is_empty(), "the upstream heard of it: {received:?}");
}

on_every_store!(c30_a_websocket_of_a_foreign_or_unnamed_origin_is_refused);
on_one_store!(
    c30_a_page_of_an_allowed_origin_opens_a_websocket_and_its_neighbour_none,
    bytes_pass_as_they_are_once_both_ends_have_agreed,
    c37_a_websocket_reaches_the_upstream_with_the_token_and_nothing_of_the_browsers,
    c40_an_upgrade_that_no_browser_asks_for_is_refused,
    c44_a_browser_that_vanishes_is_noticed_by_the_upstream,
    close_codes_pass_in_both_directions,
    extensions_pass_untouched,
    messages_pass_in_both_directions_and_in_every_size,
    what_the_upstream_answers_instead_of_a_websocket_is_passed_on,
    without_a_session_there_is_no_websocket,
);
