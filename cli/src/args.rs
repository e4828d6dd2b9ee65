//! What can be typed: the options that all verbs share, and the list of verbs. Each verb's own
//! options are in its file under [`crate::verb`].

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand};

use crate::failure::exit_codes;
use crate::screen::{Colour, Format};
use crate::verb;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Cyan.on_default().bold())
    .usage(AnsiColor::Cyan.on_default().bold())
    .literal(AnsiColor::Green.on_default())
    .placeholder(AnsiColor::Yellow.on_default());

/// Takes every release from artefact to production on AWS, and back to the last good one when it is
/// bad.
#[derive(Debug, Parser)]
#[command(name = "lastgood", version, styles = STYLES, after_help = exit_codes())]
#[command(disable_help_subcommand = true, subcommand_required = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) shared: Shared,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Options of all verbs.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Shared options")]
pub(crate) struct Shared {
    /// The ledger's table (stack output TableName)
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "LASTGOOD_TABLE",
        hide_env_values = true
    )]
    pub(crate) table: Option<String>,
    /// Where requests go (stack output CommandUrl)
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "LASTGOOD_COMMAND_URL",
        hide_env_values = true
    )]
    pub(crate) command_url: Option<String>,
    /// The profile of the AWS configuration to use
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// The AWS Region of the ledger
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) region: Option<String>,
    /// What stdout carries: table or json
    #[arg(
        long,
        short,
        global = true,
        value_enum,
        hide_possible_values = true,
        value_name = "FORMAT",
        default_value = "table",
        env = "LASTGOOD_OUTPUT",
        hide_env_values = true
    )]
    pub(crate) output: Format,
    /// Only data and errors, no talk
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// When to colour: auto, always or never
    #[arg(
        long,
        global = true,
        value_enum,
        hide_possible_values = true,
        value_name = "WHEN",
        default_value = "auto"
    )]
    pub(crate) color: Colour,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Apply(verb::apply::Apply),
    Status(verb::status::Status),
    History(verb::history::History),
    Show(verb::show::Show),
    Publish(Box<verb::publish::Publish>),
    Approve(verb::approve::Approve),
    Reject(verb::reject::Reject),
    Promote(verb::promote::Promote),
    Rollback(verb::rollback::Rollback),
    Cancel(verb::cancel::Cancel),
    Freeze(verb::freeze::Freeze),
    Thaw(verb::thaw::Thaw),
    Verify(verb::verify::Verify),
    #[cfg(feature = "schema")]
    Schema(verb::schema::Schema),
}
