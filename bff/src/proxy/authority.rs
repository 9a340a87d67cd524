//! With whose access token a request goes to its upstream.

use super::endpoint::Proxy;
use crate::refresh::RefreshError;
use crate::routing::Route;
use crate::session::OpenSession;
use crate::session::tokens::{AccessToken, IssuedToken};

/// Who calls.
#[derive(Debug)]
pub(super) enum Authority {
    /// Nobody that the upstream is told of.
    Nobody,
    /// The user of a session.
    Session(Box<OpenSession>),
    /// Our own client.
    Service(IssuedToken),
}

impl Authority {
    pub(super) fn of(session: Option<OpenSession>) -> Self {
        session.map_or(Self::Nobody, |session| Self::Session(Box::new(session)))
    }

    pub(super) fn into_session(self) -> Option<Box<OpenSession>> {
        match self {
            Self::Session(session) => Some(session),
            Self::Nobody | Self::Service(_) => None,
        }
    }

    pub(super) fn session(&self) -> Option<&OpenSession> {
        match self {
            Self::Session(session) => Some(session),
            Self::Nobody | Self::Service(_) => None,
        }
    }

    /// The access token for this route.
    pub(super) fn token(&self, route: &Route) -> Option<&AccessToken> {
        match self {
            Self::Nobody => None,
            Self::Session(session) => session.content.tokens.get(&route.target).map(|held| &held.token),
            Self::Service(held) => Some(&held.token),
        }
    }

    /// The same caller with another access token, after the upstream has refused this one; `None` when there is none.
    /// Why there is none has been told to the log by whoever asked for it.
    ///
    /// # Errors
    /// When the session turned out to have ended.
    pub(super) async fn with_another_token(
        &self,
        route: &Route,
        proxy: &Proxy,
    ) -> Result<Option<Self>, RefreshError> {
        let another = match self {
            Self::Nobody => return Ok(None),
            Self::Session(session) => {
                let renewed = proxy.keeper.replace_refused(session, &route.target).await;
                renewed.map(|renewed| renewed.map(|session| Self::Session(Box::new(session))))
            }
            Self::Service(refused) => {
                let renewed = proxy.services.replace_refused(&route.target, refused).await;
                renewed.map(|renewed| renewed.map(Self::Service))
            }
        };
        match another {
            Err(error @ RefreshError::SessionEnded) => Err(error),
            Err(_) => Ok(None),
            Ok(another) => Ok(another),
        }
    }
}
