//! What the terminal says: where to go, who to be, what to look at.

use std::fmt;
use std::path::Path;

/// Everything there is to say once the servers run.
#[derive(Debug)]
pub struct Announcement<'a> {
    /// The address for the browser.
    pub app: &'a str,
    /// The auth server's address.
    pub auth: &'a str,
    /// The notes API's address.
    pub api: &'a str,
    /// The demo user's name.
    pub user: &'a str,
    /// The demo user's password.
    pub password: &'a str,
    /// Where the data is.
    pub data: &'a Path,
    /// Whether the terminal shows bold and colours.
    pub is_coloured: bool,
}

impl fmt::Display for Announcement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (strong, dim, plain) = if self.is_coloured {
            ("\x1b[1m", "\x1b[2m", "\x1b[0m")
        } else {
            ("", "", "")
        };
        let Self {
            app,
            auth,
            api,
            user,
            password,
            data,
            ..
        } = self;
        writeln!(f)?;
        writeln!(f, "  {strong}Cloakroom is running.{plain}")?;
        writeln!(f)?;
        writeln!(f, "  Open       {strong}{app}{plain}")?;
        writeln!(f, "  User       {strong}{user}{plain}")?;
        writeln!(f, "  Password   {strong}{password}{plain}")?;
        writeln!(f)?;
        writeln!(
            f,
            "  Sign in and write a note. In the developer tools you find one HttpOnly cookie and no token."
        )?;
        writeln!(
            f,
            "  Wait a minute: the access token (60 s) is renewed behind the counter, and you notice nothing."
        )?;
        writeln!(
            f,
            "  Restart the demo: you are still signed in. Sign out: a copy of the cookie opens nothing."
        )?;
        writeln!(f)?;
        writeln!(f, "  {dim}Auth server {auth} · notes API {api}{plain}")?;
        writeln!(f, "  {dim}Data in {} · Ctrl-C stops{plain}", data.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announcement(is_coloured: bool) -> String {
        let announcement = Announcement {
            app: "http://localhost:8080",
            auth: "http://127.0.0.1:9000",
            api: "http://127.0.0.1:9100",
            user: "demo",
            password: "lumo-tavi",
            data: Path::new("/here/demo-data"),
            is_coloured,
        };
        announcement.to_string()
    }

    #[test]
    fn it_is_short_and_says_where_to_go_and_who_to_be() {
        let text = announcement(false);
        for part in [
            "http://localhost:8080",
            "demo",
            "lumo-tavi",
            "/here/demo-data",
            "Ctrl-C",
        ] {
            assert!(text.contains(part), "{part}");
        }
        assert!(text.lines().count() <= 15);
        assert!(text.lines().all(|line| line.chars().count() <= 100));
    }

    #[test]
    fn a_file_or_pipe_gets_no_escape_sequences() {
        assert!(!announcement(false).contains('\x1b'));
        assert!(announcement(true).contains("\x1b[1mhttp://localhost:8080\x1b[0m"));
    }
}
