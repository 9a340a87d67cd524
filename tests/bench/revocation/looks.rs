//! What it costs to look at a list.

use std::time::Duration;

use e2e::process::cpu;
use resource_server::algorithm::Algorithm;
use resource_server::status_list::{ExpectedList, StatusList};
use resource_server::test_support::zlib;
use resource_server::time::{Clock as _, SystemClock};

use super::lists::{GRANTS, Issuer, with_one_ended_in};

/// Times that each list is read.
const TIMES: u32 = 200;

pub(crate) async fn measure() {
    println!("## A look: a list of {GRANTS} grants\n");
    println!(
        "| ended | list packed, in bytes | answer's body, in bytes | bytes a day with one change each 4 s | CPU ms to verify and read it |"
    );
    println!("|---:|---:|---:|---:|---:|");
    let issuer = Issuer::start().await;
    for (share, every) in [
        ("none", 0),
        ("0.1 %", 1000),
        ("1 %", 100),
        ("10 %", 10),
        ("50 %", 2),
    ] {
        let statuses = with_one_ended_in(every);
        let packed = zlib(&statuses).len();
        let body = issuer.publish(statuses);
        let each = read(&issuer).await;
        let looks_a_day = 24 * 60 * 60 / 4;
        println!(
            "| {share} | {packed} | {body} | {} | {:.2} |",
            body * looks_a_day,
            each.as_secs_f64() * 1e3
        );
    }
    println!("\nA look at a list that has not changed is answered with 304, without a body.\n");
}

/// Processor time of verifying and reading what the issuer serves.
async fn read(issuer: &Issuer) -> Duration {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let token = client.get(issuer.uri()).send().await.expect("an answer");
    let token = token.text().await.expect("a token");
    let keys = resource_server::test_support::key_set(&[&issuer.key]);
    let uri = issuer.uri();
    let expected = ExpectedList {
        uri: &uri,
        issuer: issuer.http.url(),
        algorithms: &Algorithm::ALL,
        max_bytes: 4 * 1024 * 1024,
        leeway: Duration::from_secs(5),
    };
    let before = cpu(std::process::id());
    for _ in 0..TIMES {
        StatusList::verify(&token, &keys, &expected, SystemClock.now()).expect("a good list");
    }
    std::thread::yield_now();
    (cpu(std::process::id()).saturating_sub(before)) / TIMES
}
