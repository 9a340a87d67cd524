//! Refuses tokens of grants that have ended, by the lists in which their issuer tells so (draft-ietf-oauth-status-list).
//!
//! An access token says in `status` which bit of which list is its own. The issuer sets that bit when the grant ends: at
//! logout, when a refresh token was stolen, when somebody is shut out. A resource server has the list in memory and asks
//! for it again every few seconds, so that it learns of all logouts by one small request, and no request of a client
//! calls anybody.
//!
//! [`StatusLists`] follows the lists of one issuer; `actix::Protection` takes one. [`StatusList`] is one list.

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
