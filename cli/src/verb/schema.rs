//! `lastgood schema`: the JSON Schema of service files, for editors.

use clap::Args;
use domain::file::ServiceFile;

use crate::failure::Failure;
use crate::screen::Report;

/// Print the JSON Schema of service files
#[derive(Debug, Args)]
#[command(after_help = "Example, for editors with the YAML language server:
  lastgood schema > service.schema.json
  # yaml-language-server: $schema=service.schema.json    (first line of web.yaml)")]
pub(crate) struct Schema {}

impl Schema {
    pub(crate) fn run(self) -> Result<Report, Failure> {
        let schema = schemars::schema_for!(ServiceFile);
        let text = serde_json::to_string_pretty(&schema)
            .map_err(|error| Failure::failed("the schema cannot be written").because(error))?;
        Ok(Report::new(&schema, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECKED_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/service.schema.json");

    /// `UPDATE_SCHEMA=1 cargo test -p lastgood schema` writes it anew.
    #[test]
    fn the_checked_in_schema_is_current() {
        let text = Schema {}.run().unwrap().text + "\n";
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(CHECKED_IN, &text).unwrap();
        }
        let checked_in = std::fs::read_to_string(CHECKED_IN).unwrap();
        assert!(
            checked_in == text,
            "run: UPDATE_SCHEMA=1 cargo test -p lastgood schema"
        );
    }
}
