//! `lastgood completions` and `lastgood man`: what shells and readers of manuals want.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use serde_json::json;

use crate::args::Cli;
use crate::failure::Failure;
use crate::screen::Report;

/// Print a shell's completions
#[derive(Debug, Args)]
#[command(after_help = "Example:
  lastgood completions bash > ~/.local/share/bash-completion/completions/lastgood")]
pub(crate) struct Completions {
    /// The shell: bash, elvish, fish, powershell or zsh
    #[arg(hide_possible_values = true)]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Result<Report, Failure> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "lastgood", &mut text);
        let text = String::from_utf8(text)
            .map_err(|error| Failure::failed("no completions can be made").because(error))?;
        let data = json!({ "shell": self.shell.to_string(), "script": text });
        Ok(Report::new(&data, text.trim_end()))
    }
}

/// Write the manual's pages
#[derive(Debug, Args)]
#[command(
    after_help = "One page for lastgood and one for each command are written into the folder.

Example:
  lastgood man ~/.local/share/man/man1"
)]
pub(crate) struct Man {
    /// The folder
    folder: PathBuf,
}

impl Man {
    pub(crate) fn run(self) -> Result<Report, Failure> {
        let shown = self.folder.display().to_string();
        let failed = |error: std::io::Error| {
            Failure::failed(format!("the pages cannot be written to {shown}")).because(error)
        };
        std::fs::create_dir_all(&self.folder).map_err(failed)?;
        clap_mangen::generate_to(Cli::command(), &self.folder).map_err(failed)?;
        let data = json!({ "folder": shown });
        Ok(Report::new(&data, format!("the pages are in {shown}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_completes_every_verb() {
        for shell in [
            Shell::Bash,
            Shell::Elvish,
            Shell::Fish,
            Shell::PowerShell,
            Shell::Zsh,
        ] {
            let text = Completions { shell }.run().unwrap().text;
            for verb in Cli::command().get_subcommands() {
                assert!(
                    text.contains(verb.get_name()),
                    "{shell}: {}",
                    verb.get_name()
                );
            }
        }
    }

    #[test]
    fn every_verb_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let man = Man {
            folder: folder.path().join("man1"),
        };
        man.run().unwrap();
        for verb in Cli::command().get_subcommands() {
            let page = format!("man1/lastgood-{}.1", verb.get_name());
            let text = std::fs::read_to_string(folder.path().join(&page)).expect(&page);
            assert!(text.contains("lastgood"), "{page}");
        }
    }
}
