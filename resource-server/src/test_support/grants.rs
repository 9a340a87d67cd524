use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use url::Url;

use super::{Mint, TestIssuer, TestStatusList};
use crate::status_list::{
    FetchListError, FetchStatusList, FetchedList, ListPlaces, StatusLists, StatusPolicy,
};

/// How many grants the list has room for.
const GRANTS: usize = 1024;

/// Its grants, the state of which is in one status list. They are numbered by whoever writes the test, from 0 to 1,023.
impl TestIssuer {
    /// Ends a grant, as a logout does: its tokens are refused by whoever asks for the list again, which is when it is more
    /// than five seconds old by the clock.
    pub fn end_grant(&self, index: usize) {
        assert!(index < GRANTS, "a grant has a number below {GRANTS}");
        self.state().ended.push(index);
    }

    /// Its status lists, for [`Issuers::with_status_lists`](crate::issuers::Issuers::with_status_lists). Its name has to be
    /// an address.
    #[must_use]
    pub fn status_lists(&self) -> StatusLists {
        let places = ListPlaces::at_issuer(&Url::parse(self.name()).unwrap());
        let source = Arc::new(self.clone());
        let verifier = self.verifier("any").build().unwrap();
        StatusLists::new(&verifier, places, source, self.keys(), StatusPolicy::default())
    }

    fn list_uri(&self) -> String {
        format!("{}/statuslists/1", self.name())
    }
}

#[async_trait]
impl FetchStatusList for TestIssuer {
    async fn fetch(&self, uri: &Url, _etag: Option<&str>) -> Result<FetchedList, FetchListError> {
        if uri.as_str() != self.list_uri() {
            return Err(FetchListError::Status(404));
        }
        let issued_at = self.now().as_secs();
        let state = self.state();
        if !state.is_up {
            return Err(FetchListError::Status(503));
        }
        let list = TestStatusList {
            issued_at,
            statuses: vec![0; GRANTS / 8],
            ..TestStatusList::at(uri.as_str())
        };
        let list = state.ended.iter().fold(list, |list, &index| list.end(index));
        Ok(FetchedList::New {
            token: list.sign(state.signing_key()),
            etag: None,
        })
    }
}

impl Mint<'_> {
    /// A token of this grant, whose state is in the issuer's status list.
    pub fn grant(self, index: usize) -> Self {
        let uri = self.issuer().list_uri();
        self.claim("status", json!({"status_list": {"idx": index, "uri": uri}}))
    }
}
