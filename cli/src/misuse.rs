//! What was typed wrong: clap's findings in the form of all failures, the cause, what shows it and
//! one hint. clap's own help is left as it is.

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _};

use crate::args::{Cli, Shared};
use crate::failure::Failure;

/// Whether what was typed asks for help or the version, which is no mistake.
pub(crate) fn asks_for_help(error: &clap::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    )
}

/// The shared options of a command line of which the rest cannot be understood: whoever asked for
/// JSON gets the failure as JSON too.
pub(crate) fn shared(args: &[std::ffi::OsString]) -> Option<Shared> {
    let lenient = Cli::command().ignore_errors(true);
    let matches = lenient.try_get_matches_from(args).ok()?;
    Shared::from_arg_matches(&matches).ok()
}

/// A finding of clap's as a failure. `verb` is what was to be done, when that was understood.
pub(crate) fn failure(error: &clap::Error, verb: Option<&str>) -> Failure {
    let help = match verb {
        Some(verb) => format!("lastgood {verb} --help shows how, with an example"),
        None => "lastgood --help lists what can be done".to_owned(),
    };
    let bare = matches!(
        error.kind(),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand
    );
    if bare {
        return Failure::usage("no command was given").hint(help);
    }
    let text = error.to_string();
    let mut tip = None;
    let mut told = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(words) = line.strip_prefix("tip: ") {
            tip = tip.or(Some(words.to_owned()));
        } else if !line.starts_with("For more information") {
            told.push(line);
        }
    }
    let mut told = told.into_iter();
    let cause = told.next().unwrap_or("it cannot be understood");
    let cause = cause.strip_prefix("error: ").unwrap_or(cause);
    let failure = Failure::usage(cause.trim_end_matches(':'));
    told.fold(failure, Failure::because)
        .hint(tip.unwrap_or(help))
}

/// The verb that was typed, when it is one.
pub(crate) fn verb(args: &[std::ffi::OsString]) -> Option<String> {
    let known = Cli::command();
    args.iter()
        .skip(1)
        .filter_map(|arg| arg.to_str())
        .find(|arg| known.get_subcommands().any(|verb| verb.get_name() == *arg))
        .map(str::to_owned)
}
