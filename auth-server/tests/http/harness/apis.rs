use super::{Credentials, SECRET, Server};

/// Two APIs that introspect, and a client that may ask for tokens for either.
const APIS: &str = r#"
[[resource]]
identifier = "https://notes.example"
scopes = ["notes:read", "notes:write"]
introspected_by = ["notes-api"]

[[resource]]
identifier = "https://mail.example"
scopes = ["mail:send"]
introspected_by = ["mail-api"]

[[resource]]
identifier = "https://files.example"
scopes = ["notes:read"]

[[client]]
id = "notes-api"
secret_env = "SECRET"
grants = []

[[client]]
id = "mail-api"
secret_env = "SECRET"
grants = []

[[client]]
id = "desk"
secret_env = "SECRET"
redirect_uris = ["https://bff.example/callback"]
grants = ["authorization_code", "refresh_token", "client_credentials"]
scopes = ["openid", "email", "offline_access", "notes:read", "notes:write", "mail:send"]
audience = "https://notes.example"
resources = ["https://mail.example"]
"#;

pub(crate) const NOTES_API: Credentials<'static> = Credentials::Basic("notes-api", SECRET);
pub(crate) const MAIL_API: Credentials<'static> = Credentials::Basic("mail-api", SECRET);
pub(crate) const DESK: Credentials<'static> = Credentials::Basic("desk", SECRET);

impl Server {
    pub(crate) async fn start_with_apis() -> Self {
        Self::start_below("", APIS).await
    }
}
