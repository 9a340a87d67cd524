//! WebSockets at the upstream: `/lab/socket` does what it is told, and writes down how each one ended.

use std::sync::{Arc, Mutex};

use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

use crate::http_server::{Body, Cut, whole};
use crate::wait::within_patience;

/// The WebSockets of an upstream.
#[derive(Debug, Clone, Default)]
pub struct Sockets {
    ended: Arc<Mutex<Vec<Option<u16>>>>,
    count: watch::Sender<usize>,
}

impl Sockets {
    /// How the first WebSocket ended: with this close code of the other end, or broken off.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn first_end(&self) -> Option<u16> {
        let mut count = self.count.subscribe();
        within_patience(
            "a WebSocket of the upstream ends",
            count.wait_for(|count| *count > 0),
        )
        .await
        .expect("the sender is here");
        self.ended.lock().unwrap()[0]
    }

    /// Agrees to a handshake, with the last of the sub-protocols that are offered.
    pub(super) fn open(&self, mut request: Request<Incoming>) -> Result<Response<Body>, Cut> {
        let key = request.headers().get(SEC_WEBSOCKET_KEY).ok_or(Cut)?;
        let accept = derive_accept_key(key.as_bytes());
        let mut response = Response::new(whole(""));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept.parse().map_err(|_| Cut)?);
        if let Some(offered) = request.headers().get(SEC_WEBSOCKET_PROTOCOL) {
            let last = offered.to_str().unwrap_or_default().rsplit(',').next();
            let last = last.unwrap_or_default().trim().parse().map_err(|_| Cut)?;
            headers.insert(SEC_WEBSOCKET_PROTOCOL, last);
        }
        let sockets = self.clone();
        tokio::spawn(async move {
            if let Ok(upgraded) = hyper::upgrade::on(&mut request).await {
                let ended = converse(upgraded).await;
                sockets.ended.lock().unwrap().push(ended);
                sockets.count.send_modify(|count| *count += 1);
            }
        });
        Ok(response)
    }
}

type Stream = WebSocketStream<TokioIo<Upgraded>>;

/// Does what it is told until the other end closes or is gone; gives the code that the other end closed with.
async fn converse(upgraded: Upgraded) -> Option<u16> {
    let mut stream = Stream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    while let Some(Ok(message)) = stream.next().await {
        match message {
            Message::Text(text) => obey(&mut stream, &text).await?,
            Message::Binary(bytes) => stream.send(Message::Binary(bytes)).await.ok()?,
            Message::Close(frame) => {
                let _ = stream.close(None).await;
                return frame.map(|frame| frame.code.into());
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
    None
}

/// `close CODE REASON` closes, `cut` breaks off, `half` sends the first half of a frame, `flood` sends without end; all
/// else is said back.
async fn obey(stream: &mut Stream, text: &str) -> Option<()> {
    let mut words = text.splitn(3, ' ');
    match words.next() {
        Some("close") => {
            let code: u16 = words.next()?.parse().ok()?;
            let reason = words.next().unwrap_or_default();
            let frame = CloseFrame {
                code: code.into(),
                reason: reason.into(),
            };
            stream.close(Some(frame)).await.ok()
        }
        Some("cut") => None,
        Some("half") => {
            let inner = stream.get_mut();
            inner.write_all(&[0x82, 126, 0x10, 0x00]).await.ok()?;
            inner.write_all(&[7; 0x800]).await.ok()?;
            inner.flush().await.ok()
        }
        Some("flood") => loop {
            stream.send(Message::binary(vec![9; 10_000])).await.ok()?;
        },
        _ => stream.send(Message::text(text)).await.ok(),
    }
}
