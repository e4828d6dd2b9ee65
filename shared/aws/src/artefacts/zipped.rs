//! The names in a zip archive, from its directory alone: the end of the object, and as much more as
//! the directory takes. The rest is never fetched.

use std::io::{self, Read, Seek, SeekFrom};

use domain::fact::Proof;
use engine::PlatformError;
use zip::ZipArchive;

use super::archive::Names;

/// How much of the end is fetched first, in bytes: the end record with the longest comment (64
/// KiB), and with it most directories whole.
const TAIL_BYTES: u64 = 128 * 1024;
/// The largest part of an archive that is fetched for its directory, in bytes.
const DIRECTORY_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Where an archive's bytes come from.
pub(super) trait Ranges {
    /// The bytes of `[from, to)`.
    async fn range(&self, from: u64, to: u64) -> Result<Vec<u8>, PlatformError>;
}

/// Whether a zip archive of `length` bytes is a revision.
pub(super) async fn proof(ranges: &impl Ranges, length: u64) -> Result<Proof, PlatformError> {
    let mut start = length.saturating_sub(TAIL_BYTES);
    let mut tail = Tail {
        start,
        bytes: ranges.range(start, length).await?,
        length,
    };
    loop {
        let mut reader = tail.reader();
        let opened = ZipArchive::new(&mut reader).map(|archive| names(&archive));
        let (archive, wanted) = (opened, reader.wanted);
        match (archive, wanted) {
            (Ok(names), _) => return Ok(names.proof()),
            (Err(_), Some(wanted)) if length - wanted <= DIRECTORY_BYTES_MAX && wanted < start => {
                let mut bytes = ranges.range(wanted, start).await?;
                bytes.append(&mut tail.bytes);
                start = wanted;
                tail = Tail {
                    start,
                    bytes,
                    length,
                };
            }
            (Err(_), Some(_)) => {
                return Ok(Proof::Unusable(format!(
                    "the directory of the zip archive is not in its last {DIRECTORY_BYTES_MAX} bytes"
                )));
            }
            (Err(error), None) => {
                return Ok(Proof::Unusable(format!(
                    "the zip archive does not open: {error}"
                )));
            }
        }
    }
}

fn names<R>(archive: &ZipArchive<R>) -> Names
where
    R: Read + Seek,
{
    let mut names = Names::default();
    for name in archive.file_names_raw() {
        names.note(&String::from_utf8_lossy(name));
        if names.are_too_many() {
            break;
        }
    }
    names
}

/// The end of an archive.
struct Tail {
    start: u64,
    bytes: Vec<u8>,
    length: u64,
}

impl Tail {
    fn reader(&self) -> TailReader<'_> {
        TailReader {
            tail: self,
            at: 0,
            wanted: None,
        }
    }
}

/// Reads an archive of which only the end is at hand, and notes what was wanted before it.
struct TailReader<'a> {
    tail: &'a Tail,
    at: u64,
    wanted: Option<u64>,
}

impl Read for TailReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.tail.length || into.is_empty() {
            return Ok(0);
        }
        let Some(offset) = self.at.checked_sub(self.tail.start) else {
            self.wanted = Some(self.wanted.unwrap_or(self.at).min(self.at));
            return Err(io::Error::other("not fetched yet"));
        };
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let mut left = self.tail.bytes.get(offset..).unwrap_or_default();
        let read = left.read(into)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for TailReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.tail.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = target.ok_or_else(|| io::Error::other("before the beginning"))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::Write as _;

    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::*;

    struct Bytes {
        all: Vec<u8>,
        fetched: RefCell<u64>,
    }

    impl Ranges for Bytes {
        async fn range(&self, from: u64, to: u64) -> Result<Vec<u8>, PlatformError> {
            *self.fetched.borrow_mut() += to - from;
            Ok(self.all[from as usize..to as usize].to_vec())
        }
    }

    fn archive(names: impl Iterator<Item = String>, body: &[u8]) -> Bytes {
        let mut writer = ZipWriter::new(io::Cursor::new(Vec::new()));
        let stored =
            SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        for name in names {
            writer.start_file(name, stored).unwrap();
            writer.write_all(body).unwrap();
        }
        let all = writer.finish().unwrap().into_inner();
        Bytes {
            all,
            fetched: RefCell::new(0),
        }
    }

    async fn proved(bytes: &Bytes) -> Proof {
        proof(bytes, bytes.all.len() as u64).await.unwrap()
    }

    #[tokio::test]
    async fn only_the_end_of_a_large_archive_is_fetched() {
        let names = ["appspec.yml", "app.bin"].map(str::to_owned).into_iter();
        let bytes = archive(names, &vec![7; 4 * 1024 * 1024]);
        assert_eq!(proved(&bytes).await, Proof::Deployable);
        assert_eq!(*bytes.fetched.borrow(), TAIL_BYTES);
    }

    #[tokio::test]
    async fn a_directory_longer_than_the_first_piece_is_fetched_whole() {
        let many = (0..9000).map(|n| format!("assets/picture-{n:06}.png"));
        let bytes = archive(many.chain(["appspec.yml".to_owned()]), b"x");
        assert!(bytes.all.len() as u64 > 4 * TAIL_BYTES);
        assert_eq!(proved(&bytes).await, Proof::Deployable);
    }

    #[tokio::test]
    async fn what_is_no_zip_is_said_so() {
        for all in [b"hello".to_vec(), vec![0; 300_000]] {
            let bytes = Bytes {
                all,
                fetched: RefCell::new(0),
            };
            assert!(matches!(proved(&bytes).await, Proof::Unusable(_)));
        }
    }

    #[tokio::test]
    async fn a_cut_off_archive_is_unusable() {
        let mut bytes = archive(["appspec.yml".to_owned()].into_iter(), b"x");
        bytes.all.truncate(bytes.all.len() - 10);
        assert!(matches!(proved(&bytes).await, Proof::Unusable(_)));
    }
}
