use std::net::SocketAddr;

use resource_server::settings::Section;
use url::{Host, Origin, Url};

const ADDRESS_RULE: &str = "must be an address and a port such as 127.0.0.1:8080";

/// `[server]`: where browsers come in.
#[derive(Debug)]
pub struct ServerConfig {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// How browsers reach us.
    pub public_url: PublicUrl,
    /// The path of our own endpoints, without a slash at its end.
    pub base_path: String,
    /// Worker threads.
    pub workers: usize,
}

/// An origin without a path: what the browser's address bar begins with.
#[derive(Debug, Clone)]
pub struct PublicUrl(Url);

impl PublicUrl {
    /// Reads `https://host[:port]`; plain http only on loopback, where browsers take `Secure` cookies all the same.
    ///
    /// # Errors
    /// The rule, when it is anything else.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text).map_err(|_| "must be a URL such as https://app.example.com")?;
        let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        if !bare || !url.username().is_empty() || url.password().is_some() {
            return Err("must be an origin without user, path, query and fragment");
        }
        if !url.has_host() {
            return Err("must have a host");
        }
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if is_loopback(&url) => Ok(Self(url)),
            _ => {
                Err("must be https (http only on loopback): browsers keep the session cookie from plain http")
            }
        }
    }

    /// `scheme://host[:port]`.
    #[must_use]
    pub fn origin(&self) -> String {
        match self.0.origin() {
            origin @ Origin::Tuple(..) => origin.ascii_serialization(),
            Origin::Opaque(_) => self.0.as_str().trim_end_matches('/').to_owned(),
        }
    }

    /// `host[:port]`.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.0.authority()
    }

    /// `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.0.scheme()
    }
}

impl ServerConfig {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let listen = section.parsed_or("listen", "127.0.0.1:8080", address);
        let public_url = section.parsed("public_url", PublicUrl::parse);
        let base_path = section.parsed_or("base_path", "/bff", own_path);
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let workers = section.number_or("workers", cores as u64, 1..=512);
        section.finish();

        Some(Self {
            listen: listen?,
            public_url: public_url?,
            base_path: base_path?,
            workers: usize::try_from(workers?).ok()?,
        })
    }
}

pub(super) fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| ADDRESS_RULE)
}

/// A path of our own endpoints.
pub(super) fn own_path(text: &str) -> Result<String, &'static str> {
    let segments = text.strip_prefix('/').ok_or("must begin with /")?;
    let plain = |segment: &str| {
        !segment.is_empty()
            && segment
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if segments.split('/').all(plain) {
        Ok(text.to_owned())
    } else {
        Err("must be a path of letters, digits, - and _ such as /bff, without / at its end")
    }
}

/// Whether a URL leads to this very machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
