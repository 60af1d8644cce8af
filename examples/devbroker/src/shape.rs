//! Checks the lengths inside a request before it is decoded.
//!
//! The codec reserves memory for an array from the count on the wire, before it has seen one element: a frame of
//! thirty bytes can ask for hundreds of gigabytes, and a failed allocation ends the process. So every request is
//! walked first against the layout below. A frame that passes has only lengths that fit in the bytes that are
//! there and a bounded number of array elements. Bytes after the last field are let pass, as Apache Kafka does:
//! librdkafka sends one after the null topic list of Metadata version 9.

use crate::api::Api;

/// Why a request body was refused before decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ShapeError {
    #[error("a length points past the end of the frame")]
    Truncated,
    #[error("a length is negative")]
    Negative,
    #[error("more array elements than allowed in one frame")]
    TooManyElements,
}

/// What a field looks like on the wire.
enum Kind {
    /// So many bytes, always.
    Fixed(usize),
    /// A string, nullable or not.
    Text,
    /// A byte string, nullable or not.
    Blob,
    /// An array of structures (each ends in tagged fields in flexible versions).
    Structs(&'static [Field]),
    /// An array of bare values.
    Values(&'static Kind),
}

/// A field and the versions that carry it.
struct Field {
    since: i16,
    until: i16,
    kind: Kind,
}

const fn field(kind: Kind) -> Field {
    Field { since: 0, until: i16::MAX, kind }
}

const fn since(since: i16, kind: Kind) -> Field {
    Field { since, until: i16::MAX, kind }
}

const fn until(until: i16, kind: Kind) -> Field {
    Field { since: 0, until, kind }
}

use Kind::{Blob, Fixed, Structs, Text, Values};

/// The fields of a request, from Kafka's message definitions (`clients/src/main/resources/common/message`),
/// restricted to the versions in [`Api::versions`].
const fn layout(api: Api) -> &'static [Field] {
    match api {
        Api::Produce => const { &[since(3, Text), field(Fixed(2 + 4)), field(Structs(PRODUCE_TOPIC))] },
        Api::Fetch => FETCH,
        Api::ListOffsets => {
            const { &[field(Fixed(4)), since(2, Fixed(1)), field(Structs(LIST_OFFSETS_TOPIC))] }
        }
        Api::Metadata => {
            const {
                &[
                    field(Structs(const { &[field(Text)] })),
                    since(4, Fixed(1)),
                    since(8, Fixed(1)),
                    since(8, Fixed(1)),
                ]
            }
        }
        Api::OffsetCommit => {
            const { &[field(Text), field(Fixed(4)), field(Text), until(4, Fixed(8)), field(Structs(COMMIT_TOPIC))] }
        }
        Api::OffsetFetch => {
            const {
                &[
                    field(Text),
                    field(Structs(const { &[field(Text), field(Values(&Fixed(4)))] })),
                    since(7, Fixed(1)),
                ]
            }
        }
        Api::FindCoordinator => const { &[field(Text), since(1, Fixed(1))] },
        Api::JoinGroup => {
            const {
                &[
                    field(Text),
                    field(Fixed(4)),
                    since(1, Fixed(4)),
                    field(Text),
                    field(Text),
                    field(Structs(const { &[field(Text), field(Blob)] })),
                ]
            }
        }
        Api::Heartbeat => const { &[field(Text), field(Fixed(4)), field(Text)] },
        Api::LeaveGroup => const { &[field(Text), field(Text)] },
        Api::SyncGroup => {
            const {
                &[
                    field(Text),
                    field(Fixed(4)),
                    field(Text),
                    field(Structs(const { &[field(Text), field(Blob)] })),
                ]
            }
        }
        Api::ListGroups => const { &[since(4, Values(&Text))] },
        Api::ApiVersions => const { &[since(3, Text), since(3, Text)] },
        Api::CreateTopics => const { &[field(Structs(CREATE_TOPIC)), field(Fixed(4 + 1))] },
        Api::DeleteTopics => const { &[field(Values(&Text)), field(Fixed(4))] },
        Api::DeleteRecords => {
            const {
                &[
                    field(Structs(
                        const { &[field(Text), field(Structs(const { &[field(Fixed(4 + 8))] }))] },
                    )),
                    field(Fixed(4)),
                ]
            }
        }
        Api::InitProducerId => const { &[field(Text), field(Fixed(4)), since(3, Fixed(8 + 2))] },
        Api::DescribeConfigs => {
            const {
                &[
                    field(Structs(const { &[field(Fixed(1)), field(Text), field(Values(&Text))] })),
                    field(Fixed(1)),
                    since(3, Fixed(1)),
                ]
            }
        }
    }
}

const PRODUCE_TOPIC: &[Field] = &[field(Text), field(Structs(const { &[field(Fixed(4)), field(Blob)] }))];

const FETCH: &[Field] = &[
    // replica, max wait, min bytes, max bytes, isolation level
    field(Fixed(4 + 4 + 4 + 4 + 1)),
    // session id and epoch
    since(7, Fixed(4 + 4)),
    field(Structs(const { &[field(Text), field(Structs(FETCH_PARTITION))] })),
    // forgotten topics
    since(7, Structs(const { &[field(Text), field(Values(&Fixed(4)))] })),
    // rack
    since(11, Text),
];

const FETCH_PARTITION: &[Field] = &[
    field(Fixed(4)),
    // current leader epoch
    since(9, Fixed(4)),
    field(Fixed(8)),
    // last fetched epoch
    since(12, Fixed(4)),
    // log start offset
    since(5, Fixed(8)),
    field(Fixed(4)),
];

const LIST_OFFSETS_TOPIC: &[Field] =
    &[field(Text), field(Structs(const { &[field(Fixed(4)), since(4, Fixed(4)), field(Fixed(8))] }))];

const COMMIT_TOPIC: &[Field] =
    &[field(Text), field(Structs(const { &[field(Fixed(4 + 8)), since(6, Fixed(4)), field(Text)] }))];

const CREATE_TOPIC: &[Field] = &[
    field(Text),
    field(Fixed(4 + 2)),
    // replica assignments
    field(Structs(const { &[field(Fixed(4)), field(Values(&Fixed(4)))] })),
    // configs
    field(Structs(const { &[field(Text), field(Text)] })),
];

/// What a walk found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Walked {
    /// Array elements and tagged fields.
    pub(crate) elements: usize,
    /// Bytes after the last field.
    pub(crate) trailing: usize,
}

/// Walks `body`.
///
/// # Errors
///
/// See [`ShapeError`]; the body must then not be decoded.
pub(crate) fn check(api: Api, version: i16, body: &[u8], max_elements: usize) -> Result<Walked, ShapeError> {
    let mut walk = Walk { rest: body, version, flexible: api.is_flexible(version), left: max_elements };
    walk.fields(layout(api))?;
    Ok(Walked { elements: max_elements - walk.left, trailing: walk.rest.len() })
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    left: usize,
}

impl Walk<'_> {
    fn fields(&mut self, fields: &[Field]) -> Result<(), ShapeError> {
        for field in fields {
            if self.carries(field) {
                self.value(&field.kind)?;
            }
        }
        if self.flexible { self.tags() } else { Ok(()) }
    }

    fn carries(&self, field: &Field) -> bool {
        (field.since..=field.until).contains(&self.version)
    }

    fn value(&mut self, kind: &Kind) -> Result<(), ShapeError> {
        match kind {
            Fixed(bytes) => self.skip(*bytes),
            Text if self.flexible => self.compact_bytes(),
            Text => {
                let length = i16::from_be_bytes(self.take()?);
                self.bytes(i32::from(length))
            }
            Blob if self.flexible => self.compact_bytes(),
            Blob => {
                let length = i32::from_be_bytes(self.take()?);
                self.bytes(length)
            }
            Structs(fields) => {
                for _ in 0..self.count(self.least_of(fields))? {
                    self.fields(fields)?;
                }
                Ok(())
            }
            Values(kind) => {
                for _ in 0..self.count(self.least(kind))? {
                    self.value(kind)?;
                }
                Ok(())
            }
        }
    }

    /// Reads an array count and checks that so many elements of at least `least` bytes can follow.
    fn count(&mut self, least: usize) -> Result<usize, ShapeError> {
        let count = if self.flexible {
            self.varint()?.saturating_sub(1) as usize
        } else {
            match i32::from_be_bytes(self.take()?) {
                -1 => 0,
                count => usize::try_from(count).map_err(|_| ShapeError::Negative)?,
            }
        };
        self.left = self.left.checked_sub(count).ok_or(ShapeError::TooManyElements)?;
        if count.saturating_mul(least) > self.rest.len() {
            return Err(ShapeError::Truncated);
        }
        Ok(count)
    }

    /// The fewest bytes a value can take.
    fn least(&self, kind: &Kind) -> usize {
        match kind {
            Fixed(bytes) => *bytes,
            _ if self.flexible => 1,
            Text => 2,
            Blob | Structs(_) | Values(_) => 4,
        }
    }

    fn least_of(&self, fields: &[Field]) -> usize {
        let tags = usize::from(self.flexible);
        fields.iter().filter(|field| self.carries(field)).map(|field| self.least(&field.kind)).sum::<usize>()
            + tags
    }

    fn tags(&mut self) -> Result<(), ShapeError> {
        let count = self.varint()? as usize;
        self.left = self.left.checked_sub(count).ok_or(ShapeError::TooManyElements)?;
        for _ in 0..count {
            self.varint()?;
            let length = self.varint()? as usize;
            self.skip(length)?;
        }
        Ok(())
    }

    fn bytes(&mut self, length: i32) -> Result<(), ShapeError> {
        match length {
            -1 => Ok(()),
            _ => self.skip(usize::try_from(length).map_err(|_| ShapeError::Negative)?),
        }
    }

    fn compact_bytes(&mut self) -> Result<(), ShapeError> {
        let length = self.varint()?.saturating_sub(1) as usize;
        self.skip(length)
    }

    /// The codec's reading of an unsigned varint: at most five bytes, seven bits each.
    fn varint(&mut self) -> Result<u32, ShapeError> {
        let mut value = 0u32;
        for index in 0..5 {
            let [byte] = self.take()?;
            value |= u32::from(byte & 0x7f) << (index * 7);
            if byte < 0x80 {
                break;
            }
        }
        Ok(value)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], ShapeError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(ShapeError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    fn skip(&mut self, bytes: usize) -> Result<(), ShapeError> {
        self.rest = self.rest.get(bytes..).ok_or(ShapeError::Truncated)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
