//! What a release does when it runs: the JSON that an image carries in its `APP` variable and a
//! bundle in its `app.json`. Serving it is the server's work.

use serde::Deserialize;

/// The name of the environment variable that says what a container's release does.
pub(crate) const APP_VARIABLE: &str = "APP";

/// What a release does when it runs. Every field may be left out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// What it calls itself in its answers.
    #[serde(default = "unnamed")]
    pub version: String,
    /// The status it answers with.
    #[serde(default = "ok")]
    pub status: u16,
    /// The share of answers, 0 to 1, that are a 500 instead.
    #[serde(default)]
    pub error_rate: f64,
    /// How long an answer takes, in milliseconds.
    #[serde(default)]
    pub latency_ms: u64,
    /// How long it takes until it listens, in milliseconds.
    #[serde(default)]
    pub start_ms: u64,
    /// The status of `/health`.
    #[serde(default = "ok")]
    pub health: u16,
    /// Whether it dies by itself.
    #[serde(default)]
    pub crash: Crash,
    /// Text to add to the answers.
    #[serde(default)]
    pub body: Option<String>,
}

/// Whether and when a release dies by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crash {
    /// It runs until it is stopped.
    #[default]
    Never,
    /// It exits when it should begin to listen.
    OnStart,
    /// It exits half a second after it began to listen.
    AfterStart,
}

fn ok() -> u16 {
    200
}

fn unnamed() -> String {
    "unknown".to_owned()
}

/// Why the description of a release cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// It is not the JSON of an [`App`].
    #[error("the release's description is not understood")]
    Json(#[from] serde_json::Error),
    /// A number is out of range.
    #[error("{field} of the release's description must be {range}")]
    Range {
        /// The field.
        field: &'static str,
        /// What it must be.
        range: &'static str,
    },
}

impl App {
    /// A release that says nothing about itself: it runs and answers 200.
    #[must_use]
    pub fn plain(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            status: ok(),
            error_rate: 0.0,
            latency_ms: 0,
            start_ms: 0,
            health: ok(),
            crash: Crash::Never,
            body: None,
        }
    }

    /// Reads the description of a release.
    ///
    /// # Errors
    /// When it is not such JSON, has unknown fields, or a number is out of range.
    pub fn parse(text: &str) -> Result<Self, AppError> {
        let app: Self = serde_json::from_str(text)?;
        let range = |field, range, good: bool| match good {
            true => Ok(()),
            false => Err(AppError::Range { field, range }),
        };
        let statuses = 200..=599;
        range("status", "200 to 599", statuses.contains(&app.status))?;
        range("health", "200 to 599", statuses.contains(&app.health))?;
        range(
            "error_rate",
            "0 to 1",
            (0.0..=1.0).contains(&app.error_rate),
        )?;
        Ok(app)
    }

    /// Whether the `n`th answer (from 1) is an error: spread evenly, so that the share holds for
    /// short samples too.
    pub(crate) fn fails(&self, n: u64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "2^53 answers are never given")]
        let due = |n: u64| (n as f64 * self.error_rate).floor();
        n > 0 && due(n) > due(n - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_harmless() {
        assert_eq!(
            App::parse(r#"{"version":"1.4.0"}"#).unwrap(),
            App::plain("1.4.0")
        );
    }

    #[test]
    fn what_is_written_is_kept() {
        let app = App::parse(r#"{"status":503,"health":500,"crash":"on-start","start_ms":7}"#);
        let app = app.unwrap();
        assert_eq!((app.status, app.health, app.start_ms), (503, 500, 7));
        assert_eq!(app.crash, Crash::OnStart);
    }

    #[test]
    fn typing_errors_and_impossible_numbers_are_refused() {
        for bad in [
            r#"{"eror_rate":1}"#,
            r#"{"status":99}"#,
            r#"{"error_rate":1.5}"#,
            "7",
        ] {
            assert!(App::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn errors_come_at_their_rate() {
        let app = App {
            error_rate: 0.25,
            ..App::plain("x")
        };
        assert_eq!((1..=100).filter(|n| app.fails(*n)).count(), 25);
        assert_eq!((1..=4).filter(|n| app.fails(*n)).count(), 1);
    }
}
