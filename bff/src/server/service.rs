use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use actix_http::{ConnectionType, Method, Request, Response};
use actix_service::Service;
use actix_web::dev::ServiceResponse;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio_util::sync::CancellationToken;

use super::activity::{Activity, InFlight};

/// The application as connections call it: a request counts as under way until the body of its answer is done with.
pub(super) struct Application<S> {
    app: Rc<S>,
    stopping: CancellationToken,
}

impl<S> Application<S> {
    pub(super) const fn new(app: Rc<S>, stopping: CancellationToken) -> Self {
        Self { app, stopping }
    }
}

impl<S> Clone for Application<S> {
    fn clone(&self) -> Self {
        Self {
            app: Rc::clone(&self.app),
            stopping: self.stopping.clone(),
        }
    }
}

impl<S, B> Service<Request> for Application<S>
where
    S: Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = Response<CountedBody>;
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.app.poll_ready(context)
    }

    fn call(&self, request: Request) -> Self::Future {
        let is_bare = is_bare(&request);
        let activity = request.conn_data::<Rc<Activity>>();
        let in_flight = activity.map(|activity| activity.begin_request(is_bare));
        let stopping = self.stopping.clone();
        // Mapped and not awaited in a block: that would hold the future twice, as what it captured and as what it awaits.
        Box::pin(self.app.call(request).map(move |answer| {
            let answer = match answer {
                Ok(answer) => Response::from(answer.map_into_boxed_body()),
                Err(error) => Response::<BoxBody>::from(error),
            };
            let mut response = answer.map_body(|_, body| CountedBody {
                body,
                _in_flight: in_flight,
            });
            if stopping.is_cancelled() && !response.head().upgrade() {
                response.head_mut().set_connection_type(ConnectionType::Close);
            }
            Ok(response)
        }))
    }
}

/// Whether it is certain that nothing belongs to a request behind its head: no body (RFC 9112 §6.3), and no tunnel.
fn is_bare(request: &Request) -> bool {
    let head = request.head();
    let has_body = head.headers.contains_key(CONTENT_LENGTH) || head.headers.contains_key(TRANSFER_ENCODING);
    !has_body && !head.upgrade() && head.method != Method::CONNECT
}

/// The body of an answer, which ends its request when it goes.
pub(super) struct CountedBody {
    body: BoxBody,
    _in_flight: Option<InFlight>,
}

impl MessageBody for CountedBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}
