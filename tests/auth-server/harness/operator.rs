//! What operators do beside a running server: commands of the program.

use serde_json::Value;

use super::clock::StoryClock;
use super::process::fresh_folder;
use super::{PASSWORD, Server, process};

impl Server {
    /// Carries out a command that has to succeed; gives the objects that it answers with.
    pub(crate) async fn operator(&self, arguments: &[&str]) -> Vec<Value> {
        self.operator_who_types(arguments, "").await
    }

    /// The same with something on standard input.
    pub(crate) async fn operator_who_types(&self, arguments: &[&str], input: &str) -> Vec<Value> {
        // Before that which may begin with a hyphen.
        let names = arguments.iter().position(|word| *word == "--");
        let (words, names) = arguments.split_at(names.unwrap_or(arguments.len()));
        let arguments = [words, &["--json"], names].concat();
        let ran = process::run(self.folder.path(), &self.clock, &arguments, input).await;
        let errors = String::from_utf8(ran.stderr).unwrap();
        assert!(ran.status.success(), "{arguments:?}: {errors}");
        assert!(!errors.contains(PASSWORD), "{errors}");
        let text = String::from_utf8(ran.stdout).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Carries out a command that has to fail; gives what it complains of.
    pub(crate) async fn operator_refused(&self, arguments: &[&str], input: &str) -> String {
        let ran = process::run(self.folder.path(), &self.clock, arguments, input).await;
        let errors = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(1), "{arguments:?}: {errors}");
        errors
    }

    /// Ends sessions; gives how many.
    pub(crate) async fn end_sessions(&self, which: &[&str]) -> u64 {
        let told = self.operator(&[&["session", "end"], which].concat()).await;
        told[0]["ended"].as_u64().unwrap()
    }

    /// Adds a client to the database; gives its secret, if it needs one.
    pub(crate) async fn add_client(&self, settings: &str) -> Option<String> {
        let told = self.operator_who_types(&["client", "add", "-"], settings).await;
        let secret = told[0]["client_secret"]["secret"].as_str();
        secret.map(str::to_owned)
    }

    /// Disables or removes a client of the database; gives how many grants ended.
    pub(crate) async fn end_client(&self, words: &[&str]) -> u64 {
        let told = self.operator(&[&["client"], words].concat()).await;
        told[0]["grants_ended"].as_u64().unwrap()
    }

    /// Gives alice another password, as an operator does when she asks for it.
    pub(crate) async fn reset_password_of_alice(&self, password: &str) {
        self.operator_who_types(&["user", "password", "alice"], password)
            .await;
    }
}

/// What the program finds wrong with a configuration.
pub(crate) async fn faults_of(toml: &str) -> String {
    let folder = fresh_folder();
    let clock = StoryClock::in_folder(folder.path());
    process::configure(folder.path(), toml);
    let ran = process::run(folder.path(), &clock, &["--check-config"], "").await;
    let errors = String::from_utf8(ran.stderr).unwrap();
    let expected = if errors.is_empty() { 0 } else { 78 };
    assert_eq!(ran.status.code(), Some(expected), "{errors}");
    errors
}
