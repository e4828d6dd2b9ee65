//! Archives, metadata, manifests and headers that nobody should send: each reader answers, whatever
//! they hold. How inputs are made is in [`fuzz`].

use std::collections::HashMap;
use std::io::{Cursor, Write as _};

use domain::bundle::Bundle;
use domain::fact::Proof;
use engine::PlatformError;
use flate2::Compression;
use flate2::write::GzEncoder;
use fuzz::Target;
use fuzz::shake::{rounds, shake};
use zip::write::{SimpleFileOptions, ZipWriter};

use super::contents::{Manifest, labels_of};
use super::facts;
use super::tarball::Scanner;
use super::zipped::{self, Ranges};

/// Inputs made for each reader.
const ROUNDS: usize = 300;

#[track_caller]
pub(in crate::artefacts) fn assert_answers(
    name: &'static str,
    read: fn(&[u8]),
    seeds: fn() -> Vec<Vec<u8>>,
) {
    let target = Target { name, read, seeds };
    if let Err(broken) = shake(&target, rounds(ROUNDS), fastrand::Rng::with_seed(0)) {
        panic!("{name}: {}\nthe input: {:?}", broken.words, broken.input);
    }
}

fn zip() -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for name in ["appspec.yml", "scripts/start.sh", "übung/é.txt"] {
        writer
            .start_file(name, SimpleFileOptions::default())
            .unwrap();
        writer.write_all(b"version: 0.0").unwrap();
    }
    writer.set_comment("a comment").unwrap();
    writer.finish().unwrap().into_inner()
}

struct Whole<'a>(&'a [u8]);

impl Ranges for Whole<'_> {
    async fn range(&self, from: u64, to: u64) -> Result<Vec<u8>, PlatformError> {
        Ok(self.0[from as usize..to as usize].to_vec())
    }
}

#[test]
fn whatever_is_in_a_zip_archive_it_is_deployable_or_not() {
    let read = |bytes: &[u8]| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let proof = runtime.block_on(zipped::proof(&Whole(bytes), bytes.len() as u64));
        assert_told(proof.unwrap());
    };
    assert_answers("zip", read, || vec![zip()]);
}

/// A header of tar, of one block.
fn block(name: &str, kind: u8, size: usize) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    block[156] = kind;
    block[257..263].copy_from_slice(b"ustar\0");
    block
}

/// Sums up each block, as an archive must, so that what is in it is looked at.
fn summed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for block in bytes.chunks_exact_mut(512).filter(|block| block[0] != 0) {
        block[148..156].fill(b' ');
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    }
    bytes
}

fn tar() -> Vec<u8> {
    let long = b"30 path=a/long/name/of/a/file\n".to_vec();
    let mut bytes = block("pax", b'x', long.len());
    bytes.extend(long);
    bytes.resize(1024, 0);
    bytes.extend(block("appspec.yml", b'0', 0));
    bytes.extend(block("././@LongLink", b'L', 12));
    bytes.extend(b"scripts/x.sh");
    bytes.resize(5 * 512, 0);
    bytes.extend(block("cut", b'0', 0));
    bytes.extend([0; 1024]);
    bytes
}

fn scan(bundle: Bundle, bytes: &[u8]) {
    let whole = scanned(bundle, bytes, bytes.len().max(1));
    let pieces = scanned(bundle, bytes, 7);
    assert_eq!(whole, pieces, "however the bytes are cut");
}

fn scanned(bundle: Bundle, bytes: &[u8], piece: usize) -> Option<Proof> {
    let mut scanner = Scanner::new(bundle).unwrap();
    for piece in bytes.chunks(piece) {
        scanner.take(piece).ok()?;
    }
    let proof = scanner.finish().ok()?;
    assert_told(proof.clone());
    Some(proof)
}

/// Why an archive is unusable is written down and announced.
fn assert_told(proof: Proof) {
    if let Proof::Unusable(why) = proof {
        assert!(!why.is_empty());
    }
}

#[test]
fn whatever_is_in_a_tar_archive_it_is_deployable_or_not() {
    let read = |bytes: &[u8]| {
        scan(Bundle::Tar, bytes);
        scan(Bundle::Tar, &summed(bytes));
    };
    assert_answers("tar", read, || vec![tar(), summed(&tar())]);
}

#[test]
fn whatever_is_in_a_gzipped_archive_it_is_deployable_or_not() {
    fn packed() -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&summed(&tar())).unwrap();
        encoder.finish().unwrap()
    }
    let read = |bytes: &[u8]| scan(Bundle::TarGz, bytes);
    assert_answers("tar.gz", read, || vec![packed()]);
}

#[test]
fn whatever_metadata_says_the_build_facts_are_short() {
    let read = |bytes: &[u8]| {
        let Ok(said) = serde_json::from_slice::<HashMap<String, String>>(bytes) else {
            return;
        };
        for facts in [facts::of_metadata(&said), facts::of_labels(&said)] {
            let written = serde_json::to_string(&facts).unwrap();
            assert!(written.len() < 32 * 1024, "{} bytes", written.len());
        }
    };
    const METADATA: &str = r#"{"version":"1.4.0","commit":"3f2c9d1","build-number":"117",
        "author":"=?UTF-8?Q?J=C3=BCrgen_M=C3=BCller?= <jm@shop.example>",
        "branch":"=?iso-8859-1?B?5A==?= =?utf-8?q?x?=","job":"web-main","irreversible":"yes",
        "committed-at":"2026-11-20T10:00:00+05:30","lastgood.job":"web",
        "org.opencontainers.image.created":"1795694400"}"#;
    assert_answers("metadata", read, || vec![METADATA.into()]);
}

#[test]
fn whatever_a_registry_hands_out_it_is_read_or_not() {
    let read = |bytes: &[u8]| {
        drop(Manifest::read(bytes, "sha256:0"));
        drop(labels_of("sha256:0", bytes));
    };
    const INDEX: &str = r#"{"manifests":[{"digest":"sha256:1","platform":{"os":"linux"},
        "annotations":{"vnd.docker.reference.type":"attestation-manifest"}}]}"#;
    const IMAGE: &str =
        r#"{"config":{"digest":"sha256:2","mediaType":"m"},"annotations":{"a":"b"}}"#;
    const CONFIG: &str = r#"{"config":{"Labels":{"lastgood.job":"web"}}}"#;
    assert_answers("manifest", read, || {
        vec![INDEX.into(), IMAGE.into(), CONFIG.into()]
    });
}
