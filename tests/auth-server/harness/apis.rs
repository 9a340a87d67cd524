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

/// Three APIs, each of which calls the next: notes, files, scans. A stranger may exchange, but is no API of anybody.
const CHAIN: &str = r#"
[[resource]]
identifier = "https://notes.example"
scopes = ["read", "write", "notes"]
introspected_by = ["notes-api"]
exchanged_by = ["notes-api"]

[[resource]]
identifier = "https://files.example"
scopes = ["read", "write"]
introspected_by = ["files-api"]
exchanged_by = ["files-api"]

[[resource]]
identifier = "https://scans.example"
scopes = ["read"]

[[client]]
id = "notes-api"
secret_env = "SECRET"
grants = ["urn:ietf:params:oauth:grant-type:token-exchange"]
scopes = ["read", "write"]
audience = "https://files.example"

[[client]]
id = "files-api"
secret_env = "SECRET"
grants = ["urn:ietf:params:oauth:grant-type:token-exchange"]
scopes = ["openid", "read", "notes"]
audience = "https://scans.example"
resources = ["https://notes.example"]

[[client]]
id = "passer-by"
secret_env = "SECRET"
grants = ["urn:ietf:params:oauth:grant-type:token-exchange"]
scopes = ["read", "write"]
audience = "https://files.example"

[[client]]
id = "desk"
secret_env = "SECRET"
redirect_uris = ["https://bff.example/callback"]
grants = ["authorization_code", "refresh_token", "client_credentials",
    "urn:ietf:params:oauth:grant-type:token-exchange"]
scopes = ["openid", "email", "offline_access", "read", "write", "notes"]
audience = "https://notes.example"
resources = ["https://files.example"]

[[client]]
id = "pocket"
kind = "public"
redirect_uris = ["https://bff.example/callback"]
grants = ["authorization_code"]
scopes = ["openid", "read"]
audience = "https://notes.example"
"#;

pub(crate) const NOTES_API: Credentials<'static> = Credentials::Basic("notes-api", SECRET);
pub(crate) const MAIL_API: Credentials<'static> = Credentials::Basic("mail-api", SECRET);
pub(crate) const DESK: Credentials<'static> = Credentials::Basic("desk", SECRET);

impl Server {
    pub(crate) async fn start_with_apis() -> Self {
        Self::start_below("", APIS).await
    }

    /// With a mail API that is not to learn at `/userinfo` who its callers are.
    pub(crate) async fn start_with_reserved_mail() -> Self {
        let mail = "scopes = [\"mail:send\"]\n";
        let apis = APIS.replacen(mail, &format!("{mail}user_info = false\n"), 1);
        Self::start_below("", &apis).await
    }

    /// With APIs that call one another.
    pub(crate) async fn start_with_exchanges() -> Self {
        Self::start_below("", CHAIN).await
    }
}
