//! The stories beside this file again, on PostgreSQL: those in which requests meet in the database, and those of outages.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]
#![allow(
    dead_code,
    unused_imports,
    reason = "the harness serves more stories than these"
)]

use harness::Database;

const DATABASE: Database = Database::Postgres;

mod away;
mod back_channel;
mod client_assertions;
mod cluster;
mod code_exchange;
mod disabled;
mod harness;
mod keys;
mod logout;
mod outage;
mod own_password;
mod refresh;
mod registry;
mod revocation;
mod sessions;
mod status_lists;
