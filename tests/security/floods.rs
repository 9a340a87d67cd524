//! What a client may take up by HTTP/2 (92): floods end, and cost no memory.

use e2e::cluster::{Cluster, Node};
use e2e::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, PING, RST_STREAM, SETTINGS, frame, head,
};
use e2e::on_one_store;
use e2e::on_redis;
use e2e::process;
use e2e::stack::{Deployment, Stack};
use tokio::net::TcpStream;

/// The program of a node.
const NODE: &str = env!("CARGO_BIN_EXE_bff-node");
/// `ENHANCE_YOUR_CALM`, the name that HTTP/2 has for floods.
const CALM: u32 = 11;
/// A node may hold this much more than before a flood: what its allocator keeps.
const GROWTH: u64 = 32 * 1024 * 1024;

/// A flood has to end by being refused, or, where the server dropped the connection with much of it unread, by a reset.
async fn is_refused(frames: Frames) {
    let goaway = frames.ended().await;
    assert!(goaway.is_none_or(|code| code == CALM), "{goaway:?}");
}

/// Sends `frames` for one request whose body nobody reads, until the server refuses.
async fn flood_a_body(stack: &Stack, address: std::net::SocketAddr, path: &str, data: &[u8]) -> usize {
    let gate = stack.upstream().hold(path);
    let mut client = Frames::connect(address).await;
    let target = format!("/open{path}");
    assert!(
        client
            .send(&frame(HEADERS, END_HEADERS, 1, &head("POST", &target)))
            .await
    );
    let many = frame(DATA, 0, 1, data).repeat(1000);
    let taken = client.flood(&many, 10_000).await;
    is_refused(client).await;
    gate.open();
    taken * 1000
}

async fn c92_empty_data_frames_are_refused(deployment: Deployment) {
    let stack = deployment.start().await;

    let taken = flood_a_body(&stack, stack.bff_address(), "/lab/held", b"").await;

    assert!(taken < 1_000_000, "{taken} frames were taken");
    stack.browser().fetch("/app.js").await.assert_status(200);
}

async fn c92_data_frames_of_one_byte_are_refused(deployment: Deployment) {
    let stack = deployment.start().await;

    let taken = flood_a_body(&stack, stack.bff_address(), "/lab/held", b"a").await;

    assert!(taken < 1_000_000, "{taken} frames were taken");
    stack.browser().fetch("/app.js").await.assert_status(200);
}

async fn c92_a_head_without_end_is_refused(deployment: Deployment) {
    let stack = deployment.start().await;
    let mut client = Frames::connect(stack.bff_address()).await;
    assert!(
        client
            .send(&frame(HEADERS, END_STREAM, 1, &head("GET", "/open/notes")))
            .await
    );

    // A literal header that is never indexed, of 16 kB, again and again.
    let mut line = vec![0x10, 1, b'a', 0x7f, 0x80, 0x7d];
    line.resize(6 + 16_127, b'a');
    let taken = client.flood(&frame(CONTINUATION, 0, 1, &line), 10_000).await;

    assert!(taken < 1000, "{taken} frames were taken");
    is_refused(client).await;
    assert!(stack.upstream().received().is_empty());
}

async fn c92_a_long_head_by_http2_is_refused(deployment: Deployment) {
    let stack = deployment.start().await;
    let mut client = Frames::connect(stack.bff_address()).await;
    let first = head("GET", "/open/notes");
    // `a: aaa…` of 16,127 bytes, five times: more than 64 kB.
    let mut line = vec![0x00, 1, b'a', 0x7f, 0x80, 0x7d];
    line.resize(6 + 16_127, b'a');
    assert!(client.send(&frame(HEADERS, END_STREAM, 1, &first)).await);
    for _ in 0..4 {
        assert!(client.send(&frame(CONTINUATION, 0, 1, &line)).await);
    }
    assert!(client.send(&frame(CONTINUATION, END_HEADERS, 1, &line)).await);

    assert_eq!(client.answered().await, 431);
    assert!(
        stack.upstream().received().is_empty(),
        "the upstream saw none of it"
    );
}

async fn c92_many_header_lines_by_http2_are_refused(deployment: Deployment) {
    let stack = deployment.start().await;
    let ask = async |lines: usize| {
        let mut client = Frames::connect(stack.bff_address()).await;
        let mut request = head("GET", "/app.js");
        // `a: a`, never indexed; `:authority` is a line too.
        request.extend([0x10, 1, b'a', 1, b'a'].repeat(lines - 1));
        let whole = frame(HEADERS, END_STREAM | END_HEADERS, 1, &request);
        assert!(client.send(&whole).await);
        client.answered().await
    };

    assert_eq!(ask(96).await, 200);
    assert_eq!(ask(97).await, 431);
    assert_eq!(ask(3000).await, 431);
}

/// CVE-2023-44487: requests that are taken back at once.
async fn c92_rapid_resets_are_refused(deployment: Deployment) {
    let stack = deployment.start().await;
    let _gate = stack.upstream().hold("/lab/held");
    let mut client = Frames::connect(stack.bff_address()).await;
    let request = head("GET", "/open/lab/held");
    for burst in 0..200 {
        let mut bytes = Vec::new();
        for number in 0..1000 {
            let stream = 2 * (burst * 1000 + number) + 1;
            bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, stream, &request));
            bytes.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        }
        if !client.send(&bytes).await {
            break;
        }
    }

    is_refused(client).await;
    assert!(stack.upstream().received().len() < 1000);
    stack.browser().fetch("/app.js").await.assert_status(200);
}

async fn rss(node: &Node) -> u64 {
    process::resident_bytes(node.pid().await)
}

/// All of them against a process whose memory can be looked at; and many who connect and ask for nothing more.
async fn c92_floods_and_idle_connections_leave_memory_bounded(deployment: Deployment) {
    let cluster = Cluster::start(deployment.with_server_rules("head_timeout = \"60s\""), NODE).await;
    let (stack, (node, ..)) = (cluster.stack(), cluster.abc());
    stack
        .browser()
        .at(node.address())
        .fetch("/app.js")
        .await
        .assert_status(200);
    let before = rss(node).await;

    for round in 0..4 {
        let path: &'static str = ["/lab/held-1", "/lab/held-2", "/lab/held-3", "/lab/held-4"][round];
        flood_a_body(stack, node.address(), path, b"").await;
        flood_a_body(stack, node.address(), path, b"a").await;
    }
    for frame in [frame(PING, 0, 0, b"12345678"), frame(SETTINGS, 0, 0, &[])] {
        let mut client = Frames::connect(node.address()).await;
        // Both are harmless as long as their answers are not piled up.
        client.flood(&frame.repeat(1000), 200).await;
        client.hang_up().await;
    }
    let after = rss(node).await;
    assert!(
        after < before + GROWTH,
        "{before} bytes before the floods, {after} after"
    );

    let mut idle = Vec::new();
    for _ in 0..10_000 {
        idle.push(
            TcpStream::connect(node.address())
                .await
                .expect("the node accepts"),
        );
    }
    stack
        .browser()
        .at(node.address())
        .fetch("/app.js")
        .await
        .assert_status(200);
    let with_idle = rss(node).await;
    assert!(
        with_idle < after + GROWTH,
        "{after} bytes before 10,000 idle connections, {with_idle} with them"
    );
}

on_one_store!(
    c92_empty_data_frames_are_refused,
    c92_data_frames_of_one_byte_are_refused,
    c92_a_head_without_end_is_refused,
    c92_a_long_head_by_http2_is_refused,
    c92_many_header_lines_by_http2_are_refused,
    c92_rapid_resets_are_refused,
);
on_redis!(c92_floods_and_idle_connections_leave_memory_bounded);
