use std::time::Duration;

/// Attempts of one transaction before it is given up.
const MAX_ATTEMPTS: u32 = 100;
/// Longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_millis(50);
/// Bound of the pause after the first conflict; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_micros(250);

/// Counts attempts and spreads them in time, so that those who met do not meet again.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    attempts: u32,
}

impl Retry {
    /// Waits before the next attempt; the number of attempts made when there is no further one.
    pub(crate) async fn pause(&mut self) -> Result<(), u32> {
        self.attempts += 1;
        if self.attempts >= MAX_ATTEMPTS {
            return Err(self.attempts);
        }
        let bound = FIRST_PAUSE
            .saturating_mul(1 << (self.attempts - 1).min(16))
            .min(MAX_PAUSE);
        tokio::time::sleep(bound.mul_f64(fastrand::f64())).await;
        Ok(())
    }
}
