//! Backend for frontend: the browser holds an opaque cookie, the tokens stay here.
//!
//! A request's way: [`routing`] finds its rule, [`guard`] judges where it comes from, [`session`] finds what its ticket names, [`refresh`] sees to an
//! access token that serves, [`proxy`] carries it to the upstream. [`login`] and [`logout`] begin and end sessions with
//! the OpenID [`provider`]. [`app`] puts all together; `docs/architecture.md` draws it.

pub mod app;
pub mod background;
pub mod config;
pub mod cookies;
pub mod errors;
pub mod forward_auth;
pub mod guard;
pub mod login;
pub mod logout;
pub mod ops;
pub mod outage;
pub mod parameters;
pub mod pem;
pub mod problem;
pub mod provider;
pub mod proxy;
pub mod random;
pub mod refresh;
pub mod routing;
pub mod server;
pub mod session;
pub mod spa;
pub mod telemetry;

pub use app::{Listeners, Running, start};
pub use config::Config;
