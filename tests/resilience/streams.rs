//! Streams through real processes: how much memory they take, and when they end.

use std::time::{Duration, Instant};

use bytes::Bytes;
use e2e::browser::{Closed, Socket, Stream};
use e2e::cluster::Stolen;
use e2e::on_redis;
use e2e::stack::Deployment;
use e2e::wait::{eventually, within_patience};
use futures_util::stream;
use http::Method;

use crate::logouts::STALENESS_BOUND;

const MIB: usize = 1024 * 1024;
/// What passes in one go, each way.
const TWO_GIGABYTES: usize = 2048 * MIB;
/// What a node may need more for that than for nothing.
const GROWTH: u64 = 16 * MIB as u64;
/// The clock is looked at once in a second, and a busy machine is slow.
const TICK: Duration = Duration::from_secs(2);

const SIGNED_OUT: &str = "the session has ended";

/// (44)
async fn c44_two_gigabytes_each_way_take_no_memory(deployment: Deployment) {
    let cluster = crate::start(deployment).await;
    let (node, ..) = cluster.abc();
    let browser = cluster.browser_logged_in_as("alice").await;
    let download = async |bytes: usize| {
        let mut stream = browser
            .fetch(&format!("/api/lab/flood?bytes={bytes}"))
            .open()
            .await;
        let mut got = 0;
        while let Some(piece) = stream.next().await.expect("the download goes on") {
            got += piece.len();
        }
        assert_eq!(got, bytes);
    };
    let upload = async |bytes: usize| {
        let piece = Bytes::from(vec![7; MIB / 16]);
        let pieces = (0..bytes / piece.len()).map(move |_| Ok::<_, std::io::Error>(piece.clone()));
        let body = reqwest::Body::wrap_stream(stream::iter(pieces));
        let answer = browser
            .fetch("/api/lab/swallow")
            .method(Method::POST)
            .body(body)
            .await;
        assert_eq!(answer.text(), bytes.to_string());
    };
    // What is allocated once is no growth.
    download(16 * MIB).await;
    upload(16 * MIB).await;

    let (before, peak) = node.memory_during(download(TWO_GIGABYTES)).await;
    assert!(peak < before + GROWTH, "a download took {before} B to {peak} B");
    let (before, peak) = node.memory_during(upload(TWO_GIGABYTES)).await;
    assert!(peak < before + GROWTH, "an upload took {before} B to {peak} B");
}

/// A reader that does not read holds the upstream back, and fills no memory.
async fn c44_a_browser_that_does_not_read_fills_no_memory(deployment: Deployment) {
    let cluster = crate::start(deployment).await;
    let (node, ..) = cluster.abc();
    let browser = cluster.browser_logged_in_as("alice").await;
    let path = format!("/api/lab/flood?bytes={TWO_GIGABYTES}");
    let opened = async |readers: usize| {
        let mut streams = Vec::new();
        for _ in 0..readers {
            let mut stream = browser.fetch(&path).open().await;
            assert!(stream.next().await.expect("it begins").is_some());
            let mut socket = browser.socket("/api/lab/socket").await;
            socket.say("flood").await;
            socket.hear_bytes().await;
            streams.push((stream, socket));
        }
        streams
    };
    drop(opened(2).await);

    let (before, peak) = node
        .memory_during(async {
            let streams = opened(10).await;
            // Each of them would fill a gigabyte in this time if nothing held it back.
            download_while_others_wait(&browser).await;
            drop(streams);
        })
        .await;

    assert!(peak < before + 2 * GROWTH, "{before} B grew to {peak} B");
}

async fn download_while_others_wait(browser: &e2e::browser::Browser) {
    let path = format!("/api/lab/flood?bytes={}", 512 * MIB);
    let mut stream = browser.fetch(&path).open().await;
    while stream.next().await.expect("the download goes on").is_some() {}
}

async fn a_logout_ends_the_streams_of_every_node(deployment: Deployment) {
    let cluster = crate::start(deployment).await;
    let (a, ..) = cluster.abc();
    let browser = cluster.browser_logged_in_as("alice").await;
    let mut sockets = Vec::new();
    for node in cluster.nodes() {
        let mut socket = browser.at(node.address()).socket("/api/lab/socket").await;
        socket.say("hello").await;
        assert_eq!(socket.hear().await, "hello");
        sockets.push(socket);
    }

    let logout = browser
        .at(a.address())
        .fetch("/bff/logout")
        .method(Method::POST)
        .await;
    logout.assert_status(200);

    let ended = Instant::now();
    for socket in &mut sockets {
        assert_eq!(socket.closed().await, Closed::With(1008, SIGNED_OUT.to_owned()));
    }
    let took = ended.elapsed();
    assert!(took < STALENESS_BOUND + TICK, "it took {took:?}");
}

/// A node that cannot hear of a logout lets streams go on for the grace, and no longer.
async fn a_node_that_is_cut_off_ends_streams_after_the_grace(deployment: Deployment) {
    let deployment = deployment.with_proxy_rules("stream_grace = \"2s\"");
    let cluster = crate::start(deployment).await;
    let (a, b, _) = cluster.abc();
    let browser = cluster.browser_logged_in_as("alice").await;
    let mut lasting = browser.at(b.address()).socket("/api/lab/socket").await;
    lasting.say("hello").await;
    assert_eq!(lasting.hear().await, "hello");

    b.link().cut();
    let logout = browser
        .at(a.address())
        .fetch("/bff/logout")
        .method(Method::POST)
        .await;
    logout.assert_status(200);

    let reason = "sessions cannot be read for the moment".to_owned();
    assert_eq!(lasting.closed().await, Closed::With(1013, reason));
    b.link().heal();
}

/// A partition that is over before the grace harms no stream of a session that lives, and ends those of one that does not.
async fn a_node_that_hears_again_ends_what_ended_meanwhile(deployment: Deployment) {
    let cluster = crate::start(deployment).await;
    let (a, b, _) = cluster.abc();
    let (alice, bob) = (
        cluster.browser_logged_in_as("alice").await,
        cluster.browser_logged_in_as("bob").await,
    );
    let mut of_alice = alice.at(b.address()).socket("/api/lab/socket").await;
    let mut of_bob = bob.at(b.address()).socket("/api/lab/socket").await;
    let ticket = Stolen::from(cluster.stack(), &alice);

    b.link().cut();
    let logout = alice
        .at(a.address())
        .fetch("/bff/logout")
        .method(Method::POST)
        .await;
    logout.assert_status(200);
    eventually("the node says that it knows nothing", || async {
        let answer = ticket.fetch(b.address(), "/api/notes").await;
        (answer.status == 503).then_some(())
    })
    .await;
    of_bob.say("still here").await;
    assert_eq!(of_bob.hear().await, "still here");
    b.link().break_connections();
    b.link().heal();

    assert_eq!(of_alice.closed().await, Closed::With(1008, SIGNED_OUT.to_owned()));
    of_bob.say("still here").await;
    assert_eq!(of_bob.hear().await, "still here");
}

/// (90) `SIGTERM`: nothing in flight is cut, what has no end is closed, and its browser goes on at another node.
async fn c90_a_node_that_is_told_to_stop_closes_its_streams(deployment: Deployment) {
    let cluster = crate::start(deployment).await;
    let (a, b, _) = cluster.abc();
    let browser = cluster.browser_logged_in_as("alice").await;
    let mut socket = browser.socket("/api/lab/socket").await;
    let mut events = browser.fetch("/api/lab/events").open().await;
    cluster
        .stack()
        .upstream()
        .feeds()
        .nth(0)
        .await
        .say("data: 1\n\n")
        .await;
    assert!(heard(&mut events).await.is_some());
    let gate = cluster.stack().upstream().hold("/lab/drip");
    let mut download = browser.fetch("/api/lab/drip").open().await;
    assert!(heard(&mut download).await.is_some());
    gate.reached().await;

    let rest = async {
        let closed = socket.closed().await;
        assert_eq!(closed, Closed::With(1001, "the server goes away".to_owned()));
        assert!(heard(&mut events).await.is_none());
        let mut again: Socket = browser.at(b.address()).socket("/api/lab/socket").await;
        again.say("hello").await;
        assert_eq!(again.hear().await, "hello");
        gate.open();
        assert_eq!(heard(&mut download).await, Some(Bytes::from("second\n")));
        assert!(heard(&mut download).await.is_none());
    };
    tokio::join!(a.stop(), rest);
}

async fn heard(stream: &mut Stream) -> Option<Bytes> {
    let piece = within_patience("the stream goes on or ends", stream.next()).await;
    piece.expect("the stream was cut")
}

on_redis!(
    a_logout_ends_the_streams_of_every_node,
    a_node_that_hears_again_ends_what_ended_meanwhile,
    a_node_that_is_cut_off_ends_streams_after_the_grace,
    c44_a_browser_that_does_not_read_fills_no_memory,
    c44_two_gigabytes_each_way_take_no_memory,
    c90_a_node_that_is_told_to_stop_closes_its_streams,
);
