//! `/account`: what a user sees and changes of the own account.

pub(crate) mod change;
pub(crate) mod endpoint;
pub(crate) mod overview;
pub(crate) mod password;
pub(crate) mod sign_in;
