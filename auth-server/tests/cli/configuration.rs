use crate::harness::{Folder, GOOD, WITH_CLIENT, told};

#[test]
fn a_good_configuration_is_said_to_be_one() {
    let folder = Folder::new(GOOD);
    for arguments in [&["--check-config"][..], &["serve", "--check-config"]] {
        let output = folder.run(arguments, "");
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(told(&output), "configuration is valid\n");
    }
    assert!(!folder.file("keys").exists(), "checking makes nothing");
}

#[test]
fn a_bad_configuration_exits_with_78_and_all_faults() {
    let folder = Folder::new("issuer = \"http://op.example\"\ncolour = 1");
    for arguments in [
        &["--check-config"][..],
        &["serve"],
        &[],
        &["user", "list"],
        &["session", "list", "--all"],
        &["client", "list"],
    ] {
        let output = folder.run(arguments, "");
        assert_eq!(output.status.code(), Some(78), "{arguments:?}");
        assert!(told(&output).contains("2 faults"), "{}", told(&output));
        assert!(told(&output).contains("issuer") && told(&output).contains("colour"));
    }
    let output = folder.run(&["--config", "missing.toml"], "");
    assert_eq!(output.status.code(), Some(78));
    assert!(told(&output).contains("missing.toml"));
}

#[test]
fn only_who_serves_needs_the_clients_secrets() {
    let folder = Folder::with_user(WITH_CLIENT, "alice");
    for arguments in [
        &["user", "list"][..],
        &["user", "show", "alice"],
        &["session", "list", "--all"],
        &["client", "list"],
    ] {
        folder.done(arguments);
    }
    for arguments in [
        &["serve"][..],
        &["--check-config"],
        &["user", "list", "--check-config"],
    ] {
        let output = folder.run(arguments, "");
        assert_eq!(output.status.code(), Some(78), "{arguments:?}");
        assert!(
            told(&output).contains("client[0].secret_env = SECRET"),
            "{}",
            told(&output)
        );
    }
}

#[cfg(unix)]
#[test]
fn it_refuses_to_start_with_keys_that_others_can_read() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = Folder::new(&format!("{GOOD}\n[server]\nlisten = \"127.0.0.1:0\""));
    std::fs::write(folder.file("keys"), "{}").unwrap();
    std::fs::set_permissions(folder.file("keys"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let output = folder.run(&[], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        told(&output).contains("may be read by others (mode 644)"),
        "{}",
        told(&output)
    );
}
