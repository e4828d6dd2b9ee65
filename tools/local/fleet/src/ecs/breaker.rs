//! When a deployment has failed too often: the circuit breaker's arithmetic.

use super::configuration::OnFailure;

/// A service's deployment circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Breaker {
    /// How many failed tasks are too many.
    pub(super) threshold: Threshold,
    /// What happens then.
    pub(super) on_failure: OnFailure,
    /// Whether a task that becomes healthy sets the count back (`resetOnHealthyTask`).
    pub(super) forgives: bool,
}

/// How many failed tasks are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Threshold {
    /// So many.
    Count(u32),
    /// This share of the desired count, but within AWS's bounds.
    BoundedPercent(u32),
    /// This share of the desired count, at least one.
    UnboundedPercent(u32),
}

impl Threshold {
    /// AWS's share: half of the desired count.
    pub(super) const DEFAULT_PERCENT: u32 = 50;
    /// The least number of failures that counts.
    const LEAST: u32 = 3;
    /// The number of failures that is always too many.
    const MOST: u32 = 200;

    /// The number of failed tasks at which a deployment has failed; rounded up, as AWS does.
    pub(super) fn tasks(self, desired: u32) -> u32 {
        match self {
            Self::Count(count) => count.max(1),
            Self::BoundedPercent(percent) => share(percent, desired).clamp(Self::LEAST, Self::MOST),
            Self::UnboundedPercent(percent) => share(percent, desired).max(1),
        }
    }
}

fn share(percent: u32, of: u32) -> u32 {
    let share = (u64::from(percent) * u64::from(of)).div_ceil(100);
    u32::try_from(share).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_is_that_of_the_developer_guide() {
        let threshold = Threshold::BoundedPercent(Threshold::DEFAULT_PERCENT);
        let table = [(1, 3), (25, 13), (400, 200), (800, 200)];
        for (desired, failures) in table {
            assert_eq!(
                threshold.tasks(desired),
                failures,
                "desired count {desired}"
            );
        }
    }

    #[test]
    fn other_kinds_of_threshold_know_no_bounds() {
        assert_eq!(Threshold::Count(1).tasks(100), 1);
        assert_eq!(Threshold::UnboundedPercent(50).tasks(2), 1);
        assert_eq!(Threshold::UnboundedPercent(100).tasks(500), 500);
    }
}
