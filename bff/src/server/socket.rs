use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::activity::Activity;
use super::turns::Turns;

/// What every HTTP/2 connection begins with (RFC 9113 §3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A client's connection, with or without TLS; it tells what moves. A protocol gets a handle of it, and when that is dropped,
/// the connection can be given another one.
#[derive(Clone)]
pub(super) struct Socket {
    shared: Rc<RefCell<Shared>>,
    activity: Rc<Activity>,
    turns: Rc<Turns>,
}

struct Shared {
    transport: Transport,
    /// What was read before there was a protocol, and has to be read again.
    ahead: Ahead,
}

enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

#[derive(Default)]
struct Ahead {
    bytes: [u8; PREFACE.len()],
    begin: usize,
    end: usize,
}

impl Socket {
    /// Of a client that came through TLS.
    pub(super) fn tls(stream: TlsStream<TcpStream>, activity: Rc<Activity>, turns: Rc<Turns>) -> Self {
        Self::new(
            Transport::Tls(Box::new(stream)),
            Ahead::default(),
            activity,
            turns,
        )
    }

    fn new(transport: Transport, ahead: Ahead, activity: Rc<Activity>, turns: Rc<Turns>) -> Self {
        Self {
            shared: Rc::new(RefCell::new(Shared { transport, ahead })),
            activity,
            turns,
        }
    }

    /// Of a client that speaks plain HTTP, and whether it begins with HTTP/2's preface; `None` if it hung up.
    ///
    /// # Errors
    /// When nothing can be read.
    pub(super) async fn plain(
        mut stream: TcpStream,
        activity: Rc<Activity>,
        turns: Rc<Turns>,
    ) -> io::Result<Option<(Self, bool)>> {
        let mut ahead = Ahead::default();
        while ahead.end < PREFACE.len() && ahead.bytes[..ahead.end] == PREFACE[..ahead.end] {
            let read = stream.read(&mut ahead.bytes[ahead.end..]).await?;
            if read == 0 {
                return Ok(None);
            }
            ahead.end += read;
        }
        let is_http2 = ahead.bytes == *PREFACE;
        let socket = Self::new(Transport::Plain(stream), ahead, activity, turns);
        Ok(Some((socket, is_http2)))
    }

    /// Waits until the client sends something, which is read again by whoever gets the connection then. Whether it did, and has
    /// not hung up.
    ///
    /// # Errors
    /// When nothing can be read.
    pub(super) async fn is_spoken_to(&self) -> io::Result<bool> {
        poll_fn(|context| {
            let shared = &mut *self.shared.borrow_mut();
            ready!(self.poll_turn(&shared.transport, context));
            let mut buffer = ReadBuf::new(&mut shared.ahead.bytes);
            ready!(shared.transport.poll_read(context, &mut buffer))?;
            let read = buffer.filled();
            if !read.is_empty() {
                self.activity.note_read(read);
            }
            (shared.ahead.begin, shared.ahead.end) = (0, read.len());
            Poll::Ready(Ok(!read.is_empty()))
        })
        .await
    }

    /// What this connection is doing.
    pub(super) fn activity(&self) -> &Rc<Activity> {
        &self.activity
    }

    /// Ready unless a request is there to be begun and has to wait for its turn.
    fn poll_turn(&self, transport: &Transport, context: &mut Context<'_>) -> Poll<()> {
        let begins = self.activity.awaits_head() && transport.tcp().poll_read_ready(context).is_ready();
        if begins && !self.turns.has_come(&self.activity, context) {
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn note_written(&self, written: &Poll<io::Result<usize>>) {
        self.activity.note_write(written.is_ready());
    }
}

impl Transport {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let shared = &mut *self.shared.borrow_mut();
        let ahead = &mut shared.ahead;
        if ahead.begin < ahead.end {
            let waiting = &ahead.bytes[ahead.begin..ahead.end];
            let taken = waiting.len().min(buffer.remaining());
            buffer.put_slice(&waiting[..taken]);
            ahead.begin += taken;
        } else {
            ready!(self.poll_turn(&shared.transport, context));
            ready!(shared.transport.poll_read(context, buffer))?;
        }
        let read = &buffer.filled()[before..];
        if !read.is_empty() {
            self.activity.note_read(read);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = match &mut self.shared.borrow_mut().transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        };
        self.note_written(&written);
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.shared.borrow_mut().transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Transport::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        };
        self.note_written(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        match &self.shared.borrow().transport {
            Transport::Plain(stream) => stream.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.shared.borrow_mut().transport {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(context),
            Transport::Tls(stream) => {
                let flushed = Pin::new(stream).poll_flush(context);
                // What TLS has taken may still be here.
                self.activity.note_write(flushed.is_ready());
                flushed
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.shared.borrow_mut().transport {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
