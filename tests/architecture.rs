//! Holds the workspace to its architecture: which part may know which, and what may be depended on at all.
//!
//! Folders are capabilities and imports run downwards; a library that could be reached for anywhere is named in one
//! place. Each finding is a sentence with file and line. What a rule is for stands in `docs/architecture.md`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a source tree that cannot be read fails the test"
)]

#[path = "architecture/checks.rs"]
mod checks;
#[path = "architecture/dependencies.rs"]
mod dependencies;
#[path = "architecture/grammar.rs"]
mod grammar;
#[path = "architecture/http_clients.rs"]
mod http_clients;
#[path = "architecture/layers.rs"]
mod layers;
#[path = "architecture/libraries.rs"]
mod libraries;
#[path = "architecture/sizes.rs"]
mod sizes;
#[path = "architecture/source.rs"]
mod source;

use std::path::{Path, PathBuf};

use self::layers::imports_run_downwards;
use self::libraries::is_named_only_in;
use self::source::{Source, sources_of};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are a member of the workspace")
        .to_owned()
}

fn sources(krate: &str) -> Vec<Source> {
    sources_of(&workspace(), krate)
}

#[track_caller]
fn assert_none(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn in_the_bff_imports_run_downwards() {
    assert_none(&imports_run_downwards(&sources("bff"), layers::BFF_LAYERS));
}

#[test]
fn in_the_auth_server_imports_run_downwards() {
    assert_none(&imports_run_downwards(
        &sources("auth-server"),
        layers::AUTH_SERVER_LAYERS,
    ));
}

#[test]
fn bff_and_auth_server_do_not_know_each_other() {
    for (krate, library) in libraries::STRANGERS {
        assert_none(&is_named_only_in(&sources(krate), library));
    }
    for (krate, other) in [
        ("bff", "auth-server"),
        ("auth-server", "bff"),
        ("resource-server", "bff"),
        ("resource-server", "auth-server"),
    ] {
        assert!(
            !dependencies::names(&workspace(), krate, other),
            "{krate}/Cargo.toml depends on {other}"
        );
    }
}

#[test]
fn only_the_edge_of_each_server_knows_actix() {
    for (krate, library) in libraries::ACTIX {
        assert_none(&is_named_only_in(&sources(krate), library));
    }
}

#[test]
fn only_the_redis_store_knows_redis() {
    for (krate, library) in libraries::REDIS {
        assert_none(&is_named_only_in(&sources(krate), library));
    }
}

#[test]
fn only_the_ticket_knows_actix_session() {
    for (krate, library) in libraries::ACTIX_SESSION {
        assert_none(&is_named_only_in(&sources(krate), library));
    }
}

#[test]
fn jwts_are_verified_in_one_place_and_signed_in_another() {
    for (krate, library) in libraries::JSONWEBTOKEN {
        assert_none(&is_named_only_in(&sources(krate), library));
    }
}

#[test]
fn only_the_stores_know_their_databases() {
    for (krate, library) in libraries::DATABASES {
        assert_none(&is_named_only_in(&sources(krate), library));
    }
}

#[test]
fn http_clients_are_built_where_their_dangers_are_decided() {
    for krate in ["bff", "auth-server", "resource-server"] {
        assert_none(&http_clients::clients_are_built_at_home(&sources(krate)));
    }
}

#[test]
fn files_and_folders_have_the_size_of_a_thought() {
    for krate in ["bff", "auth-server", "resource-server", "demo", "tests"] {
        assert_none(&sizes::files_are_short(&workspace().join(krate)));
    }
}

#[test]
fn each_check_has_its_test() {
    for page in [checks::AUTH_SERVER, checks::RESOURCE_SERVER] {
        assert_none(&page.lines_and_tests_agree(&workspace()));
    }
    assert_none(&checks::AUTH_SERVER.named_tests_exist(&workspace()));
}

#[test]
fn stories_of_the_auth_server_call_nothing_of_its_library() {
    let libraries = ["auth_server", "bff", "e2e"];
    assert_none(&checks::AUTH_SERVER.stories_stay_outside(&workspace(), &libraries));
}

#[test]
fn the_lock_file_holds_no_dependency_that_policy_forbids() {
    assert_none(&dependencies::forbidden(&workspace()));
}

#[test]
fn no_second_crypto_provider_is_built() {
    assert_none(&dependencies::built_but_forbidden(&workspace()));
}

#[test]
fn every_dependency_says_why_it_is_there() {
    assert_none(&dependencies::without_reason(&workspace()));
}

#[test]
fn the_lock_files_of_npm_name_no_registry_of_this_machine() {
    for folder in ["foreign-provider", "grpc", "interop", "vite"] {
        let lock_file = workspace().join("tests").join(folder).join("package-lock.json");
        assert_none(&dependencies::machine_specific(&lock_file));
    }
}
