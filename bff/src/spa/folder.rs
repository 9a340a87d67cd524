//! The folder with the SPA's files, and which file in it a path means.
//!
//! A path has its one form by now. What remains to be seen to: names that begin with a dot are nobody's business, and a
//! link that leads out of the folder leads nowhere.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use percent_encoding::percent_decode_str;

use super::coding::{Accepted, Coding};
use crate::routing::NormalPath;

/// What is read whole. Nearly every file of a page is smaller; it takes one trip to the disk and is tagged by its content.
const SMALL: u64 = 256 * 1024;

/// The page of the SPA.
const INDEX: &str = "index.html";

/// The only name with a dot at its beginning that is meant for others (RFC 8615).
const WELL_KNOWN: &str = ".well-known";

/// A folder that is there.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

/// A file of the folder in the form that is sent.
#[derive(Debug)]
pub struct Found {
    /// What its name says that it is.
    pub media_type: String,
    /// How it is compressed.
    pub coding: Option<Coding>,
    /// Whether it lies there in several forms.
    pub varies: bool,
    /// Its tag, in quotes.
    pub tag: String,
    /// Its length, in the form that is sent.
    pub length: u64,
    /// Its bytes.
    pub content: Content,
}

/// The bytes of a file.
#[derive(Debug)]
pub enum Content {
    /// A small one.
    Whole(Bytes),
    /// A large one, to be read piece by piece.
    Open(File),
}

impl Folder {
    /// The folder at this place.
    ///
    /// # Errors
    /// When it is not there.
    pub fn new(place: &Path) -> io::Result<Self> {
        fs::canonicalize(place).map(Self)
    }

    /// Opens what a path means: a file, or the `index.html` of a folder. It waits for the disk.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open(&self, path: &NormalPath, accepted: Accepted) -> io::Result<Option<Found>> {
        match relative(path) {
            Some(relative) => self.open_below(&relative, accepted),
            None => Ok(None),
        }
    }

    /// Opens the SPA's page.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open_index(&self, accepted: Accepted) -> io::Result<Option<Found>> {
        self.open_below(Path::new(INDEX), accepted)
    }

    fn open_below(&self, relative: &Path, accepted: Accepted) -> io::Result<Option<Found>> {
        let Some(mut place) = self.inside(&self.0.join(relative))? else {
            return Ok(None);
        };
        if place.is_dir() {
            let Some(index) = self.inside(&place.join(INDEX))? else {
                return Ok(None);
            };
            place = index;
        }
        let plain = fs::metadata(&place)?;
        if !plain.is_file() {
            return Ok(None);
        }
        let forms: Vec<(Coding, PathBuf)> = Coding::ALL
            .into_iter()
            .filter_map(|coding| Some((coding, self.compressed(&place, &plain, coding)?)))
            .collect();
        let coding = accepted.best(|coding| forms.iter().any(|(held, _)| *held == coding));
        let sent = forms
            .iter()
            .find(|(held, _)| Some(*held) == coding)
            .map_or(&place, |(_, form)| form);
        read(sent, &place, coding, !forms.is_empty()).map(Some)
    }

    /// The place that this name leads to, if it is in the folder.
    fn inside(&self, place: &Path) -> io::Result<Option<PathBuf>> {
        match fs::canonicalize(place) {
            Ok(real) if real.starts_with(&self.0) => Ok(Some(real)),
            Ok(_) => Ok(None),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::InvalidFilename
                | io::ErrorKind::InvalidInput => Ok(None),
                _ => Err(error),
            },
        }
    }

    /// The compressed form beside a file, unless it is older than the file: then it is of an earlier build.
    fn compressed(&self, place: &Path, plain: &fs::Metadata, coding: Coding) -> Option<PathBuf> {
        let mut name = place.as_os_str().to_owned();
        name.push(coding.suffix());
        let form = self.inside(Path::new(&name)).ok().flatten()?;
        let facts = fs::metadata(&form).ok()?;
        let is_current = facts.modified().ok()? >= plain.modified().ok()?;
        (facts.is_file() && is_current).then_some(form)
    }
}

fn relative(path: &NormalPath) -> Option<PathBuf> {
    let decoded = percent_decode_str(path.as_str()).decode_utf8().ok()?;
    let mut relative = PathBuf::new();
    for (depth, segment) in decoded
        .split('/')
        .filter(|segment| !segment.is_empty())
        .enumerate()
    {
        let is_hidden = segment.starts_with('.') && !(depth == 0 && segment == WELL_KNOWN);
        if is_hidden || segment.contains('\\') {
            return None;
        }
        relative.push(segment);
    }
    Some(relative)
}

fn read(sent: &Path, named: &Path, coding: Option<Coding>, varies: bool) -> io::Result<Found> {
    let mut file = File::open(sent)?;
    let facts = file.metadata()?;
    let (content, length, tag) = if facts.len() <= SMALL {
        let mut bytes = Vec::with_capacity(usize::try_from(facts.len()).unwrap_or(0));
        file.read_to_end(&mut bytes)?;
        let tag = URL_SAFE_NO_PAD.encode(&digest(&SHA256, &bytes).as_ref()[..16]);
        let length = bytes.len() as u64;
        (Content::Whole(bytes.into()), length, tag)
    } else {
        let changed = facts.modified()?.duration_since(std::time::UNIX_EPOCH);
        let changed = changed.unwrap_or_default().as_nanos();
        let form = coding.map_or("", Coding::name);
        let tag = format!("{:x}-{changed:x}{form}", facts.len());
        (Content::Open(file), facts.len(), tag)
    };
    Ok(Found {
        media_type: media_type(named),
        coding,
        varies,
        tag: format!("\"{tag}\""),
        length,
        content,
    })
}

fn media_type(named: &Path) -> String {
    let guessed = mime_guess::from_path(named).first_or_octet_stream();
    if guessed.type_() == "text" {
        format!("{guessed}; charset=utf-8")
    } else {
        guessed.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("dist");
        fs::create_dir_all(root.join("docs")).unwrap();
        fs::create_dir_all(root.join(".git")).unwrap();
        fs::create_dir_all(root.join(".well-known")).unwrap();
        for (name, text) in [
            ("index.html", "page"),
            ("docs/index.html", "docs"),
            (".git/config", "hidden"),
            (".env", "hidden"),
            (".well-known/security.txt", "known"),
            ("a b.txt", "spaced"),
            ("../secret", "outside"),
        ] {
            fs::write(root.join(name), text).unwrap();
        }
        let folder = Folder::new(&root).unwrap();
        (place, folder)
    }

    fn text(folder: &Folder, path: &str) -> Option<String> {
        let path = NormalPath::parse(path).unwrap();
        let found = folder.open(&path, Accepted::PLAIN_ONLY).unwrap()?;
        match found.content {
            Content::Whole(bytes) => Some(String::from_utf8(bytes.to_vec()).unwrap()),
            Content::Open(_) => panic!("a small file"),
        }
    }

    #[test]
    fn a_path_means_a_file_or_a_folder_s_index() {
        let (_place, folder) = folder();
        for (path, content) in [
            ("/", "page"),
            ("/index.html", "page"),
            ("/docs", "docs"),
            ("/docs/", "docs"),
            ("/a%20b.txt", "spaced"),
            ("/.well-known/security.txt", "known"),
        ] {
            assert_eq!(text(&folder, path).as_deref(), Some(content), "{path}");
        }
    }

    #[test]
    fn hidden_names_and_what_is_not_there_are_nothing() {
        let (_place, folder) = folder();
        let long = format!("/{}", "x".repeat(5_000));
        for path in [
            "/.env",
            "/.git/config",
            "/docs/.well-known/x",
            "/nothing",
            "/index.html/x",
            "/..secret",
            &long,
        ] {
            assert_eq!(text(&folder, path), None, "{path}");
        }
    }

    #[test]
    fn links_out_of_the_folder_lead_nowhere() {
        let (place, folder) = folder();
        let link = |target: &Path, name: &str| {
            std::os::unix::fs::symlink(target, place.path().join("dist").join(name)).unwrap();
        };
        link(Path::new("../secret"), "out");
        link(place.path(), "up");
        link(Path::new("index.html"), "within");
        link(Path::new("../secret"), "index.html.br");
        assert_eq!(text(&folder, "/out"), None);
        assert_eq!(text(&folder, "/up/secret"), None);
        assert_eq!(text(&folder, "/within").as_deref(), Some("page"));
        let page = NormalPath::parse("/index.html").unwrap();
        let found = folder.open(&page, Accepted::parse("br")).unwrap().unwrap();
        assert_eq!((found.coding, found.varies), (None, false));
    }

    /// Reproducible builds give all files one time, and an index that names hashed scripts keeps its length.
    #[test]
    fn a_tag_is_of_the_content_and_not_of_the_time() {
        let (place, folder) = folder();
        let page = place.path().join("dist/index.html");
        let time = fs::metadata(&page).unwrap().modified().unwrap();
        let tag = || {
            let found = folder.open_index(Accepted::PLAIN_ONLY).unwrap();
            found.unwrap().tag
        };
        let before = tag();
        fs::write(&page, "gape").unwrap();
        File::options()
            .write(true)
            .open(&page)
            .unwrap()
            .set_modified(time)
            .unwrap();
        assert_ne!(tag(), before);
    }

    #[test]
    fn a_compressed_form_of_an_earlier_build_is_not_sent() {
        let (place, folder) = folder();
        let form = place.path().join("dist/index.html.gz");
        fs::write(&form, "packed").unwrap();
        let coding = || {
            let found = folder.open_index(Accepted::parse("gzip")).unwrap();
            found.unwrap().coding
        };
        assert_eq!(coding(), Some(Coding::Gzip));
        let file = File::options().write(true).open(&form).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(coding(), None);
    }
}
