//! What is known of a grant by the name that its access tokens carry.

use sqlx::Row as _;

use super::{Store, StoreError};
use crate::grant::status::StatusIndex;
use crate::grant::target::Named;

/// A grant that stands; neither its user nor its client is disabled.
#[derive(Debug)]
pub(crate) struct LiveGrant {
    pub(crate) client_id: String,
    pub(crate) user_id: String,
    pub(crate) sid: String,
    /// What the authorization request named.
    pub(crate) resources: Named,
    pub(crate) status_index: Option<StatusIndex>,
}

impl Store {
    /// The grant of this handle, by the same rule as [`Store::grant_state`].
    pub(crate) async fn live_grant(&self, handle: &[u8]) -> Result<Option<LiveGrant>, StoreError> {
        let row = sqlx::query(
            "SELECT client_id, user_id, sid, resources, status_index FROM family WHERE handle = $1 AND ended_at IS NULL
                AND EXISTS (SELECT 1 FROM \"user\" WHERE id = family.user_id AND disabled_at IS NULL)
                AND NOT EXISTS (SELECT 1 FROM client WHERE id = family.client_id AND disabled_at IS NOT NULL)",
        )
        .bind(handle)
        .fetch_optional(&self.reader)
        .await?;
        row.map(|row| {
            let resources: String = row.try_get("resources")?;
            let status_index: Option<i64> = row.try_get("status_index")?;
            Ok(LiveGrant {
                client_id: row.try_get("client_id")?,
                user_id: row.try_get("user_id")?,
                sid: row.try_get("sid")?,
                resources: Named::from_stored(&resources),
                status_index: status_index.and_then(StatusIndex::from_stored),
            })
        })
        .transpose()
    }
}
