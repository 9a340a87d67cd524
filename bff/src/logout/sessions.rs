//! The sessions of a user, in the hands of that user.

pub mod endpoint;
