//! What an operator of a stack does and sees beside starting and stopping it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::{Stack, port_of};
use crate::operator::Operator;
use crate::redis::certificates::{AUTHORITY, Authority};

impl Stack {
    /// The text of the BFF's key ring file.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn key_ring(&self) -> String {
        fs::read_to_string(self.folder.path().join("bff-keys")).expect("the key ring file")
    }

    /// Writes another key ring and has the BFF read it, as `kill -HUP` does.
    ///
    /// # Panics
    /// When no BFF runs.
    pub async fn reload_key_ring(&self, text: &str) {
        fs::write(self.folder.path().join("bff-keys"), text).expect("the key ring file");
        let running = self.bff.lock().await;
        running.as_ref().expect("a BFF runs").reload_key_ring();
    }

    /// What the BFF counts, as Prometheus reads it. Stacks of one process share their counters.
    ///
    /// # Panics
    /// When the management address does not answer.
    pub async fn metrics(&self) -> String {
        let answer = self.ask_as_operator("/metrics").await;
        assert_eq!(answer.status(), 200);
        answer.text().await.expect("metrics are text")
    }

    /// The status of its readiness.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn readiness(&self) -> u16 {
        self.bff_tells_operators("/health/ready").await.0
    }

    /// What the BFF tells its operators at this path of the management address.
    ///
    /// # Panics
    /// When it does not answer in JSON.
    pub async fn bff_tells_operators(&self, path: &str) -> (u16, Value) {
        let answer = self.ask_as_operator(path).await;
        let status = answer.status().as_u16();
        (
            status,
            answer.json().await.expect("operators are answered in JSON"),
        )
    }

    /// Somebody with the admin token, at this stack's BFF.
    pub fn operator(&self) -> Operator {
        self.operator_at(SocketAddr::from((
            Ipv4Addr::LOCALHOST,
            port_of(&self.bff_management),
        )))
    }

    /// Somebody with the admin token, at this management address.
    pub(crate) fn operator_at(&self, address: SocketAddr) -> Operator {
        Operator::new(address, &self.admin_token)
    }

    /// The secret of operators.
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// Where the files of this stack are: stores, keys, logs of its processes.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Puts a new certificate of the BFF, of a new authority, where the configuration says. Browsers from now on trust that one.
    pub fn renew_certificate(&self) {
        Authority::new().equip(self.folder.path());
    }

    /// Whom browsers trust for the BFF's certificate, in PEM.
    pub fn authority(&self) -> Option<Vec<u8>> {
        std::fs::read(self.folder.path().join(AUTHORITY)).ok()
    }

    /// Lets the BFF read its certificate again, as `SIGHUP` does.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn reload_certificates(&self) {
        let bff = self.bff.lock().await;
        bff.as_ref().expect("the BFF runs").reload_certificates();
    }

    /// The BFF's secret at the provider.
    pub fn client_secret(&self) -> &str {
        &self.client_secret
    }

    /// The notes service itself, past the recorder that everybody else reaches it by.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn notes_address(&self) -> SocketAddr {
        let running = self.resource_server.lock().await;
        running.as_ref().expect("the notes service runs").address()
    }

    /// How long access tokens live.
    pub fn access_token_lifetime(&self) -> Duration {
        self.deployment.access_token_lifetime
    }

    async fn ask_as_operator(&self, path: &str) -> reqwest::Response {
        let address = format!("http://127.0.0.1:{}{path}", port_of(&self.bff_management));
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("an HTTP client");
        client
            .get(address)
            .send()
            .await
            .expect("the management address answers")
    }
}
