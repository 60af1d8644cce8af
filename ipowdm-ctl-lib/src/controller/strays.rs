//! Lasers that nobody owns any more.
//!
//! A connection that is given up gives back what it held where an end has never answered: nothing says that this end shines.
//! It may all the same, where the answer to its set-up and then the order to go dark were lost. Its agent says so in every
//! heartbeat, and is told again until it does not.

use super::command::{Given, question_id};
use super::error::ControllerError;
use super::event::ControllerEvent;
use super::inner::Inner;
use super::record::ConnectionRecord;
use crate::connection::Ends;
use ipowdm_core::ids::{AgentId, ConnectionId, PortRef};
use ipowdm_core::msg::AgentHealth;

/// A port that serves a connection which does not hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stray {
    port: PortRef,
    connection: ConnectionId,
}

/// Whether a connection may still have light on a port: while it holds its grant, what its ends do is its own affair.
fn owns(record: &ConnectionRecord, port: &PortRef) -> bool {
    record.life.holds_grant() && Ends::<()>::BOTH.into_iter().any(|end| record.ports.get(end) == port)
}

impl Inner {
    /// Tells an agent to take down what it says to serve and nobody owns. Where that cannot be stored, the next heartbeat
    /// brings it back.
    pub(super) async fn darken_strays(&self, said: &AgentHealth) {
        let serving: Vec<Stray> = {
            let registry = self.registry();
            let serves = |interface: &ipowdm_core::msg::InterfaceHealth| {
                let connection = interface.connection_id.clone().filter(|_| interface.present)?;
                let port = PortRef {
                    pop_id: said.pop_id.clone(),
                    router_id: said.router_id.clone(),
                    port_id: interface.port_id.clone(),
                };
                registry.has_port(&port).then_some(Stray { port, connection })
            };
            said.interfaces.iter().filter_map(serves).collect()
        };
        let strays: Vec<Stray> = {
            let live = self.live();
            let owned =
                |stray: &Stray| live.get(&stray.connection).is_some_and(|record| owns(&record, &stray.port));
            serving.into_iter().filter(|stray| !owned(stray)).collect()
        };
        for stray in strays {
            match self.darken(&said.agent_id, &stray).await {
                Ok(false) => {}
                Ok(true) => {
                    self.metrics.command("teardownConnection");
                    let Stray { port, connection } = stray;
                    tracing::warn!(vop = %self.vop.id(), %port, %connection, "shines for a connection that is over");
                    self.tell(ControllerEvent::Stray { port, connection_id: connection });
                }
                Err(error) => {
                    tracing::warn!(vop = %self.vop.id(), port = %stray.port, %error, "a stray laser is left for later");
                }
            }
        }
    }

    /// Orders one stray to go dark; whether it still is one.
    async fn darken(&self, agent: &AgentId, stray: &Stray) -> Result<bool, ControllerError> {
        let vop = self.vop.id();
        let id = question_id("stray", self.sender.life, self.sender.start, self.next_discovery())
            .map_err(|error| ControllerError::Invalid { field: "command_id", reason: error.to_string() })?;
        let darkened = self
            .commanding(None, |tx, epoch| {
                let record = tx.get(&ConnectionRecord::key(vop, &stray.connection))?;
                if record.is_some_and(|record| owns(&record, &stray.port)) {
                    return Ok(false);
                }
                let lifetime_ms = self.config.times.control_ms;
                let given = Given::bare(epoch, self.now().wall);
                let about = (&stray.connection, &stray.port);
                tx.publish(&self.sender.stray(agent, id.clone(), given, lifetime_ms, about))?;
                Ok(true)
            })
            .await;
        darkened.map(|(stray, _)| stray)
    }
}
