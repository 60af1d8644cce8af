//! JoinGroup, SyncGroup, Heartbeat, LeaveGroup and ListGroups.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{
    GroupId, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    LeaveGroupResponse, ListGroupsRequest, ListGroupsResponse, SyncGroupRequest, SyncGroupResponse,
};

use super::{HangUp, Serve, code_of, text};
use crate::coordinator::{Answer, Committer, Join, JoinOutcome, Joined};
use crate::engine::Engine;
use crate::wire::Call;

/// The first version in which a newcomer is first told its id (KIP-394).
const ID_FIRST: i16 = 4;

fn milliseconds(value: i32) -> Duration {
    Duration::from_millis(u64::try_from(value).unwrap_or(0))
}

impl Serve for JoinGroupRequest {
    type Response = JoinGroupResponse;

    async fn serve(self, engine: &Engine, call: &Call) -> Result<Option<Self::Response>, HangUp> {
        let session_timeout = milliseconds(self.session_timeout_ms);
        let join = Join {
            group: self.group_id.to_string(),
            member: self.member_id.to_string(),
            client: call.client.clone(),
            session_timeout,
            // Version 0 has none and means the session timeout.
            rebalance_timeout: match call.version {
                0 => session_timeout,
                _ => milliseconds(self.rebalance_timeout_ms),
            },
            protocol_type: self.protocol_type.to_string(),
            // Copied, so that the coordinator does not keep the whole frame in memory.
            protocols: self
                .protocols
                .iter()
                .map(|protocol| (protocol.name.to_string(), Bytes::copy_from_slice(&protocol.metadata)))
                .collect(),
            id_first: call.version >= ID_FIRST,
        };
        let delay = engine.options.group_join_delay;
        let now = engine.now().monotonic;
        let (outcome, arrives) = engine.with_groups(|state| {
            let (ticket, arrives) = state.ticket();
            (state.coordinator.join(now, ticket, join, delay, engine.limits()), arrives)
        })?;
        match outcome {
            Err(error) => self.refuse(call, error),
            Ok(JoinOutcome::ComeBackAs(id)) => {
                let mut response = self.refuse(call, ResponseError::MemberIdRequired)?;
                if let Some(response) = &mut response {
                    response.member_id = text(id);
                }
                Ok(response)
            }
            Ok(JoinOutcome::Waits) => match arrives.await {
                Ok(Answer::Join(_, Ok(joined))) => Ok(Some(joined_response(joined))),
                Ok(Answer::Join(_, Err(error))) => self.refuse(call, error),
                // The broker stopped.
                Ok(Answer::Sync(..)) | Err(_) => Err(HangUp),
            },
        }
    }

    fn refuse(self, _: &Call, error: ResponseError) -> Result<Option<Self::Response>, HangUp> {
        let response = JoinGroupResponse::default()
            .with_error_code(error.code())
            .with_generation_id(-1)
            .with_protocol_name(Some(text("")))
            .with_member_id(self.member_id);
        Ok(Some(response))
    }
}

fn joined_response(joined: Joined) -> JoinGroupResponse {
    let row = |(id, subscription): (String, Bytes)| {
        JoinGroupResponseMember::default().with_member_id(text(id)).with_metadata(subscription)
    };
    JoinGroupResponse::default()
        .with_generation_id(joined.generation)
        .with_protocol_name(Some(text(joined.protocol)))
        .with_leader(text(joined.leader))
        .with_member_id(text(joined.member))
        .with_members(joined.members.into_iter().map(row).collect())
}

impl Serve for SyncGroupRequest {
    type Response = SyncGroupResponse;

    async fn serve(self, engine: &Engine, call: &Call) -> Result<Option<Self::Response>, HangUp> {
        let who =
            Committer { group: &self.group_id, member: &self.member_id, generation: self.generation_id };
        let assignments = self
            .assignments
            .iter()
            .map(|one| (one.member_id.to_string(), Bytes::copy_from_slice(&one.assignment)))
            .collect();
        let now = engine.now().monotonic;
        let (outcome, arrives) = engine.with_groups(|state| {
            let (ticket, arrives) = state.ticket();
            (state.coordinator.sync(now, ticket, &who, assignments, engine.limits()), arrives)
        })?;
        match outcome {
            Err(error) => self.refuse(call, error),
            Ok(()) => match arrives.await {
                Ok(Answer::Sync(_, Ok(assignment))) => {
                    Ok(Some(SyncGroupResponse::default().with_assignment(assignment)))
                }
                Ok(Answer::Sync(_, Err(error))) => self.refuse(call, error),
                // The broker stopped.
                Ok(Answer::Join(..)) | Err(_) => Err(HangUp),
            },
        }
    }

    fn refuse(self, _: &Call, error: ResponseError) -> Result<Option<Self::Response>, HangUp> {
        Ok(Some(SyncGroupResponse::default().with_error_code(error.code())))
    }
}

impl Serve for HeartbeatRequest {
    type Response = HeartbeatResponse;

    async fn serve(self, engine: &Engine, _: &Call) -> Result<Option<Self::Response>, HangUp> {
        let now = engine.now().monotonic;
        let who =
            Committer { group: &self.group_id, member: &self.member_id, generation: self.generation_id };
        let heard = engine.with_groups(|state| state.coordinator.heartbeat(now, &who))?;
        Ok(Some(HeartbeatResponse::default().with_error_code(code_of(&heard))))
    }

    fn refuse(self, _: &Call, error: ResponseError) -> Result<Option<Self::Response>, HangUp> {
        Ok(Some(HeartbeatResponse::default().with_error_code(error.code())))
    }
}

impl Serve for LeaveGroupRequest {
    type Response = LeaveGroupResponse;

    async fn serve(self, engine: &Engine, _: &Call) -> Result<Option<Self::Response>, HangUp> {
        let now = engine.now().monotonic;
        let left =
            engine.with_groups(|state| state.coordinator.leave(now, &self.group_id, &self.member_id))?;
        Ok(Some(LeaveGroupResponse::default().with_error_code(code_of(&left))))
    }

    fn refuse(self, _: &Call, error: ResponseError) -> Result<Option<Self::Response>, HangUp> {
        Ok(Some(LeaveGroupResponse::default().with_error_code(error.code())))
    }
}

impl Serve for ListGroupsRequest {
    type Response = ListGroupsResponse;

    async fn serve(self, engine: &Engine, _: &Call) -> Result<Option<Self::Response>, HangUp> {
        let wanted = |state: &str| {
            self.states_filter.is_empty()
                || self.states_filter.iter().any(|filter| filter.eq_ignore_ascii_case(state))
        };
        let groups = engine.with(|state| state.coordinator.list())?;
        let row = |(name, protocol_type, state): (String, String, &'static str)| {
            ListedGroup::default()
                .with_group_id(GroupId(text(name)))
                .with_protocol_type(text(protocol_type))
                .with_group_state(text(state))
        };
        let groups = groups.into_iter().filter(|(_, _, state)| wanted(state)).map(row).collect();
        Ok(Some(ListGroupsResponse::default().with_groups(groups)))
    }

    fn refuse(self, _: &Call, error: ResponseError) -> Result<Option<Self::Response>, HangUp> {
        Ok(Some(ListGroupsResponse::default().with_error_code(error.code())))
    }
}
