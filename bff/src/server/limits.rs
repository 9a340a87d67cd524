use std::time::Duration;

/// What a client may take up before it is refused or hung up on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; who comes next waits in the backlog of the socket.
    pub max_connections: usize,
    /// From the first byte of a request's head to its end; and from connecting to the end of the first one, TLS included.
    pub head_timeout: Duration,
    /// How long a connection may stay without a request.
    pub keep_alive: Duration,
}

/// All header lines of a request together, its target included.
pub const MAX_HEAD_BYTES: usize = 64 * 1024;
/// How soon the kernel asks a silent peer whether it is there, how often, and after how many questions it gives up.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(60);
pub(crate) const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
pub(crate) const KEEP_ALIVE_RETRIES: u32 = 6;
/// Header lines of a request: as many as `actix_http` reads by HTTP/1.1.
pub(super) const MAX_HEAD_LINES: usize = 96;
/// How long a client may leave our answer in its socket unread.
pub(super) const WRITE_STALL: Duration = Duration::from_secs(60);
/// After how long without a request a connection rests: it keeps its socket and gives back 16 KiB of buffers.
pub(super) const REST: Duration = Duration::from_secs(2);
/// The connections of a worker rest so long one after the other, on average: timers go off at whole milliseconds.
pub(super) const REST_PACE: Duration = Duration::from_micros(500);
/// For how long the rest of a body that nobody wants is read and dropped. A connection that is closed before it has been read is
/// reset, and its client may never see the answer that says why.
pub(super) const LINGER: Duration = Duration::from_secs(1);
// What lingers is about to be closed and must not rest meanwhile.
const _: () = assert!(LINGER.as_millis() < REST.as_millis());
/// How long those who do not ask for anything are waited for when the server stops.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long an HTTP/2 client may take to leave once it was told to.
pub(super) const FAREWELL: Duration = Duration::from_secs(5);

/// Requests at a time on one HTTP/2 connection.
pub(super) const H2_STREAMS: u32 = 128;
/// What one request may send ahead of its reader.
pub(super) const H2_STREAM_WINDOW: u32 = 256 * 1024;
/// What all requests of a connection may send ahead of their readers.
pub(super) const H2_CONNECTION_WINDOW: u32 = 1024 * 1024;
/// What may wait to be sent on one stream.
pub(super) const H2_SEND_BUFFER: usize = 64 * 1024;
/// Requests that were taken back before anybody looked at them (rapid reset, CVE-2023-44487).
pub(super) const H2_PENDING_RESETS: usize = 20;
/// Streams that a client made us reset, over the life of a connection (CVE-2025-8671).
pub(super) const H2_LOCAL_RESETS: usize = 256;
/// How often a client that says nothing is asked whether it is there, and how long it may take to answer.
pub(super) const H2_PING: Duration = Duration::from_secs(20);
