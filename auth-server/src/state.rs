//! What the endpoints share.

use std::sync::Arc;

use resource_server::time::{Clock, UnixTime};

use crate::client::Clients;
use crate::client::assertion::Assertions;
use crate::client::registry::Registry;
use crate::config::Config;
use crate::http::Outbound;
use crate::key::Signer;
use crate::ops::rotation::Rotation;
use crate::page::Stylesheet;
use crate::signin::form_token::FormTokens;
use crate::status_list::StatusLists;
use crate::store::Store;
use crate::token::own_tokens::OwnTokens;
use crate::user::password::PasswordChecker;

/// Everything that a request may need; made once, at start.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Store,
    /// Calls addresses that clients registered.
    pub(crate) outbound: Outbound,
    pub(crate) rotation: Arc<Rotation>,
    pub(crate) signer: Arc<Signer>,
    pub(crate) status_lists: StatusLists,
    pub(crate) registry: Registry,
    /// Verifies how clients with keys prove who they are.
    pub(crate) assertions: Assertions,
    pub(crate) own_tokens: OwnTokens,
    pub(crate) checker: PasswordChecker,
    pub(crate) forms: FormTokens,
    pub(crate) stylesheet: Stylesheet,
}

impl Shared {
    /// The current instant.
    pub(crate) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// The clients that there are now.
    pub(crate) fn clients(&self) -> Arc<Clients> {
        self.registry.current()
    }

    /// Sees what operators and other nodes have changed; at most once a second.
    pub(crate) async fn keep_up(&self) {
        let now = self.now();
        if self.rotation.is_due(now) {
            Box::pin(Arc::clone(&self.rotation).keep_up()).await;
        }
        if self.registry.is_due(now) {
            Box::pin(self.registry.look(&self.store, now)).await;
        }
    }
}
