//! Bodies that the story speaks: `/lab/events` (server-sent events) and `/lab/feed` (bytes of no kind); and `/lab/silence`, which
//! says nothing at all.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::sync::{mpsc, watch};

use crate::http_server::{Body, BodyError, Cut};
use crate::wait::within_patience;

/// How much may be said that the other end has not taken.
const PIECES: usize = 16;

type Piece = Result<Frame<Bytes>, BodyError>;

/// The feeds of an upstream.
#[derive(Debug, Clone, Default)]
pub struct Feeds {
    opened: Arc<Mutex<Vec<Feed>>>,
    count: watch::Sender<usize>,
}

/// A body that goes on until the story ends it, or nobody reads it any more.
#[derive(Debug, Clone)]
pub struct Feed(mpsc::Sender<Piece>);

impl Feeds {
    /// The feed that was opened as the `number`th, from 0.
    ///
    /// # Panics
    /// When it is not opened.
    pub async fn nth(&self, number: usize) -> Feed {
        let mut count = self.count.subscribe();
        within_patience("a feed is opened", count.wait_for(|count| *count > number))
            .await
            .expect("the sender is here");
        self.opened.lock().unwrap()[number].clone()
    }

    /// Never answers; the feed is left when nobody waits any more.
    pub(super) async fn keep_silent(&self) -> Result<Response<Body>, Cut> {
        let (feed, _waiting) = mpsc::channel(PIECES);
        self.note(Feed(feed));
        std::future::pending().await
    }

    fn note(&self, feed: Feed) {
        self.opened.lock().unwrap().push(feed);
        self.count.send_modify(|count| *count += 1);
    }

    pub(super) fn open(&self, content_type: &'static str) -> Response<Body> {
        let (feed, pieces) = mpsc::channel(PIECES);
        self.note(Feed(feed));
        let mut pieces: mpsc::Receiver<Piece> = pieces;
        let pieces = stream::poll_fn(move |context| pieces.poll_recv(context));
        let mut response = Response::new(BodyExt::boxed(StreamBody::new(pieces)));
        let content_type = HeaderValue::from_static(content_type);
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    }
}

impl Feed {
    /// Says something.
    ///
    /// # Panics
    /// When nobody reads it any more.
    pub async fn say(&self, text: &str) {
        let piece = Ok(Frame::data(Bytes::copy_from_slice(text.as_bytes())));
        self.0.send(piece).await.expect("somebody reads the feed");
    }

    /// Breaks off.
    ///
    /// # Panics
    /// When nobody reads it any more.
    pub async fn cut(&self) {
        self.0
            .send(Err(Box::new(Cut)))
            .await
            .expect("somebody reads the feed");
    }

    /// Waits until nobody reads it any more.
    ///
    /// # Panics
    /// When somebody does.
    pub async fn is_left(&self) {
        within_patience("the feed is left", self.0.closed()).await;
    }

    /// Whether somebody reads it.
    pub fn is_read(&self) -> bool {
        !self.0.is_closed()
    }
}
