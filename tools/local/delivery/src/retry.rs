//! When there is another attempt, and when there is none: EventBridge at its targets, and Lambda
//! with functions invoked asynchronously. Pure. Retries of a stream's batches are in `batch`.

use std::time::Duration;

use serde_json::Value;

use crate::rules;

/// AWS's pause after the first error of a function that was invoked asynchronously; the pauses of
/// this machine are to AWS's as `retry_base` is to this.
/// Source: Lambda developer guide, invocation-async-error-handling.
const AWS_BASE: Duration = Duration::from_secs(60);

/// The first pause after being throttled.
const AWS_BACKOFF_FIRST: Duration = Duration::from_secs(1);

/// The longest pause after being throttled.
const AWS_BACKOFF_LONGEST: Duration = Duration::from_secs(300);

/// How many times a pause can double before the longest is reached anyway.
const DOUBLINGS_MAX: u32 = 16;

/// AWS's pauses, scaled to this machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pauses {
    scale: f64,
}

impl Pauses {
    /// Pauses where AWS's minute lasts this long.
    pub(crate) fn new(retry_base: Duration) -> Self {
        Self {
            scale: retry_base.as_secs_f64() / AWS_BASE.as_secs_f64(),
        }
    }

    /// After the `failures`-th error of a function: one minute, then two.
    pub(crate) fn after_error(self, failures: u32) -> Duration {
        (AWS_BASE * failures.max(1)).mul_f64(self.scale)
    }

    /// After being refused `times` times: from one second, doubling, to five minutes.
    pub(crate) fn backoff(self, times: u32) -> Duration {
        let doublings = times.saturating_sub(1).min(DOUBLINGS_MAX);
        (AWS_BACKOFF_FIRST * 2_u32.pow(doublings))
            .min(AWS_BACKOFF_LONGEST)
            .mul_f64(self.scale)
    }
}

/// How long something is tried, and how often again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// How many attempts after the first.
    pub(crate) retries: u32,
    /// How old it may be for another attempt.
    pub(crate) age: Duration,
}

impl Limits {
    /// What EventBridge does at a target without a `RetryPolicy`.
    pub(crate) const TARGET: Self = Self {
        retries: 185,
        age: Duration::from_secs(24 * 60 * 60),
    };

    /// What Lambda does with a function without an `EventInvokeConfig`.
    pub(crate) const FUNCTION: Self = Self {
        retries: 2,
        age: Duration::from_secs(6 * 60 * 60),
    };

    /// Reads `MaximumRetryAttempts` and `MaximumEventAgeInSeconds`; what is missing stays.
    pub(crate) fn read(self, policy: Option<&Value>) -> Self {
        let number = |name: &str| policy?.get(name).and_then(rules::number);
        Self {
            retries: number("MaximumRetryAttempts")
                .and_then(|retries| retries.try_into().ok())
                .unwrap_or(self.retries),
            age: number("MaximumEventAgeInSeconds").map_or(self.age, Duration::from_secs),
        }
    }
}

/// Which limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exhausted {
    /// There were as many attempts as allowed.
    Retries,
    /// It is too old.
    Age,
}

/// What to do after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Try again after this pause.
    After(Duration),
    /// Give up.
    GiveUp(Exhausted),
}

/// EventBridge's attempts at one target.
#[derive(Debug, Clone)]
pub(crate) struct TargetAttempts {
    limits: Limits,
    /// How many attempts failed.
    pub(crate) failures: u32,
}

impl TargetAttempts {
    pub(crate) const fn new(limits: Limits) -> Self {
        Self {
            limits,
            failures: 0,
        }
    }

    /// An attempt failed for a reason that may pass, when the event was this old.
    pub(crate) fn failed(&mut self, age: Duration, pauses: Pauses) -> Next {
        self.failures += 1;
        if self.failures > self.limits.retries {
            return Next::GiveUp(Exhausted::Retries);
        }
        let pause = pauses.backoff(self.failures);
        if age + pause > self.limits.age {
            return Next::GiveUp(Exhausted::Age);
        }
        Next::After(pause)
    }
}

/// How an asynchronous invocation ended that did not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unwell {
    /// The function reported an error, crashed or timed out.
    Error,
    /// Lambda could not run it: throttled, or an error of its own.
    Refused,
}

/// Lambda's attempts at one asynchronous invocation.
#[derive(Debug, Clone)]
pub(crate) struct FunctionAttempts {
    limits: Limits,
    errors: u32,
    refusals: u32,
}

impl FunctionAttempts {
    pub(crate) const fn new(limits: Limits) -> Self {
        Self {
            limits,
            errors: 0,
            refusals: 0,
        }
    }

    /// How many times the function was invoked, as `approximateInvokeCount` says it.
    pub(crate) const fn invoked(&self) -> u32 {
        self.errors
    }

    /// How many attempts there were.
    pub(crate) const fn made(&self) -> u32 {
        self.errors + self.refusals
    }

    /// An attempt failed, when the event was this old. Being refused costs no retry.
    pub(crate) fn failed(&mut self, how: Unwell, age: Duration, pauses: Pauses) -> Next {
        let pause = match how {
            Unwell::Error => {
                self.errors += 1;
                if self.errors > self.limits.retries {
                    return Next::GiveUp(Exhausted::Retries);
                }
                pauses.after_error(self.errors)
            }
            Unwell::Refused => {
                self.refusals += 1;
                pauses.backoff(self.refusals)
            }
        };
        if age + pause > self.limits.age {
            return Next::GiveUp(Exhausted::Age);
        }
        Next::After(pause)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AWS: Duration = AWS_BASE;

    #[test]
    fn a_function_error_is_retried_after_one_and_two_minutes() {
        let pauses = Pauses::new(AWS);
        let mut attempts = FunctionAttempts::new(Limits::FUNCTION);
        let age = Duration::ZERO;
        let mut fail = || attempts.failed(Unwell::Error, age, pauses);
        assert_eq!(fail(), Next::After(Duration::from_secs(60)));
        assert_eq!(fail(), Next::After(Duration::from_secs(120)));
        assert_eq!(fail(), Next::GiveUp(Exhausted::Retries));
        assert_eq!(attempts.invoked(), 3);
    }

    #[test]
    fn being_throttled_costs_no_retry_and_backs_off() {
        let pauses = Pauses::new(AWS);
        let mut attempts = FunctionAttempts::new(Limits {
            retries: 0,
            ..Limits::FUNCTION
        });
        for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            let next = attempts.failed(Unwell::Refused, Duration::ZERO, pauses);
            assert_eq!(next, Next::After(Duration::from_secs(seconds)));
        }
        let next = attempts.failed(Unwell::Error, Duration::ZERO, pauses);
        assert_eq!(next, Next::GiveUp(Exhausted::Retries));
        assert_eq!((attempts.invoked(), attempts.made()), (1, 12));
    }

    #[test]
    fn what_is_too_old_is_given_up() {
        let pauses = Pauses::new(AWS);
        let limits = Limits {
            retries: 2,
            age: Duration::from_secs(100),
        };
        let mut attempts = FunctionAttempts::new(limits);
        let next = attempts.failed(Unwell::Error, Duration::from_secs(50), pauses);
        assert_eq!(next, Next::GiveUp(Exhausted::Age));
        let mut attempts = TargetAttempts::new(limits);
        let next = attempts.failed(Duration::from_secs(100), pauses);
        assert_eq!(next, Next::GiveUp(Exhausted::Age));
    }

    #[test]
    fn a_target_is_tried_as_often_as_its_policy_says() {
        let policy = json!({ "MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 60 });
        let limits = Limits::TARGET.read(Some(&policy));
        assert_eq!(
            limits,
            Limits {
                retries: 2,
                age: Duration::from_secs(60)
            }
        );
        assert_eq!(Limits::TARGET.read(None).retries, 185);
        let mut attempts = TargetAttempts::new(limits);
        let pauses = Pauses::new(Duration::from_millis(60));
        assert_eq!(
            attempts.failed(Duration::ZERO, pauses),
            Next::After(Duration::from_millis(1))
        );
        assert_eq!(
            attempts.failed(Duration::ZERO, pauses),
            Next::After(Duration::from_millis(2))
        );
        assert_eq!(
            attempts.failed(Duration::ZERO, pauses),
            Next::GiveUp(Exhausted::Retries)
        );
    }
}
