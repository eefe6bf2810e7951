//! What is left to chance, and is nothing that a test could want to repeat.

use std::time::Duration;

/// Somewhat less than `pause`, by chance, so that those who failed together do not come back together.
pub(super) fn spread(pause: Duration) -> Duration {
    let share = 0.8 + 0.2 * f64::from(number()) / f64::from(u32::MAX);
    pause.mul_f64(share)
}

/// Any number.
pub(super) fn number() -> u32 {
    #[expect(
        clippy::disallowed_methods,
        reason = "it orders nothing and names nothing that lasts"
    )]
    getrandom::u32().unwrap_or(u32::MAX)
}
