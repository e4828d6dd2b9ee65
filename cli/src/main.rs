//! `lastgood`: what people type.
//!
//! One file per verb under [`verb`], its options on top. What changes something is a request to the
//! `command` function, signed with the user's own AWS credentials, so that the ledger knows who
//! asked; what only reads reads the ledger's table. Nothing here decides anything: rules live in
//! `domain`.

mod about;
mod answer;
mod args;
mod board;
mod book;
mod brief;
mod build;
mod command;
mod failure;
mod follow;
mod package;
mod screen;
mod session;
mod sign;
mod table;
#[cfg(test)]
mod testing;
mod times;
mod verb;
mod words;
mod yaml;

use std::io;
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

use crate::args::{Cli, Verb};
use crate::failure::{Exit, Failure};
use crate::screen::{ColourWishes, Format, Report, Screen, Stream, Talk};
use crate::session::Session;

fn main() -> ExitCode {
    let wishes = ColourWishes::of_process();
    match Cli::try_parse() {
        Ok(cli) => ExitCode::from(run(cli, &wishes).code()),
        Err(error) => ExitCode::from(misused(&error).code()),
    }
}

fn run(cli: Cli, wishes: &ColourWishes) -> Exit {
    let screen = Screen {
        format: cli.shared.output,
        talk: if cli.shared.quiet {
            Talk::Quiet
        } else {
            Talk::Heard
        },
        out: wishes.paint(cli.shared.color, Stream::of(&io::stdout())),
        err: wishes.paint(cli.shared.color, Stream::of(&io::stderr())),
    };
    let session = Session::new(cli.shared, screen);
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
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = dispatch(cli.verb, &session) => outcome,
            _ = tokio::signal::ctrl_c() => Err(interrupted()),
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
        Verb::Apply(verb) => verb.run(session).await,
        Verb::Status(verb) => verb.run(session).await,
        Verb::History(verb) => verb.run(session).await,
        Verb::Show(verb) => verb.run(session).await,
        Verb::Publish(verb) => verb.run(session).await,
        Verb::Approve(verb) => verb.run(session).await,
        Verb::Reject(verb) => verb.run(session).await,
        Verb::Promote(verb) => verb.run(session).await,
        Verb::Rollback(verb) => verb.run(session).await,
        Verb::Cancel(verb) => verb.run(session).await,
        Verb::Freeze(verb) => verb.run(session).await,
        Verb::Thaw(verb) => verb.run(session).await,
        Verb::Verify(verb) => verb.run(session).await,
        #[cfg(feature = "schema")]
        Verb::Schema(verb) => verb.run(),
    }
}

fn interrupted() -> Failure {
    Failure::new(Exit::Interrupted, "interrupted")
        .hint("what was asked for may have been done: lastgood history tells")
}

/// Help and wrong usage. Scripts that asked for JSON get their error as JSON.
fn misused(error: &clap::Error) -> Exit {
    let wants_json = std::env::var("LASTGOOD_OUTPUT").is_ok_and(|format| format == "json")
        || std::env::args().any(|arg| matches!(&*arg, "--output=json" | "-ojson"))
        || std::env::args()
            .zip(std::env::args().skip(1))
            .any(|(flag, format)| matches!(&*flag, "--output" | "-o") && format == "json");
    let is_help = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    if wants_json && !is_help {
        let text = error.to_string();
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let message = lines.next().unwrap_or_default();
        let failure = Failure::usage(message.strip_prefix("error: ").unwrap_or(message));
        let failure = lines.fold(failure, Failure::because);
        let (out, err) = (screen::Paint::Plain, screen::Paint::Plain);
        Screen {
            format: Format::Json,
            talk: Talk::Quiet,
            out,
            err,
        }
        .fail(&failure);
    } else {
        // Nothing more can be said when the terminal itself is gone.
        drop(error.print());
    }
    if is_help { Exit::Done } else { Exit::Usage }
}
