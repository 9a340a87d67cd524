//! To which of its upstream's addresses a request goes, and when to another one.

use std::time::Instant;

use http::{Request, Response};

use super::body::{Progress, UpstreamRequestBody};
use super::forward::{AnswerBody, ForwardClient, ForwardError};
use crate::errors::chain;
use crate::routing::{Address, Route};
use crate::telemetry;

/// Sends a request, at most twice.
///
/// It is sent once more in three cases. No connection could be made, so that nothing of it has left: then to another address,
/// if there is one. The upstream promises that it has not begun with it. Or it `is_repeatable`, safe and without a body, and the upstream broke off: a kept connection may be closed
/// just as it is used, by a restart or an idle time-out (RFC 9110 §9.2.2, RFC 9112 §9.3.1), and that should be nobody's 502.
///
/// `write` makes the request for an address; `None` when it cannot be made (again), because its body has begun to pass.
pub(super) async fn send(
    client: &ForwardClient,
    route: &Route,
    progress: &Progress,
    is_repeatable: bool,
    mut write: impl FnMut(&Address) -> Option<Request<UpstreamRequestBody>>,
) -> Option<Result<Response<AnswerBody>, ForwardError>> {
    let now = progress.last().into_std();
    let first = route.upstreams.pick(None, now);
    let request = write(first)?;
    let answer = once(client, route, first, progress, request, now).await;
    let again = match &answer {
        Err(error @ ForwardError::Unconnected(_)) if route.upstreams.are_several() => Some(error),
        Err(error @ ForwardError::Unprocessed(_)) => Some(error),
        Err(error @ ForwardError::BrokeOff(_)) if is_repeatable => Some(error),
        _ => None,
    };
    let Some(error) = again else {
        return Some(answer);
    };
    let now = Instant::now();
    let other = route.upstreams.pick(Some(first), now);
    let Some(request) = write(other) else {
        return Some(answer);
    };
    tracing::debug!(error = chain(error), "a request is sent once more");
    progress.note();
    Some(once(client, route, other, progress, request, now).await)
}

async fn once(
    client: &ForwardClient,
    route: &Route,
    address: &Address,
    progress: &Progress,
    request: Request<UpstreamRequestBody>,
    began: Instant,
) -> Result<Response<AnswerBody>, ForwardError> {
    let answer = client
        .send(address.destination(), request, route.timeout, progress, began)
        .await;
    if matches!(answer, Err(ForwardError::BodyMissing)) {
        return answer;
    }
    let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
    route.times().answered(status, began.elapsed());
    match &answer {
        Ok(_) => {
            if address.succeeded() {
                let (route, upstream) = (route.prefix.as_str(), address.destination().authority.as_str());
                tracing::info!(route, upstream, "an upstream's address is back");
            }
        }
        Err(error) => note(route, address, error),
    }
    answer
}

fn note(route: &Route, address: &Address, error: &ForwardError) {
    let prefix = route.prefix.as_str();
    let reason = match error {
        ForwardError::Unconnected(_) => "unconnected",
        ForwardError::Unprocessed(_) => "unprocessed",
        ForwardError::BrokeOff(_) => "broke_off",
        ForwardError::Silent => "silent",
        ForwardError::BodyMissing => return,
        ForwardError::NoClient(_) => "no_client",
    };
    telemetry::upstream_failed(prefix, reason);
    // What breaks off or is slow is reached all the same: a request that breaks its server must not empty the route.
    if matches!(error, ForwardError::Unconnected(_))
        && let Some(rest) = address.failed(Instant::now())
        && route.upstreams.are_several()
    {
        let upstream = address.destination().authority.as_str();
        telemetry::upstream_ejected(prefix, upstream);
        let rest_s = rest.as_secs();
        tracing::warn!(
            route = prefix,
            upstream,
            rest_s,
            error = chain(error),
            "an upstream's address is left out for a while"
        );
    }
}
