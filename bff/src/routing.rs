//! Which rule holds for a request path, and what its upstream is asked for. Pure: the proxy carries it out.

mod path;
mod table;

pub use path::{Ambiguous, NormalPath};
pub use table::{Access, Route, RouteTable, Upstream};
