//! The public address: connections, TLS, HTTP/1.1 and HTTP/2, in front of one application.
//!
//! actix-web's own server cannot be used towards the network: its HTTP/2 is h2 0.3, whose floods are unpatched, and it
//! gives time to the first head of a connection only. So connections are ours; HTTP/1.1 is spoken by `actix_http`, HTTP/2
//! by hyper. Both call the same application, one for each worker thread.

mod accept;
mod activity;
mod certificates;
mod connection;
mod http2;
mod limits;
pub mod middleware;
mod remembered;
mod service;
mod socket;
mod stall;
mod trailers;
mod turns;
mod worker;

pub use self::accept::{Server, Settings};
pub use self::certificates::{CertificateError, Certificates};
pub(crate) use self::limits::{KEEP_ALIVE, KEEP_ALIVE_INTERVAL, KEEP_ALIVE_RETRIES};
pub use self::limits::{Limits, MAX_HEAD_BYTES};
pub use self::remembered::Remembered;
pub use self::trailers::Trailers;

#[cfg(test)]
mod tests;
