//! What can be typed: the options that all verbs share, and the list of verbs. Each verb's own
//! options are in its file under [`crate::verb`].

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum as _};

use crate::failure::{Failure, exit_codes};
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
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Shared options")]
pub(crate) struct Shared {
    /// The ledger's table (stack output TableName) [env: LASTGOOD_TABLE]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) table: Option<String>,
    /// Where approvals go (stack output ApprovalUrl) [env: LASTGOOD_APPROVAL_URL]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) approval_url: Option<String>,
    /// Where other requests go (stack output CommandUrl) [env: LASTGOOD_COMMAND_URL]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) command_url: Option<String>,
    /// The profile of the AWS configuration to use
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// The AWS Region of the ledger
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) region: Option<String>,
    /// What stdout carries: table, json or jsonl [env: LASTGOOD_OUTPUT] [default: table]
    #[arg(
        long,
        short,
        global = true,
        value_enum,
        hide_possible_values = true,
        value_name = "FORMAT"
    )]
    pub(crate) output: Option<Format>,
    /// Go on without asking, for scripts
    #[arg(long, short, global = true)]
    pub(crate) yes: bool,
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

impl Shared {
    /// With what the environment says where nothing was typed. clap is not asked to read it: its
    /// usage lines would show such an option as if it were required.
    ///
    /// # Errors
    /// When the environment names a format that is none.
    pub(crate) fn or(mut self, env: impl Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let said = |name: &str| env(name).filter(|value| !value.is_empty());
        self.table = self.table.or_else(|| said("LASTGOOD_TABLE"));
        self.approval_url = self.approval_url.or_else(|| said("LASTGOOD_APPROVAL_URL"));
        self.command_url = self.command_url.or_else(|| said("LASTGOOD_COMMAND_URL"));
        if let (None, Some(format)) = (self.output, said("LASTGOOD_OUTPUT")) {
            let known = Format::from_str(&format, false).map_err(|_| {
                Failure::usage(format!("LASTGOOD_OUTPUT names no format: {format:?}"))
                    .hint("it is table, json or jsonl")
            })?;
            self.output = Some(known);
        }
        Ok(self)
    }

    /// What stdout carries.
    pub(crate) fn format(&self) -> Format {
        self.output.unwrap_or(Format::Table)
    }
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Init(verb::init::Init),
    Validate(verb::validate::Validate),
    Apply(verb::apply::Apply),
    Services(verb::services::Services),
    Status(verb::status::Status),
    Watch(verb::watch::Watch),
    Why(verb::why::Why),
    History(verb::history::History),
    Show(verb::show::Show),
    Plan(verb::plan::Plan),
    Diff(verb::diff::Diff),
    Publish(Box<verb::publish::Publish>),
    Wait(verb::wait::Wait),
    Approve(verb::approve::Approve),
    Reject(verb::reject::Reject),
    Promote(verb::promote::Promote),
    Rollback(verb::rollback::Rollback),
    Cancel(verb::cancel::Cancel),
    Restore(verb::restore::Restore),
    Adopt(verb::adopt::Adopt),
    Freeze(verb::freeze::Freeze),
    Thaw(verb::thaw::Thaw),
    Verify(verb::verify::Verify),
    Export(verb::export::Export),
    Doctor(verb::doctor::Doctor),
    Completions(verb::completions::Completions),
    Man(verb::completions::Man),
    #[cfg(feature = "schema")]
    Schema(verb::schema::Schema),
}

impl Verb {
    /// Whether it changes nothing: then nothing may have been done when it is interrupted.
    pub(crate) fn only_reads(&self) -> bool {
        match self {
            Self::Init(_)
            | Self::Validate(_)
            | Self::Plan(_)
            | Self::Services(_)
            | Self::Status(_)
            | Self::Watch(_)
            | Self::Why(_)
            | Self::History(_)
            | Self::Show(_)
            | Self::Diff(_)
            | Self::Wait(_)
            | Self::Verify(_)
            | Self::Export(_)
            | Self::Doctor(_)
            | Self::Completions(_)
            | Self::Man(_) => true,
            #[cfg(feature = "schema")]
            Self::Schema(_) => true,
            Self::Apply(_)
            | Self::Publish(_)
            | Self::Approve(_)
            | Self::Reject(_)
            | Self::Promote(_)
            | Self::Rollback(_)
            | Self::Cancel(_)
            | Self::Adopt(_)
            | Self::Restore(_)
            | Self::Freeze(_)
            | Self::Thaw(_) => false,
        }
    }
}
