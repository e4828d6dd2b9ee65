//! What arrives on an instance: unpacking a bundle and copying its files to where the AppSpec file
//! says. The root of an instance's file system is a folder; nothing is written outside of it.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Component, Path, PathBuf},
};

use bytes::Bytes;
use tokio::process::Command;

use super::{
    appspec::{AppSpec, FileExists},
    revision::BundleType,
};

/// Why a bundle could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnpackError {
    /// The archive is broken.
    #[error("the revision is not a valid zip archive")]
    Zip(#[from] zip::result::ZipError),
    /// `tar` refused it.
    #[error("the revision is not a valid tar archive: {0}")]
    Tar(String),
    /// The file system refused.
    #[error("the revision could not be unpacked")]
    Io(#[from] io::Error),
    /// It is no archive at all.
    #[error("a bundle of this type cannot be deployed to instances")]
    Type,
}

/// Unpacks `bytes` into `folder`, which is made for it.
pub(super) async fn unpack(
    bytes: Bytes,
    bundle_type: BundleType,
    folder: &Path,
) -> Result<(), UnpackError> {
    fs::create_dir_all(folder)?;
    match bundle_type {
        BundleType::Zip => unzip(bytes, folder.to_owned()).await,
        BundleType::Tar => untar(&bytes, "-xf", folder).await,
        BundleType::Tgz => untar(&bytes, "-xzf", folder).await,
        BundleType::Yaml | BundleType::Json => Err(UnpackError::Type),
    }
}

async fn unzip(bytes: Bytes, folder: PathBuf) -> Result<(), UnpackError> {
    let unzipping = tokio::task::spawn_blocking(move || {
        zip::ZipArchive::new(io::Cursor::new(bytes))?.extract(folder)
    });
    unzipping
        .await
        .map_err(io::Error::other)?
        .map_err(UnpackError::Zip)
}

async fn untar(bytes: &[u8], flags: &str, folder: &Path) -> Result<(), UnpackError> {
    let archive = folder.with_extension("archive");
    fs::write(&archive, bytes)?;
    let mut tar = Command::new("tar");
    tar.arg(flags)
        .arg(&archive)
        .arg("-C")
        .arg(folder)
        .kill_on_drop(true);
    let output = tar.output().await;
    fs::remove_file(&archive)?;
    let output = output?;
    match output.status.success() {
        true => Ok(()),
        false => Err(UnpackError::Tar(
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )),
    }
}

/// Why files could not be copied.
#[derive(Debug, thiserror::Error)]
pub(super) enum InstallError {
    /// `source` names nothing in the bundle.
    #[error("No such file or directory - {0}")]
    Missing(String),
    /// A path leaves the bundle or the instance.
    #[error("the path {0} leaves its folder")]
    Escape(String),
    /// A file is there already that no deployment of ours brought.
    #[error("The deployment failed because a specified file already exists at this location: {0}")]
    Exists(String),
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// What could not be read or written.
        path: String,
        /// What the system says.
        source: io::Error,
    },
}

/// Copies a bundle's files to where its AppSpec file says and answers with what is installed now.
/// `before` is what the deployment before installed: it is taken away first, as the agent does.
pub(super) fn install(
    bundle: &Path,
    root: &Path,
    spec: &AppSpec,
    exists: FileExists,
    before: &BTreeSet<PathBuf>,
) -> Result<BTreeSet<PathBuf>, InstallError> {
    let copies = plan(bundle, root, spec)?;
    for old in before.iter().filter(|old| old.exists()) {
        fs::remove_file(old).map_err(|source| failed(old, source))?;
    }
    let mut installed = BTreeSet::new();
    for (from, to) in copies {
        // A file that this very deployment wrote twice is simply written twice.
        if to.exists() && !installed.contains(&to) {
            match exists {
                FileExists::Disallow => return Err(InstallError::Exists(seen(root, &to))),
                FileExists::Retain => continue,
                FileExists::Overwrite => {}
            }
        }
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).map_err(|source| failed(parent, source))?;
        }
        fs::copy(&from, &to).map_err(|source| failed(&from, source))?;
        installed.insert(to);
    }
    Ok(installed)
}

/// What is to be copied where, file by file.
fn plan(
    bundle: &Path,
    root: &Path,
    spec: &AppSpec,
) -> Result<Vec<(PathBuf, PathBuf)>, InstallError> {
    let mut copies = Vec::new();
    for entry in &spec.files {
        let from = inside(bundle, &entry.source)?;
        let to = inside(root, &entry.destination)?;
        if from.is_dir() {
            walk(&from, &to, &mut copies)?;
        } else if let (true, Some(name)) = (from.is_file(), from.file_name()) {
            copies.push((from.clone(), to.join(name)));
        } else {
            return Err(InstallError::Missing(entry.source.clone()));
        }
    }
    Ok(copies)
}

fn walk(from: &Path, to: &Path, copies: &mut Vec<(PathBuf, PathBuf)>) -> Result<(), InstallError> {
    let entries = fs::read_dir(from).map_err(|source| failed(from, source))?;
    for entry in entries {
        let entry = entry.map_err(|source| failed(from, source))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        match path.is_dir() {
            true => walk(&path, &target, copies)?,
            false => copies.push((path, target)),
        }
    }
    Ok(())
}

/// `path`, taken as relative to `folder` even when it is absolute.
pub(super) fn inside(folder: &Path, path: &str) -> Result<PathBuf, InstallError> {
    let mut within = folder.to_owned();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) => within.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(InstallError::Escape(path.to_owned()));
            }
        }
    }
    Ok(within)
}

/// A path as the instance sees it.
fn seen(root: &Path, path: &Path) -> String {
    match path.strip_prefix(root) {
        Ok(path) => format!("/{}", path.display()),
        Err(_) => path.display().to_string(),
    }
}

fn failed(path: &Path, source: io::Error) -> InstallError {
    InstallError::Io {
        path: path.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(files: &str) -> AppSpec {
        AppSpec::parse(&format!("version: 0.0\nos: linux\nfiles:\n{files}")).unwrap()
    }

    fn bundle() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let temp = tempfile::tempdir().unwrap();
        let (bundle, root) = (temp.path().join("bundle"), temp.path().join("root"));
        fs::create_dir_all(bundle.join("web/css")).unwrap();
        fs::create_dir_all(&root).unwrap();
        fs::write(bundle.join("web/index.html"), "new").unwrap();
        fs::write(bundle.join("web/css/a.css"), "a").unwrap();
        (temp, bundle, root)
    }

    #[test]
    fn folders_and_files_are_copied_under_the_root() {
        let (_temp, bundle, root) = bundle();
        let spec = spec(
            "  - source: /web\n    destination: /var/www\n  - source: web/index.html\n    \
             destination: /srv\n",
        );
        let none = BTreeSet::new();
        let installed = install(&bundle, &root, &spec, FileExists::Disallow, &none).unwrap();
        assert_eq!(installed.len(), 3);
        assert_eq!(
            fs::read_to_string(root.join("var/www/css/a.css")).unwrap(),
            "a"
        );
        assert_eq!(
            fs::read_to_string(root.join("srv/index.html")).unwrap(),
            "new"
        );
        fs::remove_file(bundle.join("web/css/a.css")).unwrap();
        let again = install(&bundle, &root, &spec, FileExists::Disallow, &installed).unwrap();
        assert_eq!(again.len(), 2);
        assert!(!root.join("var/www/css/a.css").exists());
    }

    #[test]
    fn a_foreign_file_is_kept_replaced_or_a_failure() {
        let (_temp, bundle, root) = bundle();
        let spec = spec("  - source: web/index.html\n    destination: /srv\n");
        fs::create_dir_all(root.join("srv")).unwrap();
        let foreign = root.join("srv/index.html");
        fs::write(&foreign, "old").unwrap();
        let none = BTreeSet::new();
        let refused = install(&bundle, &root, &spec, FileExists::Disallow, &none).unwrap_err();
        assert!(
            refused
                .to_string()
                .ends_with("at this location: /srv/index.html"),
            "{refused}"
        );
        install(&bundle, &root, &spec, FileExists::Retain, &none).unwrap();
        assert_eq!(fs::read_to_string(&foreign).unwrap(), "old");
        install(&bundle, &root, &spec, FileExists::Overwrite, &none).unwrap();
        assert_eq!(fs::read_to_string(&foreign).unwrap(), "new");
    }

    #[test]
    fn nothing_leaves_its_folder() {
        let (_temp, bundle, root) = bundle();
        let none = BTreeSet::new();
        for (source, destination) in [("/web", "../out"), ("../root", "/srv"), ("nothing", "/srv")]
        {
            let spec = spec(&format!(
                "  - source: {source}\n    destination: {destination}\n"
            ));
            assert!(install(&bundle, &root, &spec, FileExists::Overwrite, &none).is_err());
        }
    }
}
