//! A chat by WebSocket and a ticker by server-sent events, in a real browser.

use e2e::chromium::Chromium;
use e2e::stack::{Deployment, Stack};
use e2e::story;
use e2e::wait::eventually;
use serde_json::{Value, json};

/// Opens both, and writes down what they say.
const OPEN: &str = r#"(() => {
    window.heard = [];
    window.ticks = [];
    window.socket = new WebSocket(`ws://${location.host}/api/lab/socket`, ["chat.v1", "chat.v2"]);
    socket.onopen = () => heard.push(`open ${socket.protocol}`);
    socket.onmessage = message => heard.push(message.data);
    socket.onclose = end => heard.push(`closed ${end.code} ${end.reason} ${end.wasClean}`);
    window.ticker = new EventSource("/page/lab/events");
    ticker.onmessage = event => ticks.push(event.data);
    ticker.onerror = () => ticks.push(`error ${ticker.readyState}`);
})()"#;

#[test]
fn a_chat_and_a_ticker_go_on_until_the_person_signs_out() {
    story::run(async {
        let stack = Deployment::with_embedded_store().start().await;
        let browser = Chromium::start_without_wire().await;
        sign_in(&browser, &stack).await;

        browser.evaluate(OPEN).await;
        says(&browser, "heard", json!(["open chat.v2"])).await;
        browser.evaluate("socket.send('hello')").await;
        says(&browser, "heard", json!(["open chat.v2", "hello"])).await;
        let feed = stack.upstream().feeds().nth(0).await;
        feed.say("data: one\n\n").await;
        says(&browser, "ticks", json!(["one"])).await;
        feed.say("data: two\n\n").await;
        says(&browser, "ticks", json!(["one", "two"])).await;

        let logout = "fetch('/bff/logout', {method: 'POST', headers: {'X-CSRF': '1'}}).then(() => undefined)";
        browser.evaluate(logout).await;

        let goodbye = "closed 1008 the session has ended true";
        says(&browser, "heard", json!(["open chat.v2", "hello", goodbye])).await;
        // It connects again, is told 401, and gives up (readyState 2).
        says(&browser, "ticks.at(-1)", json!("error 2")).await;
        assert_eq!(stack.upstream().sockets().first_end().await, Some(1001));
        browser.quit().await;
    });
}

#[test]
fn a_page_of_another_site_opens_no_websocket() {
    story::run(async {
        let stack = Deployment::with_embedded_store().start().await;
        let browser = Chromium::start_without_wire().await;
        sign_in(&browser, &stack).await;
        // `127.0.0.1` is another site than `localhost`.
        let elsewhere = format!("{}/lab/page", stack.upstream().url());
        browser
            .window()
            .goto(&elsewhere)
            .await
            .expect("a page of another site");

        let target = format!("{}api/lab/socket", stack.browser().app()).replacen("http", "ws", 1);
        let open = format!(
            "(() => {{ window.heard = []; const socket = new WebSocket('{target}'); \
             socket.onopen = () => heard.push('open'); socket.onclose = end => heard.push(`closed ${{end.code}}`); }})()"
        );
        browser.evaluate(&open).await;

        says(&browser, "heard", json!(["closed 1006"])).await;
        let received = stack.upstream().received();
        let asked = received.iter().filter(|asked| asked.target.contains("socket"));
        assert_eq!(asked.count(), 0, "the upstream heard of it: {received:?}");
        browser.quit().await;
    });
}

async fn sign_in(browser: &Chromium, stack: &Stack) {
    let login = format!("{}bff/login", stack.browser().app());
    browser
        .window()
        .goto(&login)
        .await
        .expect("the sign-in page opens");
    let alice = stack.user("alice");
    for (field, text) in [("#username", &alice.name), ("#password", &alice.password)] {
        browser.visible(field).await.send_keys(text).await.unwrap();
    }
    browser
        .visible("button[value=sign-in]")
        .await
        .click()
        .await
        .unwrap();
    eventually("the app is shown", || async {
        let title = browser.window().title().await.ok()?;
        (title == "The app").then_some(())
    })
    .await;
}

async fn says(browser: &Chromium, expression: &str, expected: Value) {
    let what = format!("{expression} is {expected}");
    eventually(&what, || async {
        (browser.evaluate(expression).await == expected).then_some(())
    })
    .await;
}
