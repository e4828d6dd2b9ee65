//! A bounded number of inputs for one target, always the same ones: what every test run does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use fastrand::Rng;

use crate::Target;
use crate::mutate::mutate;

/// An input that a target panics on.
#[derive(Debug)]
pub struct Broken {
    /// The target's name.
    pub target: &'static str,
    /// The input.
    pub input: Vec<u8>,
    /// What the panic said.
    pub words: String,
}

impl Broken {
    /// Keeps the input in a file beside the campaigns' finds, so that it can be looked at, read
    /// again, and moved into the corpus.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep(&self) -> std::io::Result<PathBuf> {
        let folder = crate::campaign::folder(self.target).join("broken");
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{}.txt", self.input.len()));
        std::fs::write(&path, &self.input)?;
        Ok(path)
    }
}

/// How many inputs are made for each target: `by_default`, or as `LASTGOOD_FUZZ_ROUNDS` says.
#[must_use]
pub fn rounds(by_default: usize) -> usize {
    let asked = std::env::var("LASTGOOD_FUZZ_ROUNDS").ok();
    asked
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(by_default)
}

/// Reads every seed, everything in the corpus, and `rounds` inputs made of them; the same `chance`
/// makes the same inputs.
///
/// # Errors
/// The first input that the target panics on.
pub fn shake(target: &Target, rounds: usize, mut chance: Rng) -> Result<(), Broken> {
    let inputs = target.inputs();
    for input in &inputs {
        read(target, input)?;
    }
    for _ in 0..rounds {
        let (Some(seed), Some(other)) = (chance.choice(&inputs), chance.choice(&inputs)) else {
            break;
        };
        read(target, &mutate(seed, other, &mut chance))?;
    }
    Ok(())
}

fn read(target: &Target, input: &[u8]) -> Result<(), Broken> {
    catch_unwind(AssertUnwindSafe(|| (target.read)(input))).map_err(|panic| Broken {
        target: target.name,
        input: input.to_vec(),
        words: words(panic.as_ref()),
    })
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_else(|| "it says nothing".to_owned())
}
