//! What the people who watch the demo see: a line for everything that was observed, and, on a
//! terminal, a moving line per service below. What is said is decided elsewhere.

use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::screen::{self, Screen};

/// How often a moving line turns.
const TURN: Duration = Duration::from_millis(120);

/// Where the demo is shown.
#[derive(Debug)]
pub(super) struct Show {
    screen: Screen,
    lanes: MultiProgress,
    began: Instant,
}

/// The moving line of one service; elsewhere than on a terminal it is not there.
#[derive(Debug)]
pub(super) struct Lane {
    bar: Option<ProgressBar>,
}

impl Show {
    pub(super) fn new(screen: Screen) -> Self {
        Self {
            screen,
            lanes: MultiProgress::new(),
            began: Instant::now(),
        }
    }

    /// A moving line for a service.
    pub(super) fn lane(&self, service: &str) -> Lane {
        let bar = match self.screen {
            Screen::Drawn => {
                let bar = self.lanes.add(ProgressBar::new_spinner());
                let style = ProgressStyle::with_template("{spinner:.cyan} {prefix:8} {msg:.dim}");
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
                bar.set_prefix(service.to_owned());
                bar.enable_steady_tick(TURN);
                Some(bar)
            }
            Screen::Plain | Screen::Silent => None,
        };
        Lane { bar }
    }

    /// The heading of what comes next.
    pub(super) fn act(&self, text: &str) {
        self.line(&format!("\n{text}"));
    }

    /// Something that was observed just now.
    pub(super) fn say(&self, service: &str, text: &str) {
        let seconds = self.began.elapsed().as_secs_f32();
        self.line(&format!("  {seconds:5.1} s  {service:8} {text}"));
    }

    /// A line as it is.
    pub(super) fn line(&self, text: &str) {
        match self.screen {
            // Above the moving lines.
            Screen::Drawn => self.lanes.suspend(|| screen::line(text)),
            Screen::Plain => screen::line(text),
            Screen::Silent => {}
        }
    }
}

impl Lane {
    /// What happens there now.
    pub(super) fn now(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
