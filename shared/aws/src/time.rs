//! The system's clock, and AWS's times as ours. Times of AWS are kept to the millisecond, as its
//! events carry them, so that an event and an answer about one moment agree.

use std::time::Duration;

use domain::Timestamp;

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl engine::Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn breathe(&self, at_most: Duration) {
        tokio::time::sleep(at_most.mul_f64(fastrand::f64())).await;
    }
}

/// A time of AWS, cut to milliseconds; `None` when it lies outside of what can be written down.
#[cfg(feature = "platform")]
pub(crate) fn timestamp(time: &aws_smithy_types::DateTime) -> Option<Timestamp> {
    Timestamp::from_millisecond(time.to_millis().ok()?).ok()
}
