//! The folder that keeps what has to outlive a run: databases, keys, secrets. Owner only.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Marks a folder as ours and, locked, as in use. It also says what it is to whoever looks into it.
const MARK: &str = "README.txt";
const MARK_TEXT: &str = "The data of `cargo run` in the Cloakroom workspace: databases, keys and secrets of the demo.\n\
                         Delete this folder to begin afresh; the demo makes a new one.\n";

/// Why a folder cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum DataFolderError {
    /// Something that must not be changed by us.
    #[error("{0} holds files that are not the demo's. Choose an empty or new folder with --data")]
    NotOurs(PathBuf),
    /// Two demos would write the same databases.
    #[error("another demo is using {0}. Stop that one, or choose another folder with --data")]
    InUse(PathBuf),
    /// Configuration files are UTF-8.
    #[error("{0} is not a UTF-8 path. Choose another folder with --data")]
    NotUtf8(PathBuf),
    /// The system's answer.
    #[error("{path} cannot be used: {source}. Choose another folder with --data")]
    Io {
        /// The folder or the file in it.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

/// An open data folder. Nobody else has it open as long as this lives.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    /// Holds the lock; the system lets go of it with the process, however that ends.
    _mark: File,
}

impl DataFolder {
    /// Opens the folder, which is made when it is missing.
    ///
    /// # Errors
    /// See [`DataFolderError`].
    pub fn open(path: &Path) -> Result<Self, DataFolderError> {
        let failed = |source| DataFolderError::Io {
            path: path.to_owned(),
            source,
        };
        make_private_folder(path).map_err(failed)?;
        let path = path.canonicalize().map_err(failed)?;
        if path.to_str().is_none() {
            return Err(DataFolderError::NotUtf8(path));
        }
        let mark_path = path.join(MARK);
        if !mark_path.exists() && fs::read_dir(&path).map_err(failed)?.next().is_some() {
            return Err(DataFolderError::NotOurs(path));
        }
        let mark = open_mark(&mark_path).map_err(failed)?;
        match mark.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DataFolderError::InUse(path)),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // Only now is it known to be ours, or empty.
        restrict_folder(&path).map_err(failed)?;
        Ok(Self { path, _mark: mark })
    }

    /// Where the folder is, as an absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The absolute path of a file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether a file is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.file(name).exists()
    }

    /// Removes an SQLite database and the journals beside it, if they are there.
    ///
    /// # Errors
    /// If one of them cannot be removed.
    pub fn remove_database(&self, name: &str) -> Result<(), DataFolderError> {
        for journal in ["", "-wal", "-shm"] {
            let path = self.file(&format!("{name}{journal}"));
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(DataFolderError::Io { path, source });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads a secret, which is made at first and kept, owner only.
    ///
    /// An empty file is no secret and is replaced. The file appears whole or not at all.
    ///
    /// # Errors
    /// If it can be neither read nor written.
    pub fn secret(&self, name: &str, make: impl FnOnce() -> String) -> Result<String, DataFolderError> {
        let path = self.file(name);
        self.read_or_write(&path, make)
            .map_err(|source| DataFolderError::Io { path, source })
    }

    fn read_or_write(&self, path: &Path, make: impl FnOnce() -> String) -> io::Result<String> {
        match fs::read_to_string(path) {
            Ok(kept) if !kept.trim().is_empty() => return Ok(kept.trim().to_owned()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let made = make();
        let draft = self.file("draft");
        // A draft can only be left over: nobody else has this folder.
        if draft.exists() {
            fs::remove_file(&draft)?;
        }
        let mut file = private_file().create_new(true).open(&draft)?;
        file.write_all(made.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        Ok(made.trim().to_owned())
    }
}

fn open_mark(path: &Path) -> io::Result<File> {
    let mut mark = private_file().read(true).create(true).open(path)?;
    if mark.metadata()?.len() == 0 {
        mark.write_all(MARK_TEXT.as_bytes())?;
    }
    Ok(mark)
}

#[cfg(unix)]
fn make_private_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn make_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).create(path)
}

#[cfg(unix)]
fn restrict_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn restrict_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn private_file() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

#[cfg(not(unix))]
fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    fn never() -> String {
        panic!("must not be made again")
    }

    #[test]
    fn a_secret_is_made_once_and_survives_the_run() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("new/demo-data");
        let made = DataFolder::open(&path)
            .unwrap()
            .secret("secret", || "s3cret".to_owned());
        assert_eq!(made.unwrap(), "s3cret");
        assert_eq!(
            DataFolder::open(&path).unwrap().secret("secret", never).unwrap(),
            "s3cret"
        );
    }

    #[test]
    fn an_empty_file_is_no_secret_and_a_left_over_draft_no_hindrance() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(folder.path()).unwrap();
        fs::write(data.file("secret"), "\n").unwrap();
        fs::write(data.file("draft"), "half").unwrap();
        assert_eq!(data.secret("secret", || "whole".to_owned()).unwrap(), "whole");
        assert!(!data.file("draft").exists());
    }

    #[test]
    fn a_folder_with_files_of_someone_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("thesis.odt"), "…").unwrap();
        let error = DataFolder::open(folder.path()).unwrap_err();
        assert!(matches!(error, DataFolderError::NotOurs(_)), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn two_demos_never_share_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataFolder::open(folder.path()).unwrap();
        assert!(matches!(
            DataFolder::open(folder.path()),
            Err(DataFolderError::InUse(_))
        ));
        drop(first);
        assert!(DataFolder::open(folder.path()).is_ok());
    }

    #[test]
    fn a_file_in_place_of_the_folder_is_a_fault_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demo-data");
        fs::write(&path, "").unwrap();
        let error = DataFolder::open(&path).unwrap_err().to_string();
        assert!(error.contains("demo-data cannot be used"), "{error}");
    }

    #[test]
    fn a_database_goes_with_its_journals_and_nothing_else_goes() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(folder.path()).unwrap();
        for name in ["db", "db-wal", "db-other"] {
            fs::write(data.file(name), "").unwrap();
        }
        data.remove_database("db").unwrap();
        assert!(!data.has("db") && !data.has("db-wal") && data.has("db-other"));
        data.remove_database("db").unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn folder_and_secrets_are_the_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("demo-data");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();

        let data = DataFolder::open(&path).unwrap();
        data.secret("secret", || "s3cret".to_owned()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&data.file("secret")), 0o600);
        assert_eq!(mode(&data.file(MARK)), 0o600);
    }
}
