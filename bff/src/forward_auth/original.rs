//! The client's request, as its gateway tells of it, and whether it comes from our own pages.
//!
//! Nothing here reads the path: which paths are public is the gateway's business, and a path that a client writes into
//! `X-Forwarded-Uri` or `X-Original-URL` makes none so.

use crate::config::OriginalMethod;
use crate::guard::cors::AllowedOrigins;
use crate::guard::csrf::{self, Proof, Refusal};
use crate::guard::{FetchSite, RequestFacts};

/// Whether the client's method is safe: somebody says what it is, and whoever says so names a safe one. Of what is not
/// said the worst is believed. `own` is the method of the request itself, `told` what its headers say.
pub fn is_safe<'m>(original: OriginalMethod, own: &'m str, told: impl Iterator<Item = &'m str>) -> bool {
    let own = (original == OriginalMethod::Request).then_some(own);
    let mut said = told.chain(own).peekable();
    said.peek().is_some() && said.all(|method| matches!(method, "GET" | "HEAD" | "OPTIONS"))
}

/// Judges a request that a gateway holds. `own_origin` is the public origin, and the gateway's as well: our cookie goes
/// to no other, and pages of `cors.allowed_origins` may call us and not what stands beside us.
///
/// # Errors
/// The refusal, if it does not count as ours.
pub fn judge(own_origin: &str, facts: &RequestFacts<'_>, opens_websocket: bool) -> Result<(), Refusal> {
    if !opens_websocket {
        return csrf::judge(Proof::Navigation, own_origin, &AllowedOrigins::default(), facts);
    }
    // No preflight guards a WebSocket, and its page can set no header: only its origin speaks for it.
    let is_own_site = facts.site.is_none_or(|site| site == FetchSite::SameOrigin);
    if is_own_site && facts.origin == Some(own_origin) {
        Ok(())
    } else {
        Err(Refusal::CrossSite)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "https://app.example";

    #[test]
    fn a_method_that_nobody_tells_counts_as_unsafe() {
        let header = |told: &[&'static str]| is_safe(OriginalMethod::Header, "GET", told.iter().copied());
        assert!(header(&["GET"]));
        assert!(header(&["GET", "HEAD"]));
        for told in [
            &[][..],
            &["POST"],
            &["get"],
            &["GET, POST"],
            &["GET", "POST"],
            &["repeated"],
            &[""],
        ] {
            assert!(!header(told), "{told:?}");
        }
        let request =
            |own, told: &[&'static str]| is_safe(OriginalMethod::Request, own, told.iter().copied());
        assert!(request("GET", &[]));
        assert!(!request("POST", &[]));
        assert!(!request("POST", &["GET"]), "a client may write the header");
    }

    #[test]
    fn a_websocket_is_vouched_for_by_its_origin_alone() {
        let judged = |headers: &[(&str, &'static str)]| {
            let lines = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
            let facts = RequestFacts::read(true, lines);
            judge(OWN, &facts, true)
        };
        assert_eq!(judged(&[("origin", OWN)]), Ok(()));
        assert_eq!(
            judged(&[("origin", OWN), ("sec-fetch-site", "same-origin")]),
            Ok(())
        );
        for headers in [
            &[][..],
            &[("x-csrf", "1")],
            &[("origin", "null")],
            &[("origin", "https://evil.example"), ("x-csrf", "1")],
            &[("origin", OWN), ("sec-fetch-site", "cross-site")],
            &[("origin", OWN), ("sec-fetch-site", "none")],
        ] {
            assert_eq!(judged(headers), Err(Refusal::CrossSite), "{headers:?}");
        }
    }
}
