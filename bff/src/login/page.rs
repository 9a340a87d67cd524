//! The two small pages of a login: "go on" and "it was refused".

use std::sync::LazyLock;

use askama::Template;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

const STYLE: &str = "body{font:1.05rem/1.5 system-ui,sans-serif;margin:0;min-height:100vh;display:grid;\
place-items:center;background:#f5f5f2;color:#222}main{max-width:26rem;padding:2rem}h1{font-size:1.4rem}\
a{color:#0b5cad}a.primary{display:inline-block;margin-right:1rem;padding:.6rem 1.2rem;border-radius:.5rem;\
background:#0b5cad;color:#fff;text-decoration:none}@media(prefers-color-scheme:dark){body{background:#1b1b1d;\
color:#eee}a{color:#8ec5ff}a.primary{background:#8ec5ff;color:#111}}";

/// Nothing but the style above may load.
static REFUSAL_POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = BASE64.encode(digest(&SHA256, STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

const GO_ON_POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A page and the Content-Security-Policy that fits it.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) html: String,
    pub(super) policy: &'static str,
}

#[derive(Template)]
#[template(path = "continue.html")]
struct GoOn<'a> {
    to: &'a str,
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct Refusal<'a> {
    title: &'a str,
    explanation: &'a str,
    style: &'a str,
    sign_in: &'a str,
}

/// A page of this site that goes on to a path of this site. The navigation that follows is then same-site, and a
/// browser sends a `SameSite=Strict` cookie with it; after a redirect from the provider it would not.
pub(super) fn go_on(to: &str) -> Result<Page, askama::Error> {
    let html = GoOn { to }.render()?;
    Ok(Page {
        html,
        policy: GO_ON_POLICY,
    })
}

/// The page that tells a person why a login came to nothing. It shows nothing of what came with the request.
pub(super) fn refusal(title: &str, explanation: &str, sign_in: &str) -> Result<Page, askama::Error> {
    let page = Refusal {
        title,
        explanation,
        style: STYLE,
        sign_in,
    };
    Ok(Page {
        html: page.render()?,
        policy: &REFUSAL_POLICY,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_markup_stays_a_path() {
        let page = go_on("/x?\"><script>alert(1)</script>").unwrap();
        assert!(!page.html.contains("<script>"), "{}", page.html);
    }

    #[test]
    fn the_policy_of_the_refusal_page_allows_its_own_style_only() {
        let page = refusal("Title", "Words", "/bff/login").unwrap();
        let style = page
            .html
            .split("<style>")
            .nth(1)
            .unwrap()
            .split("</style>")
            .next()
            .unwrap();
        let hash = BASE64.encode(digest(&SHA256, style.as_bytes()));
        assert!(page.policy.contains(&format!("style-src 'sha256-{hash}'")));
    }
}
