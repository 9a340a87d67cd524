//! `auth-server serve`: the runtime, and the signals that end it.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use anyhow::Context as _;
use auth_server::{Config, Listeners};
use resource_server::time::SystemClock;

use super::{log, run_to_end};

pub(crate) fn run(config: Config) -> anyhow::Result<()> {
    log::start_for_server(&config.log)?;
    auth_server::install_metrics();
    run_to_end(serve(config))
}

async fn serve(config: Config) -> anyhow::Result<()> {
    // Signals are listened for first: one that comes while the server starts is not lost.
    let mut stop_signal = std::pin::pin!(stop_signal()?);
    let listen = |address| TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"));
    let listeners = Listeners {
        public: listen(config.server.listen)?,
        management: config.management_listen.map(listen).transpose()?,
    };
    let running = auth_server::start(config, listeners, Arc::new(SystemClock)).await?;
    let stop = running.stop_handle();
    let mut down = std::pin::pin!(running.wait());
    tokio::select! {
        ended = &mut down => {
            ended.context("the server went down by itself")?;
            anyhow::bail!("the server went down by itself");
        }
        signalled = &mut stop_signal => signalled?,
    }
    tracing::info!("stopping");
    stop.stop().await;
    down.await.context("the server did not stop cleanly")
}

#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = io::Result<()>>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    })
}

#[cfg(not(unix))]
fn stop_signal() -> io::Result<impl Future<Output = io::Result<()>>> {
    // Listening begins with the first poll here: these systems offer nothing earlier that is portable.
    Ok(tokio::signal::ctrl_c())
}
