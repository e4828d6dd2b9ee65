//! What reading costs grows with what is read, and no faster: memory taken in all and at once, and
//! how often, counted by the allocator. There is no clock here, so that a busy machine changes
//! nothing. `shapes.rs` says of which inputs.

mod shapes;

use std::fmt;

use allocation_counter::{AllocationInfo, measure};
use fuzz::Target;
use shapes::{BROKEN, Shape, VALUES, YAML, everywhere};

/// The smallest size that is measured, in bytes; of an event, for which there are many places.
const SIZE: usize = 1024;
const SIZE_IN_EVENT: usize = 256;
/// The largest is so many times larger.
const TIMES: u64 = 8;
/// How much more the largest may cost than so many of the smallest: a list that grows doubles, so
/// that the largest may fall right after a doubling and the smallest right before one. Something
/// that grows with the square costs 64 times as much.
const SLACK: u64 = 2;
/// What reading next to nothing may cost, in bytes and allocations: too little to tell growth by.
const NOTHING_BYTES: u64 = 8 * 1024;
const NOTHING_PIECES: u64 = 64;
/// Most bytes taken in all, and held at once, for each byte of input. The first is much because a
/// few letters of YAML repeat whole stages.
const BYTES_PER_BYTE_MAX: u64 = 2000;
const HELD_PER_BYTE_MAX: u64 = 150;
/// What may be held besides: serde makes room for as many items as an input claims to have, and
/// never for more than so many bytes.
const ROOM_BYTES: u64 = 1024 * 1024;

/// What one reading cost, in bytes and allocations.
#[derive(Clone, Copy)]
struct Cost {
    size: u64,
    info: AllocationInfo,
}

impl Cost {
    fn of(read: impl Fn(&[u8]), input: &[u8]) -> Self {
        let info = measure(|| read(input));
        Self {
            size: input.len() as u64,
            info,
        }
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AllocationInfo {
            bytes_total,
            bytes_max,
            count_total,
            ..
        } = self.info;
        let size = self.size;
        write!(
            f,
            "{size} bytes cost {bytes_total} in {count_total} pieces, {bytes_max} at once"
        )
    }
}

/// Why growth is not linear; none when it is.
fn complaint(
    read: impl Fn(&[u8]),
    shape: impl Fn(usize) -> Vec<u8>,
    size: usize,
) -> Option<String> {
    let small = Cost::of(&read, &shape(size));
    let large = Cost::of(&read, &shape(size * TIMES as usize));
    let grows = |of: fn(&AllocationInfo) -> u64, nothing: u64| {
        of(&large.info) > of(&small.info).max(nothing) * TIMES * SLACK
    };
    let linear = !grows(|info| info.bytes_total, NOTHING_BYTES)
        && !grows(|info| info.bytes_max, NOTHING_BYTES)
        && !grows(|info| info.count_total, NOTHING_PIECES);
    let AllocationInfo {
        bytes_total,
        bytes_max,
        ..
    } = large.info;
    let few = bytes_total <= large.size * BYTES_PER_BYTE_MAX + ROOM_BYTES
        && bytes_max <= large.size * HELD_PER_BYTE_MAX + ROOM_BYTES;
    (!(linear && few)).then(|| format!("{small}; {large}"))
}

#[track_caller]
fn assert_grows_with_its_size(what: &str, read: impl Fn(&[u8]), shape: &Shape) {
    if let Some(complaint) = complaint(read, shape.make, SIZE) {
        panic!("{what}, {}: {complaint}", shape.name);
    }
}

fn target(name: &str) -> &'static Target {
    Target::of(name).unwrap_or_else(|| panic!("no target is called {name}"))
}

#[test]
fn an_event_costs_what_its_size_says_wherever_in_it_the_size_is() {
    for name in [
        "alarm-changed",
        "artefact-uploaded",
        "command",
        "deployer",
        "deployment-changed",
        "github-settings",
        "image-pushed",
        "lifecycle-hook",
        "reconciler",
        "slack",
        "slack-settings",
    ] {
        let target = target(name);
        let seed = (target.seeds)().into_iter().next().unwrap_or_default();
        // Once for what is made once and kept.
        (target.read)(&seed);
        for shape in BROKEN {
            assert_grows_with_its_size(name, target.read, shape);
        }
        for (place, input) in everywhere(&seed) {
            for value in VALUES {
                let shape = |size| input((value.make)(size));
                if let Some(complaint) = complaint(target.read, shape, SIZE_IN_EVENT) {
                    panic!("{name}, {} at {place}: {complaint}", value.name);
                }
            }
        }
    }
}

#[test]
fn a_service_file_costs_what_its_size_says() {
    for shape in YAML {
        assert_grows_with_its_size("service-file", target("service-file").read, shape);
    }
}

#[test]
fn a_snapshot_costs_what_its_size_says() {
    for shape in shapes::SNAPSHOTS {
        assert_grows_with_its_size("snapshot", shapes::read_snapshot, shape);
    }
}

#[test]
fn what_grows_with_the_square_is_found() {
    let list = &VALUES[0];
    let copies_all_before = |bytes: &[u8]| {
        let mut read = String::new();
        for byte in bytes {
            read = format!("{read}{}", char::from(*byte));
        }
    };
    assert!(
        complaint(copies_all_before, list.make, SIZE).is_some(),
        "in all"
    );
    let pairs = |bytes: &[u8]| drop(Vec::<u8>::with_capacity(bytes.len() * bytes.len() / 8));
    assert!(complaint(pairs, list.make, SIZE).is_some(), "at once");
    let expands = |bytes: &[u8]| drop(vec![0_u8; bytes.len() * 1000]);
    assert!(
        complaint(expands, list.make, SIZE).is_some(),
        "linear, and far too much"
    );
    let copies_once = |bytes: &[u8]| drop(bytes.to_vec());
    assert!(
        complaint(copies_once, list.make, SIZE).is_none(),
        "one copy is fine"
    );
}
