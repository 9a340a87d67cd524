//! What a client may take up by HTTP/1.1 (92).

use std::time::Duration;

use e2e::on_one_store;
use e2e::raw;
use e2e::stack::{Deployment, Stack};
use e2e::wait::{eventually, within_patience};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

const HEAD: &str = "GET /open/notes HTTP/1.1\r\nHost: localhost\r\n";

/// Sends these bytes one by one until the server hangs up.
async fn trickle(stack: &Stack, begin: &str) {
    let mut stream = TcpStream::connect(stack.bff_address()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(begin.as_bytes()).await.unwrap();
    let trickling = async {
        let mut answer = [0; 4096];
        loop {
            // Whoever reads as well as writes learns of the end at once.
            match timeout(Duration::from_millis(50), stream.read(&mut answer)).await {
                Ok(Ok(0) | Err(_)) => return,
                Ok(Ok(_)) => {}
                Err(_) => {
                    if stream.write_all(b"a").await.is_err() {
                        return;
                    }
                }
            }
        }
    };
    within_patience("a slow client is hung up on", trickling).await;
}

async fn c92_slow_heads_are_hung_up_on(deployment: Deployment) {
    let stack = deployment
        .with_server_rules("head_timeout = \"1s\"")
        .start()
        .await;
    let (asked_before, half) = (format!("{HEAD}\r\n"), format!("{HEAD}X-Slow: "));

    let begin = Instant::now();
    tokio::join!(
        trickle(&stack, ""),
        trickle(&stack, &half),
        trickle(&stack, &asked_before),
    );

    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    // The slow ones took nobody's place.
    stack.browser().fetch("/app.js").await.assert_status(200);
}

async fn c92_a_head_of_64_kilobytes_is_refused(deployment: Deployment) {
    let stack = deployment.start().await;
    let ask = async |bytes: usize| {
        let line = format!("X-Long: {}", "a".repeat(bytes));
        raw::send(
            stack.bff_address(),
            &raw::request("GET", "/open/notes", "localhost", &[&line]),
        )
        .await
    };

    let long = ask(60 * 1024).await;
    assert_ne!(long.status, Some(431), "{}", long.text);
    let asked = stack.upstream().received().len();
    let too_long = ask(64 * 1024).await;
    assert_eq!(too_long.status, Some(431), "{}", too_long.text);
    assert!(too_long.text.contains("head-too-long"), "{}", too_long.text);
    let endless = ask(1024 * 1024).await;
    assert!(
        endless.status.is_none_or(|status| status == 431),
        "{}",
        endless.text
    );
    assert_eq!(
        stack.upstream().received().len(),
        asked,
        "the upstream saw none of it"
    );
}

async fn c92_beyond_the_allowed_connections_one_waits(deployment: Deployment) {
    let stack = deployment
        .with_server_rules("max_connections = 2\nhead_timeout = \"60s\"")
        .start()
        .await;
    let silent = [
        TcpStream::connect(stack.bff_address()).await.unwrap(),
        TcpStream::connect(stack.bff_address()).await.unwrap(),
    ];
    let mut third = TcpStream::connect(stack.bff_address()).await.unwrap();
    third.write_all(format!("{HEAD}\r\n").as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    {
        let mut answered = std::pin::pin!(third.read_exact(&mut answer));

        let early = timeout(Duration::from_secs(1), answered.as_mut()).await;
        assert!(early.is_err(), "the third was served beside two");
        drop(silent);

        within_patience("a place is free", answered).await.unwrap();
    }
    assert!(answer.starts_with(b"HTTP/1.1 "), "{answer:?}");
}

/// Any stranger can send it, so it is counted and not told.
async fn c92_what_is_no_http_is_counted(deployment: Deployment) {
    let stack = deployment.start().await;
    let malformed = "bff_connections_given_up_total{reason=\"malformed\"}";

    for garbage in ["\0\0\0\r\n\r\n", "GET / HTTP/1.1\r\nA\0: b\r\n\r\n"] {
        let answer = raw::send(stack.bff_address(), garbage.as_bytes()).await;
        assert_eq!(answer.status, Some(400), "{}", answer.text);
    }

    eventually("both are counted", async || {
        let metrics = stack.metrics().await;
        let line = metrics.lines().find(|line| line.starts_with(malformed))?;
        let count: usize = line.rsplit(' ').next()?.parse().ok()?;
        (count >= 2).then_some(())
    })
    .await;
}

on_one_store!(
    c92_what_is_no_http_is_counted,
    c92_slow_heads_are_hung_up_on,
    c92_a_head_of_64_kilobytes_is_refused,
    c92_beyond_the_allowed_connections_one_waits,
);
