//! Whether a local system runs, and which. The truth is a lock that its process holds and the
//! kernel takes back however the process ends, so a killed system leaves nothing that has to be
//! cleaned up; the file beside it only says where the process is.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    process,
};

use serde::{Deserialize, Serialize};

use crate::trouble::Trouble;

const LOCK: &str = "instance.lock";
const RECORD: &str = "instance.json";

/// What a running system says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its process.
    pub pid: i32,
    /// Where its gateway listens.
    pub endpoint: String,
    /// How far it is.
    pub phase: Phase,
}

/// How far a system is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Not to be used yet.
    Starting,
    /// Ready for use.
    Ready,
}

/// The right to be the one system of a folder; given back when dropped.
#[derive(Debug)]
pub struct Claim {
    // Held for its lock.
    _lock: File,
    record: PathBuf,
    endpoint: String,
}

impl Claim {
    /// Takes it.
    ///
    /// # Errors
    /// When another system runs in this folder, or the folder cannot be written.
    pub fn take(state: &Path, endpoint: String) -> Result<Self, Trouble> {
        fs::create_dir_all(state).map_err(Trouble::file("make", state))?;
        let Some(lock) = lock(state)? else {
            return Err(match read(state) {
                Some(Record { pid, endpoint, .. }) => Trouble::AlreadyRunning { pid, endpoint },
                None => Trouble::AlreadyRunning {
                    pid: 0,
                    endpoint: "an unknown address".to_owned(),
                },
            });
        };
        let claim = Self {
            _lock: lock,
            record: state.join(RECORD),
            endpoint,
        };
        claim.write(Phase::Starting)?;
        Ok(claim)
    }

    /// Tells that the system is ready for use.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub fn ready(&self) -> Result<(), Trouble> {
        self.write(Phase::Ready)
    }

    fn write(&self, phase: Phase) -> Result<(), Trouble> {
        let pid = i32::try_from(process::id()).unwrap_or_default();
        let record = Record {
            pid,
            endpoint: self.endpoint.clone(),
            phase,
        };
        let text = serde_json::to_string_pretty(&record).unwrap_or_default();
        fs::write(&self.record, text).map_err(Trouble::file("write", &self.record))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // If it stays, the lock still tells the truth.
        drop(fs::remove_file(&self.record));
    }
}

/// The system that runs in this folder, if one does.
///
/// # Errors
/// When the lock cannot be looked at.
pub fn running(state: &Path) -> Result<Option<Record>, Trouble> {
    if !state.join(LOCK).exists() || lock(state)?.is_some() {
        return Ok(None);
    }
    Ok(read(state))
}

fn lock(state: &Path) -> Result<Option<File>, Trouble> {
    let path = state.join(LOCK);
    let file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(Trouble::file("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(Trouble::file("lock", &path)(error)),
    }
}

fn read(state: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(state.join(RECORD)).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: &str = "http://127.0.0.1:4577";

    #[test]
    fn only_one_system_runs_in_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(running(folder.path()).unwrap(), None);
        let claim = Claim::take(folder.path(), ENDPOINT.to_owned()).unwrap();
        let second = Claim::take(folder.path(), "http://127.0.0.1:1".to_owned());
        let expected = i32::try_from(process::id()).unwrap();
        match second {
            Err(Trouble::AlreadyRunning { pid, endpoint }) => {
                assert_eq!((pid, endpoint.as_str()), (expected, ENDPOINT));
            }
            other => panic!("{other:?}"),
        }
        claim.ready().unwrap();
        let record = running(folder.path()).unwrap().unwrap();
        assert_eq!(record.phase, Phase::Ready);
        drop(claim);
        assert_eq!(running(folder.path()).unwrap(), None);
    }

    #[test]
    fn what_a_killed_system_left_behind_does_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        let left = Record {
            pid: 1,
            endpoint: ENDPOINT.to_owned(),
            phase: Phase::Ready,
        };
        fs::write(folder.path().join(LOCK), "").unwrap();
        fs::write(
            folder.path().join(RECORD),
            serde_json::to_string(&left).unwrap(),
        )
        .unwrap();
        assert_eq!(running(folder.path()).unwrap(), None);
        Claim::take(folder.path(), ENDPOINT.to_owned()).unwrap();
    }
}
