//! Connections to upstreams that are kept (39, 40, 45): what comes by one is the answer to what was asked by it, or it is
//! not used again. The story speaks both ends; one connection of a client is served by one worker, as one load balancer's is.

use e2e::on_one_store;
use e2e::raw::{Talk, ToldUpstream};
use e2e::stack::{Deployment, Stack};

use crate::cookie_line;

const YES: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes";
const POISON: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";

/// Two users who share a connection to the BFF, and their upstream.
struct Scene {
    stack: Stack,
    upstream: ToldUpstream,
    client: Talk,
    users: [String; 2],
    host: String,
}

impl Scene {
    async fn set(deployment: Deployment) -> Self {
        let stack = deployment.start().await;
        let upstream = ToldUpstream::start().await;
        let route = upstream.route("/told", "access = \"session\"");
        stack.reload_bff(|text| text + route.as_str()).await;
        let alice = stack.browser_logged_in_as("alice").await;
        let bob = stack.browser_logged_in_as("bob").await;
        let client = Talk::to(stack.bff_address()).await;
        let host = alice.app().authority().to_owned();
        let users = [cookie_line(&alice), cookie_line(&bob)];
        Self {
            stack,
            upstream,
            client,
            users,
            host,
        }
    }

    /// A head by a user, 0 or 1; `rest` are further lines, an empty one and the body.
    fn head(&self, user: usize, method: &str, target: &str, rest: &str) -> String {
        let (host, cookie) = (&self.host, &self.users[user]);
        format!("{method} /told/{target} HTTP/1.1\r\nHost: {host}\r\n{cookie}\r\nX-CSRF: 1\r\n{rest}")
    }

    async fn ask(&mut self, user: usize, method: &str, target: &str) {
        let rest = if method == "POST" {
            "Content-Length: 4\r\n\r\nbody"
        } else {
            "\r\n"
        };
        let request = self.head(user, method, target, rest);
        self.client.say(&request).await;
    }

    /// Asks, and has it answered by a connection that is new or kept.
    async fn is_answered(&mut self, user: usize, method: &str, target: &str, line: &mut Talk) {
        self.ask(user, method, target).await;
        let heard = line.hear().await;
        assert!(
            heard.starts_with(&format!("{method} /{target} HTTP/1.1\r\n")),
            "{heard}"
        );
        line.say(YES).await;
        let answer = self.client.hear().await;
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with("yes"),
            "{answer}"
        );
    }
}

async fn c39_one_connection_carries_answers_of_every_form(deployment: Deployment) {
    let mut scene = Scene::set(deployment).await;
    scene.ask(0, "GET", "first").await;
    let mut line = scene.upstream.accept().await;
    line.hear().await;
    line.say(YES).await;
    scene.client.hear().await;

    for (number, (method, answer, is_bodiless)) in [
        ("GET", YES, false),
        ("POST", YES, false),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false),
        ("POST", "HTTP/1.1 204 No Content\r\n\r\n", true),
        ("GET", "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n", true),
        (
            "GET",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n",
            true,
        ),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", true),
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            true,
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n",
            false,
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-A: b\r\n\r\n",
            false,
        ),
        (
            "GET",
            "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes",
            false,
        ),
        (
            "POST",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
            false,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let target = format!("x{number}");
        scene.ask(number % 2, method, &target).await;
        let heard = line.hear().await;
        assert!(heard.starts_with(&format!("{method} /{target} ")), "{heard}");
        line.say(answer).await;
        let told = if is_bodiless {
            scene.client.hear_head().await
        } else {
            scene.client.hear().await
        };
        let status = answer.rsplit("HTTP/1.1 ").next().unwrap();
        assert_eq!(told[9..12], status[..3], "{answer}: {told}");
    }
    assert_eq!(line.close().await, "", "nothing else was said by it");
}

/// A second answer, or a body where none may be, is for nobody: least of all for the next one who asks, somebody else perhaps.
async fn c40_what_an_upstream_says_beyond_its_answer_is_nobodys(deployment: Deployment) {
    let mut scene = Scene::set(deployment).await;
    for (what, method, answer) in [
        ("two answers", "GET", YES),
        ("two answers to POST", "POST", YES),
        (
            "a body longer than it says",
            "GET",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        ),
        ("a body of 204", "POST", "HTTP/1.1 204 No Content\r\n\r\n"),
        (
            "a body of 304",
            "GET",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 44\r\n\r\n",
        ),
        (
            "a body for HEAD",
            "HEAD",
            "HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\n",
        ),
        (
            "bytes behind the last chunk",
            "GET",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n",
        ),
    ] {
        // With the answer; with the answer, when the next one has asked already; and when the answer is with its browser.
        for (is_pipelined, is_late) in [(false, false), (true, false), (false, true)] {
            // actix takes an answer's form from the latest head that it has read, and gives up.
            if is_pipelined && method == "HEAD" {
                continue;
            }
            scene.ask(0, method, "alice").await;
            if is_pipelined {
                scene.ask(1, "GET", "bob").await;
            }
            let mut line = scene.upstream.accept().await;
            line.hear().await;
            let extra = if is_late { "" } else { POISON };
            line.say(&format!("{answer}{extra}")).await;
            let is_bodiless = [" 204 ", " 304 "].iter().any(|code| answer.contains(code));
            let told = if is_bodiless || method == "HEAD" {
                scene.client.hear_head().await
            } else {
                scene.client.hear().await
            };
            assert!(!told.contains("poison"), "{what}: {told}");
            if is_late {
                line.say(POISON).await;
                assert_eq!(line.is_left().await, "", "{what}: it was not used again");
            }
            if !is_pipelined {
                scene.ask(1, "GET", "bob").await;
            }
            let mut next = scene.upstream.accept().await;
            assert!(next.hear().await.starts_with("GET /bob "), "{what}");
            next.say(YES).await;
            let told = scene.client.hear().await;
            assert!(told.ends_with("yes"), "{what}: {told}");
            assert_eq!(line.is_left().await, "", "{what}: nothing of it was sent there");
            next.close().await;
        }
    }
}

/// The upstream answers a request whose body is still under way, and goes on talking.
async fn c40_an_answer_before_the_end_of_a_request_ends_its_connection(deployment: Deployment) {
    let scene = Scene::set(deployment).await;
    let chunked = "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    for (rest, extra) in [
        ("Content-Length: 8\r\n\r\nhalf", ""),
        ("Content-Length: 8\r\n\r\nhalf", POISON),
        (chunked, ""),
        (chunked, POISON),
    ] {
        let mut client = Talk::to(scene.stack.bff_address()).await;
        client.say(&scene.head(0, "POST", "early", rest)).await;
        let mut line = scene.upstream.accept().await;
        assert!(line.hear_head().await.starts_with("POST /early "));
        line.say(&format!(
            "HTTP/1.1 413 Too Long\r\nContent-Length: 2\r\n\r\nno{extra}"
        ))
        .await;
        let told = client.hear().await;
        assert!(told.starts_with("HTTP/1.1 413") && told.ends_with("no"), "{told}");
        assert_eq!(client.is_left().await, "");
        let sent = line.is_left().await;
        assert!(!sent.contains("HTTP/1.1"), "{sent}");

        let mut other = Talk::to(scene.stack.bff_address()).await;
        other.say(&scene.head(1, "GET", "bob", "\r\n")).await;
        let mut next = scene.upstream.accept().await;
        assert!(next.hear().await.starts_with("GET /bob "));
        next.say(YES).await;
        assert!(other.hear().await.ends_with("yes"));
        next.close().await;
    }
}

async fn c40_an_answer_that_nobody_reads_to_its_end_ends_its_connection(deployment: Deployment) {
    let mut scene = Scene::set(deployment).await;
    for begin in [
        "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        scene.ask(0, "GET", "cut").await;
        let mut line = scene.upstream.accept().await;
        line.hear().await;
        line.say(begin).await;
        let told = scene.client.hear_head().await;
        assert!(told.starts_with("HTTP/1.1 200"), "{told}");
        scene.client = Talk::to(scene.stack.bff_address()).await;
        assert_eq!(line.is_left().await, "");

        scene.ask(1, "GET", "bob").await;
        let mut next = scene.upstream.accept().await;
        assert!(next.hear().await.starts_with("GET /bob "));
        next.say(YES).await;
        assert!(scene.client.hear().await.ends_with("yes"));
        next.close().await;
    }
}

/// It closes with its answer, switches to what nobody asked for, or speaks a version that keeps nothing.
async fn c40_an_upstream_that_is_done_gets_nothing_more(deployment: Deployment) {
    let mut scene = Scene::set(deployment).await;
    for (answer, status) in [
        (
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nyes",
            "200",
        ),
        ("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nyes", "200"),
        (
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
            "502",
        ),
    ] {
        for method in ["GET", "POST"] {
            scene.ask(0, "GET", "last").await;
            let mut line = scene.upstream.accept().await;
            line.hear().await;
            line.say(answer).await;
            let told = scene.client.hear().await;
            assert_eq!(&told[9..12], status, "{answer}: {told}");

            scene.ask(1, method, "next").await;
            let mut next = scene.upstream.accept().await;
            assert!(next.hear().await.starts_with(&format!("{method} /next ")));
            next.say(YES).await;
            assert!(scene.client.hear().await.ends_with("yes"), "{answer}");
            assert_eq!(line.is_left().await, "", "{answer}");
            next.close().await;
        }
    }
}

/// Whatever was not sent is nobody's error, whether the BFF has noticed that its connection is closed or is about to.
async fn c45_a_kept_connection_that_was_closed_is_nobodys_error(deployment: Deployment) {
    let mut scene = Scene::set(deployment).await;
    for method in ["GET", "POST"] {
        for is_noticed in [true, false] {
            for _ in 0..10 {
                scene.ask(0, "GET", "first").await;
                let mut line = scene.upstream.accept().await;
                line.hear().await;
                line.say(YES).await;
                assert!(scene.client.hear().await.ends_with("yes"));
                if is_noticed {
                    assert_eq!(line.close().await, "");
                } else {
                    drop(line);
                }
                scene.ask(1, method, "second").await;
                let mut next = scene.upstream.accept().await;
                let heard = next.hear().await;
                assert!(heard.starts_with(&format!("{method} /second ")), "{heard}");
                assert_eq!(heard.ends_with("body"), method == "POST", "{heard}");
                next.say(YES).await;
                let told = scene.client.hear().await;
                assert!(told.ends_with("yes"), "{method} {is_noticed}: {told}");
                next.close().await;
            }
        }
    }
}

/// What may have been done is not done twice, unless it is safe.
async fn c45_what_was_sent_by_a_kept_connection_is_repeated_if_it_is_safe(deployment: Deployment) {
    let mut scene = Scene::set(deployment).await;
    scene.ask(0, "GET", "first").await;
    let mut line = scene.upstream.accept().await;
    line.hear().await;
    line.say(YES).await;
    scene.client.hear().await;

    scene.ask(0, "GET", "safe").await;
    line.hear().await;
    drop(line);
    let mut line = scene.upstream.accept().await;
    assert!(line.hear().await.starts_with("GET /safe "));
    line.say(YES).await;
    assert!(scene.client.hear().await.ends_with("yes"));

    scene.ask(0, "POST", "unsafe").await;
    assert!(line.hear().await.starts_with("POST /unsafe "));
    drop(line);
    let told = scene.client.hear().await;
    assert!(told.starts_with("HTTP/1.1 502"), "{told}");
    scene.ask(1, "GET", "after").await;
    let mut line = scene.upstream.accept().await;
    assert!(
        line.hear().await.starts_with("GET /after "),
        "POST is not told twice"
    );
    line.say(YES).await;
    assert!(scene.client.hear().await.ends_with("yes"));
    scene.is_answered(0, "POST", "kept", &mut line).await;
}

/// What an upstream says is bounded (92), and what is too long harms nobody else.
async fn c92_the_head_of_an_answer_has_a_hundred_lines_at_most(deployment: Deployment) {
    let mut scene = Scene::set(deployment).await;
    scene.ask(0, "POST", "first").await;
    let mut line = scene.upstream.accept().await;
    line.hear().await;
    let answer = |lines: usize| {
        let more: String = (1..lines).map(|number| format!("X-{number}: a\r\n")).collect();
        format!("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n{more}\r\nyes")
    };
    line.say(&answer(100)).await;
    let told = scene.client.hear().await;
    assert!(
        told.starts_with("HTTP/1.1 200") && told.ends_with("yes"),
        "{told}"
    );
    assert_eq!(told.matches("\r\nx-").count(), 99, "{told}");

    scene.ask(0, "POST", "second").await;
    line.hear().await;
    line.say(&answer(101)).await;
    let told = scene.client.hear().await;
    assert!(told.starts_with("HTTP/1.1 502"), "{told}");

    scene.ask(1, "GET", "after").await;
    let mut line = scene.upstream.accept().await;
    line.hear().await;
    line.say(YES).await;
    assert!(scene.client.hear().await.ends_with("yes"));
}

on_one_store!(
    c39_one_connection_carries_answers_of_every_form,
    c40_what_an_upstream_says_beyond_its_answer_is_nobodys,
    c40_an_answer_before_the_end_of_a_request_ends_its_connection,
    c40_an_answer_that_nobody_reads_to_its_end_ends_its_connection,
    c40_an_upstream_that_is_done_gets_nothing_more,
    c45_a_kept_connection_that_was_closed_is_nobodys_error,
    c45_what_was_sent_by_a_kept_connection_is_repeated_if_it_is_safe,
    c92_the_head_of_an_answer_has_a_hundred_lines_at_most,
);
