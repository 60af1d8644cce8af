//! Ports that do not serve the connection which is up there.
//!
//! An end that was taken down behind the controller's back says so in an ack, and its samples stop. Where that ack is lost, nothing
//! else would ever tell: the connection would go on as ACTIVE, and dark. Heartbeats say which connection a port serves; one that is
//! from before the set-up may come late, so they are believed once they have said so for some time.

use super::engine::{Beside, Job};
use super::inner::Inner;
use crate::connection::{Ends, Event, Light, State};
use ipowdm_core::ids::PortRef;
use ipowdm_core::msg::AgentHealth;
use ipowdm_core::qot::End;
use ipowdm_core::time::Millis;

/// Since when heartbeats deny what each end is said to serve.
pub(super) type Denied = Ends<Option<Millis>>;

/// Takes in what a heartbeat says of an end of a connection that has been so since `since`; whether it is to be believed now.
fn believed(denied: &mut Option<Millis>, denies: bool, since: Millis, now: Millis, after_ms: u64) -> bool {
    if !denies {
        *denied = None;
        return false;
    }
    let first = *denied.get_or_insert(now);
    if first < since {
        // It was about another state.
        *denied = Some(now);
        return false;
    }
    now.since(first) >= after_ms
}

impl Inner {
    /// Notes the ends that an agent does not serve although they are up.
    pub(super) async fn hear_denials(&self, said: &AgentHealth) {
        // Agents of other makes do not say what a port serves.
        if said.epoch.is_none() {
            return;
        }
        let now = self.at();
        // Said twice, at an interval.
        let after_ms = u64::from(self.vop.health_interval_ms) / 2;
        let mut jobs: Vec<Job> = Vec::new();
        {
            let mut live = self.live();
            for interface in said.interfaces.iter().filter(|interface| interface.present) {
                let port = PortRef {
                    pop_id: said.pop_id.clone(),
                    router_id: said.router_id.clone(),
                    port_id: interface.port_id.clone(),
                };
                for (id, end) in live.ends_of_port(&port) {
                    let Some(entry) = live.entry_mut(&id) else { continue };
                    let record = entry.record();
                    let settled = matches!(record.life.state(), State::Active | State::Degraded);
                    let lit = record.life.ends().get(end).light != Light::Dark;
                    if !settled || !lit || *record.agents.get(end) != said.agent_id {
                        continue;
                    }
                    let denies = interface.connection_id.as_ref() != Some(&id);
                    let denied = entry.denied.get_mut(end);
                    if believed(denied, denies, record.life.since(), now, after_ms) {
                        jobs.push(dark(id, end));
                    }
                }
            }
        }
        let jobs: Vec<Job> = jobs.into_iter().filter_map(|job| self.worth_storing(job)).collect();
        if !jobs.is_empty() {
            self.drive_surely(&jobs, &Beside::default()).await;
        }
    }
}

fn dark(id: ipowdm_core::ids::ConnectionId, end: End) -> Job {
    tracing::warn!(connection = %id, ?end, "its port does not serve it any more");
    Job::new(id, Event::LightSeen(end, Light::Dark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_is_believed_once_it_was_repeated_and_not_taken_back() {
        let mut denied = None;
        let mut hears = |denies, now| believed(&mut denied, denies, Millis(1_000), Millis(now), 5_000);
        assert!(!hears(true, 2_000), "the first may be late");
        assert!(!hears(true, 6_999));
        assert!(hears(true, 7_000));
        assert!(!hears(false, 8_000));
        assert!(!hears(true, 9_000), "said anew");
        assert!(hears(true, 14_000));
    }

    #[test]
    fn a_denial_of_an_earlier_state_counts_for_nothing() {
        let mut denied = Some(Millis(500));
        assert!(!believed(&mut denied, true, Millis(1_000), Millis(9_000), 5_000));
        assert_eq!(denied, Some(Millis(9_000)));
        assert!(believed(&mut denied, true, Millis(1_000), Millis(14_000), 5_000));
    }
}
