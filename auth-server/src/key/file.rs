//! The key file: read, or made if there is none. Two servers that start at once agree on one file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use super::{KeyError, Keys, LegacyKey, SigningAlgorithm, SigningKey};
use crate::secret::{base64url, random_bytes};

/// Before there was a table of signing keys, they rested in the file, beside the root key.
const WITH_SIGNING_KEYS: u32 = 1;
const VERSION: u32 = 2;

/// The file's JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    /// Of files of the version before: the first one signed, the others were published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    signing_keys: Vec<StoredSigningKey>,
    /// 64 bytes from which the keys of cookies, of forms and of what is sealed are derived.
    root_key: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredSigningKey {
    alg: String,
    pkcs8: String,
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.root_key.zeroize();
        for key in &mut self.signing_keys {
            key.pkcs8.zeroize();
        }
    }
}

/// Reads the keys, making them first if the file is not there.
pub(crate) fn load_or_create(path: &Path) -> Result<Keys, KeyError> {
    match load(path) {
        Err(KeyError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            create(path)?;
            tracing::info!(path = %path.display(), "made new keys");
            load(path)
        }
        outcome => outcome,
    }
}

/// Reads the keys.
pub(crate) fn load(path: &Path) -> Result<Keys, KeyError> {
    let failed = |source| KeyError::File {
        path: path.to_owned(),
        action: "read",
        source,
    };
    let mut file = File::open(path).map_err(failed)?;
    refuse_exposed(path, &file)?;
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(failed)?;
    parse(&text).map_err(|reason| KeyError::Damaged {
        path: path.to_owned(),
        reason,
    })
}

/// Looks at the opened file, not at the path, which might lead elsewhere a moment later.
#[cfg(unix)]
fn refuse_exposed(path: &Path, file: &File) -> Result<(), KeyError> {
    use std::os::unix::fs::PermissionsExt as _;

    let metadata = file.metadata().map_err(|source| KeyError::File {
        path: path.to_owned(),
        action: "examined",
        source,
    })?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(KeyError::Exposed {
            path: path.to_owned(),
            mode,
        })
    }
}

#[cfg(not(unix))]
fn refuse_exposed(_path: &Path, _file: &File) -> Result<(), KeyError> {
    Ok(())
}

fn parse(text: &str) -> Result<Keys, &'static str> {
    let stored: Stored = serde_json::from_str(text).map_err(|_| "it is not the JSON that was written")?;
    match (stored.version, stored.signing_keys.is_empty()) {
        (VERSION, true) | (WITH_SIGNING_KEYS, false) => {}
        (VERSION, false) => return Err("a file of this version has no signing keys"),
        (WITH_SIGNING_KEYS, true) => return Err("it has no signing key"),
        _ => return Err("its version is unknown"),
    }
    let mut legacy = Vec::with_capacity(stored.signing_keys.len());
    for key in &stored.signing_keys {
        if key.alg != SigningAlgorithm::Es256.as_str() {
            return Err("a signing key has an unknown algorithm");
        }
        let pkcs8 = Zeroizing::new(
            STANDARD
                .decode(&key.pkcs8)
                .map_err(|_| "a signing key is not base64")?,
        );
        let signing = SigningKey::from_pkcs8(SigningAlgorithm::Es256, &pkcs8);
        let signing = signing.ok_or("a signing key is not a P-256 key")?;
        legacy.push(LegacyKey { signing, pkcs8 });
    }
    let mut root = Zeroizing::new([0; 64]);
    let decoded = Zeroizing::new(
        STANDARD
            .decode(&stored.root_key)
            .map_err(|_| "the root key is not base64")?,
    );
    if decoded.len() != root.len() {
        return Err("the root key has not 64 bytes");
    }
    root.copy_from_slice(&decoded);
    Ok(Keys::new(legacy, root))
}

/// Writes the file beside its place and links it there: it is whole from the first moment, and when another
/// process was faster, its file stays.
fn create(path: &Path) -> Result<(), KeyError> {
    let failed = |source| KeyError::File {
        path: path.to_owned(),
        action: "made",
        source,
    };
    let text = generate()?;
    let mut draft: PathBuf = path.to_owned();
    draft
        .as_mut_os_string()
        .push(format!(".{}.new", base64url(&random_bytes::<8>())));
    let outcome = write_private(&draft, text.as_bytes()).and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome,
    });
    // The link above is the file that stays; a draft that could not be removed is as private as it.
    let _ = fs::remove_file(&draft);
    outcome.map_err(failed)
}

fn generate() -> Result<Zeroizing<String>, KeyError> {
    let root = Zeroizing::new(random_bytes::<64>());
    let stored = Stored {
        version: VERSION,
        signing_keys: Vec::new(),
        root_key: STANDARD.encode(root.as_slice()),
    };
    serde_json::to_string_pretty(&stored)
        .map(Zeroizing::new)
        .map_err(|_| KeyError::Generation)
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let made = load_or_create(&path).unwrap();
        let found = load_or_create(&path).unwrap();
        assert!(made.legacy.is_empty() && found.legacy.is_empty());
        assert_eq!(made.cookie_key(), found.cookie_key());
        assert_ne!(made.cookie_key(), made.form_key());
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no draft is left behind"
        );
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_private_and_refused_when_it_is_not() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        load_or_create(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(
                matches!(load_or_create(&path), Err(KeyError::Exposed { .. })),
                "{mode:o}"
            );
        }
    }

    #[test]
    fn a_file_of_the_version_before_gives_its_signing_keys() {
        let keys: Vec<_> = (0..2)
            .map(|_| super::super::pair::generate(SigningAlgorithm::Es256).unwrap())
            .collect();
        let list = keys
            .iter()
            .map(|key| serde_json::json!({ "alg": "ES256", "pkcs8": STANDARD.encode(key.as_slice()) }));
        let file = |version: u32, keys: &[serde_json::Value]| {
            let root = STANDARD.encode([7; 64]);
            serde_json::json!({ "version": version, "signing_keys": keys, "root_key": root }).to_string()
        };
        let list: Vec<_> = list.collect();
        let found = parse(&file(1, &list)).unwrap();
        assert_eq!(found.legacy.len(), 2);
        assert_eq!(found.legacy[0].pkcs8, keys[0]);
        for (version, keys) in [(1, &list[..0]), (2, &list), (3, &list[..0])] {
            assert!(parse(&file(version, keys)).is_err(), "{version}");
        }
    }

    #[test]
    fn a_damaged_file_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        write_private(&path, b"{}").unwrap();
        assert!(matches!(load_or_create(&path), Err(KeyError::Damaged { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"{}");
    }
}
