//! The audit trail: one log event of the target `auth_server::audit` for each thing that happened to a sign-in, to what
//! came from it, or to a user. This is the one list; docs/operations.md explains it.
//!
//! Users are named by their `sub`, sign-ins by their `sid`, addresses by their network. What somebody typed is in none
//! of them: passwords are typed into the field of the name by mistake.

/// The target of the audit trail, which `log.filter` leaves alone unless it names it.
pub const TARGET: &str = "auth_server::audit";

/// A sign-in, and whose it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'s> {
    pub(crate) user_id: &'s str,
    pub(crate) sid: &'s str,
}

/// Where an attempt came from, and for which client: none when it was for the account page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<'o> {
    pub(crate) client_id: Option<&'o str>,
    pub(crate) network: &'o str,
}

/// Why a sign-in failed; the person is told nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    UnknownUser,
    WrongPassword,
    /// The password was right.
    Disabled,
    /// It was right until somebody changed it, while it was being judged.
    PasswordChanged,
}

impl Failure {
    const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::WrongPassword => "wrong_password",
            Self::Disabled => "disabled",
            Self::PasswordChanged => "password_changed",
        }
    }
}

pub(crate) fn signed_in(who: Subject<'_>, from: Origin<'_>) {
    tracing::info!(
        target: TARGET,
        { user.id = who.user_id, sid = who.sid, client.id = from.client_id, client.network = from.network },
        "signed in"
    );
}

pub(crate) fn sign_in_failed(user_id: Option<&str>, failure: Failure, from: Origin<'_>) {
    tracing::info!(
        target: TARGET,
        { user.id = user_id, reason = failure.as_str(), client.id = from.client_id, client.network = from.network },
        "sign-in failed"
    );
}

pub(crate) fn sign_in_throttled(from: Origin<'_>) {
    tracing::warn!(
        target: TARGET,
        { client.id = from.client_id, client.network = from.network },
        "sign-in throttled"
    );
}

/// A `sid` alone is known when a client signs out somebody who is not signed in here any more.
pub(crate) fn signed_out(user_id: Option<&str>, sid: &str) {
    tracing::info!(target: TARGET, { user.id = user_id, sid }, "signed out");
}

pub(crate) fn code_redeemed(who: Subject<'_>, client_id: &str) {
    tracing::info!(target: TARGET, { user.id = who.user_id, sid = who.sid, client.id = client_id }, "code redeemed");
}

/// What came from the code has been ended.
pub(crate) fn code_replayed(who: Subject<'_>, client_id: &str) {
    tracing::warn!(target: TARGET, { user.id = who.user_id, sid = who.sid, client.id = client_id }, "code replayed");
}

pub(crate) fn refreshed(who: Subject<'_>, client_id: &str) {
    tracing::info!(target: TARGET, { user.id = who.user_id, sid = who.sid, client.id = client_id }, "refreshed");
}

/// Somebody else may hold the refresh token: its family has been ended.
pub(crate) fn refresh_token_reused(who: Subject<'_>, client_id: &str) {
    tracing::warn!(
        target: TARGET,
        { user.id = who.user_id, sid = who.sid, client.id = client_id },
        "refresh token reused"
    );
}

/// `of_client` is whom the token was issued to that was exchanged.
pub(crate) fn token_exchanged(who: Subject<'_>, client_id: &str, of_client: &str) {
    tracing::info!(
        target: TARGET,
        { user.id = who.user_id, sid = who.sid, client.id = client_id, subject.client.id = of_client },
        "token exchanged"
    );
}

pub(crate) fn revoked(who: Subject<'_>, client_id: &str) {
    tracing::info!(target: TARGET, { user.id = who.user_id, sid = who.sid, client.id = client_id }, "revoked");
}

/// By back channel.
pub(crate) fn client_told_of_end(who: Subject<'_>, client_id: &str) {
    tracing::info!(
        target: TARGET,
        { user.id = who.user_id, sid = who.sid, client.id = client_id },
        "client told of sign-out"
    );
}

/// The client may go on with a session that has ended here.
pub(crate) fn client_not_told_of_end(
    who: Subject<'_>,
    client_id: &str,
    attempts: u32,
    complaint: Option<&str>,
) {
    tracing::warn!(
        target: TARGET,
        { user.id = who.user_id, sid = who.sid, client.id = client_id, attempts, complaint },
        "client not told of sign-out"
    );
}

/// The user has allowed a client what it asked for.
pub(crate) fn allowed(who: Subject<'_>, client_id: &str, scope: &str) {
    tracing::info!(
        target: TARGET,
        { user.id = who.user_id, sid = who.sid, client.id = client_id, scope },
        "allowed"
    );
}

/// The user has taken that back: whatever the client held has been ended.
pub(crate) fn taken_back(who: Subject<'_>, client_id: &str) {
    tracing::info!(target: TARGET, { user.id = who.user_id, sid = who.sid, client.id = client_id }, "taken back");
}

/// Somebody has seen an assertion of the client, or the client uses one twice.
pub(crate) fn client_assertion_replayed(client_id: &str) {
    tracing::warn!(target: TARGET, { client.id = client_id }, "client assertion replayed");
}

pub(crate) fn client_added(client_id: &str) {
    tracing::info!(target: TARGET, { client.id = client_id }, "client added");
}

pub(crate) fn client_disabled(client_id: &str, grants_ended: u64) {
    tracing::info!(target: TARGET, { client.id = client_id, grants_ended }, "client disabled");
}

pub(crate) fn client_enabled(client_id: &str) {
    tracing::info!(target: TARGET, { client.id = client_id }, "client enabled");
}

pub(crate) fn client_removed(client_id: &str, grants_ended: u64) {
    tracing::info!(target: TARGET, { client.id = client_id, grants_ended }, "client removed");
}

pub(crate) fn client_secret_added(client_id: &str, secret_id: &str) {
    tracing::info!(target: TARGET, { client.id = client_id, secret.id = secret_id }, "client secret added");
}

pub(crate) fn client_secret_removed(client_id: &str, secret_id: &str) {
    tracing::info!(target: TARGET, { client.id = client_id, secret.id = secret_id }, "client secret removed");
}

pub(crate) fn user_added(user_id: &str) {
    tracing::info!(target: TARGET, { user.id = user_id }, "user added");
}

pub(crate) fn user_disabled(user_id: &str) {
    tracing::info!(target: TARGET, { user.id = user_id }, "user disabled");
}

pub(crate) fn user_enabled(user_id: &str) {
    tracing::info!(target: TARGET, { user.id = user_id }, "user enabled");
}

pub(crate) fn password_changed(user_id: &str) {
    tracing::info!(target: TARGET, { user.id = user_id }, "password changed");
}

/// By hand, or because of what was done to the user.
pub(crate) fn session_ended_by_operator(user_id: &str, sid: &str) {
    tracing::info!(target: TARGET, { user.id = user_id, sid }, "session ended by operator");
}

/// By itself when it was time, or by hand.
pub(crate) fn signing_key_changed(kid: &str, algorithm: &str, phase: &str) {
    tracing::info!(target: TARGET, { key.id = kid, key.algorithm = algorithm, key.phase = phase }, "signing key changed");
}
