//! Somebody whom a client sends to a provider, and who does what the pages there ask for.

use http::Method;
use url::Url;

use super::site::Initiator;
use super::{Answer, Arrival, Browser, Form, Navigation, submission};

/// Sign-in, a question, another question: more pages than these are a circle.
const MOST_PAGES: usize = 4;

impl Browser {
    /// Goes to an address and stops where the browser is led to one that begins like `target`.
    ///
    /// # Errors
    /// The page that it ends on instead.
    pub async fn visit_or_arrive(&self, address: &str, target: &str) -> Result<Url, Box<Answer>> {
        let is_target = |url: &Url| url.as_str().starts_with(target);
        let navigation = Navigation {
            initiator: Initiator::User,
            policy: None,
            chain: vec![self.resolve(address)],
            method: Method::GET,
            form: None,
            stop_before: &is_target,
        };
        self.travel(navigation).await.arrived()
    }

    /// Presses the first button of a form and stops where the browser is led to an address that begins like `target`.
    ///
    /// # Errors
    /// The page that it ends on instead.
    pub async fn submit_or_arrive(
        &self,
        page: &Answer,
        form: &Form,
        target: &str,
    ) -> Result<Url, Box<Answer>> {
        let is_target = |url: &Url| url.as_str().starts_with(target);
        self.travel(submission(page, form, &[], &is_target))
            .await
            .arrived()
    }

    /// Goes to an address, signs in where that is asked for, says yes to whatever is asked, and stops where the browser is
    /// led to an address that begins like `target`; or on a page that asks for nothing.
    ///
    /// # Errors
    /// That page.
    ///
    /// # Panics
    /// When there is no end.
    pub async fn run_errand(
        &self,
        address: &str,
        who: (&str, &str),
        target: &str,
    ) -> Result<Url, Box<Answer>> {
        let mut arrival = self.visit_or_arrive(address, target).await;
        for _ in 0..MOST_PAGES {
            let page = match arrival {
                Ok(url) => return Ok(url),
                Err(page) => page,
            };
            let Some(form) = page.forms().into_iter().next() else {
                return Err(page);
            };
            let form = if form.asks_for_password() {
                form.fill_in(who.0, who.1)
            } else {
                form
            };
            // The first button of each of our forms is the one that goes on.
            arrival = self.submit_or_arrive(&page, &form, target).await;
        }
        panic!("{address} leads in a circle");
    }
}

impl Arrival {
    fn arrived(self) -> Result<Url, Box<Answer>> {
        match self {
            Self::StoppedBefore(url) => Ok(url),
            Self::Page(page) => Err(Box::new(page)),
        }
    }
}
