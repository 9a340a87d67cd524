//! The names of our cookies, in one place, since whoever sets them and whoever keeps them from others must agree.

/// The session cookie. Browsers that know the prefix `__Host-Http-` let only a server set it; older ones treat it as
/// `__Host-`: `Secure`, `Path=/`, no `Domain`.
pub const SESSION: &str = "__Host-Http-session";

/// What the names of login cookies begin with; each attempt to sign in has its own.
pub const LOGIN_PREFIX: &str = "__Host-Http-login-";

/// The cookie of a browser that is signing out at the provider.
pub const LOGOUT: &str = "__Host-Http-logout";

/// Whether a cookie of this name is ours. Browsers treat the prefix without regard to case, so this does too.
#[must_use]
pub fn is_ours(name: &str) -> bool {
    let name = name.trim();
    [SESSION, LOGOUT]
        .iter()
        .any(|ours| name.eq_ignore_ascii_case(ours))
        || name
            .get(..LOGIN_PREFIX.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(LOGIN_PREFIX))
}

/// A `Cookie` header taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parted {
    /// Our own pairs, as one header value; the rest of the program sees nothing else.
    pub ours: String,
    /// Everybody else's, byte for byte; the proxy passes them on.
    pub others: Vec<u8>,
}

/// Takes `Cookie` headers apart (several of them count as one, RFC 9113 §8.2.3). It works on bytes: cookies of others may
/// hold anything, and must not keep ours from being read.
#[must_use]
pub fn part<'v>(values: impl Iterator<Item = &'v [u8]>) -> Parted {
    let mut parted = Parted::default();
    for pair in values
        .flat_map(|value| value.split(|&byte| byte == b';'))
        .map(<[u8]>::trim_ascii)
    {
        let name = pair.split(|&byte| byte == b'=').next().unwrap_or_default();
        match std::str::from_utf8(pair) {
            Ok(text) if text.is_ascii() && is_ours(&String::from_utf8_lossy(name)) => {
                let separator = if parted.ours.is_empty() { "" } else { "; " };
                parted.ours.push_str(separator);
                parted.ours.push_str(text);
            }
            // Ours are ASCII; what has our name and is not is a forgery, and crosses to nobody.
            _ if is_ours(&String::from_utf8_lossy(name)) => {}
            _ if pair.is_empty() => {}
            _ => {
                if !parted.others.is_empty() {
                    parted.others.extend_from_slice(b"; ");
                }
                parted.others.extend_from_slice(pair);
            }
        }
    }
    parted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_and_others_are_told_apart_whatever_the_others_hold() {
        let values: [&[u8]; 2] = [
            b"theme=dark; __Host-Http-session=a;n=\xc3\xa4\xff ;; __Host-Http-login-xyz=b",
            b"__host-http-SESSION=c; lang=ko; __Host-Http-session=\xff; __Host-Http-login-\xc3\xa9=1; __Host-Http-session=\xc3\xa9",
        ];
        let parted = part(values.into_iter());
        assert_eq!(
            parted.ours,
            "__Host-Http-session=a; __Host-Http-login-xyz=b; __host-http-SESSION=c"
        );
        assert_eq!(parted.others, b"theme=dark; n=\xc3\xa4\xff; lang=ko");
        assert_eq!(part(std::iter::empty()), Parted::default());
    }
}
