//! The hash chain: each entry holds the hash of the one before it, and its own hash is taken over
//! the very bytes that are stored, so that a reader of any version can verify it.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::entry::Entry;

/// Hex SHA-256 of an entry's stored bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hash(std::borrow::Cow<'static, str>);

impl Hash {
    /// What stands before the first entry.
    pub const ZERO: Self = Self(std::borrow::Cow::Borrowed(
        "0000000000000000000000000000000000000000000000000000000000000000",
    ));

    /// The hash of stored bytes.
    #[must_use]
    pub fn of(stored: &str) -> Self {
        Self(hex::encode(Sha256::digest(stored.as_bytes())).into())
    }

    /// The hex digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// An entry with the bytes that are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The entry.
    pub entry: Entry,
    /// Its JSON, exactly as stored.
    pub stored: String,
    /// The hash of `stored`.
    pub hash: Hash,
}

/// Why stored entries are no chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// A number is missing or stands twice.
    #[error("entry {expected} is missing: {found} stands in its place")]
    Gap {
        /// The number that should come.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// An entry does not follow the one before it.
    #[error("entry {seq} does not follow entry {}: one of them was changed", seq.saturating_sub(1))]
    Broken {
        /// The later entry's number.
        seq: u64,
    },
    /// An entry cannot be read.
    #[error("entry {seq} cannot be read: {problem}")]
    Unreadable {
        /// The number it should have.
        seq: u64,
        /// What the reader said.
        problem: String,
    },
}

impl Sealed {
    /// Seals an entry.
    ///
    /// # Panics
    /// Never: an entry holds nothing that JSON cannot.
    #[must_use]
    pub fn new(entry: Entry) -> Self {
        #[expect(
            clippy::expect_used,
            reason = "string keys and finite numbers always serialise"
        )]
        let stored = serde_json::to_string(&entry).expect("an entry is JSON");
        let hash = Hash::of(&stored);
        Self {
            entry,
            stored,
            hash,
        }
    }

    /// Reads a stored entry that must be number `seq` and follow `before`.
    ///
    /// # Errors
    /// When it cannot be read, has another number, or does not follow.
    pub fn follow(stored: &str, seq: u64, before: &Hash) -> Result<Self, ChainError> {
        let entry: Entry =
            serde_json::from_str(stored).map_err(|error| ChainError::Unreadable {
                seq,
                problem: error.to_string(),
            })?;
        if entry.seq != seq {
            return Err(ChainError::Gap {
                expected: seq,
                found: entry.seq,
            });
        }
        if entry.before != *before {
            return Err(ChainError::Broken { seq });
        }
        Ok(Self {
            hash: Hash::of(stored),
            stored: stored.to_owned(),
            entry,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_hex_sha_256_of_the_stored_bytes() {
        // NIST's own example, FIPS 180-2 appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Hash::of("abc").as_str(), abc);
        assert_eq!(Hash::of("abc").to_string(), abc);
    }
    #[test]
    fn an_entry_without_one_before_it_is_told_of_all_the_same() {
        let broken = ChainError::Broken { seq: 0 };
        assert!(broken.to_string().starts_with("entry 0 does not follow"));
    }
}
