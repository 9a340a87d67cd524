//! What every fetch from an issuer has in common.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

/// A client that goes where it is told, through no proxy and along no redirect (what that names was not looked at by anyone),
/// tells nobody where it came from, and gives up after the deadline.
pub(crate) fn client(deadline: Duration) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .timeout(deadline)
        .user_agent(concat!("cloakroom/", env!("CARGO_PKG_VERSION")))
}

/// The body of an answer; `None` when it has more bytes than that, of which no more are read.
pub(crate) async fn body_within(
    mut response: reqwest::Response,
    most: usize,
) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > most {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// Why no answer came, without the address, which may say more than belongs in a log.
pub(crate) fn failure<E>(
    error: reqwest::Error,
    timed_out: E,
    broken: impl FnOnce(Arc<dyn Error + Send + Sync>) -> E,
) -> E {
    if error.is_timeout() {
        timed_out
    } else {
        broken(Arc::new(error.without_url()))
    }
}
