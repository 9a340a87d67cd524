//! The calls to the management address. This file carries; what is shown of an answer is decided beside it.

use std::io;
use std::time::Duration;

use bff::config::AdminToken;
use reqwest::header::WWW_AUTHENTICATE;
use reqwest::{Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::target::Target;

/// How long a BFF that lives takes to accept a connection.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// How long a page may take: 500 records, of a store that is slow.
const LIST_PATIENCE: Duration = Duration::from_secs(60);
/// How long ending may take: millions of sessions at some thousand a second.
const END_PATIENCE: Duration = Duration::from_secs(1_800);
/// No page is larger than this.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// Parameters of a request.
pub(super) type Query = Vec<(&'static str, String)>;

/// Why a command did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The BFF could not be asked, or broke off.
    #[error("{url} does not answer")]
    NoAnswer {
        url: Url,
        #[source]
        cause: reqwest::Error,
    },
    /// The client could not be built.
    #[error("the TLS roots of this machine cannot be used")]
    NoClient(#[source] reqwest::Error),
    /// It takes another token.
    #[error("{0} does not take this admin token")]
    WrongToken(Url),
    /// It is a BFF without administration, or something else.
    #[error("{0} has no /admin: management.admin_token_file is not set there")]
    NoAdministration(Url),
    /// It did not do it.
    #[error("{url} answered {status}{told}")]
    Refused {
        url: Url,
        status: StatusCode,
        told: String,
    },
    /// What it answered is not what a BFF answers.
    #[error("{0} answered something that is not understood")]
    NotUnderstood(Url),
    /// What is to be shown cannot be.
    #[error("the answer cannot be written")]
    Output(#[from] io::Error),
}

/// A page of sessions, as the BFF tells of them.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) sessions: Vec<Value>,
    pub(super) next: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Ended {
    ended: u64,
}

#[derive(Debug, Default, Deserialize)]
struct Problem {
    code: Option<String>,
    title: Option<String>,
    ended: Option<u64>,
}

/// The administration of a BFF that runs.
#[derive(Debug)]
pub(super) struct Admin {
    client: reqwest::Client,
    url: Url,
    token: AdminToken,
}

impl Admin {
    /// Prepares the client. The token goes to the one address and nowhere else: no proxy, no redirect.
    pub(super) fn new(target: Target) -> Result<Self, Failure> {
        // Somebody else in this process may have installed the same provider.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_PATIENCE)
            .timeout(LIST_PATIENCE)
            .user_agent(concat!("cloakroom-bff/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(Failure::NoClient)?;
        let Target { url, token } = target;
        Ok(Self { client, url, token })
    }

    /// A page of the sessions that are meant.
    pub(super) async fn page(&self, query: &Query, after: Option<&str>) -> Result<Page, Failure> {
        let mut query = query.clone();
        query.extend(after.map(|after| ("after", after.to_owned())));
        self.ask(Method::GET, &query, LIST_PATIENCE).await
    }

    /// Ends the sessions that are meant, and says how many that were.
    pub(super) async fn end(&self, query: &Query) -> Result<u64, Failure> {
        let Ended { ended } = self.ask(Method::DELETE, query, END_PATIENCE).await?;
        Ok(ended)
    }

    async fn ask<T: for<'de> Deserialize<'de>>(
        &self,
        method: Method,
        query: &Query,
        patience: Duration,
    ) -> Result<T, Failure> {
        let mut address = self
            .url
            .join("admin/sessions")
            .map_err(|_| Failure::NotUnderstood(self.url.clone()))?;
        address.query_pairs_mut().extend_pairs(query);
        let request = self
            .client
            .request(method, address)
            .timeout(patience)
            .bearer_auth(self.token.expose());
        let answer = request.send().await.map_err(|cause| self.no_answer(cause))?;
        let status = answer.status();
        if status == StatusCode::OK {
            let body = self.body_of(answer).await?;
            return serde_json::from_slice(&body).map_err(|_| Failure::NotUnderstood(self.url.clone()));
        }
        Err(self.refused(answer).await)
    }

    async fn refused(&self, answer: Response) -> Failure {
        let (url, status) = (self.url.clone(), answer.status());
        match status {
            StatusCode::UNAUTHORIZED if answer.headers().contains_key(WWW_AUTHENTICATE) => {
                return Failure::WrongToken(url);
            }
            StatusCode::NOT_FOUND => return Failure::NoAdministration(url),
            _ => {}
        }
        let body = self.body_of(answer).await.unwrap_or_default();
        let problem: Problem = serde_json::from_slice(&body).unwrap_or_default();
        Failure::Refused {
            url,
            status,
            told: problem.told(),
        }
    }

    async fn body_of(&self, mut answer: Response) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|cause| self.no_answer(cause))? {
            if body.len() + chunk.len() > BODY_LIMIT {
                return Err(Failure::NotUnderstood(self.url.clone()));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The address that the library would name holds the user.
    fn no_answer(&self, cause: reqwest::Error) -> Failure {
        Failure::NoAnswer {
            url: self.url.clone(),
            cause: cause.without_url(),
        }
    }
}

impl Problem {
    fn told(&self) -> String {
        let mut told = String::new();
        if let Some(code) = &self.code {
            told = format!(" {}", super::output::safe(code));
        }
        if let Some(title) = &self.title {
            told = format!("{told}: {}", super::output::safe(title));
        }
        if let Some(ended) = self.ended {
            told = format!("{told}. So far {ended} sessions have ended");
        }
        told
    }
}
