//! Looks before anything is measured: a benchmark of error pages is the classic mistake.

use super::browsers::{Browsers, all_are_200, try_once};
use super::side::PATH;
use super::site::Bff;
use crate::upstream::{AUTHORIZATION, SMALL};

/// Whether a BFF serves this session, passes its token on, and serves nobody else.
///
/// # Panics
/// When it does not.
pub(super) fn does_its_work(bff: &Bff, cookie: &String) {
    let ask = |path| {
        let browsers = Browsers {
            port: bff.port,
            path,
            cookies: std::slice::from_ref(cookie),
            connections: 1,
        };
        let replies = tokio::task::block_in_place(|| browsers.each_once());
        all_are_200(path, &replies);
        String::from_utf8_lossy(&replies[0].body).into_owned()
    };
    assert_eq!(ask(PATH), SMALL);
    let passed_on = ask(AUTHORIZATION);
    assert!(
        passed_on.starts_with("Bearer ") && passed_on.split('.').count() >= 3,
        "the upstream got no access token, but {} bytes",
        passed_on.len()
    );
    let mut forged = cookie.clone();
    let last = if forged.ends_with('A') { "B" } else { "A" };
    forged.replace_range(forged.len() - 1.., last);
    for (who, cookie) in [("nobody", ""), ("a forger", &forged)] {
        assert_eq!(try_once(bff.port, PATH, cookie), Some(401), "to {who}");
    }
}
