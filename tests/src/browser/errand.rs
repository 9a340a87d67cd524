//! Somebody whom a client sends to a provider, and who does what the pages there ask for.

use http::Method;
use url::Url;

use super::site::Initiator;
use super::{Answer, Arrival, Browser, Navigation, submission};

/// Sign-in, a question, another question: more pages than these are a circle.
const MOST_PAGES: usize = 4;

impl Browser {
    /// Goes to an address, signs in where that is asked for, says yes to whatever is asked, and stops where the provider
    /// leads the browser to an address that begins so; or on a page that asks for nothing.
    ///
    /// # Errors
    /// That page.
    ///
    /// # Panics
    /// When there is no end.
    pub async fn run_errand(&self, address: &str, who: (&str, &str), target: &str) -> Result<Url, Answer> {
        let is_target = |url: &Url| url.as_str().starts_with(target);
        let mut arrival = self
            .travel(Navigation {
                initiator: Initiator::User,
                policy: None,
                chain: vec![self.resolve(address)],
                method: Method::GET,
                form: None,
                stop_before: &is_target,
            })
            .await;
        for _ in 0..MOST_PAGES {
            let page = match arrival {
                Arrival::StoppedBefore(url) => return Ok(url),
                Arrival::Page(page) => page,
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
            arrival = self.travel(submission(&page, &form, &[], &is_target)).await;
        }
        panic!("{address} leads in a circle");
    }
}
