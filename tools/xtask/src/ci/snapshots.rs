//! Snapshots that no test asks for any more. insta writes down every snapshot that a test looks at;
//! what is in the tree and not on that list is left over.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::tree::Tree;

/// Tells insta where to write the list.
pub(super) const VARIABLE: &str = "INSTA_SNAPSHOT_REFERENCES_FILE";

/// The list of the snapshots that tests ask for.
pub(super) struct Asked {
    path: PathBuf,
}

impl Asked {
    /// An empty list.
    ///
    /// # Errors
    /// When there is no place for it.
    pub(super) fn new(root: &Path) -> Result<Self> {
        let folder = root.join(".lastgood");
        fs::create_dir_all(&folder).context("cannot make .lastgood")?;
        let path = folder.join("snapshots-asked-for.txt");
        fs::write(&path, "").context("cannot write the list of snapshots")?;
        Ok(Self { path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Compares the list with the snapshots that there are.
    ///
    /// # Errors
    /// When one is left over.
    pub(super) fn compare(&self, root: &Path) -> Result<()> {
        let list = fs::read_to_string(&self.path).context("cannot read the list of snapshots")?;
        let tree = Tree::read()?;
        let left = left_over(&tree, root, &list);
        if !left.is_empty() {
            bail!(
                "no test asks for these snapshots; remove them:\n{}",
                left.join("\n")
            );
        }
        Ok(())
    }
}

fn left_over<'a>(tree: &'a Tree, root: &Path, list: &str) -> Vec<&'a str> {
    let asked: BTreeSet<PathBuf> = list.lines().map(|line| plain(Path::new(line))).collect();
    tree.ending(&[".snap"])
        .map(|(path, _)| path)
        .filter(|path| !asked.contains(&plain(&root.join(path))))
        .collect()
}

/// A path without its detours, where it can be followed.
fn plain(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_test_asks_for_is_left_over() {
        let tree = Tree::of([("a/s/x.snap", ""), ("a/s/y.snap", ""), ("a/lib.rs", "")]);
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/s")).unwrap();
        fs::write(root.path().join("a/s/x.snap"), "").unwrap();
        let list = root.path().join("a/s/../s/x.snap");
        let left = left_over(&tree, root.path(), &list.display().to_string());
        assert_eq!(left, ["a/s/y.snap"]);
    }
}
