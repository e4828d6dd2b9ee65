//! `lastgood`: what people type.
//!
//! One file per verb under [`verb`], its options on top. What changes something is a request to the
//! `command` function, signed with the user's own AWS credentials, so that the ledger knows who
//! asked; what only reads reads the ledger's table. Nothing here decides anything: rules live in
//! `domain`.

mod about;
mod answer;
mod appspec;
mod archive;
mod args;
mod board;
mod book;
mod brief;
mod build;
mod canvas;
mod command;
mod commits;
mod confirm;
mod difference;
mod draft;
mod failure;
mod follow;
#[cfg(test)]
mod guides;
mod lookout;
mod misuse;
mod online;
mod package;
mod plan;
mod rehearse;
mod scene;
mod screen;
mod session;
mod sight;
mod sign;
mod steps;
mod table;
#[cfg(test)]
mod testing;
mod times;
mod trial;
mod upload;
mod usual;
mod verb;
mod words;
mod yaml;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

use crate::args::{Cli, Shared, Verb};
use crate::failure::{Exit, Failure};
use crate::screen::{ColourWishes, Report, Screen, Stream, Talk};
use crate::session::Session;

/// What clap calls a command line without a verb: it shows the help.
const BARE: ErrorKind = ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;

fn main() -> ExitCode {
    let wishes = ColourWishes::of_process();
    let args: Vec<OsString> = std::env::args_os().collect();
    let exit = match Cli::try_parse_from(&args) {
        Ok(cli) => run(cli, &wishes),
        Err(error) => misused(&error, &args, &wishes),
    };
    ExitCode::from(exit.code())
}

/// A variable of the environment.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn screen(shared: &Shared, wishes: &ColourWishes) -> Screen {
    Screen {
        format: shared.format(),
        talk: if shared.quiet {
            Talk::Quiet
        } else {
            Talk::Heard
        },
        stdout: Stream::of(&io::stdout()),
        out: wishes.paint(shared.color, Stream::of(&io::stdout())),
        err: wishes.paint(shared.color, Stream::of(&io::stderr())),
    }
}

fn run(cli: Cli, wishes: &ColourWishes) -> Exit {
    let typed = screen(&cli.shared, wishes);
    let shared = match cli.shared.or(variable) {
        Ok(shared) => shared,
        Err(failure) => {
            typed.fail(&failure);
            return failure.exit;
        }
    };
    let screen = screen(&shared, wishes);
    let session = Session::new(shared, screen);
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            screen.fail(&Failure::failed("cannot start").because(error));
            return Exit::Failed;
        }
    };
    let only_reads = cli.verb.only_reads();
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = dispatch(cli.verb, &session) => outcome,
            _ = tokio::signal::ctrl_c() => Err(interrupted(only_reads)),
        }
    });
    // A look-up of a name that still runs on a thread must not hold up the end.
    runtime.shutdown_background();
    match outcome {
        Ok(report) => match screen.report(&report) {
            Ok(()) => report.exit,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => report.exit,
            Err(error) => {
                screen.fail(&Failure::failed("cannot write to stdout").because(error));
                Exit::Failed
            }
        },
        Err(failure) => {
            screen.fail(&failure);
            failure.exit
        }
    }
}

async fn dispatch(verb: Verb, session: &Session) -> Result<Report, Failure> {
    match verb {
        Verb::Init(verb) => verb.run(session).await,
        Verb::Validate(verb) => verb.run(session).await,
        Verb::Apply(verb) => verb.run(session).await,
        Verb::Services(verb) => verb.run(session).await,
        Verb::Status(verb) => verb.run(session).await,
        Verb::Watch(verb) => verb.run(session).await,
        Verb::Why(verb) => verb.run(session).await,
        Verb::History(verb) => verb.run(session).await,
        Verb::Show(verb) => verb.run(session).await,
        Verb::Plan(verb) => verb.run(session).await,
        Verb::Diff(verb) => verb.run(session).await,
        Verb::Publish(verb) => verb.run(session).await,
        Verb::Wait(verb) => verb.run(session).await,
        Verb::Approve(verb) => verb.run(session).await,
        Verb::Reject(verb) => verb.run(session).await,
        Verb::Promote(verb) => verb.run(session).await,
        Verb::Rollback(verb) => verb.run(session).await,
        Verb::Cancel(verb) => verb.run(session).await,
        Verb::Restore(verb) => verb.run(session).await,
        Verb::Adopt(verb) => verb.run(session).await,
        Verb::Freeze(verb) => verb.run(session).await,
        Verb::Thaw(verb) => verb.run(session).await,
        Verb::Verify(verb) => verb.run(session).await,
        Verb::Export(verb) => verb.run(session).await,
        Verb::Doctor(verb) => verb.run(session).await,
        Verb::Completions(verb) => verb.run(),
        Verb::Man(verb) => verb.run(),
        #[cfg(feature = "schema")]
        Verb::Schema(verb) => verb.run(),
    }
}

fn interrupted(only_reads: bool) -> Failure {
    let failure = Failure::new(Exit::Interrupted, "interrupted");
    if only_reads {
        return failure;
    }
    failure.hint("what was asked for may have been done: lastgood history tells")
}

/// Help and wrong usage. Scripts that asked for JSON get their error as JSON.
fn misused(error: &clap::Error, args: &[OsString], wishes: &ColourWishes) -> Exit {
    if misuse::asks_for_help(error) {
        // Nothing more can be said when the terminal itself is gone.
        drop(error.print());
        return Exit::Done;
    }
    let shared = misuse::shared(args).and_then(|shared| shared.or(variable).ok());
    let screen = screen(&shared.unwrap_or_default(), wishes);
    if !screen.format.is_for_scripts() && error.kind() == BARE {
        drop(error.print());
    } else {
        let verb = misuse::verb(args);
        screen.fail(&misuse::failure(error, verb.as_deref()));
    }
    Exit::Usage
}
