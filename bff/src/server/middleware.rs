//! Which heads are longer than anybody needs.

use actix_web::dev::RequestHead;

use super::limits::{MAX_HEAD_BYTES, MAX_HEAD_LINES};

/// A header line's `: ` and its end.
const LINE_OVERHEAD: usize = 4;

/// HTTP/1.1 heads of up to twice this length come through `actix_http`, and are refused by this; those of HTTP/2 are by h2. With the
/// lines it is the other way around.
#[must_use]
pub fn is_head_too_long(head: &RequestHead) -> bool {
    let lines = head.headers.iter();
    let lines = lines.map(|(name, value)| name.as_str().len() + value.len() + LINE_OVERHEAD);
    let target = head
        .uri
        .path_and_query()
        .map_or(0, |target| target.as_str().len());
    target + lines.sum::<usize>() > MAX_HEAD_BYTES || head.headers.len() > MAX_HEAD_LINES
}
