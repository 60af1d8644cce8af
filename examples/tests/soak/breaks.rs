//! What must hold, and where it did not.

use crate::world::{World, is_met};
use std::collections::BTreeSet;

/// Where something did not hold, each told once.
#[derive(Debug, Default)]
pub(crate) struct Breaks {
    pub(crate) found: Vec<String>,
    /// Ports that shine and that nobody wants on.
    shining: BTreeSet<usize>,
}

impl Breaks {
    /// No laser is on that nobody wants on.
    pub(crate) fn light_without_intent(&mut self, world: &World) {
        for (index, port) in world.ports.iter().enumerate() {
            // Read in this order: who looks at the light first sees no later answer.
            let may = world.may_shine(port);
            if may || port.module.emission().is_none() {
                self.shining.remove(&index);
            } else if self.shining.insert(index) {
                self.found.push(format!("{} shines and nobody wants it: {}", port.id, world.history(port)));
            }
        }
    }

    /// Each command has exactly one answer; one that may not have come has none or one.
    pub(crate) fn answers(&mut self, world: &World) {
        for (id, order) in &world.orders {
            let answers = world.ack(id).map_or(0, |ack| ack.ids.len());
            if answers > 1 || (answers == 0 && order.is_sent) {
                self.found.push(format!("{id} ({}) has {answers} answers", order.action));
            }
        }
    }

    /// Each module does what its port is meant to do.
    pub(crate) async fn intents(&mut self, world: &World) {
        let status = world.status().await;
        for port in &world.ports {
            let now = &status.ports[&port.id];
            if !is_met(&now.intent, &port.module) {
                let light = port.module.emission();
                self.found.push(format!("{} is meant to be {:?} and emits {light:?}", port.id, now.intent));
            }
        }
    }

    /// What did not come is what heartbeats said was dropped, in each life whose end all of it had reached.
    pub(crate) fn samples(&mut self, world: &World) {
        let heard = world.listener.look();
        for life in &world.calm_lives {
            let missing: u64 = heard.gaps_of(*life).iter().map(|(first, last)| last - first + 1).sum();
            let told = heard.dropped.get(life).copied().unwrap_or(0);
            if missing != told {
                self.found.push(format!("life {life}: {missing} samples are missing, {told} were told"));
            }
        }
        if heard.unread > 0 {
            self.found.push(format!("{} records are no messages", heard.unread));
        }
    }
}
