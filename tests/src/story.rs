//! Runs a story on every deployment it has to hold on.

use std::future::Future;

use tokio::runtime;

/// Runs one story to its end, in a runtime of its own, and gives what it tells.
///
/// # Panics
/// When the story fails.
pub fn run<F: Future>(story: F) -> F::Output {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(story)
}

/// Makes tests of stories, `async fn(Deployment)`: one for each session store.
#[macro_export]
macro_rules! on_every_store {
    ($($story:ident),+ $(,)?) => {$(
        mod $story {
            use $crate::stack::Deployment;

            #[test]
            fn embedded() {
                $crate::story::run(super::$story(Deployment::with_embedded_store()));
            }

            #[test]
            fn redis() {
                $crate::story::run(super::$story(Deployment::with_redis()));
            }
        }
    )+};
}

/// Makes tests of stories, `async fn(Deployment)`: one for each session store, and one with a provider that is not ours.
#[macro_export]
macro_rules! on_every_store_and_provider {
    ($($story:ident),+ $(,)?) => {$(
        mod $story {
            use $crate::stack::Deployment;

            #[test]
            fn embedded() {
                $crate::story::run(super::$story(Deployment::with_embedded_store()));
            }

            #[test]
            fn redis() {
                $crate::story::run(super::$story(Deployment::with_redis()));
            }

            #[test]
            fn foreign_provider() {
                $crate::story::run(super::$story(Deployment::with_embedded_store().and_foreign_provider()));
            }
        }
    )+};
}

/// Makes tests of stories that need Redis.
#[macro_export]
macro_rules! on_redis {
    ($($story:ident),+ $(,)?) => {$(
        mod $story {
            #[test]
            fn redis() {
                $crate::story::run(super::$story($crate::stack::Deployment::with_redis()));
            }
        }
    )+};
}

/// Makes tests of stories to which the store makes no difference.
#[macro_export]
macro_rules! on_one_store {
    ($($story:ident),+ $(,)?) => {$(
        mod $story {
            #[test]
            fn embedded() {
                $crate::story::run(super::$story($crate::stack::Deployment::with_embedded_store()));
            }
        }
    )+};
}
