//! A command's way, for people who follow it: what is traced under the target [`COMMAND_TRACE`].
//!
//! Both sides of the bus name a command by its `command_id`, so that one filter finds its whole way: stored here, published by
//! the relay, accepted and carried out by the agent, answered, and what the answer has changed.

use super::engine::{Commanded, Driven, Input, Job};
use super::record::ConnectionRecord;
use crate::connection::Verdict;
use ipowdm_core::ids::VopId;
use ipowdm_core::msg::{COMMAND_TRACE, CommandAck};

/// A command was stored with the change that it follows from, to be published.
pub(super) fn stored(vop: &VopId, record: &ConnectionRecord, command: &Commanded) {
    tracing::debug!(
        target: COMMAND_TRACE,
        command_id = command.id.as_ref().map(display),
        connection = %record.id,
        %vop,
        port = %record.ports.get(command.end),
        action = command.action,
        "command stored"
    );
}

/// An answer has come.
pub(super) fn received(vop: &VopId, ack: &CommandAck) {
    tracing::debug!(
        target: COMMAND_TRACE,
        command_id = %ack.command_id,
        connection = ack.connection_id.as_ref().map(display),
        %vop,
        port = ack.interface.as_ref().map(display),
        agent = %ack.agent_id,
        outcome = ?ack.outcome,
        "answer received"
    );
}

/// Answers were judged, and what followed is stored.
pub(super) fn taken_in(vop: &VopId, job: &Job, driven: Option<&Driven>) {
    for (at, input) in job.inputs.iter().enumerate() {
        let Input::Ack(ack, _) = input else { continue };
        let verdict = driven.and_then(|driven| driven.verdicts.get(at));
        tracing::debug!(
            target: COMMAND_TRACE,
            command_id = %ack.command_id,
            connection = %job.id,
            %vop,
            port = ack.interface.as_ref().map(display),
            changed = verdict == Some(&Verdict::Applied),
            state = driven.map(|driven| display(driven.record.life.state())),
            "answer taken in"
        );
    }
}
