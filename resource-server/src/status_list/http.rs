use std::time::Duration;

use async_trait::async_trait;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, ETAG, HeaderMap, IF_NONE_MATCH};
use url::Url;

use super::error::{FetchListError, InvalidStatusList};
use super::list::max_token_bytes;
use super::{FetchStatusList, FetchedList};
use crate::http;

/// How long one look at a list may take.
const DEADLINE: Duration = Duration::from_secs(3);

/// The longest `ETag` that is sent back.
const MAX_ETAG_BYTES: usize = 256;

/// Fetches status lists over HTTP (draft-ietf-oauth-status-list §8.1).
#[derive(Debug)]
pub struct HttpStatusLists {
    client: reqwest::Client,
    max_answer_bytes: usize,
}

impl HttpStatusLists {
    /// Lists that have at most this many bytes when they are unpacked.
    ///
    /// # Errors
    /// When TLS cannot be set up, for example because the machine has no CA certificates.
    pub fn new(max_list_bytes: usize) -> Result<Self, reqwest::Error> {
        // One connection is kept, since the next look is seconds away.
        let client = http::client(DEADLINE)
            .pool_max_idle_per_host(1)
            .pool_idle_timeout(Duration::from_secs(30))
            .tcp_nodelay(true)
            .build()?;
        Ok(Self {
            client,
            max_answer_bytes: max_token_bytes(max_list_bytes),
        })
    }

    async fn body_of(&self, response: reqwest::Response) -> Result<String, FetchListError> {
        let body = http::body_within(response, self.max_answer_bytes)
            .await
            .map_err(transport)?;
        let body = body.ok_or(InvalidStatusList::TooLarge)?;
        String::from_utf8(body).map_err(|_| FetchListError::from(crate::error::TokenError::Structure))
    }
}

#[async_trait]
impl FetchStatusList for HttpStatusLists {
    async fn fetch(&self, uri: &Url, etag: Option<&str>) -> Result<FetchedList, FetchListError> {
        let mut request = self
            .client
            .get(uri.clone())
            .header(ACCEPT, "application/statuslist+jwt");
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let response = request.send().await.map_err(transport)?;
        match response.status() {
            StatusCode::NOT_MODIFIED if etag.is_some() => Ok(FetchedList::Unchanged),
            // What the answer is follows from its `typ` and its signature, not from its media type.
            status if status.is_success() => Ok(FetchedList::New {
                etag: etag_of(response.headers()),
                token: self.body_of(response).await?,
            }),
            status => Err(FetchListError::Status(status.as_u16())),
        }
    }
}

fn etag_of(headers: &HeaderMap) -> Option<String> {
    let etag = headers.get(ETAG)?.to_str().ok()?;
    (etag.len() <= MAX_ETAG_BYTES).then(|| etag.to_owned())
}

fn transport(error: reqwest::Error) -> FetchListError {
    http::failure(error, FetchListError::TimedOut, FetchListError::Transport)
}

#[cfg(test)]
mod tests;
