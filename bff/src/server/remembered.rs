use std::any::Any;
use std::cell::RefCell;
use std::fmt;

/// What the application remembers of an HTTP/1.1 connection from one request to the next; forgotten when the connection rests.
#[derive(Default)]
pub struct Remembered(RefCell<Option<Box<dyn Any>>>);

impl Remembered {
    /// Keeps this instead of what there was.
    pub fn keep<T: Any>(&self, this: T) {
        *self.0.borrow_mut() = Some(Box::new(this));
    }

    /// What `look` makes of what is remembered; `None` if nothing is.
    pub fn read<T: Any, R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        self.0.borrow().as_ref()?.downcast_ref().map(look)
    }
}

impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Remembered(redacted)")
    }
}
