//! When the access tokens of many sessions lapse within one second.

use std::time::{Duration, Instant};

use e2e::measure::median;
use e2e::sessions::content::Serves;
use resource_server::time::{Clock as _, SystemClock};

use super::browsers::{Browsers, Reply, all_are_200, p50_and_p99};
use super::provider::{Calls, RENEWED};
use super::site::{Bff, Site, next_second};
use super::{Found, check};
use crate::arguments::Arguments;
use crate::contender::{bff, nginx};
use crate::upstream::{AUTHORIZATION, Upstream};

const GUIDE: &str = "\
The provider is the bench's own token endpoint, in memory and without signatures: what takes time is the BFF, its Redis, and\n\
on this machine that endpoint. It takes each refresh token once and counts; a run in which it is not asked exactly once for\n\
each session, or in which any request is not answered with 200, ends the bench. The upstream tells which token it was sent.\n\n\
In use: all tokens are due in the same second, half-way through their life, while every session is used twice a\n\
second. Requests go ahead with the old token while the new one is fetched, so latencies should hardly rise; \"during\" is from\n\
that second on until each session was served with its new token. A refresh begins with a session's first request in that\n\
second and shows at its next one, so at this rate all of it takes a second, if refreshes take no time; how long one takes from\n\
within is told beside it. nginx is asked at the same rate, by the same load.\n\n\
Afterwards the tokens of all sessions are dead, as after a lunch break, and every session asks once: requests wait for their\n\
new token, and what counts is when the last one is served.";
const SESSIONS: usize = 1_000;
const LEVELS: [usize; 3] = [10, 100, SESSIONS];
const PER_SECOND: f64 = 2_000.0;
const CONNECTIONS: usize = 64;
/// As many browsers come back at a time.
const COMING_BACK: usize = 256;
/// A median before the storm beyond which the load, and not the BFF, is what is seen.
const TOO_BUSY_US: f64 = 3_000.0;
/// Making the sessions takes less.
const BEFORE: Duration = Duration::from_secs(3);
/// Longer than a busy machine halts.
const AFTER: Duration = Duration::from_secs(4);

pub(super) async fn measure(upstream: &Upstream, arguments: &Arguments) -> Found {
    let mut outcome = Found::default();
    println!("## Refresh storm\n\n{GUIDE}\n");
    let site = Site::start(upstream).await;
    let nginx = nginx::start(upstream).await;
    let bff = Bff::start(&site, &bff::Setup::named(bff::REDIS)).await;
    check::does_its_work(&bff, &site.begin(1).await[0]);
    // The first refresh of a node reads the provider's metadata; that is no part of a storm.
    come_back(&site, &bff, 1).await;

    let (mut storms, mut calm) = (Vec::new(), Vec::new());
    for _ in 0..arguments.rounds.rounds {
        storms.push(Storm::over(&site, &bff, SESSIONS).await);
        let cookies = site.begin(SESSIONS).await;
        let replies = calm_load(nginx.port, &cookies);
        all_are_200(nginx::NAME, &replies);
        calm.push(p50_and_p99(&replies));
    }
    report(&storms, &calm, &mut outcome);
    println!("| sessions whose tokens are dead | ms until the last one is served | … a session | p50 ms |");
    println!("|---:|---:|---:|---:|");
    for sessions in LEVELS {
        let mut found = Vec::new();
        for _ in 0..arguments.rounds.rounds {
            found.push(come_back(&site, &bff, sessions).await);
        }
        let until_last = median(found.iter().map(|(until_last, _)| *until_last));
        let p50 = median(found.iter().map(|(_, p50)| *p50));
        println!(
            "| {sessions} | {until_last:.0} | {:.2} | {p50:.0} |",
            until_last / sessions as f64
        );
        outcome.point("refresh-storm", bff::REDIS, sessions, until_last);
    }
    println!();
    outcome
}

/// What one storm was like; times in milliseconds, latencies in microseconds.
#[derive(Debug)]
struct Storm {
    calls: usize,
    requests: usize,
    until_all_are_renewed: f64,
    /// A refresh as the BFF counts it: the lease, the provider, the store.
    refresh: f64,
    /// Before, during and after.
    latencies: [(f64, f64); 3],
}

impl Storm {
    async fn over(site: &Site<'_>, bff: &Bff, sessions: usize) -> Self {
        site.provider.count_anew();
        let refreshes = Refreshes::of(bff).await;
        let now = SystemClock.now();
        let due = now + BEFORE + Duration::from_secs(2);
        let serves = Serves {
            obtained_at: now,
            refresh_from: due,
            // Twice the time until then, since nothing is renewed in the first half of its life.
            expires_at: due + BEFORE + Duration::from_secs(2),
        };
        let cookies = site.begin_with(sessions, serves).await;
        let (instant, second) = next_second().await;
        assert!(
            second + BEFORE <= due + Duration::from_secs(1),
            "making sessions took too long"
        );
        let due_at = instant + due.since(second);
        let browsers = Browsers {
            port: bff.port,
            path: AUTHORIZATION,
            cookies: &cookies,
            connections: CONNECTIONS,
        };
        let begin = Instant::now() + Duration::from_millis(50);
        let replies = tokio::task::block_in_place(|| browsers.at_rate(PER_SECOND, begin, due_at + AFTER));
        all_are_200("while tokens are renewed", &replies);

        let renewed_at = last_first_renewed(&replies, sessions);
        let asked_once = Calls {
            renewed: sessions,
            refused: 0,
        };
        assert_eq!(site.provider.calls(), asked_once, "one refresh for each session");
        assert!(renewed_at > due_at, "nothing is renewed before it is due");
        assert!(renewed_at < due_at + AFTER, "renewing took longer than the run");
        // The first requests find nothing in memory, and connections are made.
        let settled = begin + Duration::from_secs(1);
        let between = |from: Instant, to: Instant| {
            p50_and_p99(replies.iter().filter(|reply| (from..to).contains(&reply.due)))
        };
        let latencies = [
            between(settled, due_at),
            between(due_at, renewed_at),
            between(renewed_at, due_at + AFTER),
        ];
        Self {
            calls: site.provider.calls().renewed,
            requests: replies.len(),
            until_all_are_renewed: (renewed_at - due_at).as_secs_f64() * 1e3,
            refresh: Refreshes::of(bff).await.mean_ms_since(&refreshes),
            latencies,
        }
    }
}

/// What the BFF says of its refreshes.
struct Refreshes {
    seconds: f64,
    number: f64,
}

impl Refreshes {
    async fn of(bff: &Bff) -> Self {
        Self {
            seconds: bff.counter("bff_token_refresh_duration_seconds_sum").await,
            number: bff.counter("bff_token_refresh_duration_seconds_count").await,
        }
    }

    fn mean_ms_since(&self, before: &Self) -> f64 {
        let number = self.number - before.number;
        assert!(number > 0.0, "the BFF counts its refreshes");
        (self.seconds - before.seconds) * 1e3 / number
    }
}

/// When the last session was first served with its new token.
///
/// # Panics
/// When one never was, or was served with an old one afterwards.
fn last_first_renewed(replies: &[Reply], sessions: usize) -> Instant {
    let is_renewed = |reply: &Reply| reply.body.starts_with(format!("Bearer {RENEWED}").as_bytes());
    let mut first = vec![None; sessions];
    for reply in replies.iter().filter(|reply| is_renewed(reply)) {
        let known = first[reply.session].get_or_insert(reply.answered);
        *known = reply.answered.min(*known);
    }
    let first: Vec<_> = first
        .into_iter()
        .map(|instant| instant.expect("each session was renewed"))
        .collect();
    for reply in replies.iter().filter(|reply| !is_renewed(reply)) {
        assert!(
            reply.due <= first[reply.session],
            "a request was sent after its session had a new token, and went on with the old one"
        );
    }
    first.into_iter().max().expect("there are sessions")
}

fn calm_load(port: u16, cookies: &[String]) -> Vec<Reply> {
    let browsers = Browsers {
        port,
        path: AUTHORIZATION,
        cookies,
        connections: CONNECTIONS,
    };
    let begin = Instant::now() + Duration::from_millis(50);
    tokio::task::block_in_place(|| browsers.at_rate(PER_SECOND, begin, begin + BEFORE))
}

/// All tokens are dead, and every session asks once: how many milliseconds until the last one is served, and the median.
async fn come_back(site: &Site<'_>, bff: &Bff, sessions: usize) -> (f64, f64) {
    site.provider.count_anew();
    let now = SystemClock.now();
    let serves = Serves {
        obtained_at: now - Duration::from_secs(600),
        refresh_from: now - Duration::from_secs(300),
        expires_at: now - Duration::from_secs(1),
    };
    let cookies = site.begin_with(sessions, serves).await;
    let browsers = Browsers {
        port: bff.port,
        path: AUTHORIZATION,
        cookies: &cookies,
        connections: COMING_BACK.min(sessions),
    };
    let begun = Instant::now();
    let replies = tokio::task::block_in_place(|| browsers.each_once());
    all_are_200("after a break", &replies);
    last_first_renewed(&replies, sessions);
    let asked_once = Calls {
        renewed: sessions,
        refused: 0,
    };
    assert_eq!(site.provider.calls(), asked_once, "one refresh for each session");
    let last = replies.iter().map(|reply| reply.answered).max().expect("answers");
    ((last - begun).as_secs_f64() * 1e3, p50_and_p99(&replies).0 / 1e3)
}

fn report(storms: &[Storm], calm: &[(f64, f64)], outcome: &mut Found) {
    let of = |field: &dyn Fn(&Storm) -> f64| median(storms.iter().map(field));
    let until_all = of(&|storm| storm.until_all_are_renewed);
    let refresh = of(&|storm| storm.refresh);
    println!(
        "In use: {SESSIONS} sessions, {PER_SECOND:.0} requests a second over {CONNECTIONS} connections.\n"
    );
    println!("| | p50 µs | p99 µs |\n|---|---:|---:|");
    let nginx = |of: fn(&(f64, f64)) -> f64| median(calm.iter().map(of));
    println!(
        "| nginx | {:.0} | {:.0} |",
        nginx(|one| one.0),
        nginx(|one| one.1)
    );
    for (part, name) in ["before", "during", "after"].into_iter().enumerate() {
        let (p50, p99) = (
            of(&|storm| storm.latencies[part].0),
            of(&|storm| storm.latencies[part].1),
        );
        println!("| {} {name} | {p50:.0} | {p99:.0} |", bff::REDIS);
        outcome.fact(&format!("p99 {name} a refresh storm"), p99, "µs");
    }
    if of(&|storm| storm.latencies[0].0) > TOO_BUSY_US {
        println!("\nTHE MACHINE WAS TOO BUSY: half of the requests waited for it before any token was due.");
    }
    let requests: usize = storms.iter().map(|storm| storm.requests).sum();
    println!(
        "\nAll were renewed {until_all:.0} ms after the second began, each within {refresh:.1} ms on the mean; {} calls of the\n\
         provider in each of {} runs; none of {requests} requests failed.\n",
        storms[0].calls,
        storms.len()
    );
    outcome.fact(
        "provider calls in a storm of 1,000 sessions",
        storms[0].calls as f64,
        "calls",
    );
    outcome.fact("requests that failed in a refresh storm", 0.0, "requests");
    outcome.fact("until 1,000 sessions in use are renewed", until_all, "ms");
    outcome.fact("a refresh in a storm of 1,000 sessions", refresh, "ms");
}
