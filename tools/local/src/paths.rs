//! Where things are on this machine: the repository, and `.lastgood/` in it, which holds everything
//! the local system makes. Removing that folder while nothing runs is always safe.

use std::path::{Path, PathBuf};

/// Folders and files of one local system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    root: PathBuf,
    state: PathBuf,
}

impl Paths {
    /// Those of the repository this was compiled in.
    #[must_use]
    pub fn of_repository() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let root = root.canonicalize().unwrap_or(root);
        let state = root.join(".lastgood");
        Self { root, state }
    }

    /// The same with another folder for what one run leaves behind, so that several can run at the
    /// same time. What is slow to make (the virtual environment, archives) is still shared.
    #[must_use]
    pub fn with_state(self, state: PathBuf) -> Self {
        Self { state, ..self }
    }

    /// The repository.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where this run keeps what it writes.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The stack's template.
    #[must_use]
    pub fn template(&self) -> PathBuf {
        self.root.join("infra/template.yaml")
    }

    /// The virtual environment of MiniStack.
    #[must_use]
    pub fn venv(&self) -> PathBuf {
        self.cache().join("venv")
    }

    /// Archives of functions, by content.
    #[must_use]
    pub fn archives(&self) -> PathBuf {
        self.cache().join("archives")
    }

    /// What MiniStack writes while it runs; emptied at every start.
    #[must_use]
    pub fn scratch(&self) -> PathBuf {
        self.state.join("scratch")
    }

    /// What MiniStack and the functions say.
    #[must_use]
    pub fn emulator_log(&self) -> PathBuf {
        self.state.join("ministack.log")
    }

    /// What the local system itself says.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.state.join("local.log")
    }

    /// What a detached `up` would have shown.
    #[must_use]
    pub fn detached_log(&self) -> PathBuf {
        self.state.join("up.log")
    }

    /// The file of somebody's environment: `local` for the account's root.
    #[must_use]
    pub fn environment(&self, who: &str) -> PathBuf {
        self.state.join(format!("{who}.env"))
    }

    fn cache(&self) -> PathBuf {
        self.root.join(".lastgood")
    }
}
