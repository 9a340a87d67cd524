//! Cloakroom as one command: the BFF, the auth server and the notes API in one process on loopback, with a small SPA.
//!
//! `main.rs` reads the arguments and waits for Ctrl-C; [`Demo::start`] puts the three servers together. Nothing here is
//! built into the servers: the demo configures them as an operator would, and what its page shows of the server side it
//! takes from their log ([`trail`]).

pub mod announce;
pub mod configuration;
pub mod data_folder;
mod localhost;
pub mod ports;
pub mod secret;
mod stack;
pub mod trail;

pub use stack::{Demo, USER};
