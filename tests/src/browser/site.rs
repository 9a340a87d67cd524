//! Origins and sites, and what a browser says about them in `Sec-Fetch-*` (Fetch Metadata, RFC 6265bis §5.2).

use url::{Origin, Url};

/// Who caused a request.
#[derive(Debug, Clone)]
pub(super) enum Initiator {
    /// The user, by the address bar or a bookmark.
    User,
    /// A page of this address.
    Page(Url),
}

/// A request's relation to its initiator, over all addresses of its redirect chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Relation {
    None,
    SameOrigin,
    SameSite,
    CrossSite,
}

impl Relation {
    /// Judges a chain of addresses, the last of which is about to be requested.
    pub(super) fn of(initiator: &Initiator, chain: &[Url]) -> Self {
        let Initiator::Page(page) = initiator else {
            return Self::None;
        };
        chain
            .iter()
            .map(|url| between(page, url))
            .max()
            .unwrap_or(Self::None)
    }

    /// The value of `Sec-Fetch-Site`.
    pub(super) fn header(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SameOrigin => "same-origin",
            Self::SameSite => "same-site",
            Self::CrossSite => "cross-site",
        }
    }
}

/// Whether a `SameSite=Strict` cookie goes along: neither the initiator nor any redirect may be of another site.
pub(super) fn is_same_site(initiator: &Initiator, chain: &[Url]) -> bool {
    let Some(target) = chain.last() else {
        return false;
    };
    let chain_stays = chain.iter().all(|url| site(url) == site(target));
    let initiator_belongs = match initiator {
        Initiator::User => true,
        Initiator::Page(page) => site(page) == site(target),
    };
    chain_stays && initiator_belongs
}

fn between(page: &Url, url: &Url) -> Relation {
    if page.origin() == url.origin() {
        Relation::SameOrigin
    } else if site(page) == site(url) {
        Relation::SameSite
    } else {
        Relation::CrossSite
    }
}

/// What the `Referer` header says of the page that causes a request, by that page's `Referrer-Policy`.
pub(super) fn referrer(policy: Option<&str>, page: &Url, target: &Url) -> Option<String> {
    let same_origin = page.origin() == target.origin();
    let whole = || {
        let mut page = page.clone();
        page.set_fragment(None);
        page.to_string()
    };
    let origin = || format!("{}/", origin_header(&page.origin()));
    // The last policy that a browser knows is the one that counts.
    match policy.and_then(|policy| policy.rsplit(',').next()).map(str::trim) {
        Some("no-referrer") => None,
        Some("same-origin") => same_origin.then(whole),
        Some("origin" | "strict-origin") => Some(origin()),
        Some("unsafe-url") => Some(whole()),
        // strict-origin-when-cross-origin, the browsers' default.
        _ => Some(if same_origin { whole() } else { origin() }),
    }
}

/// Scheme and host; ports do not make a site. The hosts of these tests have no registrable domain above them.
fn site(url: &Url) -> (String, String) {
    (
        url.scheme().to_owned(),
        url.host_str().unwrap_or_default().to_owned(),
    )
}

/// An origin as the `Origin` header writes it.
pub(super) fn origin_header(origin: &Origin) -> String {
    origin.ascii_serialization()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_chain_that_left_the_site_stays_cross_site_when_it_comes_back() {
        let app = Initiator::Page(url("http://localhost:1/"));
        let chain = [
            url("http://localhost:1/login"),
            url("http://127.0.0.1:2/"),
            url("http://localhost:1/callback"),
        ];

        assert_eq!(Relation::of(&app, &chain), Relation::CrossSite);
        assert!(!is_same_site(&app, &chain));
        assert!(is_same_site(&app, &chain[..1]));
    }

    #[test]
    fn the_users_own_navigation_has_no_site_but_its_redirects_count_for_cookies() {
        let chain = [
            url("http://localhost:1/login"),
            url("http://127.0.0.1:2/"),
            url("http://localhost:1/callback"),
        ];

        assert_eq!(Relation::of(&Initiator::User, &chain), Relation::None);
        assert!(!is_same_site(&Initiator::User, &chain));
    }

    #[test]
    fn a_page_decides_what_others_learn_of_its_address() {
        let (page, other) = (url("http://localhost:1/a?code=x#f"), url("http://127.0.0.1:2/"));
        let whole = Some("http://localhost:1/a?code=x".to_owned());

        assert_eq!(referrer(None, &page, &page), whole);
        assert_eq!(
            referrer(None, &page, &other).as_deref(),
            Some("http://localhost:1/")
        );
        assert_eq!(referrer(Some("no-referrer"), &page, &page), None);
        assert_eq!(referrer(Some("same-origin"), &page, &page), whole);
        assert_eq!(referrer(Some("same-origin"), &page, &other), None);
    }

    #[test]
    fn ports_make_an_origin_but_no_site() {
        let page = Initiator::Page(url("http://localhost:1/"));

        assert_eq!(
            Relation::of(&page, &[url("http://localhost:2/")]),
            Relation::SameSite
        );
        assert!(is_same_site(&page, &[url("http://localhost:2/")]));
    }
}
