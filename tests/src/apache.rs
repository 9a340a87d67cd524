//! Debian's Apache with mod_auth_openidc: a relying party in C that is not ours.

use std::path::Path;

/// The program.
pub const PROGRAM: &str = "/usr/sbin/apache2";

const MODULES: [&str; 6] = [
    "mpm_event",
    "authn_core",
    "authz_core",
    "authz_user",
    "headers",
    "auth_openidc",
];

/// How the relying party is known to its provider.
#[derive(Debug)]
pub struct RelyingParty<'r> {
    /// Its own address; codes go to the path `/callback` there.
    pub app: &'r str,
    /// The provider.
    pub issuer: &'r str,
    /// Its id there.
    pub client_id: &'r str,
    /// Its secret there.
    pub client_secret: &'r str,
    /// What it asks for.
    pub scopes: &'r str,
}

impl RelyingParty<'_> {
    fn lines(&self) -> String {
        let Self {
            app,
            issuer,
            client_id,
            client_secret,
            scopes,
        } = self;
        format!(
            r#"OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID {client_id}
OIDCClientSecret "{client_secret}"
OIDCRedirectURI {app}/callback
OIDCScope "{scopes}"
OIDCProviderTokenEndpointAuth client_secret_basic
OIDCIDTokenSignedResponseAlg ES256
OIDCPKCEMethod S256
OIDCCryptoPassphrase a-passphrase-for-tests-only
OIDCSessionType server-cache
OIDCSessionInactivityTimeout 3600
OIDCPassClaimsAs environment
<Location /callback>
    AuthType openid-connect
    Require valid-user
</Location>
"#
        )
    }
}

/// A configuration file for a port and a folder, with further modules and lines.
pub fn configuration(
    port: u16,
    folder: &Path,
    party: &RelyingParty<'_>,
    further_modules: &[&str],
    further_lines: &str,
) -> String {
    let modules: String = MODULES
        .iter()
        .chain(further_modules)
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .collect();
    format!(
        "ServerRoot {at}\nServerName {app}\nListen 127.0.0.1:{port}\nPidFile {at}/pid\nDefaultRuntimeDir {at}\n\
         ErrorLog /dev/stderr\nLogLevel warn\n{modules}\nUser nobody\nGroup nogroup\n{party}\n{further_lines}",
        at = folder.display(),
        app = party.app,
        party = party.lines(),
    )
}

/// The arguments for a configuration file.
pub fn arguments(file: &Path) -> Vec<String> {
    ["-D", "FOREGROUND", "-f", &file.display().to_string()]
        .map(str::to_owned)
        .to_vec()
}

/// Whether it says that it is ready.
pub fn is_ready(line: &str) -> bool {
    line.contains("resuming normal operations")
}

/// Lets the processes that serve, which an administrator's Apache or nginx hands to nobody, read a folder of ours.
///
/// # Panics
/// When it is not ours.
pub fn readable_for_workers(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).expect("our own folder");
}
