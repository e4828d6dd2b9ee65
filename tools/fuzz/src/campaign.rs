//! A campaign: libFuzzer, guided by what code an input reaches, on a target for as long as it may
//! take. It runs on the stable toolchain: the instrumentation is one of LLVM's own passes, and
//! without the sanitizers, which need another toolchain and look for what safe Rust cannot do.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::Target;
use crate::mutate::INPUT_BYTES_MAX;

/// What makes the compiler count edges and note comparisons, for libFuzzer to look at (the flags
/// that cargo-fuzz passes).
const INSTRUMENT: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
    --cfg fuzzing -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks";
/// An input that takes longer to read is reported, in seconds. Most take less than a millisecond;
/// a busy machine may take its time.
const SECONDS_MAX: u32 = 10;
/// An input that takes more memory to read is reported, in mebibytes.
const MEBIBYTES_MAX: u32 = 1024;
/// What names the target to the fuzzer.
pub const TARGET: &str = "LASTGOOD_FUZZ_TARGET";

/// Where campaigns of a target keep their seeds, finds and failures.
#[must_use]
pub fn folder(target: &str) -> PathBuf {
    root().join(".lastgood/fuzz").join(target)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Builds the fuzzer.
///
/// # Errors
/// When it cannot be built.
pub fn build() -> Result<PathBuf> {
    let (target, fuzzer) = (
        root().join("target/fuzz"),
        root().join("tools/fuzz/campaign"),
    );
    // The versions that are shipped are fuzzed; what is missing of its own cargo adds.
    std::fs::copy(root().join("Cargo.lock"), fuzzer.join("Cargo.lock"))
        .context("the workspace's Cargo.lock cannot be copied")?;
    // A target by name keeps the instrumentation out of build scripts, which do not link with it.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--manifest-path"])
        .arg(fuzzer.join("Cargo.toml"))
        .args(["--target", &platform])
        .arg("--target-dir")
        .arg(&target)
        .env("RUSTFLAGS", INSTRUMENT)
        .status()
        .context("cargo cannot be started")?;
    if !status.success() {
        bail!("the fuzzer cannot be built");
    }
    Ok(target.join(platform).join("release/campaign"))
}

/// Runs the fuzzer on a target, from its seeds, its corpus and what earlier campaigns found.
///
/// # Errors
/// When it cannot be run, or an input broke the target: libFuzzer has said which.
pub fn run(fuzzer: &Path, target: &Target, time: Duration) -> Result<()> {
    let folder = folder(target.name);
    let (found, seeds) = (folder.join("found"), folder.join("seeds"));
    for path in [&found, &seeds] {
        std::fs::create_dir_all(path).with_context(|| format!("no folder {}", path.display()))?;
    }
    for (at, seed) in target.inputs().iter().enumerate() {
        std::fs::write(seeds.join(format!("{at:03}")), seed)?;
    }
    let status = Command::new(fuzzer)
        .env(TARGET, target.name)
        .arg(&found)
        .arg(&seeds)
        .arg(format!("-artifact_prefix={}/", folder.display()))
        .arg(format!("-max_total_time={}", time.as_secs()))
        .arg(format!("-max_len={INPUT_BYTES_MAX}"))
        .arg(format!("-timeout={SECONDS_MAX}"))
        .arg(format!("-rss_limit_mb={MEBIBYTES_MAX}"))
        .args(["-print_final_stats=1", "-verbosity=0", "-reload=0"])
        .status()
        .context("the fuzzer cannot be started")?;
    if !status.success() {
        bail!(
            "an input broke {}: it is in {}",
            target.name,
            folder.display()
        );
    }
    Ok(())
}
