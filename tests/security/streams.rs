//! What goes on in the name of a session ends with it: WebSockets, server-sent events, downloads.

use std::time::{Duration, Instant};

use e2e::browser::{Browser, Closed, Socket, Stream};
use e2e::log::Excerpt;
use e2e::stack::{Deployment, Stack};
use e2e::upstream::Feed;
use e2e::wait::{eventually, within_patience};
use e2e::{on_every_store, on_one_store, on_redis};
use http::Method;
use tokio_tungstenite::tungstenite::Message;

const MINUTE: Duration = Duration::from_secs(60);
/// How soon a stream ends: the bound of a node that is told nothing, and what the clock's tick may add.
const SOON: Duration = Duration::from_secs(3);

/// One stream of each kind, all of one session.
struct Streams {
    socket: Socket,
    events: Stream,
    download: Stream,
    at_upstream: [Feed; 2],
}

impl Streams {
    /// Opens them; `number` is how many such were opened before at this upstream.
    async fn open(stack: &Stack, browser: &Browser, number: usize) -> Self {
        let mut socket = browser.socket("/api/lab/socket").await;
        socket.say("hello").await;
        assert_eq!(socket.hear().await, "hello");
        let feeds = stack.upstream().feeds();
        let mut events = browser.fetch("/api/lab/events").open().await;
        let events_feed = feeds.nth(2 * number).await;
        let mut download = browser.fetch("/api/lab/feed").open().await;
        let download_feed = feeds.nth(2 * number + 1).await;
        for (feed, stream) in [(&events_feed, &mut events), (&download_feed, &mut download)] {
            feed.say("data: 1\n\n").await;
            assert_eq!(heard(stream).await, Some("data: 1\n\n".to_owned()));
        }
        Self {
            socket,
            events,
            download,
            at_upstream: [events_feed, download_feed],
        }
    }

    /// They go on.
    async fn assert_open(&mut self) {
        self.socket.say("again").await;
        assert_eq!(self.socket.hear().await, "again");
        let [events, download] = &self.at_upstream;
        for (feed, stream) in [(events, &mut self.events), (download, &mut self.download)] {
            feed.say("data: 2\n\n").await;
            assert_eq!(heard(stream).await, Some("data: 2\n\n".to_owned()));
        }
    }

    /// All end as they should, and soon.
    async fn assert_closed_with(mut self, code: u16, reason: &str) {
        let asked = Instant::now();
        let closed = self.socket.closed().await;
        assert_eq!(closed, Closed::With(code, reason.to_owned()));
        assert_eq!(
            heard(&mut self.events).await,
            None,
            "events end as if there were no more"
        );
        let cut = within_patience("the download ends", self.download.next()).await;
        assert!(
            cut.is_err(),
            "a part of a download was taken for the whole: {cut:?}"
        );
        for feed in &self.at_upstream {
            feed.is_left().await;
        }
        let took = asked.elapsed();
        assert!(took < SOON, "it took {took:?}");
    }

    async fn assert_over(self) {
        self.assert_closed_with(1008, "the session has ended").await;
    }
}

async fn heard(stream: &mut Stream) -> Option<String> {
    let piece = within_patience("the stream goes on or ends", stream.next()).await;
    let piece = piece.expect("the stream was cut");
    piece.map(|piece| String::from_utf8_lossy(&piece).into_owned())
}

async fn streams_end_when_their_user_signs_out(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let others = stack.browser_logged_in_as("bob").await;
    let mut of_others = Streams::open(&stack, &others, 0).await;
    let streams = Streams::open(&stack, &browser, 1).await;

    let logout = browser.fetch("/bff/logout").method(Method::POST).await;

    logout.assert_status(200);
    streams.assert_over().await;
    // Nobody else's, and not those of a route that needs no session.
    of_others.assert_open().await;
}

async fn streams_end_when_a_session_is_ended_from_elsewhere(deployment: Deployment) {
    let stack = deployment.with_administration().start().await;
    let (laptop, phone) = (
        stack.browser_logged_in_as("alice").await,
        stack.browser_logged_in_as("alice").await,
    );
    let streams = Streams::open(&stack, &laptop, 0).await;
    phone
        .fetch("/bff/sessions")
        .method(Method::DELETE)
        .await
        .assert_status(200);
    streams.assert_over().await;

    let laptop = stack.browser_logged_in_as("alice").await;
    let streams = Streams::open(&stack, &laptop, 1).await;
    stack.operator().end("all", "true").await;
    streams.assert_over().await;
}

async fn streams_end_when_the_provider_says_so(deployment: Deployment) {
    let stack = deployment.and_foreign_provider().start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let streams = Streams::open(&stack, &browser, 0).await;
    let end_session = format!("{}{}", stack.provider().url(), stack.endpoints().end_session);

    let question = browser.visit(&end_session).await;
    let form = question
        .forms()
        .into_iter()
        .next()
        .expect("the provider asks first");
    browser.submit(&question, &form, &["sign out", "yes"]).await;

    streams.assert_over().await;
}

async fn streams_end_with_the_time_of_their_session(deployment: Deployment) {
    let stack = deployment.with_timeouts("10m", "30m").start().await;
    let idle = stack.browser_logged_in_as("alice").await;
    let streams = Streams::open(&stack, &idle, 0).await;
    stack.advance(11 * MINUTE).await;
    streams.assert_over().await;

    // However much it is used.
    let busy = stack.browser_logged_in_as("alice").await;
    let streams = Streams::open(&stack, &busy, 1).await;
    for _ in 0..3 {
        stack.advance(9 * MINUTE).await;
        busy.fetch("/bff/user").await.assert_status(200);
    }
    stack.advance(4 * MINUTE).await;
    streams.assert_over().await;
}

async fn seconds_left(browser: &Browser) -> u64 {
    let user = browser.fetch("/bff/user?slide=false").await;
    user.assert_status(200);
    let claims = user.json();
    let mut claims = claims.as_array().expect("a list of claims").iter();
    let left = claims.find(|claim| claim["type"] == "bff:session_expires_in");
    left.and_then(|claim| claim["value"].as_u64())
        .expect("how long it lives")
}

async fn what_a_browser_says_through_a_websocket_is_a_use_of_its_session(deployment: Deployment) {
    let stack = deployment.with_timeouts("10m", "8h").start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let mut socket = browser.socket("/api/lab/socket").await;

    for _ in 0..3 {
        stack.advance(9 * MINUTE).await;
        use_is_written_down(&mut socket, &browser).await;
    }
}

/// Says something, and waits until that is a use.
async fn use_is_written_down(socket: &mut Socket, browser: &Browser) {
    socket.say("still here").await;
    assert_eq!(socket.hear().await, "still here");
    eventually("the use is written down", || async {
        (seconds_left(browser).await > 590).then_some(())
    })
    .await;
}

/// A browser answers pings by itself: nobody need be there.
async fn what_a_browser_answers_by_itself_is_no_use(deployment: Deployment) {
    let stack = deployment.with_timeouts("10m", "8h").start().await;
    let (absent, busy) = (
        stack.browser_logged_in_as("alice").await,
        stack.browser_logged_in_as("bob").await,
    );
    let mut silent = absent.socket("/api/lab/socket").await;
    let mut talking = busy.socket("/api/lab/socket").await;
    stack.advance(7 * MINUTE).await;

    silent.send(Message::Pong("".into())).await;
    stack.upstream().sockets().hears_pong().await;
    // Two ticks of the other one are more than one of this.
    use_is_written_down(&mut talking, &busy).await;
    stack.advance(MINUTE + Duration::from_secs(11)).await;
    use_is_written_down(&mut talking, &busy).await;

    assert!(seconds_left(&absent).await < 3 * 60);
    stack.advance(2 * MINUTE).await;
    let closed = silent.closed().await;
    assert_eq!(closed, Closed::With(1008, "the session has ended".to_owned()));
}

/// Whoever does not read is given nothing more either, beside what was on its way.
async fn a_download_that_never_rests_is_cut_too(deployment: Deployment) {
    const ON_ITS_WAY: usize = 64 * 1024 * 1024;
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let path = "/api/lab/flood?bytes=4000000000";
    let mut unread = browser.fetch(path).open().await;
    assert!(unread.next().await.unwrap().is_some());
    let mut read = browser.fetch(path).open().await;
    let (begun, reading) = tokio::sync::oneshot::channel();
    let read = tokio::spawn(async move {
        let first = read.next().await;
        begun.send(()).unwrap();
        let rest = rest_of(&mut read).await;
        first.and(rest)
    });
    reading.await.unwrap();

    let logout = browser.fetch("/bff/logout").method(Method::POST).await;
    logout.assert_status(200);

    let ended = Instant::now();
    let cut = within_patience("the download ends", read).await.unwrap();
    assert!(
        cut.is_err(),
        "a part of a download was taken for the whole: {cut:?}"
    );
    let took = ended.elapsed();
    assert!(took < SOON, "it took {took:?}");
    let mut got = 0;
    while let Ok(Some(piece)) = within_patience("the unread download ends", unread.next()).await {
        got += piece.len();
    }
    assert!(got < ON_ITS_WAY, "{got} bytes came after the end");
}

async fn rest_of(stream: &mut Stream) -> reqwest::Result<Option<bytes::Bytes>> {
    while stream.next().await?.is_some() {}
    Ok(None)
}

/// A close frame within another frame would be taken for a part of it.
async fn a_websocket_is_never_closed_within_a_frame(deployment: Deployment) {
    let stack = deployment
        .with_proxy_rules("websocket_close_code = 4401")
        .start()
        .await;
    let browser = stack.browser_logged_in_as("alice").await;
    let mut flooded = browser.socket("/api/lab/socket").await;
    flooded.say("flood").await;
    flooded.hear_bytes().await;
    let mut halved = browser.socket("/api/lab/socket").await;
    halved.say("hello").await;
    assert_eq!(halved.hear().await, "hello");
    halved.say("half").await;

    let logout = browser.fetch("/bff/logout").method(Method::POST).await;

    logout.assert_status(200);
    // Every message before was whole, or this would be an error.
    let closed = flooded.closed().await;
    assert_eq!(closed, Closed::With(4401, "the session has ended".to_owned()));
    assert_eq!(halved.closed().await, Closed::BrokenOff);
}

async fn streams_end_when_their_user_signs_out_on_another_node(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let node = stack.start_second_node().await;
    let streams = Streams::open(&stack, &browser.at(node), 0).await;

    let logout = browser.fetch("/bff/logout").method(Method::POST).await;

    logout.assert_status(200);
    streams.assert_over().await;
}

/// (67)
async fn an_outage_of_the_store_is_no_logout_for_streams(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let mut streams = Streams::open(&stack, &browser, 0).await;

    stack.redis().stop().await;
    crate::until_the_store_is_missed(&browser).await;
    streams.assert_open().await;
    stack.redis().start_again().await;
    eventually("the session is served again", || async {
        let answer = browser.fetch("/bff/user").await;
        (answer.status == 200).then_some(())
    })
    .await;

    streams.assert_open().await;
    browser
        .fetch("/bff/logout")
        .method(Method::POST)
        .await
        .assert_status(200);
    streams.assert_over().await;
}

async fn an_outage_that_lasts_ends_streams_and_says_so(deployment: Deployment) {
    let deployment = deployment.with_proxy_rules("stream_grace = \"1s\"");
    let stack = deployment.with_redis_timeout("200ms").start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let streams = Streams::open(&stack, &browser, 0).await;

    stack.redis().freeze().await;
    crate::until_the_store_is_missed(&browser).await;

    streams
        .assert_closed_with(1013, "sessions cannot be read for the moment")
        .await;
    stack.redis().thaw().await;
    eventually("the session is served again", || async {
        let answer = browser.fetch("/bff/user").await;
        (answer.status == 200).then_some(())
    })
    .await;
}

/// (90)
async fn c90_a_stop_closes_what_has_no_end_and_waits_for_what_has(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let mut streams = Streams::open(&stack, &browser, 0).await;
    let mut of_nobody = browser.fetch("/open/lab/events").open().await;
    let gate = stack.upstream().hold("/lab/drip");
    let mut download = browser.fetch("/api/lab/drip").open().await;
    assert_eq!(heard(&mut download).await, Some("first\n".to_owned()));
    gate.reached().await;

    let log = Excerpt::from_now_on();
    let stop = stack.stop_bff();
    let rest = async {
        let closed = streams.socket.closed().await;
        assert_eq!(closed, Closed::With(1001, "the server goes away".to_owned()));
        assert_eq!(stack.upstream().sockets().first_end().await, Some(1001));
        assert_eq!(heard(&mut streams.events).await, None);
        assert_eq!(heard(&mut of_nobody).await, None);
        drop(streams);
        // The download is let to its end.
        gate.open();
        assert_eq!(heard(&mut download).await, Some("second\n".to_owned()));
        assert_eq!(heard(&mut download).await, None);
    };
    tokio::join!(stop, rest);

    let log = log.text();
    let of_this = |line: &&str| line.contains("cause=\"stopping\"") && line.contains(" INFO ");
    let told: Vec<_> = log.lines().filter(of_this).collect();
    assert!(
        told.iter().all(|line| line.contains("streams were ended")),
        "{told:?}"
    );
    assert!(!told.is_empty(), "one line tells how many");
}

on_every_store!(
    streams_end_when_a_session_is_ended_from_elsewhere,
    streams_end_when_their_user_signs_out,
    streams_end_with_the_time_of_their_session,
    what_a_browser_says_through_a_websocket_is_a_use_of_its_session,
);
on_one_store!(
    a_websocket_is_never_closed_within_a_frame,
    a_download_that_never_rests_is_cut_too,
    c90_a_stop_closes_what_has_no_end_and_waits_for_what_has,
    streams_end_when_the_provider_says_so,
    what_a_browser_answers_by_itself_is_no_use,
);
on_redis!(
    an_outage_of_the_store_is_no_logout_for_streams,
    an_outage_that_lasts_ends_streams_and_says_so,
    streams_end_when_their_user_signs_out_on_another_node,
);
