//! What is in an archive: the names of its files, and its appspec. How it is packed is
//! [`domain::bundle`]'s to say.

use std::collections::BTreeSet;
use std::io::{self, Cursor, Read};

use domain::bundle::{APPSPECS, Bundle};
use flate2::read::MultiGzDecoder;
use zip::ZipArchive;

/// Largest appspec that is read, in bytes.
const APPSPEC_BYTES_MAX: u64 = 1024 * 1024;

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
    pub(crate) fn of(bundle: Bundle, bytes: &[u8]) -> io::Result<Self> {
        match bundle {
            Bundle::Zip => Self::zipped(bytes),
            Bundle::Tar => Self::taken(bytes),
            Bundle::TarGz => Self::taken(MultiGzDecoder::new(bytes)),
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
        let contents = Contents::of(Bundle::Tar, &plain).unwrap();
        assert_eq!(
            contents.appspecs,
            [("appspec.yml".to_owned(), "version: 0.0\n".to_owned())]
        );
        assert!(contents.names.contains("bin/start"), "{contents:?}");
        let packed = gzipped(&plain);
        assert_eq!(Contents::of(Bundle::TarGz, &packed).unwrap(), contents);
        // What its name promises, it has to be.
        assert!(Contents::of(Bundle::TarGz, &plain).is_err());
        assert!(Contents::of(Bundle::Zip, &plain).is_err());
    }
}
