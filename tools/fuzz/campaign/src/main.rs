//! One target under libFuzzer, named by `LASTGOOD_FUZZ_TARGET`. Half of the inputs are made by
//! [`fuzz::mutate`], which knows JSON; the other half by libFuzzer, which knows what the code
//! compares with.
#![no_main]

use std::sync::LazyLock;

use fastrand::Rng;
use fuzz::{Target, campaign, mutate};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var(campaign::TARGET).unwrap_or_default();
    Target::of(&name).unwrap_or_else(|| panic!("{} names no target", campaign::TARGET))
});

static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| TARGET.inputs());

fuzz_target!(|bytes: &[u8]| (TARGET.read)(bytes));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut chance = Rng::with_seed(u64::from(seed));
    if chance.bool() {
        return fuzzer_mutate(data, size, max_size);
    }
    let other = chance.choice(SEEDS.iter()).map_or(&[][..], Vec::as_slice);
    let made = mutate::mutate(&data[..size], other, &mut chance);
    let length = made.len().min(max_size);
    data[..length].copy_from_slice(&made[..length]);
    length
});
