//! Routes that are read again while requests are under way.

use e2e::on_one_store;
use e2e::peer::Peer;
use e2e::stack::{Deployment, Stack};
use e2e::wait::within_patience;

use crate::upstreams::add_route;

async fn status(stack: &Stack, path: &str) -> u16 {
    stack.browser().fetch(path).await.status
}

async fn c90_routes_are_reloaded_under_a_request(deployment: Deployment) {
    let stack = deployment.start().await;
    let peer = Peer::http1("new");
    let gate = stack.upstream().hold("/lab/drip");
    let mut under_way = stack.browser().fetch("/open/lab/drip").open().await;
    assert_eq!(under_way.next().await.unwrap().as_deref(), Some(&b"first\n"[..]));
    assert_eq!(status(&stack, "/new/x").await, 404);

    let address = peer.address();
    stack
        .reload_bff(|text| {
            let text = text.replace("prefix = \"/open\"", "prefix = \"/opened\"");
            format!("{text}[[route]]\nprefix = \"/new\"\naccess = \"anonymous\"\nupstream = \"http://{address}\"\n")
        })
        .await;

    assert_eq!(status(&stack, "/new/x").await, 200);
    assert_eq!(status(&stack, "/opened/lab/x").await, 200);
    assert_eq!(status(&stack, "/open/lab/x").await, 404);
    gate.open();
    let second = within_patience("what was under way goes on", under_way.next()).await;
    assert_eq!(second.unwrap().as_deref(), Some(&b"second\n"[..]));
}

async fn c90_a_configuration_with_faults_changes_nothing(deployment: Deployment) {
    let stack = deployment.start().await;

    add_route(
        &stack,
        "/new",
        "upstream = \"ftp://nowhere\"\nmax_body_size = \"huge\"",
    )
    .await;

    assert_eq!(status(&stack, "/new/x").await, 404);
    assert_eq!(status(&stack, "/open/lab/x").await, 200);
    let log = stack.log();
    for fault in ["].upstream = \"ftp://nowhere\"", "].max_body_size = \"huge\""] {
        assert!(log.replace('\\', "").contains(fault), "{fault} is not in the log");
    }
}

async fn c90_what_needs_a_restart_is_named_and_left_alone(deployment: Deployment) {
    let stack = deployment.start().await;

    stack
        .reload_bff(|text| {
            let text = text.replace("margin = \"30s\"", "margin = \"29s\"");
            text.replace("prefix = \"/open\"", "prefix = \"/opened\"")
        })
        .await;

    assert_eq!(status(&stack, "/opened/lab/x").await, 200);
    let log = stack.log();
    let told = log.lines().find(|line| line.contains("needs a restart"));
    let told = told.expect("the log says so");
    assert!(
        told.contains("refresh.margin") && !told.contains("provider"),
        "{told}"
    );
}

on_one_store!(
    c90_routes_are_reloaded_under_a_request,
    c90_a_configuration_with_faults_changes_nothing,
    c90_what_needs_a_restart_is_named_and_left_alone,
);
