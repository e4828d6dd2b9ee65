//! The processes of functions: who they are, and killing them in the middle of their work. Only
//! Linux tells of the environment of processes; elsewhere none are found.

use std::{fs, path::Path};

use rustix::process::{Pid, Signal, kill_process};

/// What names a function's process in its environment (AWS Lambda, "defined runtime environment
/// variables").
const NAME: &str = "AWS_LAMBDA_FUNCTION_NAME=";

/// The processes of functions that run under this scratch folder.
fn processes(scratch: &Path) -> Vec<Pid> {
    let scratch = scratch.display().to_string();
    let Ok(all) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    all.flatten()
        .filter_map(|process| {
            let environment = fs::read(process.path().join("environ")).ok()?;
            let environment = String::from_utf8_lossy(&environment);
            let pid = process.file_name().to_str()?.parse().ok()?;
            let ours = environment.contains(&scratch) && environment.contains(NAME);
            ours.then(|| Pid::from_raw(pid)).flatten()
        })
        .collect()
}

/// Kills every function's process, whatever it is doing; how many there were.
pub(crate) fn kill(scratch: &Path) -> usize {
    let found = processes(scratch);
    // One may have ended by itself meanwhile.
    let killed = found
        .iter()
        .filter(|pid| kill_process(**pid, Signal::KILL).is_ok());
    killed.count()
}
