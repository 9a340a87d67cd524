//! The audit trail: one log event of the target `auth_server::audit` for each thing that happened to a sign-in, to what
//! came from it, or to a user. This is the one list; docs/operations.md explains it. Each is counted, too, whatever the log
//! shows of it.
//!
//! Users are named by their `sub`, sign-ins by their `sid`, addresses by their network. What somebody typed is in none
//! of them: passwords are typed into the field of the name by mistake.

use super::metrics;

/// The target of the audit trail, which `log.filter` leaves alone unless it names it.
pub const TARGET: &str = "auth_server::audit";

/// Counts an event, for whatever reason there is, and has it logged.
macro_rules! tell {
    ($level:ident, $event:literal because $reason:expr, $($field:tt)*) => {{
        let reason = $reason;
        metrics::audited($event, reason);
        tracing::$level!(target: TARGET, { reason, $($field)* }, $event);
    }};
    ($level:ident, $event:literal, $($field:tt)*) => {{
        metrics::audited($event, "");
        tracing::$level!(target: TARGET, { $($field)* }, $event);
    }};
}

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
    tell!(
        info,
        "signed in",
        user.id = who.user_id,
        sid = who.sid,
        client.id = from.client_id,
        client.network = from.network
    );
}

pub(crate) fn sign_in_failed(user_id: Option<&str>, failure: Failure, from: Origin<'_>) {
    tell!(
        info,
        "sign-in failed" because failure.as_str(),
        user.id = user_id,
        client.id = from.client_id,
        client.network = from.network
    );
}

pub(crate) fn sign_in_throttled(from: Origin<'_>) {
    tell!(
        warn,
        "sign-in throttled",
        client.id = from.client_id,
        client.network = from.network
    );
}

/// A `sid` alone is known when a client signs out somebody who is not signed in here any more.
pub(crate) fn signed_out(user_id: Option<&str>, sid: &str) {
    tell!(info, "signed out", user.id = user_id, sid);
}

pub(crate) fn code_redeemed(who: Subject<'_>, client_id: &str) {
    tell!(
        info,
        "code redeemed",
        user.id = who.user_id,
        sid = who.sid,
        client.id = client_id
    );
}

/// What came from the code has been ended.
pub(crate) fn code_replayed(who: Subject<'_>, client_id: &str) {
    tell!(
        warn,
        "code replayed",
        user.id = who.user_id,
        sid = who.sid,
        client.id = client_id
    );
}

pub(crate) fn refreshed(who: Subject<'_>, client_id: &str) {
    tell!(
        info,
        "refreshed",
        user.id = who.user_id,
        sid = who.sid,
        client.id = client_id
    );
}

/// Somebody else may hold the refresh token: its family has been ended.
pub(crate) fn refresh_token_reused(who: Subject<'_>, client_id: &str) {
    tell!(
        warn,
        "refresh token reused",
        user.id = who.user_id,
        sid = who.sid,
        client.id = client_id
    );
}

/// `of_client` is whom the token was issued to that was exchanged.
pub(crate) fn token_exchanged(who: Subject<'_>, client_id: &str, of_client: &str) {
    tell!(
        info,
        "token exchanged",
        user.id = who.user_id,
        sid = who.sid,
        client.id = client_id,
        subject.client.id = of_client
    );
}

pub(crate) fn revoked(who: Subject<'_>, client_id: &str) {
    tell!(
        info,
        "revoked",
        user.id = who.user_id,
        sid = who.sid,
        client.id = client_id
    );
}

/// By back channel.
pub(crate) fn client_told_of_end(who: Subject<'_>, client_id: &str) {
    tell!(
        info,
        "client told of sign-out",
        user.id = who.user_id,
        sid = who.sid,
        client.id = client_id
    );
}

/// The client may go on with a session that has ended here.
pub(crate) fn client_not_told_of_end(
    who: Subject<'_>,
    client_id: &str,
    attempts: u32,
    complaint: Option<&str>,
) {
    tell!(
        warn,
        "client not told of sign-out",
        user.id = who.user_id,
        sid = who.sid,
        client.id = client_id,
        attempts,
        complaint
    );
}

/// The user has allowed a client what it asked for.
pub(crate) fn allowed(who: Subject<'_>, client_id: &str, scope: &str) {
    tell!(
        info,
        "allowed",
        user.id = who.user_id,
        sid = who.sid,
        client.id = client_id,
        scope
    );
}

/// The user has taken that back: whatever the client held has been ended.
pub(crate) fn taken_back(who: Subject<'_>, client_id: &str) {
    tell!(
        info,
        "taken back",
        user.id = who.user_id,
        sid = who.sid,
        client.id = client_id
    );
}

/// Somebody has seen an assertion of the client, or the client uses one twice.
pub(crate) fn client_assertion_replayed(client_id: &str) {
    tell!(warn, "client assertion replayed", client.id = client_id);
}

pub(crate) fn client_added(client_id: &str) {
    tell!(info, "client added", client.id = client_id);
}

pub(crate) fn client_disabled(client_id: &str, grants_ended: u64) {
    tell!(info, "client disabled", client.id = client_id, grants_ended);
}

pub(crate) fn client_enabled(client_id: &str) {
    tell!(info, "client enabled", client.id = client_id);
}

pub(crate) fn client_removed(client_id: &str, grants_ended: u64) {
    tell!(info, "client removed", client.id = client_id, grants_ended);
}

pub(crate) fn client_secret_added(client_id: &str, secret_id: &str) {
    tell!(
        info,
        "client secret added",
        client.id = client_id,
        secret.id = secret_id
    );
}

pub(crate) fn client_secret_removed(client_id: &str, secret_id: &str) {
    tell!(
        info,
        "client secret removed",
        client.id = client_id,
        secret.id = secret_id
    );
}

pub(crate) fn user_added(user_id: &str) {
    tell!(info, "user added", user.id = user_id);
}

pub(crate) fn user_disabled(user_id: &str) {
    tell!(info, "user disabled", user.id = user_id);
}

pub(crate) fn user_enabled(user_id: &str) {
    tell!(info, "user enabled", user.id = user_id);
}

pub(crate) fn password_changed(user_id: &str) {
    tell!(info, "password changed", user.id = user_id);
}

/// By hand, or because of what was done to the user.
pub(crate) fn session_ended_by_operator(user_id: &str, sid: &str) {
    tell!(info, "session ended by operator", user.id = user_id, sid);
}

/// By itself when it was time, or by hand.
pub(crate) fn signing_key_changed(kid: &str, algorithm: &str, phase: &str) {
    tell!(
        info,
        "signing key changed",
        key.id = kid,
        key.algorithm = algorithm,
        key.phase = phase
    );
}
