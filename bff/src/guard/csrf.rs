//! Whether a request that carries the session cookie provably comes from our own pages.
//!
//! Two proofs count: the header `X-CSRF: 1`, which another origin can send only after a preflight that we do not
//! answer, and `Sec-Fetch-Site: same-origin`, which the browser sets itself and which downloads and WebSockets carry too.
//! Against them stand a foreign `Sec-Fetch-Site` and, on unsafe methods, a foreign or `null` `Origin`. A page of an origin
//! that is allowed to call us (`cors.allowed_origins`) always needs the header.

use super::cors::AllowedOrigins;
use super::{FetchMode, FetchSite, RequestFacts};

/// How strict an endpoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Only the header counts: endpoints of the BFF itself.
    Header,
    /// The header or `Sec-Fetch-Site: same-origin`: API routes.
    HeaderOrSameOrigin,
    /// As before, and a navigation that no other site began counts too: routes that a person may open directly.
    Navigation,
    /// Only our own `Origin`, which must be there: WebSockets, which no preflight precedes and no header of a page's own
    /// goes with.
    Upgrade,
}

/// Why a request does not count as ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It comes from another origin.
    CrossSite,
    /// It proves nothing.
    NoProof,
}

/// Judges a request. `own_origin` is the public origin of this BFF, `allowed` are those whose pages may call it.
///
/// # Errors
/// The refusal, if it does not count as ours.
pub fn judge(
    proof: Proof,
    own_origin: &str,
    allowed: &AllowedOrigins,
    facts: &RequestFacts<'_>,
) -> Result<(), Refusal> {
    if facts.origin.is_some_and(|origin| allowed.contains(origin)) {
        // A handshake has no header of the page's own; that its `Origin` is allowed is the proof.
        let is_proven = proof == Proof::Upgrade || facts.csrf == Some("1");
        return is_proven.then_some(()).ok_or(Refusal::NoProof);
    }
    let opened_by_user = proof == Proof::Navigation
        && facts.is_safe
        && facts.mode == Some(FetchMode::Navigate)
        && facts.site == Some(FetchSite::None);
    if opened_by_user {
        return Ok(());
    }
    if facts
        .site
        .is_some_and(|site| !matches!(site, FetchSite::SameOrigin | FetchSite::None))
    {
        return Err(Refusal::CrossSite);
    }
    if proof == Proof::Upgrade {
        let is_ours = facts.origin == Some(own_origin);
        return if is_ours { Ok(()) } else { Err(Refusal::CrossSite) };
    }
    if !facts.is_safe && facts.origin.is_some_and(|origin| origin != own_origin) {
        return Err(Refusal::CrossSite);
    }
    let same_origin = proof != Proof::Header && facts.site == Some(FetchSite::SameOrigin);
    if facts.csrf == Some("1") || same_origin {
        return Ok(());
    }
    Err(Refusal::NoProof)
}

#[cfg(test)]
mod tests {
    use super::Proof::{Header, HeaderOrSameOrigin, Navigation, Upgrade};
    use super::Refusal::{CrossSite, NoProof};
    use super::*;
    use http::Method;

    const OWN: &str = "https://app.example";

    fn judged(proof: Proof, method: &Method, headers: &[(&str, &str)]) -> Result<(), Refusal> {
        let lines = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        let facts = RequestFacts::read(method.is_safe(), lines);
        let allowed = AllowedOrigins::new(vec!["https://shop.example".to_owned()]);
        judge(proof, OWN, &allowed, &facts)
    }

    /// Checklist 29.
    #[test]
    fn a_page_of_an_allowed_origin_needs_the_header() {
        for proof in [Header, HeaderOrSameOrigin, Navigation] {
            for (site, method) in [("same-site", Method::POST), ("cross-site", Method::GET)] {
                let call = [("origin", "https://shop.example"), ("sec-fetch-site", site)];
                let with_header = [call[0], call[1], ("x-csrf", "1")];
                assert_eq!(judged(proof, &method, &with_header), Ok(()));
                assert_eq!(judged(proof, &method, &call), Err(NoProof));
            }
            let neighbour = [
                ("origin", "https://shop.example.evil"),
                ("sec-fetch-site", "same-site"),
                ("x-csrf", "1"),
            ];
            assert_eq!(judged(proof, &Method::GET, &neighbour), Err(CrossSite));
        }
    }

    /// Checklists 25 and 26.
    #[test]
    fn without_proof_every_method_is_refused() {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            assert_eq!(judged(HeaderOrSameOrigin, &method, &[]), Err(NoProof));
            assert_eq!(judged(HeaderOrSameOrigin, &method, &[("x-csrf", "1")]), Ok(()));
            assert_eq!(
                judged(HeaderOrSameOrigin, &method, &[("x-csrf", "0")]),
                Err(NoProof)
            );
            assert_eq!(
                judged(HeaderOrSameOrigin, &method, &[("x-csrf", "repeated")]),
                Err(NoProof)
            );
        }
    }

    /// Checklist 27.
    #[test]
    fn the_browser_s_own_word_counts_for_and_against() {
        let site = |site| [("sec-fetch-site", site), ("x-csrf", "1")];
        assert_eq!(
            judged(
                HeaderOrSameOrigin,
                &Method::GET,
                &[("sec-fetch-site", "same-origin")]
            ),
            Ok(())
        );
        assert_eq!(
            judged(Header, &Method::GET, &[("sec-fetch-site", "same-origin")]),
            Err(NoProof)
        );
        for foreign in ["cross-site", "same-site", "something-new", ""] {
            assert_eq!(
                judged(HeaderOrSameOrigin, &Method::GET, &site(foreign)),
                Err(CrossSite),
                "{foreign}"
            );
        }
        assert_eq!(judged(Header, &Method::GET, &site("none")), Ok(()));
    }

    /// Checklist 28.
    #[test]
    fn a_foreign_or_null_origin_is_refused_on_unsafe_methods() {
        for origin in [
            "null",
            "https://evil.example",
            "http://app.example",
            "https://app.example:444",
            "https://app.example.evil",
        ] {
            let headers = [
                ("origin", origin),
                ("x-csrf", "1"),
                ("sec-fetch-site", "same-origin"),
            ];
            assert_eq!(
                judged(HeaderOrSameOrigin, &Method::POST, &headers),
                Err(CrossSite),
                "{origin}"
            );
        }
        assert_eq!(
            judged(Header, &Method::POST, &[("origin", OWN), ("x-csrf", "1")]),
            Ok(())
        );
    }

    /// Checklist 30.
    #[test]
    fn a_websocket_is_asked_for_by_our_own_origin_or_not_at_all() {
        let asked = |headers: &[_]| judged(Upgrade, &Method::GET, headers);
        let allowed = [
            ("origin", "https://shop.example"),
            ("sec-fetch-site", "same-site"),
        ];
        assert_eq!(asked(&allowed), Ok(()));
        assert_eq!(asked(&[("origin", OWN)]), Ok(()));
        assert_eq!(
            asked(&[("origin", OWN), ("sec-fetch-site", "same-origin")]),
            Ok(())
        );
        assert_eq!(
            asked(&[("origin", OWN), ("sec-fetch-site", "cross-site")]),
            Err(CrossSite)
        );
        for origin in [
            "null",
            "https://evil.example",
            "http://app.example",
            "repeated",
            "",
        ] {
            let headers = [
                ("origin", origin),
                ("x-csrf", "1"),
                ("sec-fetch-site", "same-origin"),
            ];
            assert_eq!(asked(&headers), Err(CrossSite), "{origin}");
        }
        let without = [("x-csrf", "1"), ("sec-fetch-site", "same-origin")];
        assert_eq!(asked(&without), Err(CrossSite));
    }

    /// Checklist 33.
    #[test]
    fn a_person_may_open_a_navigation_route_and_another_site_may_not() {
        let navigation = |site| [("sec-fetch-site", site), ("sec-fetch-mode", "navigate")];
        assert_eq!(judged(Navigation, &Method::GET, &navigation("none")), Ok(()));
        assert_eq!(
            judged(Navigation, &Method::GET, &navigation("same-origin")),
            Ok(())
        );
        assert_eq!(
            judged(Navigation, &Method::GET, &navigation("cross-site")),
            Err(CrossSite)
        );
        assert_eq!(
            judged(Navigation, &Method::POST, &navigation("none")),
            Err(NoProof)
        );
        assert_eq!(
            judged(HeaderOrSameOrigin, &Method::GET, &navigation("none")),
            Err(NoProof)
        );
    }
}
