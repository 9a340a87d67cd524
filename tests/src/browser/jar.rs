//! Cookies as a browser keeps them (RFC 6265bis, with the `__Http-` prefixes of its successor).

use cookie::{Cookie, SameSite};
use resource_server::time::UnixTime;
use std::time::Duration;
use url::Url;

/// What decides whether a cookie goes along, or may be set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    pub(super) same_site: bool,
    pub(super) top_level_navigation: bool,
    pub(super) safe_method: bool,
    pub(super) now: UnixTime,
}

/// A cookie at rest.
#[derive(Debug, Clone)]
pub struct StoredCookie {
    /// Its name.
    pub name: String,
    /// Its value, as it was set.
    pub value: String,
    /// The only host that gets it.
    pub host: String,
    /// The path below which it is sent.
    pub path: String,
    /// Whether scripts cannot see it.
    pub http_only: bool,
    /// When it is sent on requests that other sites cause; absent is `Lax`, as browsers default.
    pub same_site: SameSite,
    expires: UnixTime,
}

/// The cookies of one browser.
#[derive(Debug, Default)]
pub(super) struct Jar {
    cookies: Vec<StoredCookie>,
}

impl Jar {
    /// Takes a `Set-Cookie` header, if its rules allow it.
    pub(super) fn set(&mut self, header: &str, from: &Url, context: Context) {
        let Ok(cookie) = Cookie::parse(header) else {
            return;
        };
        let Some(stored) = accept(&cookie, from, context) else {
            return;
        };
        self.put(stored, context.now);
    }

    /// Puts a cookie in without asking, as somebody with access to the machine could.
    pub(super) fn put(&mut self, cookie: StoredCookie, now: UnixTime) {
        let same = |other: &StoredCookie| {
            other.name == cookie.name && other.host == cookie.host && other.path == cookie.path
        };
        let place = self.cookies.iter().position(same);
        if now >= cookie.expires {
            self.cookies.retain(|other| !same(other));
        } else if let Some(place) = place {
            self.cookies[place] = cookie;
        } else {
            self.cookies.push(cookie);
        }
    }

    /// The `Cookie` header of a request.
    pub(super) fn header(&self, to: &Url, context: Context) -> Option<String> {
        let mut sent: Vec<_> = self
            .of_site(to, context.now)
            .filter(|cookie| goes_along(cookie, context))
            .collect();
        // Longer paths first; the sort is stable, so that older cookies come first.
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<_> = sent
            .iter()
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// The cookies that belong to an address, whoever asks.
    pub(super) fn of_site(&self, url: &Url, now: UnixTime) -> impl Iterator<Item = &StoredCookie> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let path = url.path().to_owned();
        self.cookies.iter().filter(move |cookie| {
            cookie.host == host && path_matches(&path, &cookie.path) && now < cookie.expires
        })
    }
}

impl StoredCookie {
    /// A session cookie of this host, of the kind that scripts cannot see.
    pub fn planted(name: &str, value: &str, host: &str) -> Self {
        Self {
            name: name.to_owned(),
            value: value.to_owned(),
            host: host.to_owned(),
            path: "/".to_owned(),
            http_only: true,
            same_site: SameSite::Strict,
            expires: UnixTime::NEVER,
        }
    }
}

fn accept(cookie: &Cookie<'_>, from: &Url, context: Context) -> Option<StoredCookie> {
    let host = from.host_str()?;
    // Chromium takes loopback for a secure place, whatever the scheme.
    let secure_place = from.scheme() == "https" || matches!(host, "localhost" | "127.0.0.1");
    let secure = cookie.secure().unwrap_or(false);
    if cookie
        .domain()
        .is_some_and(|domain| !domain.eq_ignore_ascii_case(host))
        || (secure && !secure_place)
    {
        return None;
    }
    if !prefix_is_met(cookie, secure) || cookie.name().len() + cookie.value().len() > 4096 {
        return None;
    }
    let same_site = cookie.same_site().unwrap_or(SameSite::Lax);
    if same_site == SameSite::None && !secure {
        return None;
    }
    // Another site's page may not set such cookies in passing, only by taking the whole tab here.
    if same_site != SameSite::None && !context.same_site && !context.top_level_navigation {
        return None;
    }
    Some(StoredCookie {
        name: cookie.name().to_owned(),
        value: cookie.value().to_owned(),
        host: host.to_owned(),
        path: cookie
            .path()
            .filter(|path| path.starts_with('/'))
            .unwrap_or(default_path(from))
            .to_owned(),
        http_only: cookie.http_only().unwrap_or(false),
        same_site,
        expires: expiry(cookie, context.now),
    })
}

fn prefix_is_met(cookie: &Cookie<'_>, secure: bool) -> bool {
    let name = cookie.name().to_ascii_lowercase();
    let host_bound = secure && cookie.domain().is_none() && cookie.path() == Some("/");
    let hidden = secure && cookie.http_only() == Some(true);
    match name.as_str() {
        name if name.starts_with("__host-http-") => host_bound && hidden,
        name if name.starts_with("__host-") => host_bound,
        name if name.starts_with("__http-") => hidden,
        name if name.starts_with("__secure-") => secure,
        _ => true,
    }
}

fn expiry(cookie: &Cookie<'_>, now: UnixTime) -> UnixTime {
    if let Some(age) = cookie.max_age() {
        let seconds = u64::try_from(age.whole_seconds()).unwrap_or(0);
        return now + Duration::from_secs(seconds);
    }
    cookie
        .expires_datetime()
        .map_or(UnixTime::NEVER, |at| UnixTime::from_secs(at.unix_timestamp()))
}

fn goes_along(cookie: &StoredCookie, context: Context) -> bool {
    context.same_site
        || match cookie.same_site {
            SameSite::Strict => false,
            SameSite::Lax => context.top_level_navigation && context.safe_method,
            SameSite::None => true,
        }
}

fn path_matches(path: &str, cookie_path: &str) -> bool {
    path.strip_prefix(cookie_path)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || cookie_path.ends_with('/'))
}

/// RFC 6265 §5.1.4.
fn default_path(url: &Url) -> &str {
    match url.path().rfind('/') {
        None | Some(0) => "/",
        Some(end) => &url.path()[..end],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_000);
    const OWN: Context = Context {
        same_site: true,
        top_level_navigation: true,
        safe_method: true,
        now: NOW,
    };
    const FROM_ELSEWHERE: Context = Context {
        same_site: false,
        ..OWN
    };

    fn app() -> Url {
        Url::parse("http://localhost:8080/bff/callback").unwrap()
    }

    fn jar_with(header: &str) -> Jar {
        let mut jar = Jar::default();
        jar.set(header, &app(), OWN);
        jar
    }

    #[test]
    fn a_strict_cookie_stays_home_when_another_site_sends_the_user() {
        let jar = jar_with("a=1; SameSite=Strict; Path=/");

        assert_eq!(jar.header(&app(), OWN).as_deref(), Some("a=1"));
        assert_eq!(jar.header(&app(), FROM_ELSEWHERE), None);
    }

    #[test]
    fn a_lax_cookie_comes_along_on_navigations_only() {
        let jar = jar_with("a=1; SameSite=Lax; Path=/");
        let form = Context {
            safe_method: false,
            ..FROM_ELSEWHERE
        };
        let image = Context {
            top_level_navigation: false,
            ..FROM_ELSEWHERE
        };

        assert_eq!(jar.header(&app(), FROM_ELSEWHERE).as_deref(), Some("a=1"));
        assert_eq!(jar.header(&app(), form), None);
        assert_eq!(jar.header(&app(), image), None);
    }

    #[test]
    fn a_host_prefix_without_its_attributes_is_refused() {
        for header in [
            "__Host-a=1; Path=/",
            "__Host-a=1; Secure; Path=/bff",
            "__Host-a=1; Secure; Path=/; Domain=localhost",
            "__Host-Http-a=1; Secure; Path=/",
        ] {
            assert_eq!(jar_with(header).header(&app(), OWN), None, "{header}");
        }
        assert!(
            jar_with("__Host-Http-a=1; Secure; HttpOnly; Path=/")
                .header(&app(), OWN)
                .is_some()
        );
    }

    #[test]
    fn a_cookie_of_the_past_deletes_the_present_one() {
        let mut jar = jar_with("a=1; Path=/");

        jar.set("a=; Path=/; Max-Age=0", &app(), OWN);

        assert_eq!(jar.header(&app(), OWN), None);
    }

    #[test]
    fn cookies_ignore_ports_and_keep_to_their_path() {
        let jar = jar_with("a=1; Path=/bff");

        let elsewhere = Url::parse("http://localhost:9/bff/user").unwrap();
        assert!(jar.header(&elsewhere, OWN).is_some());
        let outside = Url::parse("http://localhost:9/bffx").unwrap();
        assert!(jar.header(&outside, OWN).is_none());
    }
}
