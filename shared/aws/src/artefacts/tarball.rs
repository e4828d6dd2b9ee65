//! The names in a tar archive, plain or gzipped, as it streams by: headers are read, contents are
//! skipped, nothing is kept.

use std::io::{self, Write};

use domain::bundle::Bundle;
use domain::fact::Proof;
use flate2::write::MultiGzDecoder;

use super::archive::Names;

/// Most bytes of an archive that are streamed.
pub(super) const STREAMED_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Most bytes a gzipped archive may unpack to.
const UNPACKED_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;
/// A tar archive's unit.
const BLOCK: usize = 512;
/// Longest long name or extended header that is read, in bytes.
const EXTRA_BYTES_MAX: u64 = 64 * 1024;

/// Takes an archive's bytes as they come.
pub(super) enum Scanner {
    /// Plain.
    Tar(Tar),
    /// Gzipped.
    TarGz(Box<MultiGzDecoder<Tar>>),
}

impl Scanner {
    /// For a tar archive; `None` for a zip.
    pub(super) fn new(bundle: Bundle) -> Option<Self> {
        match bundle {
            Bundle::Zip => None,
            Bundle::Tar => Some(Self::Tar(Tar::default())),
            Bundle::TarGz => Some(Self::TarGz(Box::new(MultiGzDecoder::new(Tar::default())))),
        }
    }

    /// Takes the next bytes.
    pub(super) fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tar(tar) => tar.write_all(bytes),
            Self::TarGz(gz) => gz.write_all(bytes),
        }
    }

    /// What the whole proves.
    pub(super) fn finish(self) -> io::Result<Proof> {
        let tar = match self {
            Self::Tar(tar) => tar,
            Self::TarGz(gz) => gz.finish()?,
        };
        if !tar.is_complete() {
            return Err(io::Error::other("it ends in the middle of a file"));
        }
        Ok(tar.names.proof())
    }
}

/// Reads headers out of an unpacked stream.
#[derive(Default)]
pub(super) struct Tar {
    names: Names,
    header: Vec<u8>,
    skip: u64,
    extra: Option<Extra>,
    long_name: Option<String>,
    seen: u64,
    ended: bool,
}

/// An entry that describes the one after it.
struct Extra {
    kind: ExtraKind,
    left: u64,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy)]
enum ExtraKind {
    /// GNU: the content is the name.
    LongName,
    /// POSIX: the content is records, one of which may be the path.
    Extended,
}

impl Tar {
    fn is_complete(&self) -> bool {
        self.ended || (self.header.is_empty() && self.skip == 0 && self.extra.is_none())
    }

    /// Takes some of the bytes; says how many.
    fn step(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.ended {
            return Ok(bytes.len());
        }
        if self.extra.as_ref().is_some_and(|extra| extra.left > 0) {
            return Ok(self.read_extra(bytes));
        }
        if self.extra.is_some() {
            self.end_extra();
        }
        if self.skip > 0 {
            let skipped = usize::try_from(self.skip)
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            self.skip -= skipped as u64;
            return Ok(skipped);
        }
        let taken = (BLOCK - self.header.len()).min(bytes.len());
        self.header.extend(bytes.iter().take(taken));
        if self.header.len() == BLOCK {
            let header = std::mem::take(&mut self.header);
            self.read_header(&header)?;
        }
        Ok(taken)
    }

    fn read_extra(&mut self, bytes: &[u8]) -> usize {
        let Some(extra) = &mut self.extra else {
            return 0;
        };
        let taken = usize::try_from(extra.left)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        extra.bytes.extend(bytes.iter().take(taken));
        extra.left -= taken as u64;
        if extra.left == 0 {
            self.end_extra();
        }
        taken
    }

    fn end_extra(&mut self) {
        let Some(extra) = self.extra.take() else {
            return;
        };
        let name = match extra.kind {
            ExtraKind::LongName => Some(text(&extra.bytes)),
            ExtraKind::Extended => extended_path(&extra.bytes),
        };
        self.long_name = name.or(self.long_name.take());
    }

    fn read_header(&mut self, header: &[u8]) -> io::Result<()> {
        if header.iter().all(|byte| *byte == 0) {
            self.ended = true;
            return Ok(());
        }
        if !checksum_holds(header) {
            return Err(io::Error::other("it is no tar archive"));
        }
        let size = number(field(header, 124, 12))
            .ok_or_else(|| io::Error::other("a file without a size"))?;
        let padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
        let kind = match header.get(156) {
            Some(b'L') => Some(ExtraKind::LongName),
            Some(b'x') => Some(ExtraKind::Extended),
            _ => None,
        };
        if let Some(kind) = kind {
            if size > EXTRA_BYTES_MAX {
                return Err(io::Error::other("a file's name is too long"));
            }
            self.extra = Some(Extra {
                kind,
                left: size,
                bytes: Vec::new(),
            });
            self.skip = padding;
            return Ok(());
        }
        self.skip = size.saturating_add(padding);
        let name = self.long_name.take().unwrap_or_else(|| short_name(header));
        // Folders, links and devices are no files; neither are a stream's global headers.
        if matches!(header.get(156), Some(b'0' | 0 | b'7')) && !name.ends_with('/') {
            self.names.note(&name);
        }
        Ok(())
    }
}

impl Write for Tar {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.seen = self.seen.saturating_add(bytes.len() as u64);
        if self.seen > UNPACKED_BYTES_MAX || self.names.are_too_many() {
            return Err(io::Error::other("it unpacks to more than any application"));
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = self.step(rest)?;
            rest = rest.get(taken..).unwrap_or_default();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn field(header: &[u8], from: usize, length: usize) -> &[u8] {
    header.get(from..from + length).unwrap_or_default()
}

fn text(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

fn short_name(header: &[u8]) -> String {
    let name = text(field(header, 0, 100));
    let prefix = text(field(header, 345, 155));
    let is_posix = field(header, 257, 6) == b"ustar\0";
    if is_posix && !prefix.is_empty() {
        format!("{prefix}/{name}")
    } else {
        name
    }
}

/// Octal digits, or a binary number where the first bit is set (GNU, for more than 8 GiB).
fn number(field: &[u8]) -> Option<u64> {
    let (first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        let bytes: [u8; 8] = rest.get(rest.len().checked_sub(8)?..)?.try_into().ok()?;
        return Some(u64::from_be_bytes(bytes));
    }
    let digits = text(field);
    u64::from_str_radix(digits.trim(), 8).ok()
}

fn checksum_holds(header: &[u8]) -> bool {
    let sum: u64 = header
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            if (148..156).contains(&at) {
                32
            } else {
                u64::from(*byte)
            }
        })
        .sum();
    number(field(header, 148, 8)) == Some(sum)
}

/// The record `LENGTH path=NAME\n` of an extended header.
fn extended_path(bytes: &[u8]) -> Option<String> {
    let mut rest = bytes;
    loop {
        let space = rest.iter().position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(rest.get(..space)?).ok()?.parse().ok()?;
        let record = rest.get(space + 1..length.checked_sub(1)?)?;
        if let Some(path) = record.strip_prefix(b"path=") {
            return Some(String::from_utf8_lossy(path).into_owned());
        }
        rest = rest.get(length..)?;
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn header(name: &str, kind: u8, size: usize) -> Vec<u8> {
        let mut header = vec![0; BLOCK];
        let short = &name.as_bytes()[..name.len().min(100)];
        header[..short.len()].copy_from_slice(short);
        header[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        header[156] = kind;
        header[257..263].copy_from_slice(b"ustar\0");
        header[148..156].fill(b' ');
        let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        header
    }

    fn file(name: &str, kind: u8, body: &[u8]) -> Vec<u8> {
        let mut all = header(name, kind, body.len());
        all.extend(body);
        all.resize(all.len().next_multiple_of(BLOCK), 0);
        all
    }

    fn archive(files: &[(&str, u8, &[u8])]) -> Vec<u8> {
        let mut all: Vec<u8> = files
            .iter()
            .flat_map(|(name, kind, body)| file(name, *kind, body))
            .collect();
        all.extend(vec![0; 2 * BLOCK]);
        all
    }

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn scanned(bundle: Bundle, bytes: &[u8], piece: usize) -> io::Result<Proof> {
        let mut scanner = Scanner::new(bundle).unwrap();
        for piece in bytes.chunks(piece) {
            scanner.take(piece)?;
        }
        scanner.finish()
    }

    #[test]
    fn names_are_found_however_the_bytes_are_cut() {
        let bytes = archive(&[
            ("./scripts/", b'5', b""),
            ("./scripts/start.sh", b'0', &[b'x'; 1500]),
            ("./appspec.yml", b'0', b"version: 0.0"),
        ]);
        for piece in [1, 7, 512, 513, 100_000] {
            assert_eq!(
                scanned(Bundle::Tar, &bytes, piece).unwrap(),
                Proof::Deployable,
                "{piece}"
            );
            let packed = gzipped(&bytes);
            assert_eq!(
                scanned(Bundle::TarGz, &packed, piece).unwrap(),
                Proof::Deployable
            );
        }
    }

    #[test]
    fn long_names_belong_to_the_file_after_them() {
        let long = format!("{}/appspec.yml", "deep".repeat(40));
        let gnu = archive(&[
            ("././@LongLink", b'L', long.as_bytes()),
            ("appspec.yml", b'0', b"x"),
        ]);
        assert!(matches!(
            scanned(Bundle::Tar, &gnu, 99).unwrap(),
            Proof::Unusable(_)
        ));
        let record = format!("{} path={long}\n", long.len() + 10);
        let pax = archive(&[
            ("pax", b'x', record.as_bytes()),
            ("appspec.yml", b'0', b"x"),
        ]);
        assert!(matches!(
            scanned(Bundle::Tar, &pax, 99).unwrap(),
            Proof::Unusable(_)
        ));
        let both = archive(&[
            ("././@LongLink", b'L', long.as_bytes()),
            ("cut", b'0', b"x"),
            ("appspec.yml", b'0', b"x"),
        ]);
        assert_eq!(scanned(Bundle::Tar, &both, 99).unwrap(), Proof::Deployable);
    }

    #[test]
    fn what_ends_early_or_is_none_is_an_error() {
        let bytes = archive(&[("appspec.yml", b'0', &[b'x'; 2000])]);
        assert!(scanned(Bundle::Tar, &bytes[..1000], 300).is_err());
        let packed = gzipped(&bytes);
        assert!(scanned(Bundle::TarGz, &packed[..packed.len() / 2], 300).is_err());
        assert!(scanned(Bundle::Tar, &vec![b'x'; 2000], 300).is_err());
        assert!(scanned(Bundle::TarGz, b"not gzip at all", 300).is_err());
    }
}
