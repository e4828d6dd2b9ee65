//! What is in an archive: the names of its files, and its appspec. Zip, tar and gzipped tar, as
//! CodeDeploy unpacks them; which of them it is, its name says, because CodeDeploy is told the same
//! way.

use std::collections::BTreeSet;
use std::io::{self, Cursor, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use zip::ZipArchive;

/// What CodeDeploy looks for in an archive's root; exactly one of them (CodeDeploy user guide:
/// "The AppSpec file … must be placed in the root of the directory structure").
pub(crate) const APPSPECS: [&str; 2] = ["appspec.yml", "appspec.yaml"];
/// Largest appspec that is read, in bytes.
const APPSPEC_BYTES_MAX: u64 = 1024 * 1024;

/// How an archive is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Zip,
    Tar,
    TarGz,
}

impl Kind {
    /// Told from its name. `None` when CodeDeploy takes no such file.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        match () {
            () if name.ends_with(".zip") => Some(Self::Zip),
            () if name.ends_with(".tar") => Some(Self::Tar),
            () if name.ends_with(".tar.gz") || name.ends_with(".tgz") => Some(Self::TarGz),
            () => None,
        }
    }

    /// What its key ends with.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Zip => ".zip",
            Self::Tar => ".tar",
            Self::TarGz => ".tar.gz",
        }
    }

    /// Its media type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Zip => "application/zip",
            Self::Tar => "application/x-tar",
            Self::TarGz => "application/gzip",
        }
    }

    /// What it is called.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Zip => "zip archive",
            Self::Tar => "tar archive",
            Self::TarGz => "gzipped tar archive",
        }
    }
}

/// What is in an archive.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    /// The names of its files, from its root.
    pub(crate) names: BTreeSet<String>,
    /// The appspecs in its root, by name, with their text.
    pub(crate) appspecs: Vec<(String, String)>,
}

impl Contents {
    /// Looks into an archive.
    pub(crate) fn of(kind: Kind, bytes: &[u8]) -> io::Result<Self> {
        match kind {
            Kind::Zip => Self::zipped(bytes),
            Kind::Tar => Self::taken(bytes),
            Kind::TarGz => Self::taken(MultiGzDecoder::new(bytes)),
        }
    }

    fn zipped(bytes: &[u8]) -> io::Result<Self> {
        let mut archive = ZipArchive::new(Cursor::new(bytes))?;
        let mut contents = Self::default();
        for at in 0..archive.len() {
            let mut file = archive.by_index(at)?;
            if file.is_file() {
                let name = file.name()?.into_owned();
                contents.note(&name, &mut file)?;
            }
        }
        Ok(contents)
    }

    fn taken(packed: impl Read) -> io::Result<Self> {
        let mut archive = tar::Archive::new(packed);
        let mut contents = Self::default();
        for file in archive.entries()? {
            let mut file = file?;
            if !file.header().entry_type().is_dir() {
                let name = file.path()?.to_string_lossy().into_owned();
                contents.note(&name, &mut file)?;
            }
        }
        Ok(contents)
    }

    fn note(&mut self, name: &str, file: &mut impl Read) -> io::Result<()> {
        let name = name.replace('\\', "/");
        let name = name.trim_start_matches("./").to_owned();
        if APPSPECS.contains(&name.as_str()) {
            let mut text = String::new();
            file.take(APPSPEC_BYTES_MAX).read_to_string(&mut text)?;
            self.appspecs.push((name.clone(), text));
        }
        self.names.insert(name);
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    /// A tar archive as `tar -cf x.tar .` makes it.
    pub(crate) fn tar(files: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            builder
                .append_data(&mut header, format!("./{name}"), text.as_bytes())
                .unwrap();
        }
        builder.into_inner().unwrap()
    }

    pub(crate) fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
        gz.write_all(bytes).unwrap();
        gz.finish().unwrap()
    }

    #[test]
    fn a_tar_archive_is_read_plain_and_gzipped() {
        let plain = tar(&[("appspec.yml", "version: 0.0\n"), ("bin/start", "#!")]);
        let contents = Contents::of(Kind::Tar, &plain).unwrap();
        assert_eq!(
            contents.appspecs,
            [("appspec.yml".to_owned(), "version: 0.0\n".to_owned())]
        );
        assert!(contents.names.contains("bin/start"), "{contents:?}");
        let packed = gzipped(&plain);
        assert_eq!(Contents::of(Kind::TarGz, &packed).unwrap(), contents);
        // What its name promises, it has to be.
        assert!(Contents::of(Kind::TarGz, &plain).is_err());
        assert!(Contents::of(Kind::Zip, &plain).is_err());
    }

    #[test]
    fn the_name_says_what_it_is() {
        for (name, kind) in [
            ("web.zip", Some(Kind::Zip)),
            ("build/WEB-1.2.TGZ", Some(Kind::TarGz)),
            ("web.tar.gz", Some(Kind::TarGz)),
            ("web.tar", Some(Kind::Tar)),
            ("web.war", None),
            ("zip", None),
        ] {
            assert_eq!(Kind::of(Path::new(name)), kind, "{name}");
        }
    }
}
