//! Authorization requests that clients pushed (RFC 9126), until a code is issued for them.

use resource_server::time::UnixTime;
use sqlx::Row as _;

use super::db::Transaction;
use super::{Store, StoreError};
use crate::secret::Digest;

/// A request to be kept.
#[derive(Debug)]
pub(crate) struct NewPushedRequest<'r> {
    pub(crate) digest: Digest,
    pub(crate) client_id: &'r str,
    /// Where it comes from, if anybody may push in the client's name.
    pub(crate) network: Option<Digest>,
    pub(crate) parameters: &'r str,
    pub(crate) expires_at: UnixTime,
}

/// How many requests there may be at one time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PushedLimits {
    pub(crate) per_client: i64,
    /// From one network, for clients that anybody may push for.
    pub(crate) per_network: i64,
}

/// Who opens a request, and until when it is then kept.
#[derive(Debug)]
pub(crate) struct Opening<'r> {
    pub(crate) digest: Digest,
    pub(crate) client_id: &'r str,
    /// The digest of the browser's mark.
    pub(crate) browser: Digest,
    pub(crate) opened_ends: UnixTime,
    /// How many requests there may be in all, opened ones among them, for one to be kept for longer than it waits.
    pub(crate) limits: PushedLimits,
}

impl Store {
    /// Keeps a request, unless too many wait for a browser already: `false`. Those that one has opened do not count: who
    /// opens some and leaves would keep everybody else of the client out. On PostgreSQL a few too many may slip in side by side, which
    /// a limit of the disk does not mind. A look comes first: what a flood sends beyond the limit takes no turn of those who
    /// write.
    pub(crate) async fn add_pushed_request(
        &self,
        new: &NewPushedRequest<'_>,
        limits: PushedLimits,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let network = new.network.as_ref().map(Digest::as_bytes);
        let waiting = sqlx::query(
            "SELECT (SELECT count(*) FROM pushed_request WHERE client_id = $1 AND browser IS NULL AND expires_at > $3) AS of_client,
                (SELECT count(*) FROM pushed_request WHERE network = $2 AND browser IS NULL AND expires_at > $3) AS of_network",
        )
        .bind(new.client_id)
        .bind(network)
        .bind(now.as_secs())
        .fetch_one(&self.reader)
        .await?;
        let (of_client, of_network): (i64, i64) =
            (waiting.try_get("of_client")?, waiting.try_get("of_network")?);
        if of_client >= limits.per_client || of_network >= limits.per_network {
            return Ok(false);
        }
        let inserted = sqlx::query(
            "INSERT INTO pushed_request (digest, client_id, network, parameters, expires_at)
             SELECT $1, $2, $3, $4, $5
             WHERE (SELECT count(*) FROM pushed_request WHERE client_id = $2 AND browser IS NULL AND expires_at > $6) < $7
                AND (SELECT count(*) FROM pushed_request WHERE network = $3 AND browser IS NULL AND expires_at > $6) < $8",
        )
        .bind(new.digest.as_bytes())
        .bind(new.client_id)
        .bind(network)
        .bind(new.parameters)
        .bind(new.expires_at.as_secs())
        .bind(now.as_secs())
        .bind(limits.per_client)
        .bind(limits.per_network)
        .execute(&self.writer)
        .await?;
        Ok(inserted.rows_affected() == 1)
    }

    /// The parameters of a request that waits, for the browser that opens it first and for no other one.
    ///
    /// The first look ties the request to the browser and lets it live as long as a person may need to sign in, unless there
    /// are too many already: then it keeps the time that it had. Later looks read only, so that nobody makes the database write by sending the same URL again and again.
    pub(crate) async fn open_pushed_request(
        &self,
        opening: &Opening<'_>,
        now: UnixTime,
    ) -> Result<Option<String>, StoreError> {
        let found = sqlx::query(
            "SELECT parameters, browser, network FROM pushed_request WHERE digest = $1 AND client_id = $2 AND expires_at > $3",
        )
        .bind(opening.digest.as_bytes())
        .bind(opening.client_id)
        .bind(now.as_secs())
        .fetch_optional(&self.reader)
        .await?;
        let Some(found) = found else { return Ok(None) };
        let opened_by: Option<Vec<u8>> = found.try_get("browser")?;
        let is_opened = match opened_by.as_deref().map(Digest::from_stored) {
            Some(Some(browser)) => browser.matches(&opening.browser),
            Some(None) => return Err(StoreError::Damaged("pushed request")),
            None => {
                let network: Option<Vec<u8>> = found.try_get("network")?;
                let is_kept = self.has_room_for_opened(opening, network.as_deref(), now).await?;
                self.tie_pushed_request(opening, is_kept, now).await?
            }
        };
        Ok(if is_opened {
            Some(found.try_get("parameters")?)
        } else {
            None
        })
    }

    /// A look that takes no turn of those who write: a few too many do no harm.
    async fn has_room_for_opened(
        &self,
        opening: &Opening<'_>,
        network: Option<&[u8]>,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let kept = sqlx::query(
            "SELECT (SELECT count(*) FROM pushed_request WHERE client_id = $1 AND expires_at > $3) AS of_client,
                (SELECT count(*) FROM pushed_request WHERE network = $2 AND expires_at > $3) AS of_network",
        )
        .bind(opening.client_id)
        .bind(network)
        .bind(now.as_secs())
        .fetch_one(&self.reader)
        .await?;
        let (of_client, of_network): (i64, i64) = (kept.try_get("of_client")?, kept.try_get("of_network")?);
        Ok(of_client <= opening.limits.per_client && of_network <= opening.limits.per_network)
    }

    /// Of several browsers that open a request at once, one has it. A second tab of that browser may have come before.
    async fn tie_pushed_request(
        &self,
        opening: &Opening<'_>,
        is_kept: bool,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let ends = if is_kept { opening.opened_ends } else { now };
        let tied = sqlx::query(
            "UPDATE pushed_request SET browser = $1, expires_at = CASE WHEN expires_at < $2 THEN $2 ELSE expires_at END
             WHERE digest = $3 AND expires_at > $4 AND (browser IS NULL OR browser = $1)",
        )
        .bind(opening.browser.as_bytes())
        .bind(ends.as_secs())
        .bind(opening.digest.as_bytes())
        .bind(now.as_secs())
        .execute(&self.writer)
        .await?;
        Ok(tied.rows_affected() == 1)
    }

    /// Uses a request up without a code: the client was told an error.
    pub(crate) async fn end_pushed_request(&self, digest: &Digest) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM pushed_request WHERE digest = $1")
            .bind(digest.as_bytes())
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}

/// Uses a request up in the transaction that stores its code, and says whether it still waited: of several codes for one
/// request, one is issued.
pub(super) async fn use_up(
    transaction: &mut Transaction,
    digest: &Digest,
    now: UnixTime,
) -> Result<bool, StoreError> {
    let used = sqlx::query("DELETE FROM pushed_request WHERE digest = $1 AND expires_at > $2")
        .bind(digest.as_bytes())
        .bind(now.as_secs())
        .execute(&mut **transaction)
        .await?;
    Ok(used.rows_affected() == 1)
}
