//! Commands that talk to a BFF that runs. They are clients like any other and know nothing of its inside.

pub(crate) mod session;
