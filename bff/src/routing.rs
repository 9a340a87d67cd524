//! Which rule holds for a request path, and what its upstream is asked for. Pure: the proxy carries it out.

mod addresses;
mod connection;
mod path;
mod table;

pub use addresses::{Address, Addresses};
pub use connection::{Connecting, Destination, Protocol, Tls, TlsFault, TlsSource};
pub use path::{Ambiguous, NormalPath};
pub use table::{Access, Route, RouteTable, Routes, SaidHost, Upstream};
