//! A function's deployment archive: its binary under the name Lambda looks for. Kept until the
//! binary changes.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    time::UNIX_EPOCH,
};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::trouble::Trouble;

/// What a custom runtime starts.
const ENTRY: &str = "bootstrap";
/// The fastest: an archive travels over loopback only.
const LEVEL: i64 = 1;

/// An archive and its name, which changes with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Archive {
    pub(super) path: PathBuf,
    pub(super) name: String,
}

/// Makes the archive of `binary` in `folder`, or finds the one made before.
///
/// # Errors
/// When the binary cannot be read or the archive cannot be written.
pub(super) fn archive(folder: &Path, function: &str, binary: &Path) -> Result<Archive, Trouble> {
    let name = format!("{function}-{}.zip", fingerprint(binary)?);
    let path = folder.join(&name);
    if path.exists() {
        return Ok(Archive { path, name });
    }
    fs::create_dir_all(folder).map_err(Trouble::file("make", folder))?;
    forget(folder, function);
    let partial = folder.join(format!("{name}.{}.partial", process::id()));
    let slim = folder.join(format!("{name}.{}.stripped", process::id()));
    let source = if strip(binary, &slim) { &slim } else { binary };
    let written = write(&partial, source).map_err(Trouble::file("write", &partial));
    // It is only in the way; if it stays, it only takes room.
    drop(fs::remove_file(&slim));
    written?;
    // Whoever finds the final name finds it whole.
    fs::rename(&partial, &path).map_err(Trouble::file("write", &path))?;
    Ok(Archive { path, name })
}

/// Cargo writes a binary anew only when its content changed, so size and time tell contents apart
/// without reading tens of megabytes at every start.
fn fingerprint(binary: &Path) -> Result<String, Trouble> {
    let metadata = fs::metadata(binary).map_err(Trouble::file("read", binary))?;
    let modified = metadata.modified().map_err(Trouble::file("read", binary))?;
    let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(format!("{:x}-{:x}", metadata.len(), since.as_nanos()))
}

/// Removes the archives of earlier binaries. What cannot be removed only takes room.
fn forget(folder: &Path, function: &str) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let earlier = name
            .to_str()
            .and_then(|name| name.strip_prefix(function)?.strip_prefix('-'));
        // `image` must not forget `image-pushed`: sizes and times have no letter beyond f.
        if earlier.is_some_and(|rest| {
            rest.bytes()
                .all(|byte| b"0123456789abcdef-.zip".contains(&byte))
        }) {
            drop(fs::remove_file(entry.path()));
        }
    }
}

/// Copies a binary without its symbols, which are half of it and only debuggers read. Where there
/// is no `strip` (it comes with every C compiler) the whole binary does as well.
fn strip(binary: &Path, to: &Path) -> bool {
    let status = Command::new("strip")
        .arg("-o")
        .arg(to)
        .arg(binary)
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

fn write(path: &Path, binary: &Path) -> io::Result<()> {
    let mut source = File::open(binary)?;
    let mut archive = ZipWriter::new(File::create(path)?);
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(LEVEL))
        .large_file(false)
        .unix_permissions(0o755);
    archive.start_file(ENTRY, options)?;
    io::copy(&mut source, &mut archive)?;
    archive.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{io::Read, time::Duration};

    use super::*;

    #[test]
    fn an_archive_is_made_once_per_content() {
        let folder = tempfile::tempdir().unwrap();
        let binary = folder.path().join("command");
        fs::write(&binary, "one").unwrap();
        let archives = folder.path().join("archives");
        let first = archive(&archives, "command", &binary).unwrap();
        assert_eq!(archive(&archives, "command", &binary).unwrap(), first);
        let other = archive(&archives, "command-line", &binary).unwrap();

        let mut zip = zip::ZipArchive::new(File::open(&first.path).unwrap()).unwrap();
        let mut entry = zip.by_name("bootstrap").unwrap();
        assert_eq!(entry.unix_mode().unwrap() & 0o777, 0o755);
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        assert_eq!(content, "one");

        fs::write(&binary, "another").unwrap();
        let later = std::time::SystemTime::now() + Duration::from_secs(5);
        File::options()
            .write(true)
            .open(&binary)
            .unwrap()
            .set_modified(later)
            .unwrap();
        let second = archive(&archives, "command", &binary).unwrap();
        assert_ne!(second.name, first.name);
        assert!(!first.path.exists(), "the earlier one is forgotten");
        assert!(other.path.exists(), "another function's is not");
    }
}
