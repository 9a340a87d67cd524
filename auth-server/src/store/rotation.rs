//! What a refresh asks of the database: what is known of the token, and the step to the next one. On an SQLite file the
//! refreshes of one moment are read, and moved, together ([`super::gather`]).

use std::collections::HashSet;
use std::sync::Arc;

use resource_server::time::{Clock, UnixTime};
use sqlx::{AssertSqlSafe, Row as _, SqlSafeStr as _, SqlStr};

use super::db::{Backend, PooledConnection, Query, Row};
use super::family::{COLUMNS, family_of};
use super::gather::{Gather, MOST};
use super::user::user_of;
use super::{Store, StoreError};
use crate::grant::family::Family;
use crate::grant::refresh_token::{FamilyId, RefreshToken};
use crate::secret::Digest;
use crate::user::User;

/// One step of a family: from the presented token to the next.
#[derive(Debug)]
pub(crate) struct Rotation<'r> {
    pub(crate) presented: &'r RefreshToken,
    pub(crate) next: &'r RefreshToken,
    pub(crate) client_id: &'r str,
    pub(crate) idle_ends: UnixTime,
}

/// The refreshes that wait for the database.
#[derive(Debug)]
pub(super) struct Refreshes {
    reads: Arc<Gather<FamilyId, Option<FamilyOfUser>>>,
    steps: Arc<Gather<Step, bool>>,
    reading: Arc<Statements>,
    advancing: Arc<Statements>,
}

type FamilyOfUser = (Family, User);

/// The same as [`Rotation`], as the database has it. A step that was taken and is tried again is not taken: then the token
/// that was presented is the one before, whose successor is given again.
#[derive(Debug, Clone)]
struct Step {
    family: FamilyId,
    presented: Digest,
    next: Digest,
    sealed_successor: Vec<u8>,
    client_id: String,
    idle_ends: UnixTime,
}

impl Refreshes {
    pub(super) fn new(backend: Backend) -> Self {
        Self {
            reads: Arc::default(),
            steps: Arc::default(),
            reading: Arc::new(Statements::new(|places| reading(backend, places))),
            advancing: Arc::new(Statements::new(|places| advancing(backend, places))),
        }
    }
}

impl Store {
    /// A family and its user, who is not disabled.
    pub(crate) async fn family_of_user(&self, id: FamilyId) -> Result<Option<FamilyOfUser>, StoreError> {
        let statements = Arc::clone(&self.refreshes.reading);
        match self.backend {
            Backend::Sqlite => {
                let work = move |reader, ids| read(Arc::clone(&statements), reader, ids);
                self.refreshes.reads.ask(id, &self.reader, work).await
            }
            Backend::Postgres => {
                let reader = self.reader.acquire().await?;
                only(read(statements, reader, vec![id]).await?)
            }
        }
    }

    /// Moves a family on by one generation if the presented token is the current one at this very moment; says
    /// whether it did. Of any number of simultaneous calls with one token, one moves; none does for a client or a user that
    /// is disabled. The clock is read once the writer is free: who waited for it may have come too late.
    pub(crate) async fn rotate(
        &self,
        rotation: &Rotation<'_>,
        clock: &Arc<dyn Clock>,
    ) -> Result<bool, StoreError> {
        let step = Step {
            family: rotation.presented.family(),
            presented: rotation.presented.digest(),
            next: rotation.next.digest(),
            sealed_successor: rotation.presented.seal(rotation.next),
            client_id: rotation.client_id.to_owned(),
            idle_ends: rotation.idle_ends,
        };
        let statements = Arc::clone(&self.refreshes.advancing);
        match self.backend {
            Backend::Sqlite => {
                let clock = Arc::clone(clock);
                let work = move |writer, steps| advance(Arc::clone(&statements), writer, steps, clock.now());
                self.refreshes.steps.ask(step, &self.writer, work).await
            }
            Backend::Postgres => {
                let writer = self.writer.acquire().await?;
                only(advance(statements, writer, vec![step], clock.now()).await?)
            }
        }
    }
}

fn only<A>((mut answers, _): (Vec<A>, PooledConnection)) -> Result<A, StoreError> {
    answers.pop().ok_or(StoreError::Damaged("answer"))
}

async fn read(
    statements: Arc<Statements>,
    mut reader: PooledConnection,
    ids: Vec<FamilyId>,
) -> Result<(Vec<Option<FamilyOfUser>>, PooledConnection), StoreError> {
    let (places, statement) = statements.of(ids.len());
    let mut query = sqlx::query(statement);
    for place in 0..places {
        query = query.bind(ids.get(place).map(FamilyId::as_bytes));
    }
    let rows = query.fetch_all(&mut *reader).await?;
    let found = rows.iter().map(|row| row.try_get("family_id"));
    let found = found.collect::<Result<Vec<Vec<u8>>, _>>()?;
    let row_of = |id: &FamilyId| found.iter().position(|found| found == id.as_bytes());
    let both = |id| row_of(id).and_then(|at| rows.get(at)).map(both_of).transpose();
    let answers = ids.iter().map(both).collect::<Result<_, _>>()?;
    Ok((answers, reader))
}

fn both_of(row: &Row) -> Result<FamilyOfUser, StoreError> {
    Ok((family_of(row)?, user_of(row)?))
}

async fn advance(
    statements: Arc<Statements>,
    mut writer: PooledConnection,
    steps: Vec<Step>,
    now: UnixTime,
) -> Result<(Vec<bool>, PooledConnection), StoreError> {
    let (places, statement) = statements.of(steps.len());
    let mut query = sqlx::query(statement);
    for place in 0..places {
        query = bind_step(query, steps.get(place), now);
    }
    let rows = query.fetch_all(&mut *writer).await?;
    // A digest of a random token is of one step only.
    let moved = rows.iter().map(|row| row.try_get(0));
    let moved = moved.collect::<Result<HashSet<Vec<u8>>, _>>()?;
    let has_moved = |step: &Step| moved.contains(step.next.as_bytes());
    Ok((steps.iter().map(has_moved).collect(), writer))
}

/// In the order of [`STEP`].
fn bind_step<'q>(query: Query<'q>, step: Option<&'q Step>, now: UnixTime) -> Query<'q> {
    query
        .bind(step.map(|step| step.family.as_bytes()))
        .bind(step.map(|step| step.presented.as_bytes()))
        .bind(step.map(|step| step.next.as_bytes()))
        .bind(step.map(|step| step.sealed_successor.as_slice()))
        .bind(step.map(|step| step.client_id.as_str()))
        .bind(step.map(|step| step.idle_ends.as_secs()))
        .bind(now.as_secs())
}

/// For how many questions there are statements, so that few are prepared: of a larger one the places that are too many stay
/// empty, and an empty one is no family's.
const SHAPES: [usize; 9] = [1, 2, 4, 8, 16, 24, 32, 40, MOST];

/// One statement in each of its shapes: they are long, and made once.
#[derive(Debug)]
struct Statements(Vec<(usize, SqlStr)>);

impl Statements {
    fn new(of_places: impl Fn(usize) -> String) -> Self {
        let statement = |places| AssertSqlSafe(Arc::<str>::from(of_places(places))).into_sql_str();
        Self(SHAPES.map(|places| (places, statement(places))).to_vec())
    }

    /// The smallest that takes so many questions, at most [`MOST`]; and how many it takes.
    fn of(&self, questions: usize) -> (usize, SqlStr) {
        self.0[self.0.partition_point(|(places, _)| *places < questions)].clone()
    }
}

/// So many parameters of a statement, whose first of all is the one after `before`. SQLite is not told their numbers: sqlx
/// would look up each in the list of all.
fn parameters(backend: Backend, before: usize, count: usize) -> String {
    let parameter = |number: usize| match backend {
        Backend::Sqlite => "?".to_owned(),
        Backend::Postgres => format!("${}", before + number),
    };
    (1..=count).map(parameter).collect::<Vec<_>>().join(", ")
}

pub(super) fn reading(backend: Backend, places: usize) -> String {
    format!(
        "SELECT family.id AS family_id, \"user\".id AS id, name, email, full_name, {COLUMNS}
         FROM family JOIN \"user\" ON \"user\".id = user_id AND disabled_at IS NULL WHERE family.id IN ({})",
        parameters(backend, 0, places)
    )
}

/// What a step is made of, with the instant it is taken at.
const STEP: [&str; 7] = [
    "family_id",
    "presented",
    "next",
    "sealed",
    "client_id",
    "idle_ends",
    "now",
];

/// Of several steps from the same token one is taken, by both databases.
pub(super) fn advancing(backend: Backend, places: usize) -> String {
    let step = |place: usize| format!("({})", parameters(backend, place * STEP.len(), STEP.len()));
    let steps: Vec<String> = (0..places).map(step).collect();
    format!(
        "WITH step ({columns}) AS (VALUES {steps})
         UPDATE family SET generation = generation + 1, previous_digest = current_digest, current_digest = step.next,
            sealed_successor = step.sealed, rotated_at = step.now,
            idle_ends = CASE WHEN absolute_ends < step.idle_ends THEN absolute_ends ELSE step.idle_ends END
         FROM step
         WHERE family.id = step.family_id AND family.client_id = step.client_id AND current_digest = step.presented
            AND ended_at IS NULL AND family.idle_ends > step.now
            AND EXISTS (SELECT 1 FROM \"user\" WHERE id = family.user_id AND disabled_at IS NULL)
            AND NOT EXISTS (SELECT 1 FROM client WHERE id = family.client_id AND disabled_at IS NOT NULL)
         RETURNING current_digest",
        columns = STEP.join(", "),
        steps = steps.join(", "),
    )
}
