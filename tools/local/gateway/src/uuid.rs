//! Random ids for requests and events.

use sha2::{Digest, Sha256};
use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A fresh id in the form of a UUID (version 4).
pub(crate) fn uuid() -> String {
    // Every `RandomState` has its own random keys; the counter keeps ids apart for certain.
    let chance = RandomState::new().hash_one(COUNTER.fetch_add(1, Ordering::Relaxed));
    let text = hex::encode(Sha256::digest(chance.to_le_bytes()));
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-4{}-8{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 15),
        part(15, 18),
        part(18, 30)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_form_and_differ() {
        let (one, other) = (uuid(), uuid());
        assert_eq!(one.len(), 36);
        assert_eq!(one.as_bytes()[14], b'4');
        assert_ne!(one, other);
    }
}
