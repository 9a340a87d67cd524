//! How a session ends because its user wants it: here first, then at the provider; and because the provider says so.

pub mod backchannel;
mod departure;
pub mod endpoint;
pub mod frontchannel;
pub mod sessions;

pub use backchannel::BackChannel;
pub use departure::Departures;
pub use frontchannel::FrontChannel;
