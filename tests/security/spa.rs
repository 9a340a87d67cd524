//! The SPA's own files: what browsers may keep of them, in which form they get them, and what never leaves the folder.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use e2e::leash::assert_installed;
use e2e::on_one_store;
use e2e::raw;
use e2e::stack::{Deployment, Stack};
use e2e::wait::within_patience;
use http::Method;
use tokio::process::Command;

const SCRIPT: &str = "/assets/index-BxY3k_9Z.js";

fn write(stack: &Stack, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let place = stack.folder().join("spa").join(name);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(&place, content).unwrap();
    place
}

async fn only_files_with_a_hash_in_their_name_are_kept_for_ever(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser();
    for name in ["assets/index-BxY3k_9Z.js", "assets/logo.svg", "index-BxY3k_9Z.js"] {
        write(&stack, name, "'use strict';");
    }
    for (path, kept) in [
        (SCRIPT, "public, max-age=31536000, immutable"),
        ("/assets/logo.svg", "no-cache"),
        ("/index-BxY3k_9Z.js", "no-cache"),
        ("/index.html", "no-cache"),
        ("/", "no-cache"),
        ("/assets/", "no-cache"),
    ] {
        let answer = browser.visit(path).await;
        answer.assert_status(200);
        assert_eq!(answer.header("cache-control"), Some(kept), "{path}");
    }
    // A page that stands in for a script would be kept for a year.
    let gone = browser.visit("/assets/gone-BxY3k_9Z.js").await;
    gone.assert_status(200);
    assert_eq!(gone.header("cache-control"), Some("no-cache"));
    let gone = browser.fetch("/assets/gone-BxY3k_9Z.js").await;
    gone.assert_problem(404, "route-not-found");
    assert_eq!(gone.header("cache-control"), Some("no-store"));
}

async fn a_file_is_sent_in_the_form_that_the_client_takes(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser();
    write(&stack, "assets/index-BxY3k_9Z.js", "plain script");
    write(&stack, "assets/index-BxY3k_9Z.js.br", "brotli");
    write(&stack, "assets/index-BxY3k_9Z.js.gz", "gzip");
    write(&stack, "index.html.gz", "packed page");
    let mut tags = Vec::new();
    for (taken, coding, body) in [
        ("gzip, deflate, br", Some("br"), "brotli"),
        ("gzip", Some("gzip"), "gzip"),
        ("br;q=0, gzip", Some("gzip"), "gzip"),
        ("identity", None, "plain script"),
    ] {
        let answer = browser.fetch(SCRIPT).header("accept-encoding", taken).await;
        answer.assert_status(200);
        assert_eq!(answer.text(), body, "{taken}");
        assert_eq!(answer.header("content-encoding"), coding, "{taken}");
        assert_eq!(
            answer.header("content-type"),
            Some("text/javascript; charset=utf-8")
        );
        assert_eq!(answer.header("vary"), Some("accept-encoding"));
        let tag = answer.header("etag").expect("a tag").to_owned();
        let again = browser.fetch(SCRIPT).header("accept-encoding", taken);
        let again = again.header("if-none-match", &tag).await;
        again.assert_status(304);
        assert!(again.body.is_empty());
        assert_eq!(again.header("etag"), Some(tag.as_str()));
        assert_eq!(again.header("vary"), Some("accept-encoding"));
        tags.push(tag);
    }
    tags.dedup();
    assert_eq!(tags.len(), 3, "each form has a tag of its own: {tags:?}");
    // Every page of the SPA is its index, also packed.
    let page = raw::request(
        "GET",
        "/some/page",
        "localhost",
        &["Accept: text/html", "Accept-Encoding: gzip"],
    );
    let page = raw::send(stack.bff_address(), &page).await;
    assert!(page.text.ends_with("packed page"), "{}", page.text);
    assert!(page.text.contains("content-type: text/html"), "{}", page.text);
}

async fn parts_are_cut_from_the_file_as_it_is(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser();
    let large: Vec<u8> = (0..700_000_u32).map(|at| (at % 251) as u8).collect();
    write(&stack, "film.mp4", &large);
    write(&stack, "film.mp4.br", "compressed");
    let whole = browser.fetch("/film.mp4").await;
    whole.assert_status(200);
    assert!(whole.body == large, "the whole file");
    let tag = whole.header("etag").unwrap().to_owned();
    for (range, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=65530-400000", 65_530, 400_000),
        ("bytes=-5", 699_995, 699_999),
    ] {
        let part = browser
            .fetch("/film.mp4")
            .header("range", range)
            .header("accept-encoding", "br")
            .await;
        part.assert_status(206);
        assert!(part.body == large[first..=last], "{range}");
        assert_eq!(part.header("content-encoding"), None);
        let told = format!("bytes {first}-{last}/700000");
        assert_eq!(part.header("content-range"), Some(told.as_str()));
    }
    let beyond = browser.fetch("/film.mp4").header("range", "bytes=700000-").await;
    beyond.assert_problem(416, "range-not-satisfiable");
    assert_eq!(beyond.header("content-range"), Some("bytes */700000"));
    let of_another = browser.fetch("/film.mp4").header("range", "bytes=0-9");
    let of_another = of_another.header("if-range", "\"old\"").await;
    of_another.assert_status(200);
    let of_this = browser.fetch("/film.mp4").header("range", "bytes=0-9");
    of_this.header("if-range", &tag).await.assert_status(206);
    let head = browser.fetch("/film.mp4").method(Method::HEAD).await;
    head.assert_status(200);
    assert_eq!(head.header("content-length"), Some("700000"));
    assert!(head.body.is_empty());
    browser
        .fetch("/film.mp4")
        .method(Method::POST)
        .await
        .assert_problem(405, "method-not-allowed");
}

async fn files_are_the_same_over_http_2(deployment: Deployment) {
    let stack = deployment.start().await;
    write(&stack, "large.txt", "0123456789".repeat(70_000));
    let address = format!("http://{}/large.txt", stack.bff_address());
    let body = curl(&[&address]).await;
    assert_eq!(body.len(), 700_000);
    let part = curl(&["--range", "300000-300004", &address]).await;
    assert_eq!(part, "01234");
    let head = curl(&["--head", &address]).await.to_lowercase();
    assert!(head.starts_with("http/2 200"), "{head}");
    assert!(head.contains("content-length: 700000"), "{head}");
}

async fn curl(arguments: &[&str]) -> String {
    assert_installed("curl");
    let output = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--noproxy",
            "*",
            "--http2-prior-knowledge",
        ])
        .args(arguments)
        .kill_on_drop(true)
        .output();
    let output = within_patience("curl ends", output).await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "curl {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

async fn what_is_hidden_or_outside_stays_there(deployment: Deployment) {
    let stack = deployment.start().await;
    write(&stack, ".env", "SECRET=1");
    write(&stack, ".git/config", "SECRET=1");
    write(&stack, "assets/.htpasswd", "SECRET=1");
    let outside = stack.folder().join("outside.txt");
    fs::write(&outside, "SECRET=1").unwrap();
    let spa = stack.folder().join("spa");
    symlink(&outside, spa.join("link.txt")).unwrap();
    symlink(Path::new(".."), spa.join("up")).unwrap();
    symlink(&outside, spa.join("app.js.br")).unwrap();
    let target_of = |target: &str| {
        raw::request(
            "GET",
            target,
            "localhost",
            &["Accept-Encoding: br", "Sec-Fetch-Mode: cors"],
        )
    };
    for target in [
        "/.env",
        "/%2eenv",
        "/.git/config",
        "/assets/.htpasswd",
        "/link.txt",
        "/up/outside.txt",
        "/up/bff-keys",
        "/../outside.txt",
        "/..%2foutside.txt",
        "/%2e%2e/outside.txt",
        "/assets/../../outside.txt",
        "/..\\outside.txt",
        "/..%5coutside.txt",
        "/app.js%00",
        "//etc/passwd",
        "/app.js/",
    ] {
        let answer = raw::send(stack.bff_address(), &target_of(target)).await;
        let is_refused = matches!(answer.status, Some(400 | 404)) || target == "/app.js/";
        assert!(is_refused, "{target}: {}", answer.text);
        assert!(!answer.text.contains("SECRET"), "{target}: {}", answer.text);
    }
    let script = raw::send(stack.bff_address(), &target_of("/app.js")).await;
    assert_eq!(script.status, Some(200));
    assert!(!script.text.contains("SECRET"), "{}", script.text);
}

on_one_store!(
    only_files_with_a_hash_in_their_name_are_kept_for_ever,
    a_file_is_sent_in_the_form_that_the_client_takes,
    parts_are_cut_from_the_file_as_it_is,
    files_are_the_same_over_http_2,
    what_is_hidden_or_outside_stays_there,
);
