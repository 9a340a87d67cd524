//! What strangers can make a node remember (92).

use std::net::SocketAddr;

use e2e::on_redis;
use e2e::process::resident_bytes;
use e2e::raw;
use e2e::stack::{Deployment, SESSION_COOKIE};
use futures_util::future::join_all;

use crate::start;

/// Requests on one connection: few enough that their answers fit into the sockets between us.
const BATCH: usize = 100;
const MEGABYTE: u64 = 1024 * 1024;

/// Asks once for each number, as another client with another cookie every time.
async fn flood(node: SocketAddr, host: &str, from: usize, to: usize) {
    let batches: Vec<usize> = (from..to).step_by(BATCH).collect();
    for some in batches.chunks(8) {
        let sent = some.iter().map(|&first| {
            let mut bytes = Vec::new();
            for number in first..first + BATCH {
                let (high, low) = (number >> 16, number & 0xffff);
                let (address, ticket) = (format!("2001:db8:{high:x}:{low:x}::1"), format!("{number:086}"));
                let close = if number + 1 == first + BATCH { "close" } else { "keep-alive" };
                let head = format!(
                    "GET /api/lab/x HTTP/1.1\r\nHost: {host}\r\nConnection: {close}\r\nX-CSRF: 1\r\n\
                     X-Forwarded-For: {address}\r\nCookie: {SESSION_COOKIE}={ticket}; c{number}={ticket}\r\n\r\n"
                );
                bytes.extend_from_slice(head.as_bytes());
            }
            async move { raw::send(node, &bytes).await }
        });
        for answer in join_all(sent).await {
            let answers = answer.text.matches("HTTP/1.1 401").count();
            assert_eq!(answers, BATCH, "{:.2000}", answer.text);
        }
    }
}

/// Tens of thousands of strangers, each with a cookie and an address of its own: the node knows none of the cookies, and of
/// the addresses only those that asked last.
async fn c92_a_flood_of_cookies_and_addresses_fills_no_memory(deployment: Deployment) {
    let deployment = deployment
        .with_server_rules("trusted_proxies = [\"127.0.0.1\"]")
        .with_limits("login_per_address = \"off\"\napi_per_address = \"100/1m\"");
    let cluster = start(deployment).await;
    let host = cluster.stack().browser().app().authority().to_owned();
    let (node, ..) = cluster.abc();
    let pid = node.pid().await;
    flood(node.address(), &host, 0, 10_000).await;
    let before = resident_bytes(pid);

    flood(node.address(), &host, 10_000, 50_000).await;

    let grown = resident_bytes(pid).saturating_sub(before);
    assert!(grown < 24 * MEGABYTE, "{} MiB more", grown / MEGABYTE);
    assert!(cluster.stack().upstream().received().is_empty());
}

on_redis!(c92_a_flood_of_cookies_and_addresses_fills_no_memory);
