//! One module per group of APIs; this one decodes, dispatches and encodes.

use std::future::Future;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{
    AlterConfigsRequest, AlterUserScramCredentialsRequest, ApiVersionsRequest, CreateAclsRequest,
    CreatePartitionsRequest, CreateTopicsRequest, DeleteAclsRequest, DeleteRecordsRequest,
    DeleteTopicsRequest, DescribeAclsRequest, DescribeConfigsRequest, DescribeUserScramCredentialsRequest,
    FetchRequest, FindCoordinatorRequest, HeartbeatRequest, IncrementalAlterConfigsRequest,
    InitProducerIdRequest, JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest, ListOffsetsRequest,
    MetadataRequest, OffsetCommitRequest, OffsetFetchRequest, ProduceRequest, SyncGroupRequest,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};

use crate::api::Api;
use crate::engine::{Engine, Stopped};
use crate::wire::{self, Call, WireError};

mod changes;
mod configs;
mod fetch;
mod groups;
mod metadata;
mod offsets;
mod produce;
mod records;
mod security;
mod topics;
mod versions;

pub(crate) use versions::versions_unknown;

/// The connection is to be closed without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HangUp;

impl From<Stopped> for HangUp {
    fn from(_: Stopped) -> Self {
        HangUp
    }
}

/// A request that the broker serves.
trait Serve: Decodable + Send {
    type Response: Encodable + HeaderVersion + Send;

    /// Carries the request out. `None` if the client expects no answer.
    fn serve(
        self,
        engine: &Engine,
        call: &Call,
    ) -> impl Future<Output = Result<Option<Self::Response>, HangUp>> + Send;

    /// The response that says `error` in every place that has room for one.
    fn refuse(self, call: &Call, error: ResponseError) -> Result<Option<Self::Response>, HangUp>;
}

/// Answers a call, or refuses it with `refusal`. The outer error closes the connection silently, the inner one is a
/// frame that could not be decoded or a response that could not be encoded.
pub(crate) async fn answer(
    engine: &Engine,
    call: &Call,
    body: Bytes,
    refusal: Option<ResponseError>,
) -> Result<Result<Option<Bytes>, WireError>, HangUp> {
    macro_rules! serve {
        ($($api:ident => $request:ty,)*) => {
            match call.api { $(Api::$api => run::<$request>(engine, call, body, refusal).await,)* }
        };
    }
    serve! {
        Produce => ProduceRequest,
        Fetch => FetchRequest,
        ListOffsets => ListOffsetsRequest,
        Metadata => MetadataRequest,
        OffsetCommit => OffsetCommitRequest,
        OffsetFetch => OffsetFetchRequest,
        FindCoordinator => FindCoordinatorRequest,
        JoinGroup => JoinGroupRequest,
        Heartbeat => HeartbeatRequest,
        LeaveGroup => LeaveGroupRequest,
        SyncGroup => SyncGroupRequest,
        ListGroups => ListGroupsRequest,
        ApiVersions => ApiVersionsRequest,
        CreateTopics => CreateTopicsRequest,
        DeleteTopics => DeleteTopicsRequest,
        DeleteRecords => DeleteRecordsRequest,
        InitProducerId => InitProducerIdRequest,
        DescribeAcls => DescribeAclsRequest,
        CreateAcls => CreateAclsRequest,
        DeleteAcls => DeleteAclsRequest,
        DescribeConfigs => DescribeConfigsRequest,
        AlterConfigs => AlterConfigsRequest,
        CreatePartitions => CreatePartitionsRequest,
        IncrementalAlterConfigs => IncrementalAlterConfigsRequest,
        DescribeUserScramCredentials => DescribeUserScramCredentialsRequest,
        AlterUserScramCredentials => AlterUserScramCredentialsRequest,
    }
}

async fn run<R: Serve>(
    engine: &Engine,
    call: &Call,
    body: Bytes,
    refusal: Option<ResponseError>,
) -> Result<Result<Option<Bytes>, WireError>, HangUp> {
    let request: R = match wire::decode(call, body, engine.limits().frame_elements) {
        Ok(request) => request,
        Err(error) => return Ok(Err(error)),
    };
    let response = match refusal {
        Some(error) => request.refuse(call, error)?,
        None => request.serve(engine, call).await?,
    };
    Ok(response.map(|response| wire::encode(call, &response)).transpose())
}

/// The error code of a result; 0 for none.
fn code_of<T>(result: &Result<T, ResponseError>) -> i16 {
    result.as_ref().err().map_or(0, ResponseError::code)
}

fn text(value: impl Into<String>) -> StrBytes {
    StrBytes::from_string(value.into())
}
