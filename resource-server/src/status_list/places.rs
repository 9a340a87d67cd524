use url::{Origin, Url};

/// The longest address of a list that is looked at.
const MAX_URI_BYTES: usize = 2048;

/// Where an issuer keeps its status lists.
///
/// A token names the address of its list, and this service goes there: were any address followed, whoever can have a
/// token issued with one could have this service ask what only it can reach. The issuer would have to be careless for
/// that; it does not cost anything not to count on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPlaces {
    origin: Option<Origin>,
    folders: Vec<Url>,
}

impl ListPlaces {
    /// Anywhere at the scheme, host and port of the issuer.
    #[must_use]
    pub fn at_issuer(issuer: &Url) -> Self {
        Self {
            origin: Some(issuer.origin()),
            folders: Vec::new(),
        }
    }

    /// Below one of these addresses, each a folder: the path ends with a slash, and there is no query or fragment.
    ///
    /// # Errors
    /// Which rule one of them breaks.
    pub fn below(folders: Vec<Url>) -> Result<Self, &'static str> {
        let nowhere = Self {
            origin: None,
            folders: Vec::new(),
        };
        nowhere.and_below(folders)
    }

    /// These places, and those below one of these addresses, as [`ListPlaces::below`] has them.
    ///
    /// # Errors
    /// Which rule one of them breaks.
    pub fn and_below(mut self, folders: Vec<Url>) -> Result<Self, &'static str> {
        for folder in &folders {
            judge_folder(folder)?;
        }
        self.folders.extend(folders);
        Ok(self)
    }

    /// The address that this text means, if lists are kept there. It has to be in its one canonical spelling, so that
    /// what was looked at here is what is fetched.
    pub(super) fn find(&self, uri: &str) -> Option<Url> {
        let address = Url::parse(uri).ok().filter(|_| uri.len() <= MAX_URI_BYTES)?;
        let is_plain = address.username().is_empty()
            && address.password().is_none()
            && address.fragment().is_none()
            && matches!(address.scheme(), "https" | "http");
        let is_canonical = address.as_str() == uri;
        (is_plain && is_canonical && self.contain(&address)).then_some(address)
    }

    fn contain(&self, address: &Url) -> bool {
        let is_at_origin = self
            .origin
            .as_ref()
            .is_some_and(|origin| address.origin() == *origin);
        let is_below = |folder: &Url| address.as_str().starts_with(folder.as_str());
        is_at_origin || self.folders.iter().any(is_below)
    }
}

/// What [`ListPlaces::below`] demands of a folder.
///
/// # Errors
/// The rule that is broken.
pub fn judge_folder(folder: &Url) -> Result<(), &'static str> {
    let is_web = matches!(folder.scheme(), "https" | "http");
    let is_plain = folder.username().is_empty() && folder.password().is_none();
    let is_path = folder.query().is_none() && folder.fragment().is_none();
    if !is_web {
        Err("must be an https or http address")
    } else if !is_plain || !is_path {
        Err("must have no user name, query or fragment")
    } else if !folder.path().ends_with('/') {
        Err("must end with a slash")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::ListPlaces;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn below(folder: &str) -> ListPlaces {
        ListPlaces::below(vec![url(folder)]).unwrap()
    }

    #[test]
    fn lists_are_where_the_issuer_is() {
        let places = ListPlaces::at_issuer(&url("https://op.example/realms/a"));
        for good in [
            "https://op.example/statuslists/1",
            "https://op.example/realms/a/statuslists/1",
            "https://op.example/lists?n=1",
        ] {
            assert_eq!(places.find(good), Some(url(good)));
        }
        for bad in [
            "http://op.example/statuslists/1",
            "https://op.example:8443/statuslists/1",
            "https://op.example.evil.example/statuslists/1",
            "https://evil.example/?https://op.example/statuslists/1",
            "https://169.254.169.254/latest/meta-data",
            "http://127.0.0.1:6379/",
            "file:///etc/passwd",
            "/statuslists/1",
            "",
        ] {
            assert_eq!(places.find(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_address_has_one_spelling() {
        let places = ListPlaces::at_issuer(&url("https://op.example"));
        for bad in [
            "https://OP.example/lists/1",
            "https://op.example:443/lists/1",
            "https://op.example/a/../lists/1",
            "https://op.example/%2e%2e/lists/1",
            "https://op.example\\lists",
            " https://op.example/lists/1",
            "https://op.example/lists/1#x",
            "https://user@op.example/lists/1",
            "https://evil.example@op.example/lists/1",
            "https://op.example@evil.example/lists/1",
            "https://op.example",
        ] {
            assert_eq!(places.find(bad), None, "{bad}");
        }
        let long = format!("https://op.example/{}", "a".repeat(2048));
        assert_eq!(places.find(&long), None);
    }

    #[test]
    fn lists_may_be_kept_elsewhere_if_it_is_said_where() {
        let places = below("https://status.example/op/");
        assert!(places.find("https://status.example/op/1").is_some());
        for bad in [
            "https://status.example/other/1",
            "https://status.example/op",
            "https://status.example/op/../other/1",
            "https://status.example.evil.example/op/1",
            "https://op.example/op/1",
        ] {
            assert_eq!(places.find(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_folder_ends_where_it_seems_to_end() {
        for (folder, rule) in [
            ("https://status.example/op", "must end with a slash"),
            ("https://status.example/op/?x", "must have no user name"),
            ("https://status.example/op/#x", "must have no user name"),
            ("https://a@status.example/op/", "must have no user name"),
            ("ftp://status.example/op/", "must be an https"),
        ] {
            let refused = ListPlaces::below(vec![url(folder)]).unwrap_err();
            assert!(refused.starts_with(rule), "{folder}: {refused}");
        }
    }
}
