//! TLS and HTTP/2 towards browsers.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use e2e::leash::assert_installed;
use e2e::on_one_store;
use e2e::stack::{Deployment, Stack};
use http::Method;
use serde_json::json;
use tokio::process::Command;

/// Runs curl as a browser that trusts this stack's authority.
async fn curl(stack: &Stack, arguments: &[&str]) -> String {
    assert_installed("curl");
    let app = stack.browser().app().clone();
    let node = SocketAddr::from((Ipv4Addr::LOCALHOST, app.port().unwrap()));
    let authority: &Path = &stack.folder().join("ca.pem");
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "20"])
        .args(["--resolve", &format!("localhost:{}:{}", node.port(), node.ip())])
        .arg("--cacert")
        .arg(authority)
        .args(arguments)
        .output()
        .await
        .expect("curl runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "curl {arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("curl prints text")
}

async fn a_user_signs_in_by_tls_and_http2(deployment: Deployment) {
    let stack = deployment.with_tls().start().await;
    let browser = stack.browser_logged_in_as("alice").await;

    let note = json!({"text": "by HTTP/2"});
    browser
        .fetch("/api/notes")
        .post_json(&note)
        .await
        .assert_status(201);
    assert!(browser.fetch("/api/notes").await.text().contains("by HTTP/2"));

    let received = stack.upstream().last();
    assert_eq!(received.header("host").len(), 1);
    assert_eq!(received.header("x-forwarded-proto"), ["https"]);
    assert_eq!(received.header("cookie"), Vec::<String>::new());
    assert_eq!(received.header("transfer-encoding"), Vec::<String>::new());
    browser
        .fetch("/bff/logout")
        .method(Method::POST)
        .await
        .assert_status(200);
    browser.fetch("/api/notes").await.assert_status(401);
}

async fn curl_speaks_both_protocols(deployment: Deployment) {
    let stack = deployment.with_tls().start().await;
    let page = stack.browser().app().join("/").unwrap();
    let source = stack
        .browser()
        .app()
        .join("/open/lab/source?bytes=3000000")
        .unwrap();
    for (option, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let told = curl(&stack, &[option, "-w", "\n%{http_version}", page.as_str()]).await;
        assert!(told.contains("The app"), "{told}");
        assert!(told.ends_with(&format!("\n{version}")), "{told}");
        let told = curl(
            &stack,
            &[
                option,
                "-o",
                "/dev/null",
                "-w",
                "%{http_version} %{size_download}",
                source.as_str(),
            ],
        )
        .await;
        assert_eq!(told, format!("{version} 3000000"));
        let told = curl(&stack, &[option, "-I", page.as_str()]).await;
        assert!(told.contains("200"), "{told}");
    }
}

async fn http2_without_tls_is_spoken_by_prior_knowledge(deployment: Deployment) {
    let stack = deployment.start().await;
    let echo = stack.browser().app().join("/open/lab/echo").unwrap();
    let told = curl(
        &stack,
        &[
            "--http2-prior-knowledge",
            "-w",
            " %{http_version}",
            "-d",
            "hello",
            echo.as_str(),
        ],
    )
    .await;
    assert_eq!(told, "hello 2");
}

async fn a_certificate_is_renewed_without_a_restart(deployment: Deployment) {
    let stack = deployment.with_tls().start().await;
    let old = stack.browser_logged_in_as("alice").await;

    stack.renew_certificate();
    stack.reload_certificates().await;

    // Who comes now trusts the new authority only; who was here goes on.
    stack.browser().visit("/").await.assert_status(200);
    old.fetch("/api/notes").await.assert_status(200);
    std::fs::write(stack.folder().join("server-key.pem"), "no key").unwrap();
    stack.reload_certificates().await;
    stack.browser().visit("/").await.assert_status(200);
    assert!(stack.log().contains("the certificate was not reloaded"));
}

on_one_store!(
    a_user_signs_in_by_tls_and_http2,
    curl_speaks_both_protocols,
    http2_without_tls_is_spoken_by_prior_knowledge,
    a_certificate_is_renewed_without_a_restart,
);
