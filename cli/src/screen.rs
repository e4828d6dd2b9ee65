//! The terminal: data on stdout, talk on stderr, colour where it is wanted. What is said is decided
//! elsewhere.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;

use crate::failure::{Exit, Failure};

/// What stdout carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables and sentences.
    Table,
    /// One JSON document, and nothing else.
    Json,
    /// One JSON document in each line: a row, or something that happened.
    Jsonl,
}

impl Format {
    /// Whether scripts read it.
    pub(crate) fn is_for_scripts(self) -> bool {
        match self {
            Self::Table => false,
            Self::Json | Self::Jsonl => true,
        }
    }
}

/// When to colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless `NO_COLOR` is set; everywhere when `CLICOLOR_FORCE` is.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Whether talk is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Talk {
    /// It is.
    Heard,
    /// Only data and errors are.
    Quiet,
}

/// Where a stream leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// To a terminal.
    Terminal,
    /// To a file or another program.
    Elsewhere,
}

impl Stream {
    /// Where this one leads.
    pub(crate) fn of(stream: &impl IsTerminal) -> Self {
        if stream.is_terminal() {
            Self::Terminal
        } else {
            Self::Elsewhere
        }
    }
}

/// What the environment says about colour.
#[derive(Debug, Clone, Default)]
pub(crate) struct ColourWishes {
    pub(crate) no_color: Option<String>,
    pub(crate) clicolor: Option<String>,
    pub(crate) clicolor_force: Option<String>,
    pub(crate) term: Option<String>,
}

impl ColourWishes {
    /// As the process was started.
    pub(crate) fn of_process() -> Self {
        let var = |name: &str| std::env::var(name).ok();
        Self {
            no_color: var("NO_COLOR"),
            clicolor: var("CLICOLOR"),
            clicolor_force: var("CLICOLOR_FORCE"),
            term: var("TERM"),
        }
    }

    /// Whether a stream is coloured (no-color.org, bixense.com/clicolors). What is typed wins.
    pub(crate) fn paint(&self, colour: Colour, stream: Stream) -> Paint {
        let on = match colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto
                if self
                    .no_color
                    .as_ref()
                    .is_some_and(|value| !value.is_empty()) =>
            {
                false
            }
            Colour::Auto
                if self
                    .clicolor_force
                    .as_ref()
                    .is_some_and(|value| value != "0") =>
            {
                true
            }
            Colour::Auto => {
                stream == Stream::Terminal
                    && self.clicolor.as_deref() != Some("0")
                    && self.term.as_deref() != Some("dumb")
            }
        };
        if on { Paint::Colours } else { Paint::Plain }
    }
}

/// Whether text is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    /// With ANSI escapes.
    Colours,
    /// Without.
    Plain,
}

impl Paint {
    /// Bold text.
    pub(crate) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// What is bad.
    pub(crate) fn red(self, text: &str) -> String {
        self.with("1;31", text)
    }

    /// What is good, or comes.
    pub(crate) fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    /// What waits.
    pub(crate) fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }

    /// What helps.
    pub(crate) fn cyan(self, text: &str) -> String {
        self.with("36", text)
    }

    /// What matters less.
    pub(crate) fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        match self {
            Self::Colours => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Self::Plain => text.to_owned(),
        }
    }
}

/// The two streams with what the user wants of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    /// What stdout carries.
    pub(crate) format: Format,
    /// Whether talk is heard.
    pub(crate) talk: Talk,
    /// Stdout's colours.
    pub(crate) out: Paint,
    /// Stderr's colours.
    pub(crate) err: Paint,
    /// Where stdout leads: only a terminal is drawn on.
    pub(crate) stdout: Stream,
}

/// What a command has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// For scripts.
    pub(crate) data: Value,
    /// For people, without a line's end.
    pub(crate) text: String,
    /// Talk that follows, such as what to type next.
    pub(crate) next: Vec<String>,
    /// What became of it.
    pub(crate) exit: Exit,
}

impl Report {
    /// The same content in both forms.
    pub(crate) fn new(data: &impl Serialize, text: impl Into<String>) -> Self {
        let data = serde_json::to_value(data).unwrap_or(Value::Null);
        Self {
            data,
            text: text.into(),
            next: Vec::new(),
            exit: Exit::Done,
        }
    }

    /// With what to type next.
    #[must_use]
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next.push(next.into());
        self
    }

    /// With another outcome than done.
    #[must_use]
    pub(crate) fn ending(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }
}

impl Screen {
    /// Prints what a command has to say.
    ///
    /// # Errors
    /// When stdout is closed or full.
    pub(crate) fn report(&self, report: &Report) -> io::Result<()> {
        let text = match self.format {
            Format::Table => report.text.clone(),
            Format::Json => serde_json::to_string_pretty(&report.data)?,
            Format::Jsonl => lines(&report.data),
        };
        if !text.is_empty() {
            self.print(&text)?;
        }
        for next in &report.next {
            self.say(next);
        }
        Ok(())
    }

    /// Prints a line of data at once.
    ///
    /// # Errors
    /// When stdout is closed or full.
    pub(crate) fn print(&self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{text}")?;
        stdout.flush()
    }

    /// Says something on stderr. A closed stderr is no reason to stop.
    pub(crate) fn say(&self, text: &str) {
        if self.talk == Talk::Heard && self.format == Format::Table {
            drop(writeln!(io::stderr().lock(), "{}", self.err.dim(text)));
        }
    }

    /// Tells a failure on stderr.
    pub(crate) fn fail(&self, failure: &Failure) {
        let text = match self.format {
            Format::Table => failure_text(failure, self.err),
            Format::Json | Format::Jsonl => failure_json(failure).to_string(),
        };
        drop(writeln!(io::stderr().lock(), "{text}"));
    }
}

/// A line for each row; what is no list is one row.
fn lines(data: &Value) -> String {
    match data {
        Value::Array(rows) => {
            let rows: Vec<String> = rows.iter().map(Value::to_string).collect();
            rows.join("\n")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            data.to_string()
        }
    }
}

/// A failure for people: the cause, what shows it, one hint.
pub(crate) fn failure_text(failure: &Failure, paint: Paint) -> String {
    let mut text = format!("{}: {}", paint.red("error"), paint.bold(&failure.message));
    for evidence in &failure.evidence {
        for line in evidence.split('\n') {
            text.push('\n');
            if !line.is_empty() {
                text.push_str("  ");
                text.push_str(line);
            }
        }
    }
    if let Some(hint) = &failure.hint {
        text.push_str(&format!("\n\n{}: {hint}", paint.cyan("hint")));
    }
    text
}

/// A failure for scripts.
pub(crate) fn failure_json(failure: &Failure) -> Value {
    let message = std::iter::once(&failure.message).chain(&failure.evidence);
    serde_json::json!({
        "code": failure.exit.word(),
        "message": message.map(String::as_str).collect::<Vec<_>>().join("\n"),
        "hint": failure.hint,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_what_is_typed_then_what_the_environment_says_then_the_terminal() {
        let wishes = ColourWishes::default();
        assert_eq!(wishes.paint(Colour::Auto, Stream::Terminal), Paint::Colours);
        assert_eq!(wishes.paint(Colour::Auto, Stream::Elsewhere), Paint::Plain);
        assert_eq!(
            wishes.paint(Colour::Always, Stream::Elsewhere),
            Paint::Colours
        );
        let no = ColourWishes {
            no_color: Some("1".into()),
            ..wishes.clone()
        };
        assert_eq!(no.paint(Colour::Auto, Stream::Terminal), Paint::Plain);
        assert_eq!(no.paint(Colour::Always, Stream::Terminal), Paint::Colours);
        let empty = ColourWishes {
            no_color: Some(String::new()),
            ..wishes.clone()
        };
        assert_eq!(empty.paint(Colour::Auto, Stream::Terminal), Paint::Colours);
        let force = ColourWishes {
            clicolor_force: Some("1".into()),
            ..wishes.clone()
        };
        assert_eq!(force.paint(Colour::Auto, Stream::Elsewhere), Paint::Colours);
        assert_eq!(force.paint(Colour::Never, Stream::Terminal), Paint::Plain);
        let dumb = ColourWishes {
            term: Some("dumb".into()),
            ..wishes
        };
        assert_eq!(dumb.paint(Colour::Auto, Stream::Terminal), Paint::Plain);
    }

    #[test]
    fn each_row_is_a_line() {
        let rows = serde_json::json!([{ "service": "web" }, { "service": "shop\n" }]);
        assert_eq!(
            lines(&rows),
            "{\"service\":\"web\"}\n{\"service\":\"shop\\n\"}"
        );
        assert_eq!(lines(&serde_json::json!([])), "");
        assert_eq!(lines(&serde_json::json!({ "a": [1, 2] })), "{\"a\":[1,2]}");
    }

    #[test]
    fn a_failure_is_the_cause_the_evidence_and_one_hint() {
        let failure = Failure::new(Exit::NotAllowed, "release 17 may not be approved by you")
            .because("the stage's rule does not name this identity as an approver")
            .because("arn:aws:iam::111122223333:user/ravi")
            .hint("ask alice");
        insta::assert_snapshot!(failure_text(&failure, Paint::Plain), @r"
        error: release 17 may not be approved by you
          the stage's rule does not name this identity as an approver
          arn:aws:iam::111122223333:user/ravi

        hint: ask alice
        ");
        insta::assert_json_snapshot!(failure_json(&failure), @r#"
        {
          "code": "not_allowed",
          "message": "release 17 may not be approved by you\nthe stage's rule does not name this identity as an approver\narn:aws:iam::111122223333:user/ravi",
          "hint": "ask alice"
        }
        "#);
        assert!(failure_text(&failure, Paint::Colours).contains("\u{1b}[1;31merror"));
    }
}
