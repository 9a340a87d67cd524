//! From `/bff/login` to the callback: how a browser gets its session.

mod callback;
pub mod endpoint;
mod page;
mod return_to;
mod transaction;

pub use callback::{Callback, CallbackError};
pub use return_to::ReturnTo;
pub use transaction::LoginTransactions;
