//! Logs: one JSON object a line on standard output, where Lambda takes them from. Whole events are
//! never logged; what is logged names the fact, the service and the reason.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The variable Lambda sets to the configured level.
const LEVEL: &str = "AWS_LAMBDA_LOG_LEVEL";

/// Starts logging. A second call changes nothing.
pub fn start() {
    let level = level(std::env::var(LEVEL).ok().as_deref());
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false);
    let started = tracing_subscriber::registry()
        .with(level)
        .with(lines)
        .try_init();
    if started.is_err() {
        tracing::trace!("logging had been started before");
    }
}

fn level(configured: Option<&str>) -> LevelFilter {
    match configured.map(str::to_ascii_uppercase).as_deref() {
        Some("TRACE") => LevelFilter::TRACE,
        Some("DEBUG") => LevelFilter::DEBUG,
        Some("WARN") => LevelFilter::WARN,
        Some("ERROR" | "FATAL") => LevelFilter::ERROR,
        _ => LevelFilter::INFO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_is_the_one_lambda_was_told() {
        assert_eq!(level(Some("debug")), LevelFilter::DEBUG);
        assert_eq!(level(Some("FATAL")), LevelFilter::ERROR);
        assert_eq!(level(Some("loud")), LevelFilter::INFO);
        assert_eq!(level(None), LevelFilter::INFO);
    }

    #[test]
    fn starting_twice_is_fine() {
        start();
        start();
    }
}
