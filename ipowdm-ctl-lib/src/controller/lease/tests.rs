//! What holder and stand-by make of the same renewals.

use super::*;
use proptest::prelude::*;

const LASTS: Duration = Duration::from_secs(6);

fn at(renewals: u64) -> Lease {
    lease(1, "one", renewals, LASTS)
}

#[tokio::test(start_paused = true)]
async fn a_holder_commands_from_the_beginning_of_a_renewal_for_its_length_less_the_margin() {
    let begun = Instant::now();
    let tenure = Tenure::new(LASTS, begun);
    assert!(tenure.holds(begun + Duration::from_millis(4_999)));
    assert!(!tenure.holds(begun + Duration::from_secs(5)));
    tenure.renewed(begun + Duration::from_secs(2));
    assert!(tenure.holds(begun + Duration::from_millis(6_999)));
    tenure.renewed(begun);
    assert!(
        tenure.holds(begun + Duration::from_millis(6_999)),
        "an earlier one that is told later takes nothing"
    );
    assert!(!tenure.holds(begun + Duration::from_secs(7)));
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_over_once_it_was_seen_unchanged_for_its_length() {
    let now = Instant::now();
    let after = |ms| now + Duration::from_millis(ms);
    let mut observed = Observed::default();
    assert!(observed.is_over(now), "nobody has ever held it");
    observed.see(Some(at(0)), now);
    observed.see(Some(at(0)), after(3_000));
    assert!(!observed.is_over(after(5_999)) && observed.is_over(after(6_000)));
    observed.see(Some(at(1)), after(6_000));
    assert!(!observed.is_over(after(11_999)), "renewed at the last moment");
    observed.see(None, after(6_001));
    assert!(observed.is_over(after(6_001)), "given back");
    observed.see(Some(Lease { lasts_ms: u64::MAX, ..at(0) }), now);
    assert!(observed.is_over(after(3_600_000)), "not for ever");
}

proptest! {
    /// Renewals that begin and commit when they like, the newest of which is seen some time after its commit. A take-over compares
    /// the lease that was seen with the one that is stored, so only the newest counts.
    #[test]
    fn nobody_takes_over_before_the_holder_has_stopped(
        renewals in prop::collection::vec((0_u64..4_000, 0_u64..8_000), 1..20),
        seen_after in 0_u64..9_000,
        looked_after in 0_u64..9_000,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let _entered = runtime.enter();
        let zero = Instant::now();
        let after = |ms| zero + Duration::from_millis(ms);
        let tenure = Tenure::new(LASTS, zero);
        let mut committed = 0;
        for (pause, takes) in &renewals {
            let begun = committed + pause;
            committed = begun + takes;
            tenure.renewed(after(begun));
        }
        let mut observed = Observed::default();
        observed.see(Some(at(renewals.len() as u64)), after(committed + seen_after));
        let look = after(committed + seen_after + looked_after);
        if observed.is_over(look) {
            prop_assert!(!tenure.holds(look - LASTS / MARGIN));
        }
    }
}
