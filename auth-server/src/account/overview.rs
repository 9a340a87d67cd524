//! What the account page shows.

use std::collections::HashMap;
use std::time::{Duration, UNIX_EPOCH};

use resource_server::time::UnixTime;

use crate::page::language::Language;
use crate::page::{ApplicationEntry, Instant, Permission, SessionEntry};
use crate::signin::middleware::device_in;
use crate::signin::session::SignedIn;
use crate::state::Shared;
use crate::store::{LiveSession, StoreError, Whose};

/// As many sessions as anybody reads; "end all others" ends the rest, too.
const SHOWN: u32 = 50;

/// The sessions, this one first and then the latest, and whether there are more.
pub(super) async fn sessions(
    shared: &Shared,
    signed_in: &SignedIn,
) -> Result<(Vec<SessionEntry>, bool), StoreError> {
    let (store, now) = (&shared.store, shared.now());
    let of_user = Whose::User(&signed_in.user_id);
    let mut sessions = store.live_sessions(of_user, "", SHOWN + 1, now).await?;
    let has_more = sessions.len() > SHOWN as usize;
    let this = sessions.iter().any(|session| session.sid == signed_in.sid);
    if has_more && !this {
        let this = store
            .live_sessions(Whose::Sid(&signed_in.sid), "", 1, now)
            .await?;
        sessions.splice(..1, this);
    }
    sessions.truncate(SHOWN as usize);
    sessions.sort_by_key(|session| (session.sid != signed_in.sid, std::cmp::Reverse(session.auth_time)));
    let states = store.session_states(&signed_in.user_id, now).await?;
    let mut devices: HashMap<String, String> = states
        .into_iter()
        .filter_map(|(sid, state)| Some((sid, device_in(&state)?)))
        .collect();
    let entries = sessions.into_iter().map(|session| SessionEntry {
        is_this: session.sid == signed_in.sid,
        device: devices.remove(&session.sid),
        is_in_browser: session.browser_until.is_some(),
        signed_in_at: instant(session.auth_time),
        clients: names_of(shared, &session),
        sid: session.sid,
    });
    Ok((entries.collect(), has_more))
}

/// The clients that may act for the user.
pub(super) async fn applications(
    shared: &Shared,
    user_id: &str,
    language: Language,
) -> Result<Vec<ApplicationEntry>, StoreError> {
    let accesses = shared.store.accesses(user_id, shared.now()).await?;
    let words = &shared.config.scope_words;
    let entries = accesses.into_iter().map(|access| ApplicationEntry {
        name: name_of(shared, &access.client_id),
        permissions: Permission::list(&access.scope, words, language)
            .into_iter()
            .map(|permission| permission.text().to_owned())
            .collect(),
        since: instant(access.since),
        client_id: access.client_id,
    });
    Ok(entries.collect())
}

fn names_of(shared: &Shared, session: &LiveSession) -> Vec<String> {
    session.clients.iter().map(|id| name_of(shared, id)).collect()
}

/// A client that is registered no more goes by its id.
fn name_of(shared: &Shared, client_id: &str) -> String {
    let clients = shared.clients();
    let client = clients.find(client_id);
    client.map_or(client_id, |client| client.name.as_str()).to_owned()
}

/// An instant as it is read everywhere: the year first, and UTC, as the server knows nobody's clock.
fn instant(at: UnixTime) -> Instant {
    let at = UNIX_EPOCH + Duration::from_secs(at.as_secs().try_into().unwrap_or_default());
    let exact = humantime::format_rfc3339_seconds(at).to_string();
    let to_read = exact.get(..16).unwrap_or(&exact).replace('T', " ");
    Instant {
        exact,
        to_read: format!("{to_read} UTC"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_without_knowing_where_somebody_is() {
        let at = instant(UnixTime::from_secs(1_800_000_059));
        assert_eq!(at.exact, "2027-01-15T08:00:59Z");
        assert_eq!(at.to_read, "2027-01-15 08:00 UTC");
    }
}
