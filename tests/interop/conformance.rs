//! What the OpenID Foundation's suite is given: the files of `docs/conformance.md`, and the steps of its browser.
//!
//! The suite itself needs Java and a database and is run by hand. Here its steps are taken on our real pages, so that a
//! page that changes takes them along.

use std::collections::BTreeSet;
use std::path::Path;

use e2e::auth::{AuthServer, CLIENT_SECRET, PASSWORD, USER};
use e2e::browser::{Answer, Browser};
use e2e::story;
use scraper::{Html, Selector};
use serde_json::Value;
use url::Url;

const SERVER: &str = include_str!("../conformance/auth-server.toml");
const SUITE: &str = include_str!("../conformance/suite.json");
const BACK_CHANNEL: &str = include_str!("../conformance/suite-backchannel.json");
/// The names in the files.
const OP: &str = "https://op.example:9443";
const CALLBACK: &str = "https://localhost.emobix.co.uk:8443/test/a/cloakroom/callback";
const SIGNED_OUT: &str = "https://localhost.emobix.co.uk:8443/test/a/cloakroom/post_logout_redirect";

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// Where the suite's browser ended: at an address of the suite, or on a page of the server.
type End = Result<Url, Box<Answer>>;

/// The suite, its browser and the server that it tests.
struct Run {
    server: AuthServer,
    browser: Browser,
    module: &'static str,
    suite: Value,
}

impl Run {
    async fn of(module: &'static str) -> Self {
        let server = AuthServer::start(super::NODE, |issuer, folder: &Path| {
            let folder = folder.to_str().expect("a temporary folder's path is text");
            SERVER
                .replace(OP, issuer)
                .replace("127.0.0.1:9000", "127.0.0.1:0")
                .replace("\"conformance", &format!("\"{folder}/conformance"))
        })
        .await;
        let suite = json(&SUITE.replace(OP, server.issuer()));
        Self {
            browser: server.browser(),
            server,
            module,
            suite,
        }
    }

    /// Sends the suite's browser to an endpoint with a query, as `BrowserControl` of the suite does.
    async fn go(&self, path: &str, query: &[(&str, &str)]) -> End {
        let mut address = Url::parse(&format!("{}{path}", self.server.issuer())).unwrap();
        if !query.is_empty() {
            address.query_pairs_mut().extend_pairs(query);
        }
        let of_module = &self.suite["override"][self.module]["browser"];
        let sections = of_module.as_array().or_else(|| self.suite["browser"].as_array());
        let section = sections
            .expect("sections for the browser")
            .iter()
            .find(|section| matches(text(&section["match"]), address.as_str()))
            .unwrap_or_else(|| panic!("{}: no section for {address}", self.module));
        let mut end = self
            .browser
            .visit_or_arrive(address.as_str(), self.target())
            .await;
        for task in section["tasks"].as_array().expect("tasks") {
            end = self.carry_out(task, end).await;
        }
        end
    }

    /// Both addresses of the suite begin so.
    fn target(&self) -> &str {
        CALLBACK.trim_end_matches("callback")
    }

    async fn carry_out(&self, task: &Value, mut end: End) -> End {
        let address = match &end {
            Ok(url) => url.to_string(),
            Err(page) => page.url.to_string(),
        };
        if !matches(text(&task["match"]), &address) {
            assert_eq!(task["optional"], true, "{}: {task} at {address}", self.module);
            return end;
        }
        let commands = task["commands"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut who = (String::new(), String::new());
        for command in commands {
            let words: Vec<_> = command.as_array().expect("a command").iter().collect();
            let Err(page) = &end else {
                // The suite's own page, which has what it waits for.
                assert_eq!(text(words[0]), "wait", "{command}");
                continue;
            };
            let is_optional = words.last().is_some_and(|word| *word == "optional");
            match (text(words[0]), text(words[1]), text(words[2])) {
                ("text", "id", id @ ("username" | "password")) => {
                    assert!(
                        is_optional || has(page, &format!("input#{id}")),
                        "{id}: {}",
                        page.text()
                    );
                    let field = if id == "username" { &mut who.0 } else { &mut who.1 };
                    text(words[3]).clone_into(field);
                }
                ("click", "css", button) if is_optional && !has(page, &format!("form {button}")) => {}
                ("click", "css", button) => end = self.press(page, button, &who).await,
                ("wait", "xpath", "//*") => {
                    let shown = text(words[4]).replace("\\?", "?");
                    assert!(
                        page.words().contains(&shown),
                        "{}: {}",
                        self.module,
                        page.summary()
                    );
                }
                _ => panic!("{}: {command} is not understood", self.module),
            }
        }
        end
    }

    async fn press(&self, page: &Answer, button: &str, who: &(String, String)) -> End {
        let forms = page.forms();
        let form = forms
            .first()
            .unwrap_or_else(|| panic!("{}: {}", self.module, page.summary()));
        assert!(has(page, &format!("form {button}")), "{button}: {}", page.text());
        let form = form.clone();
        let form = if form.asks_for_password() {
            form.fill_in(&who.0, &who.1)
        } else {
            form
        };
        self.browser.submit_or_arrive(page, &form, self.target()).await
    }

    /// An authorization request as the modules send it, without PKCE; gives the callback.
    async fn authorize(&self, further: &[(&str, &str)]) -> Url {
        let mut query = vec![
            ("client_id", "suite-basic"),
            ("response_type", "code"),
            ("redirect_uri", CALLBACK),
            ("scope", "openid offline_access"),
            ("state", "s"),
            ("nonce", "n"),
        ];
        query.extend(further);
        match self.go("/authorize", &query).await {
            Ok(url) => url,
            Err(page) => panic!("{}: {}", self.module, page.summary()),
        }
    }

    /// The ID token that a code of the suite brings.
    async fn id_token(&self, callback: &Url) -> String {
        let code = parameter(callback, "code").unwrap_or_else(|| panic!("no code in {callback}"));
        let authority = reqwest::Certificate::from_pem(&std::fs::read(self.server.authority_file()).unwrap());
        let client = reqwest::Client::builder()
            .tls_certs_only([authority.unwrap()])
            .no_proxy()
            .build()
            .unwrap();
        let form = [
            ("grant_type", "authorization_code"),
            ("redirect_uri", CALLBACK),
            ("code", &code),
        ];
        let request = client
            .post(format!("{}/token", self.server.issuer()))
            .header("authorization", basic())
            .form(&form);
        let tokens: Value = request.send().await.unwrap().json().await.unwrap();
        text(&tokens["id_token"]).to_owned()
    }

    async fn sign_out(&self, query: &[(&str, &str)]) -> End {
        self.go("/end_session", query).await
    }
}

fn basic() -> String {
    use base64::Engine as _;
    let encoded: String = url::form_urlencoded::byte_serialize(CLIENT_SECRET.as_bytes()).collect();
    let pair = format!("suite-basic:{encoded}");
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text: {value}"))
}

/// The suite's patterns: `*` stands for anything.
fn matches(pattern: &str, address: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == address,
        Some((before, after)) => address.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices()
                .map(|(at, _)| &rest[at..])
                .chain([""])
                .any(|rest| matches(after, rest))
        }),
    }
}

fn has(page: &Answer, css: &str) -> bool {
    let selector = Selector::parse(css).expect("a selector");
    Html::parse_document(&page.text())
        .select(&selector)
        .next()
        .is_some()
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    let value = url.query_pairs().find(|(key, _)| key == name);
    value.map(|(_, value)| value.into_owned())
}

fn page(end: End) -> Answer {
    match end {
        Err(page) => *page,
        Ok(url) => panic!("the browser was sent to {url}"),
    }
}

#[test]
fn the_files_agree() {
    let suite = json(SUITE);
    let config = auth_server::Config::parse(SERVER, &|_| Some(CLIENT_SECRET.to_owned()));
    let config = config.unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(config.issuer.as_str(), OP);
    let discovery = format!("{OP}/.well-known/openid-configuration");
    assert_eq!(suite["server"]["discoveryUrl"], discovery);
    let back_channel = json(BACK_CHANNEL);
    assert_eq!(back_channel["server"]["discoveryUrl"], discovery);
    // Its steps are tried with those of the other plans.
    assert_eq!(back_channel["browser"], suite["browser"]);
    let clients = [
        &suite["client"],
        &suite["client_secret_post"],
        &suite["client2"],
        &back_channel["client"],
    ];
    for client in clients {
        let id = text(&client["client_id"]);
        assert!(
            SERVER.contains(&format!("id = \"{id}\"")),
            "{id} is not registered"
        );
    }
    for value in [USER, PASSWORD] {
        assert!(
            SUITE.contains(&format!("\"{value}\"")),
            "the browser types {value}"
        );
    }
    for (suite, paths) in [
        (&suite, &["callback", "post_logout_redirect"] as &[_]),
        (
            &back_channel,
            &["callback", "post_logout_redirect", "backchannel_logout"],
        ),
    ] {
        let alias = text(&suite["alias"]);
        for path in paths {
            let address = format!("\"https://localhost.emobix.co.uk:8443/test/a/{alias}/{path}\"");
            assert!(SERVER.contains(&address), "{address} is not registered");
        }
    }
}

#[test]
fn the_browser_signs_in_and_out() {
    story::run(async {
        let run = Run::of("any other").await;
        let first = run.authorize(&[]).await;
        assert_eq!(parameter(&first, "state").as_deref(), Some("s"));
        let second = run.authorize(&[("prompt", "consent")]).await;
        let hint = run.id_token(&second).await;
        let query = [
            ("id_token_hint", hint.as_str()),
            ("post_logout_redirect_uri", SIGNED_OUT),
            ("state", "t"),
        ];
        let Ok(landed) = run.sign_out(&query).await else {
            panic!("it is not led back");
        };
        assert_eq!(landed.as_str(), format!("{SIGNED_OUT}?state=t"));
        let silent = run.authorize(&[("prompt", "none")]).await;
        assert_eq!(parameter(&silent, "error").as_deref(), Some("login_required"));
    });
}

#[test]
fn the_second_sign_in_is_shown() {
    story::run(async {
        for (module, parameter_of_module) in [
            ("oidcc-prompt-login", ("prompt", "login")),
            ("oidcc-max-age-1", ("max_age", "0")),
        ] {
            let run = Run::of(module).await;
            let first = run.authorize(&[]).await;
            let second = run.authorize(&[parameter_of_module]).await;
            assert_ne!(parameter(&first, "code"), parameter(&second, "code"));
        }
    });
}

#[test]
fn addresses_that_are_not_registered_are_refused_on_a_page() {
    story::run(async {
        for module in [
            "oidcc-ensure-registered-redirect-uri",
            "oidcc-ensure-request-object-with-redirect-uri",
        ] {
            let run = Run::of(module).await;
            let query = [
                ("client_id", "suite-basic"),
                ("response_type", "code"),
                ("scope", "openid"),
                (
                    "redirect_uri",
                    "https://localhost.emobix.co.uk:8443/test/a/cloakroom/callback_invalid",
                ),
            ];
            page(run.go("/authorize", &query).await);
        }
    });
}

/// The modules of RP-Initiated Logout that end on a page of ours; each of the lists is what the module sends.
#[test]
fn sign_outs_that_end_on_a_page_show_what_the_suite_looks_for() {
    const FORGED: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.";
    const ELSEWHERE: &str = "https://localhost.emobix.co.uk:8443/test/a/cloakroom/elsewhere";
    const WITH_QUERY: &str =
        "https://localhost.emobix.co.uk:8443/test/a/cloakroom/post_logout_redirect?foo=bar";
    // "hint" stands for the ID token.
    let modules: [(&str, &[(&str, &str)]); 8] = [
        (
            "bad-post-logout-redirect-uri",
            &[("id_token_hint", "hint"), ("post_logout_redirect_uri", ELSEWHERE)],
        ),
        (
            "query-added-to-post-logout-redirect-uri",
            &[
                ("id_token_hint", "hint"),
                ("post_logout_redirect_uri", WITH_QUERY),
            ],
        ),
        (
            "modified-id-token-hint",
            &[
                ("id_token_hint", FORGED),
                ("post_logout_redirect_uri", SIGNED_OUT),
            ],
        ),
        (
            "bad-id-token-hint",
            &[
                ("id_token_hint", "e30.e30.e30"),
                ("post_logout_redirect_uri", SIGNED_OUT),
            ],
        ),
        ("no-id-token-hint", &[("post_logout_redirect_uri", SIGNED_OUT)]),
        ("no-params", &[]),
        (
            "no-post-logout-redirect-uri",
            &[("id_token_hint", "hint"), ("state", "t")],
        ),
        ("only-state", &[("state", "t")]),
    ];
    let mut seen: BTreeSet<_> = [
        "oidcc-prompt-login",
        "oidcc-max-age-1",
        "oidcc-ensure-registered-redirect-uri",
        "oidcc-ensure-request-object-with-redirect-uri",
    ]
    .map(str::to_owned)
    .into();
    let suite = json(SUITE);
    let overridden: BTreeSet<_> = suite["override"].as_object().unwrap().keys().cloned().collect();
    for (module, query) in modules {
        let name = overridden
            .iter()
            .find(|name| name.ends_with(&format!("logout-{module}")));
        let name: &'static str = name.unwrap_or_else(|| panic!("no {module}")).clone().leak();
        seen.insert(name.to_owned());
        story::run(async {
            let run = Run::of(name).await;
            let callback = run.authorize(&[]).await;
            let hint = run.id_token(&callback).await;
            let sent: Vec<_> = query
                .iter()
                .map(|(key, value)| (*key, if *value == "hint" { hint.as_str() } else { *value }))
                .collect();
            page(run.sign_out(&sent).await);
        });
    }
    assert_eq!(seen, overridden, "a section of suite.json is not tried");
}
