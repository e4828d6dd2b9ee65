//! The question before something is done that is not easily taken back. It is asked on a terminal
//! only; elsewhere `--yes` answers it, or nothing is done.

use std::io::{self, IsTerminal as _, Write as _};

use domain::config::Gate;
use domain::decide::Wish;
use domain::reason::Verdict;
use domain::{Pipeline, ServiceName, StageName};

use crate::book;
use crate::failure::{Exit, Failure};
use crate::plan::Decided;
use crate::session::Session;

/// Whether somebody can be asked.
fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// A question that cannot be asked.
fn nobody_to_ask(what: &str) -> Failure {
    Failure::usage(format!(
        "{what} is asked for first, and there is no terminal to ask on"
    ))
    .because("nothing was done")
    .hint("add --yes to go on without the question")
}

/// Whether a question could be asked, or need not be.
///
/// # Errors
/// When it could not.
pub(crate) fn can(session: &Session, what: &str) -> Result<(), Failure> {
    if session.says_yes() || can_ask() {
        Ok(())
    } else {
        Err(nobody_to_ask(what))
    }
}

/// Shows what it is about and asks.
///
/// # Errors
/// When the answer is no, or nobody can be asked.
pub(crate) async fn ask(session: &Session, about: &str, question: &str) -> Result<(), Failure> {
    if session.says_yes() {
        return Ok(());
    }
    can(session, "a confirmation")?;
    let paint = session.screen.err;
    let text = format!("{about}\n\n{} [y/N] ", paint.bold(question));
    // Reading blocks, and an interrupt must be heard all the same.
    let answer = tokio::task::spawn_blocking(move || -> io::Result<String> {
        let mut err = io::stderr().lock();
        err.write_all(text.as_bytes())?;
        err.flush()?;
        let mut line = String::new();
        io::stdin().read_line(&mut line)?;
        Ok(line)
    });
    let answer = answer.await.map_err(io::Error::other).and_then(|line| line);
    let answer = answer.map_err(|error| Failure::failed("the question failed").because(error))?;
    if matches!(&*answer.trim().to_ascii_lowercase(), "y" | "yes") {
        Ok(())
    } else {
        Err(Failure::new(
            Exit::Failed,
            "not confirmed: nothing was done",
        ))
    }
}

/// Asks before a release goes to a stage whose gate is a person, with the plan before the reader's
/// eyes. What the rules refuse anyway is not asked about: the refusal is the answer.
pub(crate) async fn before(
    session: &Session,
    service: &ServiceName,
    stage: &StageName,
    wish: Wish,
) -> Result<(), Failure> {
    if session.says_yes() {
        return Ok(());
    }
    let ledger = session.ledger().await?;
    let pipeline = book::pipeline(&ledger, service).await?;
    if !is_gated(&pipeline, stage) {
        return Ok(());
    }
    let decided = Decided::make(session, &ledger, service, stage, &wish).await?;
    if decided.verdict() != Verdict::Done {
        return Ok(());
    }
    can(session, &format!("a confirmation for {stage}"))?;
    let planned = decided.look(session).await?;
    let text = planned.text(&session.times, session.screen.err);
    ask(session, &text, &format!("Go on with {service} {stage}?")).await
}

fn is_gated(pipeline: &Pipeline, stage: &StageName) -> bool {
    let config = pipeline.config.as_ref().and_then(|it| it.stage(stage));
    config.is_some_and(|config| match config.gate {
        Gate::Automatic => false,
        Gate::Approval(_) => true,
    })
}
