//! The repository as the checks see it: every text file, and every crate. Read once, so that checks
//! are functions of a value and their tests make up small trees of their own.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand, Package};

/// Folders whose content nobody wrote.
const MADE: [&str; 4] = [".git", ".lastgood", "node_modules", "target"];
/// Files that tests leave behind for a person to look at; git ignores them too.
const PENDING: [&str; 2] = [".snap.new", ".pending-snap"];

/// The repository.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Content of every text file, by its path from the root, with `/` between folders.
    pub files: BTreeMap<String, String>,
    /// The paths of all other files: pictures, mostly.
    pub others: BTreeSet<String>,
    /// The crates of the workspace.
    pub crates: Vec<Crate>,
}

/// One crate of the workspace.
#[derive(Debug, Clone)]
pub(crate) struct Crate {
    /// Its name in Cargo.toml.
    pub name: String,
    /// Its folder, from the root.
    pub folder: String,
    /// Names of its binaries.
    pub binaries: Vec<String>,
    /// Names of the crates it asks for itself, for whatever purpose.
    pub needs: Vec<String>,
}

impl Crate {
    /// Its Cargo.toml, from the root.
    pub(crate) fn manifest(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }
}

impl Tree {
    /// Reads the repository that the current folder belongs to.
    ///
    /// # Errors
    /// When cargo cannot read the workspace, or a file cannot be read.
    pub(crate) fn read() -> Result<Self> {
        let metadata = metadata()?;
        let root = metadata.workspace_root.as_std_path();
        let mut tree = Self::default();
        tree.gather(root, root)?;
        tree.crates = metadata
            .workspace_packages()
            .into_iter()
            .map(|package| package_to_crate(root, package))
            .collect();
        Ok(tree)
    }

    fn gather(&mut self, root: &Path, folder: &Path) -> Result<()> {
        let entries =
            fs::read_dir(folder).with_context(|| format!("cannot list {}", show(folder)))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot list {}", show(folder)))?;
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry
                .file_type()
                .context("cannot tell files from folders")?;
            if kind.is_dir() {
                if !MADE.contains(&name.as_str()) {
                    self.gather(root, &path)?;
                }
            } else if kind.is_file() && !PENDING.iter().any(|end| name.ends_with(end)) {
                let bytes = match fs::read(&path) {
                    // Editors and tests make files and remove them again.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    read => read.with_context(|| format!("cannot read {}", show(&path)))?,
                };
                let Ok(path) = path.strip_prefix(root).map(slashes) else {
                    continue;
                };
                match String::from_utf8(bytes) {
                    Ok(text) => drop(self.files.insert(path, text)),
                    // Of what is no text a check here can only say that it is there.
                    Err(_) => drop(self.others.insert(path)),
                }
            }
        }
        Ok(())
    }

    /// The files whose names end in one of these.
    pub(crate) fn ending<'a>(
        &'a self,
        ends: &'a [&str],
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.files
            .iter()
            .filter(|(path, _)| ends.iter().any(|end| path.ends_with(end)))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The lines of these files with their numbers, from 1.
    pub(crate) fn lines<'a>(
        &'a self,
        ends: &'a [&str],
    ) -> impl Iterator<Item = (&'a str, usize, &'a str)> {
        self.ending(ends).flat_map(|(path, text)| {
            text.lines()
                .enumerate()
                .map(move |(index, line)| (path, index + 1, line))
        })
    }

    /// A file's content; nothing when there is none.
    pub(crate) fn text(&self, path: &str) -> &str {
        self.files.get(path).map_or("", String::as_str)
    }

    /// Where a file says this at the beginning of a line; 1 when nowhere.
    pub(crate) fn line_of(&self, path: &str, beginning: &str) -> usize {
        self.text(path)
            .lines()
            .position(|line| line.trim_start().starts_with(beginning))
            .map_or(1, |index| index + 1)
    }
}

/// What cargo says of the workspace, without asking for dependencies of dependencies.
pub(crate) fn metadata() -> Result<Metadata> {
    MetadataCommand::new()
        .no_deps()
        .exec()
        .context("cannot read the workspace")
}

/// The repository's root.
pub(crate) fn root() -> Result<PathBuf> {
    Ok(metadata()?.workspace_root.into_std_path_buf())
}

fn package_to_crate(root: &Path, package: &Package) -> Crate {
    let folder = package
        .manifest_path
        .parent()
        .and_then(|folder| folder.as_std_path().strip_prefix(root).ok())
        .map(slashes)
        .unwrap_or_default();
    Crate {
        name: package.name.to_string(),
        folder,
        binaries: package
            .targets
            .iter()
            .filter(|target| target.is_bin())
            .map(|target| target.name.clone())
            .collect(),
        needs: package
            .dependencies
            .iter()
            .map(|dependency| dependency.name.clone())
            .collect(),
    }
}

fn slashes(path: &Path) -> String {
    path.components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect::<Vec<_>>()
        .join("/")
}

fn show(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
impl Tree {
    /// A made-up tree of these files.
    pub(crate) fn of<const N: usize>(files: [(&str, &str); N]) -> Self {
        Self {
            files: files
                .map(|(path, text)| (path.to_owned(), text.to_owned()))
                .into(),
            ..Self::default()
        }
    }

    /// The same with one more crate in this folder, named after it, that asks for these.
    pub(crate) fn with_crate(mut self, folder: &str, needs: &[&str]) -> Self {
        let name = folder.rsplit('/').next().unwrap_or(folder).to_owned();
        self.crates.push(Crate {
            binaries: vec![name.clone()],
            name,
            folder: folder.to_owned(),
            needs: needs.iter().map(|need| (*need).to_owned()).collect(),
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_left_out_and_what_is_no_text_is_only_named() {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str, bytes: &[u8]| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        put("a/b.rs", b"//! b");
        put("a/target/c.rs", b"//! c");
        put(".git/d", b"d");
        put(".ci/run", b"run");
        put("e.png", b"\x89PNG\xff");
        put("f.snap.new", b"f");
        let mut tree = Tree::default();
        tree.gather(folder.path(), folder.path()).unwrap();
        assert_eq!(tree.files.keys().collect::<Vec<_>>(), [".ci/run", "a/b.rs"]);
        assert_eq!(tree.others.iter().collect::<Vec<_>>(), ["e.png"]);
    }

    #[test]
    fn lines_are_found_by_their_beginning() {
        let tree = Tree::of([("Cargo.toml", "[package]\n\n  name = \"a\"\n")]);
        assert_eq!(tree.line_of("Cargo.toml", "name"), 3);
        assert_eq!(tree.line_of("Cargo.toml", "version"), 1);
        assert_eq!(tree.line_of("nowhere", "name"), 1);
    }

    #[test]
    fn this_repository_can_be_read() {
        let tree = Tree::read().unwrap();
        let xtask = tree.crates.iter().find(|found| found.name == "xtask");
        let xtask = xtask.unwrap();
        assert_eq!(xtask.folder, "tools/xtask");
        assert!(xtask.needs.contains(&"clap".to_owned()));
        assert!(tree.files.contains_key("tools/xtask/src/tree.rs"));
    }
}
