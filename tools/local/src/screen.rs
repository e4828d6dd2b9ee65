//! Showing what is being done: a spinner per step on a terminal, a line per step elsewhere. What is
//! done is not decided here.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a spinner turns.
const TURN: Duration = Duration::from_millis(100);

/// Where steps are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// A terminal that can be drawn on.
    Drawn,
    /// Lines, for logs.
    Plain,
    /// Nowhere, for tests.
    Silent,
}

impl Screen {
    /// Drawn on a terminal, plain elsewhere.
    #[must_use]
    pub fn of_stderr() -> Self {
        if io::stderr().is_terminal() {
            Self::Drawn
        } else {
            Self::Plain
        }
    }

    /// Shows that something has begun.
    #[must_use]
    pub fn step(self, title: &str) -> Step {
        let bar = match self {
            Self::Drawn => {
                let bar = ProgressBar::new_spinner().with_message(title.to_owned());
                bar.set_style(style());
                bar.enable_steady_tick(TURN);
                Some(bar)
            }
            Self::Plain | Self::Silent => None,
        };
        Step {
            screen: self,
            title: title.to_owned(),
            bar,
            began: Instant::now(),
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {msg}  {prefix:.dim}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// Something that has begun. Dropped without [`done`](Self::done) it has failed, and whoever
/// reports the failure says why.
#[derive(Debug)]
pub struct Step {
    screen: Screen,
    title: String,
    bar: Option<ProgressBar>,
    began: Instant,
}

impl Step {
    /// Shows how far it is. Not kept: only a terminal shows it.
    pub fn detail(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_prefix(text.to_owned());
        }
    }

    /// Shows that it is done, with its outcome in a few words.
    pub fn done(self, outcome: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let seconds = self.began.elapsed().as_secs_f32();
        match self.screen {
            Screen::Drawn | Screen::Plain => {
                line(&format!("✓ {}: {outcome} ({seconds:.1} s)", self.title));
            }
            Screen::Silent => {}
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// Writes a line to standard error. A closed standard error is nobody's loss.
pub fn line(text: &str) {
    drop(writeln!(io::stderr(), "{text}"));
}
