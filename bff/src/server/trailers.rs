use std::cell::RefCell;
use std::rc::Rc;

/// A place for trailers, in the extensions of a message whose body has not ended yet.
///
/// Whoever writes a body puts its trailers here before the end; whoever has read the body to its end finds them. Over
/// HTTP/2 a response that carries one sends what is in it, and a request that came by HTTP/2 carries one.
#[derive(Debug, Clone, Default)]
pub struct Trailers(Rc<RefCell<Option<http::HeaderMap>>>);

impl Trailers {
    /// Leaves trailers.
    pub fn put(&self, trailers: http::HeaderMap) {
        *self.0.borrow_mut() = Some(trailers);
    }

    /// Takes what was left.
    #[must_use]
    pub fn take(&self) -> Option<http::HeaderMap> {
        self.0.borrow_mut().take()
    }
}
