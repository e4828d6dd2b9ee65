//! Programs that tests are run against and that Debian packages: unpacked under `.lastgood/tools`,
//! so that nothing is installed and nobody has to be root. Elsewhere they are missing, and their
//! tests are skipped.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::process;

/// Makes sure that a package is unpacked; gives its folder. None, and a line that says why, where
/// there is no Debian to get it from.
///
/// # Errors
/// When what was got cannot be unpacked.
pub(crate) fn unpacked(root: &Path, package: &str) -> Result<Option<PathBuf>> {
    let folder = root.join(".lastgood/tools").join(package);
    // Written last: what was interrupted has none.
    let stamp = folder.join("unpacked.txt");
    if stamp.exists() {
        return Ok(Some(folder));
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // On a machine that was just made apt knows of no package yet.
    let got = download(&folder, package)
        || (succeeds(Command::new("apt-get").args(["--quiet", "update"]))
            && download(&folder, package));
    let Some(archive) = archive(&folder)?.filter(|_| got) else {
        eprintln!("skipped: {package} cannot be had here, its tests need Debian and apt-get");
        return Ok(None);
    };
    process::run(
        process::program(root, "dpkg")
            .arg("--extract")
            .arg(archive)
            .arg(&folder),
    )?;
    fs::write(&stamp, "").with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(Some(folder))
}

fn download(folder: &Path, package: &str) -> bool {
    let mut apt = Command::new("apt-get");
    succeeds(
        apt.current_dir(folder)
            .args(["--quiet", "download", package]),
    )
}

fn archive(folder: &Path) -> Result<Option<PathBuf>> {
    let listed =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut files = listed.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    Ok(files.find(|file| file.extension().is_some_and(|extension| extension == "deb")))
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
