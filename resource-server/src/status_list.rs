//! Refuses tokens of grants that have ended, by the lists in which their issuer tells so (draft-ietf-oauth-status-list).
//!
//! An access token says in `status` which bit of which list is its own. The issuer sets that bit when the grant ends: at
//! logout, when a refresh token was stolen, when somebody is shut out. A resource server has the list in memory and asks
//! for it again every few seconds, so that it learns of all logouts by one small request, and no request of a client
//! calls anybody.
//!
//! [`StatusLists`] follows the lists of one issuer, and nothing is checked until one is given to
//! [`Issuers::with_status_lists`](crate::issuers::Issuers::with_status_lists) or `actix::Protection::with_status_lists`.
//! [`StatusList`] is one list.
//!
//! ```
//! # #[cfg(all(feature = "actix", feature = "http-keys"))]
//! # fn protection(issuer: &str, audience: &str) -> Result<resource_server::actix::Protection, Box<dyn std::error::Error>> {
//! # use std::sync::Arc;
//! # use resource_server::{actix::Protection, http_keys::HttpKeys, key_cache::KeyCache, time::SystemClock, verifier::Verifier};
//! use resource_server::status_list::{HttpStatusLists, ListPlaces, StatusLists, StatusPolicy};
//!
//! # let verifier = Verifier::access_token(issuer, audience).build()?;
//! # let source = HttpKeys::of_issuer(issuer.parse()?, HttpKeys::client()?);
//! # let keys = KeyCache::new(Arc::new(source), Arc::new(SystemClock));
//! let policy = StatusPolicy::default(); // five seconds; open for five minutes while the list cannot be had
//! let source = Arc::new(HttpStatusLists::new(policy.max_list_bytes)?);
//! let lists = StatusLists::new(&verifier, ListPlaces::at_issuer(&issuer.parse()?), source, keys.clone(), policy);
//! let protection = Protection::new(verifier, keys, &audience)?.with_status_lists(lists)?;
//! # Ok(protection)
//! # }
//! ```

mod error;
mod figures;
mod followed;
mod follower;
#[cfg(feature = "http-keys")]
mod http;
mod list;
mod lists;
mod places;
mod policy;

use std::fmt;

use async_trait::async_trait;
use url::Url;

pub use error::{FetchListError, InvalidStatusList, StatusError};
pub use figures::StatusFigures;
#[cfg(feature = "http-keys")]
pub use http::HttpStatusLists;
pub use list::{ExpectedList, StatusList};
pub use lists::StatusLists;
pub use places::{ListPlaces, judge_folder};
pub use policy::{Fail, StatusPolicy};

/// Where status lists come from.
#[async_trait]
pub trait FetchStatusList: fmt::Debug + Send + Sync {
    /// Fetches the list at this address, which is known to be its issuer's. With `etag` the list is held that came with
    /// it, and [`FetchedList::Unchanged`] is an answer.
    async fn fetch(&self, uri: &Url, etag: Option<&str>) -> Result<FetchedList, FetchListError>;
}

/// An answer about a status list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchedList {
    /// It is the one that is held.
    Unchanged,
    /// A status list token; nothing of it is believed yet.
    New {
        /// The token, in compact form.
        token: String,
        /// What names this state of the list (RFC 9110 §8.8.3), if anything does.
        etag: Option<String>,
    },
}

#[cfg(test)]
mod tests;
