//! Reads a TOML configuration so that an operator sees every fault at once.
//!
//! A derived `Deserialize` stops at the first fault. Here each key is taken by name from a [`Section`]; what is
//! wrong is noted in [`Faults`] with its path, the value found and the rule it breaks, and the reading goes on.
//! Keys that nobody took are faults too, so a typing error never passes for a default.
//!
//! Secrets are never values of the file: `client_secret` is read from the file named by `client_secret_file` or
//! from the environment variable named by `client_secret_env`.

mod faults;
mod section;

pub use faults::{Fault, Faults};
pub use section::{Document, Environment, Section, process_environment};

#[cfg(test)]
mod tests;
