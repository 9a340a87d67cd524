use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::dev::{Server, ServerHandle};
use tokio::task::JoinHandle;

use crate::notes::NoteStore;

/// A service that is up.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    servers: Vec<JoinHandle<io::Result<()>>>,
    stop: StopHandle,
    store: Arc<dyn NoteStore>,
}

/// Stops a [`Running`] service from elsewhere.
#[derive(Debug, Clone, Default)]
pub struct StopHandle(Vec<ServerHandle>);

impl Running {
    pub(super) fn new(address: SocketAddr, store: Arc<dyn NoteStore>) -> Self {
        Self {
            address,
            servers: Vec::new(),
            stop: StopHandle::default(),
            store,
        }
    }

    pub(super) fn drive(&mut self, server: Server) {
        self.stop.0.push(server.handle());
        self.servers.push(tokio::spawn(server));
    }

    /// Where the API listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A handle that can stop the service while [`Running::wait`] waits for it.
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    /// Takes no more requests, lets those in flight come to their end, and returns when all is down.
    pub async fn stop(self) {
        self.stop.stop().await;
        if let Err(error) = self.wait().await {
            tracing::warn!(%error, "a server did not stop cleanly");
        }
    }

    /// Returns when the service is down and its store closed.
    ///
    /// # Errors
    /// Why it went down by itself.
    pub async fn wait(self) -> io::Result<()> {
        let mut ended = Ok(());
        for server in self.servers {
            let server = server.await.map_err(io::Error::other).flatten();
            ended = ended.and(server);
        }
        // The threads of the workers may hold the store a little longer; the file must be free now.
        self.store.close().await;
        ended
    }
}

impl StopHandle {
    /// Takes no more requests and lets those in flight come to their end.
    pub async fn stop(&self) {
        for server in &self.0 {
            server.stop(true).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Running;
    use crate::notes::FileStore;

    #[tokio::test]
    async fn a_service_that_is_down_has_let_go_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.redb");
        let store = Arc::new(FileStore::open(&path).unwrap());
        // The clone stands for a worker whose thread has not ended yet.
        let running = Running::new("127.0.0.1:0".parse().unwrap(), store.clone());
        running.stop().await;
        assert!(FileStore::open(&path).is_ok());
        drop(store);
    }
}
