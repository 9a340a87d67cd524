//! The indexes of grants in the Token Status Lists: drawn when a grant begins, read by whoever publishes the lists.

use std::sync::LazyLock;

use futures_util::TryStreamExt as _;
use resource_server::time::UnixTime;
use sqlx::{AssertSqlSafe, Row as _};

use super::db::{Query, in_time};
use super::{Store, StoreError};
use crate::grant::refresh_token::FamilyId;
use crate::grant::status::{LIST_LENGTH, StatusIndex};
use crate::secret::random_bytes;

/// Places that one statement tries.
const TRIES: u32 = 16;

/// How often a place is looked for among the lists that there are, before a new list is begun. Both fail about once in
/// 10,000 sign-ins when three quarters of all places are taken, so lists fill up to about there.
const DRAWS: usize = 2;

/// After that only somebody who drew the same place in the same moment can be in the way.
const DRAWS_OF_NEW_LIST: usize = 3;

/// Where a statement looks for a free place: a random one, and from there on in random, equal steps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draw {
    pub(super) start: i64,
    pub(super) step: i64,
    /// In a list that there is not yet, 1, or in those that there are, 0.
    pub(super) new_list: i64,
}

impl Draw {
    /// What is tried, one after the other.
    pub(super) fn sequence() -> impl Iterator<Item = Self> {
        (0..DRAWS + DRAWS_OF_NEW_LIST).map(|count| {
            let random = |bits: u32| {
                let random = u64::from_le_bytes(random_bytes());
                (random >> (u64::BITS - bits)).cast_signed()
            };
            Self {
                // Small enough for all their sums.
                start: random(60),
                step: random(40) | 1,
                new_list: i64::from(count >= DRAWS),
            }
        })
    }

    /// Binds the three parameters of [`free_place`].
    pub(super) fn bind(self, query: Query<'_>) -> Query<'_> {
        query.bind(self.start).bind(self.step).bind(self.new_list)
    }
}

/// A query whose only row, if it has one, is a place that nobody has. Its parameters are three, from `$first` on.
///
/// How many lists there are is told by the highest place that is taken. It looks at the ends of an index and at a few of
/// its entries, whatever the number of grants; nothing is locked, so whoever stores the place has to expect that it is
/// taken by then.
pub(super) fn free_place(first: usize) -> String {
    let (start, step, new_list) = (first, first + 1, first + 2);
    let tries: Vec<_> = (0..TRIES).map(|k| format!("SELECT {k} AS number")).collect();
    let tries = tries.join(" UNION ALL ");
    format!(
        "SELECT place.status_index FROM (
            SELECT known.lists * ${new_list} * {LIST_LENGTH}
                + (${start} + try.number * ${step}) % ((known.lists * (1 - ${new_list}) + ${new_list}) * {LIST_LENGTH})
                AS status_index
            FROM (SELECT coalesce(max(status_index) / {LIST_LENGTH}, 0) + 1 AS lists FROM family) AS known,
                ({tries}) AS try
         ) AS place
         WHERE NOT EXISTS (SELECT 1 FROM family WHERE family.status_index = place.status_index)
         LIMIT 1"
    )
}

static GIVE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "UPDATE family SET status_index = coalesce(status_index, ({}))
         WHERE id = $1 AND ended_at IS NULL RETURNING status_index",
        free_place(2)
    )
});

/// How far all ends are known to somebody who reads those that follow, and how many lists there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EndsKnown {
    /// What ends after this has a number that is not smaller.
    pub(crate) next: i64,
    /// Lists from 0 on in which there is a grant.
    pub(crate) lists: u64,
}

/// A grant that ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EndedGrant {
    pub(crate) index: StatusIndex,
    /// Nothing was issued for it later.
    pub(crate) over_at: UnixTime,
}

impl Store {
    /// The index of a grant, which gets one if it has none; `None` when it has ended. One that is given to a grant after its
    /// end would be missed by those who have read that end.
    pub(crate) async fn status_index(&self, id: FamilyId) -> Result<Option<StatusIndex>, StoreError> {
        for draw in Draw::sequence() {
            let query = sqlx::query(AssertSqlSafe(GIVE.as_str())).bind(id.as_bytes());
            let given = draw.bind(query).fetch_optional(&self.writer).await;
            let stored: Option<i64> = match given {
                Ok(None) => return Ok(None),
                Ok(Some(row)) => row.try_get("status_index")?,
                Err(error) if is_taken(&error) => None,
                Err(error) => return Err(error.into()),
            };
            if let Some(index) = stored.and_then(StatusIndex::from_stored) {
                return Ok(Some(index));
            }
        }
        Err(StoreError::Crowded)
    }

    /// To be asked before [`Store::ended_grants`]: what that does not give has a number from here on.
    pub(crate) async fn ends_known(&self) -> Result<EndsKnown, StoreError> {
        let question = format!(
            "SELECT {} AS next, (SELECT max(status_index) FROM family) AS highest",
            self.backend.next_end()
        );
        let row = sqlx::query(AssertSqlSafe(question))
            .fetch_one(&self.reader)
            .await?;
        let highest: Option<i64> = row.try_get("highest")?;
        let highest = highest.and_then(StatusIndex::from_stored);
        Ok(EndsKnown {
            next: row.try_get("next")?,
            lists: highest.map_or(0, |index| index.list() + 1),
        })
    }

    /// Hands over what ended with this number or a later one, as long as tokens of it may be good: what was over `told_from`
    /// or before is left out. They come as they are read, since they may be very many.
    pub(crate) async fn ended_grants(
        &self,
        from_number: i64,
        told_from: UnixTime,
        mut take: impl FnMut(EndedGrant),
    ) -> Result<(), StoreError> {
        let mut rows = sqlx::query(
            "SELECT status_index, idle_ends FROM family
             WHERE end_number >= $1 AND status_index IS NOT NULL AND idle_ends > $2",
        )
        .bind(from_number)
        .bind(told_from.as_secs())
        .fetch(&self.reader);
        while let Some(row) = in_time(async { rows.try_next().await }).await? {
            let index = StatusIndex::from_stored(row.try_get("status_index")?);
            take(EndedGrant {
                index: index.ok_or(StoreError::Damaged("status index"))?,
                over_at: UnixTime::from_secs(row.try_get("idle_ends")?),
            });
        }
        Ok(())
    }
}

fn is_taken(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}
