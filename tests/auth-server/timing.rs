//! How long answers take that must not tell anything.
//!
//! Samples of both kinds take turns, so that whatever else the machine does falls on both.

use std::time::{Duration, Instant};

use crate::harness::{Browser, Credentials, PASSWORD, SECRET, Server, authorization};

const SAMPLES: usize = 40;

/// The share of pairs in which the first kind took longer, from 0 to 1 (Mann–Whitney's U over its largest value). Of two
/// kinds that are alike it is near a half: beyond 0.2 and 0.8 once in a hundred thousand runs of forty samples.
fn share_of_longer(took: &[Vec<Duration>; 2]) -> f64 {
    let [first, second] = took;
    let longer = first
        .iter()
        .map(|one| second.iter().filter(|other| one > *other).count())
        .sum::<usize>();
    let pairs = first.len() * second.len();
    #[expect(clippy::cast_precision_loss, reason = "both are small")]
    let share = longer as f64 / pairs as f64;
    share
}

#[track_caller]
fn assert_alike(took: &[Vec<Duration>; 2]) {
    let share = share_of_longer(took);
    assert!((0.2..=0.8).contains(&share), "{share}: {took:?}");
}

#[tokio::test]
async fn x_10_unknown_users_take_as_long_as_known_ones() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let page = browser.authorize(&authorization()).await;
    let mut took = [Vec::new(), Vec::new()];
    for round in 0..SAMPLES {
        for (name, samples) in ["alice", "nobody"].into_iter().zip(&mut took) {
            let fields = [("username", name), ("password", "wrong password")];
            let begun = Instant::now();
            let answer = browser.submit(&page, &fields).await;
            samples.push(begun.elapsed());
            assert_eq!(answer.status, 422);
        }
        if round % 5 == 4 {
            // The guesses are forgotten before they are too many.
            server.advance(3600);
        }
    }
    assert_alike(&took);

    let right = browser
        .submit(&page, &[("username", "alice"), ("password", PASSWORD)])
        .await;
    assert_eq!(right.status, 303, "they were looked at, and not refused unseen");
}

#[tokio::test]
async fn x_10_unknown_clients_take_as_long_as_known_ones() {
    let server = Server::start().await;
    let mut took = [Vec::new(), Vec::new()];
    for _ in 0..SAMPLES {
        let clients = [("service", "a wrong secret, as long as it"), ("nobody", SECRET)];
        for ((id, secret), samples) in clients.into_iter().zip(&mut took) {
            let form = [("grant_type", "client_credentials")];
            let begun = Instant::now();
            let answer = server.token(Credentials::Basic(id, secret), &form).await;
            samples.push(begun.elapsed());
            assert_eq!(answer.status, 401);
        }
    }
    assert_alike(&took);
}
