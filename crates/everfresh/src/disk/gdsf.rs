//! Which blob goes first: GreedyDual-Size-Frequency (Cherkasova 1998).
//!
//! A blob's priority is `clock + cost * uses / size`, set when it is stored and raised when it is used. What is evicted
//! has the lowest priority, and the clock moves up to it: so what was dear once and is not used any more ages.

/// A blob's priority, given the cache's clock.
///
/// `cost` is the seconds that a hit saves, `bytes` what the blob occupies. A cost that is unknown counts as a
/// microsecond, so that size and use still order such blobs.
pub(super) fn priority(clock: f64, cost: f64, uses: u64, bytes: u64) -> f64 {
    let cost = if cost.is_finite() { cost.max(1e-6) } else { 1e-6 };
    clock + cost * uses.max(1) as f64 / bytes.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::priority;

    #[test]
    fn what_saves_the_least_time_per_byte_goes_first() {
        let base = priority(0.0, 2.0, 3, 1_000);
        assert!(priority(0.0, 1.0, 3, 1_000) < base, "cheaper");
        assert!(priority(0.0, 2.0, 2, 1_000) < base, "less used");
        assert!(priority(0.0, 2.0, 3, 2_000) < base, "larger");
    }

    #[test]
    fn what_is_not_used_any_more_ages() {
        let once_dear = priority(0.0, 10.0, 5, 1_000);
        assert!(priority(0.0, 1.0, 1, 1_000) < once_dear);
        assert!(priority(once_dear, 1.0, 1, 1_000) > once_dear);
    }

    #[test]
    fn a_cost_that_is_no_number_never_makes_a_blob_immortal() {
        for cost in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0] {
            assert_eq!(priority(0.0, cost, 1, 1), 1e-6);
        }
    }
}
