//! A developer's page by Vite behind the BFF, in a real browser.

use e2e::chromium::{AT_ONCE, Chromium};
use e2e::stack::Deployment;
use e2e::story;
use e2e::vite::Vite;
use e2e::wait::eventually;
use serde_json::json;

#[test]
fn a_file_that_is_saved_changes_the_page_without_loading_it_again() {
    story::run(async {
        let vite = Vite::start("before").await;
        let deployment = Deployment::with_embedded_store().with_dev_server(vite.address());
        let stack = deployment.start().await;
        let browser = Chromium::start_without_wire().await;
        let app = stack.browser().app().to_string();
        browser.window().goto(&app).await.expect("the page opens");
        browser.text("#greeting", AT_ONCE, |text| text == "before").await;
        eventually("the page listens for changes", || async {
            let is_open = browser
                .evaluate("sockets.some(socket => socket.readyState === WebSocket.OPEN)")
                .await;
            (is_open == json!(true)).then_some(())
        })
        .await;
        let ours = "sockets.every(socket => new URL(socket.url).host === location.host)";
        assert_eq!(
            browser.evaluate(ours).await,
            json!(true),
            "it listens through the BFF"
        );
        browser.evaluate("window.mark = 'still the same page'").await;

        vite.greet_with("after");

        browser.text("#greeting", AT_ONCE, |text| text == "after").await;
        assert_eq!(
            browser.evaluate("window.mark").await,
            json!("still the same page")
        );
        let page = stack.browser().visit("/some/page").await;
        page.assert_status(200);
        assert!(page.text().contains("/@vite/client"), "{}", page.summary());
        let user = stack.browser().fetch("/bff/user").await;
        user.assert_problem(401, "session-required");
        browser.quit().await;
    });
}
