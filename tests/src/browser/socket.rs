//! `new WebSocket()` from a page of the app, or from a page of somebody else.

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{COOKIE, HeaderName, HeaderValue, UPGRADE};
use http::{HeaderMap, Request};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use url::Url;

use super::answer::Answer;
use super::site::{Initiator, Relation, is_same_site, origin_header};
use super::{Browser, Purpose};
use crate::wait::within_patience;

/// A WebSocket that a script is about to open; `.await` opens it.
#[must_use = "a handshake is sent by awaiting it"]
#[derive(Debug)]
pub struct Handshake {
    browser: Browser,
    url: Url,
    page: Url,
    headers: HeaderMap,
    removed: Vec<HeaderName>,
}

/// How a WebSocket ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// By a close frame with this code and reason.
    With(u16, String),
    /// By a close frame that says nothing.
    WithoutCode,
    /// The connection broke off: code 1006, as scripts see it.
    BrokenOff,
}

/// An open WebSocket.
#[derive(Debug)]
pub struct Socket {
    /// The answer to the handshake.
    pub head: Answer,
    stream: WebSocketStream<TcpStream>,
}

impl Handshake {
    pub(super) fn new(browser: Browser, url: Url) -> Self {
        Self {
            page: browser.app().clone(),
            browser,
            url,
            headers: HeaderMap::new(),
            removed: Vec::new(),
        }
    }

    /// Lets a page of another address open it.
    pub fn by_page(mut self, page: &str) -> Self {
        self.page = Url::parse(page).expect("a page's address");
        self
    }

    /// Sets a header, also one that a browser sets by itself.
    ///
    /// # Panics
    /// When it is not a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header name");
        self.headers
            .insert(name, HeaderValue::from_str(value).expect("a header value"));
        self
    }

    /// Leaves a header out, also one that a browser sets by itself.
    ///
    /// # Panics
    /// When it is not a header name.
    pub fn without(mut self, name: &str) -> Self {
        self.removed.push(name.parse().expect("a header name"));
        self
    }

    /// Opens it, or gives the answer that refuses it.
    ///
    /// # Errors
    /// That answer.
    ///
    /// # Panics
    /// When there is no answer, or one that a browser must not get.
    pub async fn open(self) -> Result<Socket, Box<Answer>> {
        let (host, port) = (self.url.host_str().expect("a host"), self.url.port());
        let stream = match self.browser.node {
            Some(node) => TcpStream::connect(node).await,
            None => TcpStream::connect((host, port.expect("a port"))).await,
        };
        let stream = stream.expect("the BFF accepts");
        let request = self.request();
        let opened = within_patience("a handshake is answered", client_async(request, stream)).await;
        let (response, opened) = match opened {
            Ok((stream, response)) => (response, Some(stream)),
            Err(Error::Http(response)) => (*response, None),
            Err(error) => panic!("no answer to the handshake: {error:?}"),
        };
        let (head, body) = response.into_parts();
        let answer = Answer {
            url: self.url.clone(),
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.unwrap_or_default().into(),
            hops: vec![self.url],
        };
        match opened {
            Some(stream) => {
                self.browser
                    .inspect(&without_handshake(&answer), Purpose::HeadersOnly);
                Ok(Socket { head: answer, stream })
            }
            None => {
                self.browser.inspect(&answer, Purpose::Fetch);
                Err(Box::new(answer))
            }
        }
    }

    fn request(&self) -> Request<()> {
        let chain = [self.url.clone()];
        let initiator = Initiator::Page(self.page.clone());
        let mut url = self.url.clone();
        url.set_scheme("ws").expect("ws is like http");
        let mut request = Request::get(url.as_str()).body(()).expect("a request");
        let headers = request.headers_mut();
        let mut set = |name: &'static str, value: &str| {
            headers.insert(name, HeaderValue::from_str(value).expect("a header value"));
        };
        set("host", self.url.authority());
        set("connection", "Upgrade");
        set("upgrade", "websocket");
        set("sec-websocket-version", "13");
        set("sec-websocket-key", &generate_key());
        set("origin", &origin_header(&self.page.origin()));
        set("user-agent", &self.browser.user_agent);
        set("sec-fetch-mode", "websocket");
        set("sec-fetch-dest", "websocket");
        set("sec-fetch-site", Relation::of(&initiator, &chain).header());
        let context = self
            .browser
            .cookie_context(is_same_site(&initiator, &chain), false, true);
        let cookies = self.browser.jar.lock().unwrap().header(&self.url, context);
        if let Some(cookies) = cookies {
            set(COOKIE.as_str(), &cookies);
        }
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        for name in &self.removed {
            headers.remove(name);
        }
        request
    }
}

impl IntoFuture for Handshake {
    type Output = Socket;
    type IntoFuture = Pin<Box<dyn Future<Output = Socket> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async {
            let opened = self.open().await;
            opened.unwrap_or_else(|answer| panic!("the handshake was refused: {}", answer.summary()))
        })
    }
}

impl Socket {
    /// Says something.
    ///
    /// # Panics
    /// When the other end is gone.
    pub async fn say(&mut self, text: &str) {
        self.send(Message::text(text)).await;
    }

    /// Sends any message.
    ///
    /// # Panics
    /// When the other end is gone.
    pub async fn send(&mut self, message: Message) {
        self.stream.send(message).await.expect("the WebSocket is open");
    }

    /// Hears the next text.
    ///
    /// # Panics
    /// When something else comes, or nothing.
    pub async fn hear(&mut self) -> String {
        match self.next().await {
            Some(Ok(Message::Text(text))) => text.to_string(),
            other => panic!("no text was said: {other:?}"),
        }
    }

    /// Hears the next bytes.
    ///
    /// # Panics
    /// When something else comes, or nothing.
    pub async fn hear_bytes(&mut self) -> Bytes {
        match self.next().await {
            Some(Ok(Message::Binary(bytes))) => bytes,
            other => panic!("no bytes were sent: {other:?}"),
        }
    }

    /// Waits until it is closed from the other end, whatever is said before.
    pub async fn closed(&mut self) -> Closed {
        loop {
            match self.next().await {
                Some(Ok(Message::Close(Some(frame)))) => {
                    return Closed::With(frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(Message::Close(None))) => return Closed::WithoutCode,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Closed::BrokenOff,
            }
        }
    }

    /// Closes it as a script does, and waits for the answer.
    pub async fn close(&mut self, code: u16, reason: &str) -> Closed {
        use tokio_tungstenite::tungstenite::protocol::CloseFrame;
        let frame = CloseFrame {
            code: code.into(),
            reason: reason.into(),
        };
        self.send(Message::Close(Some(frame))).await;
        self.closed().await
    }

    async fn next(&mut self) -> Option<Result<Message, Error>> {
        within_patience("something comes through the WebSocket", self.stream.next()).await
    }
}

/// An answer to a handshake as it is without what belongs to the handshake.
fn without_handshake(answer: &Answer) -> Answer {
    let mut answer = answer.clone();
    for name in ["sec-websocket-accept", "sec-websocket-protocol", UPGRADE.as_str()] {
        answer.headers.remove(name);
    }
    answer
}
