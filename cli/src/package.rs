//! Packing a folder into an archive that is the same byte for byte whenever, wherever and by
//! whomever it is packed, and looking into archives. Uploading is [`crate::verb::publish`].

use std::fs::File;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use domain::bundle::{APPSPECS, Bundle};
use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::appspec;
use crate::archive::Contents;
use crate::failure::Failure;

/// Largest archive, in bytes: one PutObject takes 5 GB, and it is held in memory here.
const ARCHIVE_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Permissions of packed files: whether one can be executed is all that is kept.
const MODE_PLAIN: u32 = 0o644;
const MODE_EXECUTABLE: u32 = 0o755;

/// An archive, ready to be uploaded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Package {
    /// How it is packed.
    pub(crate) bundle: Bundle,
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// The SHA-256 of them.
    pub(crate) sha256: [u8; 32],
}

impl Package {
    /// A folder packed, or an archive as it is. Both must hold one appspec in their root.
    pub(crate) fn of(path: &Path) -> Result<Self, Failure> {
        let (bundle, bytes) = if path.is_dir() {
            (Bundle::Zip, pack(path)?)
        } else {
            let bytes = read(path)?;
            let bundle = path.to_str().and_then(Bundle::of);
            (bundle.ok_or_else(|| no_archive(path))?, bytes)
        };
        check(path, bundle, &bytes)?;
        let sha256 = Sha256::digest(&bytes).into();
        Ok(Self {
            bundle,
            bytes,
            sha256,
        })
    }

    /// The first twelve hex digits of its SHA-256: a name when there is no version.
    pub(crate) fn short_hash(&self) -> String {
        hex::encode(self.sha256.get(..6).unwrap_or(&self.sha256))
    }
}

fn no_archive(path: &Path) -> Failure {
    Failure::usage(format!(
        "{} is neither a folder nor an archive",
        path.display()
    ))
    .because("CodeDeploy unpacks .zip, .tar, .tar.gz and .tgz")
    .hint("give a folder, and it is packed for you")
}

fn unreadable(path: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::usage(format!("cannot read {}", path.display())).because(error)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let length = path
        .metadata()
        .map_err(|error| unreadable(path, error))?
        .len();
    if length > ARCHIVE_BYTES_MAX {
        return Err(too_large(path, length));
    }
    std::fs::read(path).map_err(|error| unreadable(path, error))
}

fn too_large(path: &Path, length: u64) -> Failure {
    Failure::usage(format!("{} is too large", path.display())).because(format!(
        "{length} bytes, and the limit is {ARCHIVE_BYTES_MAX}"
    ))
}

/// Packs a folder: files in the order of their names, one time for all, no owner.
fn pack(folder: &Path) -> Result<Vec<u8>, Failure> {
    let mut files = Vec::new();
    list(folder, folder, &mut files).map_err(|error| unreadable(folder, error))?;
    files.sort();
    let total: u64 = files
        .iter()
        .filter_map(|file| folder.join(file).metadata().ok())
        .map(|m| m.len())
        .sum();
    if total > ARCHIVE_BYTES_MAX {
        return Err(too_large(folder, total));
    }
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for file in &files {
        add(&mut archive, folder, file).map_err(|error| unreadable(&folder.join(file), error))?;
    }
    let packed = archive
        .finish()
        .map_err(|error| unreadable(folder, error))?;
    Ok(packed.into_inner())
}

/// All files below a folder, by their path within `root`. A link is followed, as what it leads to
/// is what is meant to be deployed.
fn list(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for item in std::fs::read_dir(folder)? {
        let path = item?.path();
        if path.is_dir() {
            list(root, &path, files)?;
        } else if let Ok(within) = path.strip_prefix(root) {
            files.push(within.to_owned());
        }
    }
    Ok(())
}

fn add(archive: &mut ZipWriter<Cursor<Vec<u8>>>, folder: &Path, file: &Path) -> io::Result<()> {
    let mut source = File::open(folder.join(file))?;
    let mode = if is_executable(&source)? {
        MODE_EXECUTABLE
    } else {
        MODE_PLAIN
    };
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(mode);
    let parts: Option<Vec<&str>> = file.iter().map(|part| part.to_str()).collect();
    let name = parts
        .ok_or_else(|| io::Error::other("its name is no UTF-8"))?
        .join("/");
    archive.start_file(name, options)?;
    io::copy(&mut source, archive).map(drop)
}

#[cfg(unix)]
fn is_executable(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(file.metadata()?.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(_: &File) -> io::Result<bool> {
    Ok(false)
}

/// The archive opens, has exactly one appspec in its root, and that can be followed.
fn check(path: &Path, bundle: Bundle, bytes: &[u8]) -> Result<(), Failure> {
    let shown = path.display().to_string();
    let contents = Contents::of(bundle, bytes).map_err(|error| {
        Failure::usage(format!("{shown} is no {}", bundle.word()))
            .because(error)
            .hint("give a folder, and it is packed for you")
    })?;
    let [(name, text)] = contents.appspecs.as_slice() else {
        let failure = if contents.appspecs.is_empty() {
            let failure = Failure::usage(format!("{shown} has no appspec.yml in its root"));
            let deeper = contents.names.iter().filter(|name| is_appspec(name));
            deeper.fold(failure, |failure, name| {
                failure.because(format!("there is {name}"))
            })
        } else {
            Failure::usage(format!("{shown} has both appspec.yml and appspec.yaml"))
        };
        return Err(failure.hint("CodeDeploy wants exactly one of them in the archive's root"));
    };
    appspec::check(&shown, name, text, &contents.names)
}

fn is_appspec(name: &str) -> bool {
    name.rsplit('/')
        .next()
        .is_some_and(|last| APPSPECS.contains(&last))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, SystemTime};

    use zip::ZipArchive;

    use super::*;
    use crate::archive;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    const FILES: [(&str, &str); 3] = [
        ("appspec.yml", "version: 0.0\nos: linux\n"),
        ("bin/start", "#!/bin/sh\n"),
        ("a.txt", "a"),
    ];

    #[test]
    fn the_same_folder_makes_the_same_bytes() {
        let mut turned = FILES;
        turned.reverse();
        let (one, other) = (folder(&FILES), folder(&turned));
        let long_ago = SystemTime::now() - Duration::from_secs(86_400 * 400);
        File::open(other.path().join("a.txt"))
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
        let (one, other) = (
            Package::of(one.path()).unwrap(),
            Package::of(other.path()).unwrap(),
        );
        assert_eq!(one, other);
        assert_eq!(one.short_hash(), other.short_hash());
    }

    #[test]
    fn other_content_makes_other_bytes() {
        let one = Package::of(folder(&FILES).path()).unwrap();
        let other = folder(&FILES);
        fs::write(other.path().join("a.txt"), "b").unwrap();
        assert_ne!(one.sha256, Package::of(other.path()).unwrap().sha256);
    }

    #[cfg(unix)]
    #[test]
    fn what_can_be_executed_stays_so() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = folder(&FILES);
        let start = folder.path().join("bin/start");
        fs::set_permissions(&start, fs::Permissions::from_mode(0o700)).unwrap();
        let package = Package::of(folder.path()).unwrap();
        let mut archive = ZipArchive::new(Cursor::new(package.bytes)).unwrap();
        let names: Vec<String> = archive
            .file_names()
            .map(|name| name.unwrap().into_owned())
            .collect();
        assert_eq!(names, ["a.txt", "appspec.yml", "bin/start"]);
        let mode = |archive: &mut ZipArchive<_>, name| archive.by_name(name).unwrap().unix_mode();
        assert_eq!(mode(&mut archive, "bin/start").unwrap() & 0o777, 0o755);
        assert_eq!(mode(&mut archive, "a.txt").unwrap() & 0o777, 0o644);
    }

    #[test]
    fn an_archive_goes_as_it_is() {
        let packed = Package::of(folder(&FILES).path()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("web.zip");
        fs::write(&file, &packed.bytes).unwrap();
        assert_eq!(Package::of(&file).unwrap(), packed);
        let file = folder.path().join("web.tgz");
        let bytes = archive::tests::gzipped(&archive::tests::tar(&FILES));
        fs::write(&file, &bytes).unwrap();
        let packed = Package::of(&file).unwrap();
        assert_eq!((packed.bundle, packed.bytes), (Bundle::TarGz, bytes));
    }

    #[test]
    fn what_codedeploy_would_refuse_is_refused_here() {
        let message = |files: &[(&str, &str)]| {
            let failure = Package::of(folder(files).path()).unwrap_err();
            (
                failure
                    .message
                    .rsplit_once("/.tmp")
                    .unwrap()
                    .1
                    .split_once(' ')
                    .unwrap()
                    .1
                    .to_owned(),
                failure.evidence,
            )
        };
        assert_eq!(
            message(&[("app/appspec.yml", "")]),
            (
                "has no appspec.yml in its root".into(),
                vec!["there is app/appspec.yml".into()]
            )
        );
        assert_eq!(
            message(&[("appspec.yml", ""), ("appspec.yaml", "")]),
            ("has both appspec.yml and appspec.yaml".into(), vec![])
        );
        let folder = tempfile::tempdir().unwrap();
        for (name, words) in [
            ("web.zip", "is no zip archive"),
            ("web.tgz", "is no gzipped tar archive"),
            ("web.war", "is neither a folder nor an archive"),
        ] {
            let file = folder.path().join(name);
            fs::write(&file, "no archive").unwrap();
            let failure = Package::of(&file).unwrap_err();
            assert!(failure.message.ends_with(words), "{failure:?}");
        }
        assert!(Package::of(Path::new("/nowhere/at/all")).is_err());
    }
}
