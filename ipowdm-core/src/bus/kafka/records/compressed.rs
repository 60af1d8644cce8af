//! Batches with compressed records: what others have written, and our own (LZ4).
//!
//! Sources: the codecs of `CompressionType` of Apache Kafka; the framing of snappy-java (`SnappyOutputStream`), which Java clients
//! use and librdkafka does not.

use super::{HEADER, PREFIX};
#[cfg(feature = "compression")]
use bytes::Buf;
use bytes::Bytes;
use core::ops::Range;
#[cfg(feature = "compression")]
use flate2::read::GzDecoder;
use lz4_flex::frame::{FrameDecoder, FrameEncoder};
#[cfg(feature = "compression")]
use ruzstd::decoding::StreamingDecoder;
use std::io::{Read, Write};
#[cfg(feature = "compression")]
use std::vec;
use std::vec::Vec;

/// Largest batch that is opened, in bytes of its records: a few bytes can stand for any number.
pub(super) const LARGEST: usize = 16 << 20;

/// Where a batch has its length, its checksum, and its attributes, from which on it is summed.
const LENGTH: Range<usize> = 8..12;
const SUM: Range<usize> = 17..21;
const ATTRIBUTES: Range<usize> = 21..23;

/// The number of LZ4 frames in a batch's attributes.
const LZ4: i16 = 3;

/// In front of blocks of Snappy, each with its length; a version and the oldest that can read it follow.
#[cfg(feature = "compression")]
const SNAPPY_JAVA: [u8; 8] = *b"\x82SNAPPY\0";

/// The records of a batch as they were before; `None` where the codec is not known, the bytes are damaged or there are more than
/// [`LARGEST`].
pub(super) fn open(codec: i16, body: &Bytes) -> Option<Bytes> {
    match codec {
        #[cfg(feature = "compression")]
        1 => read(GzDecoder::new(&**body)),
        #[cfg(feature = "compression")]
        2 => snappy(body.clone()),
        LZ4 => read(FrameDecoder::new(&**body)),
        #[cfg(feature = "compression")]
        4 => read(StreamingDecoder::new(&**body).ok()?),
        _ => None,
    }
}

/// A batch as it was encoded, with its records compressed; `None` where that does not make it smaller.
///
/// Brokers and Java clients read frames of independent blocks only, which is what the encoder makes of its own accord.
pub(super) fn by_lz4(batch: &[u8]) -> Option<Vec<u8>> {
    let (head, records) = batch.split_at_checked(PREFIX + HEADER)?;
    let mut encoder = FrameEncoder::new(head.to_vec());
    encoder.write_all(records).ok()?;
    let mut closed = encoder.finish().ok().filter(|closed| closed.len() < batch.len())?;
    let length = i32::try_from(closed.len() - PREFIX).ok()?;
    closed.get_mut(LENGTH)?.copy_from_slice(&length.to_be_bytes());
    closed.get_mut(ATTRIBUTES)?.copy_from_slice(&LZ4.to_be_bytes());
    let sum = crc32c::crc32c(closed.get(ATTRIBUTES.start..)?);
    closed.get_mut(SUM)?.copy_from_slice(&sum.to_be_bytes());
    Some(closed)
}

fn read(decoder: impl Read) -> Option<Bytes> {
    let mut opened = Vec::new();
    // One byte more, to see that there is more.
    decoder.take(LARGEST as u64 + 1).read_to_end(&mut opened).ok()?;
    (opened.len() <= LARGEST).then(|| opened.into())
}

#[cfg(feature = "compression")]
fn snappy(mut body: Bytes) -> Option<Bytes> {
    if !body.starts_with(&SNAPPY_JAVA) {
        let mut opened = Vec::new();
        add_block(&mut opened, &body)?;
        return Some(opened.into());
    }
    body.advance(SNAPPY_JAVA.len());
    body.try_get_u64().ok()?;
    let mut opened = Vec::new();
    while !body.is_empty() {
        let length = usize::try_from(body.try_get_u32().ok()?).ok()?;
        if length > body.len() {
            return None;
        }
        add_block(&mut opened, &body.split_to(length))?;
    }
    Some(opened.into())
}

#[cfg(feature = "compression")]
fn add_block(opened: &mut Vec<u8>, block: &[u8]) -> Option<()> {
    let length = snap::raw::decompress_len(block).ok().filter(|length| opened.len() + length <= LARGEST)?;
    let mut added = vec![0; length];
    let written = snap::raw::Decoder::new().decompress(block, &mut added).ok()?;
    opened.extend_from_slice(added.get(..written)?);
    Some(())
}

#[cfg(test)]
#[cfg(feature = "compression")]
mod tests {
    use super::super::tests::{one, reseal, stored};
    use super::super::{Codec, decode, encode};
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use lz4_flex::frame::FrameEncoder;
    use proptest::prelude::*;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};
    use std::io::Write;

    const CODECS: [i16; 4] = [1, 2, 3, 4];

    fn close(codec: i16, plain: &[u8]) -> Vec<u8> {
        match codec {
            1 => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(plain).unwrap();
                encoder.finish().unwrap()
            }
            2 => snap::raw::Encoder::new().compress_vec(plain).unwrap(),
            3 => {
                let mut encoder = FrameEncoder::new(Vec::new());
                encoder.write_all(plain).unwrap();
                encoder.finish().unwrap()
            }
            _ => compress_to_vec(plain, CompressionLevel::Fastest),
        }
    }

    /// As snappy-java has it, in blocks.
    fn framed(plain: &[u8]) -> Vec<u8> {
        let mut body = SNAPPY_JAVA.to_vec();
        body.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1]);
        for block in plain.chunks(20) {
            let block = close(2, block);
            body.extend_from_slice(&u32::try_from(block.len()).unwrap().to_be_bytes());
            body.extend_from_slice(&block);
        }
        body
    }

    /// A batch whose records are what `body` holds.
    fn batch(codec: i16, head: &[u8], body: &[u8]) -> Vec<u8> {
        let mut batch = [head, body].concat();
        let length = i32::try_from(batch.len() - PREFIX).unwrap();
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        batch[22] |= u8::try_from(codec).unwrap();
        reseal(&mut batch);
        batch
    }

    #[test]
    fn what_a_producer_has_compressed_is_read_like_what_it_has_not() {
        let records = [one("a"), one(&"b".repeat(500)), one("c")].concat();
        let plain = stored(&records, 7, Some(5));
        let (head, body) = plain.split_at(PREFIX + HEADER);
        let wanted = decode(plain.clone().into(), 7);
        assert_eq!((wanted.records.len(), wanted.unreadable), (3, 0));
        for codec in CODECS {
            assert_eq!(decode(batch(codec, head, &close(codec, body)).into(), 7), wanted, "codec {codec}");
        }
        assert_eq!(decode(batch(2, head, &framed(body)).into(), 7), wanted);
        let unknown = decode(batch(5, head, body).into(), 7);
        assert_eq!((unknown.records.len(), unknown.resume, unknown.unreadable), (0, 10, 3));
    }

    #[test]
    fn what_is_compressed_here_is_smaller_and_read_as_it_was() {
        let records: Vec<_> = (0..100).flat_map(|_| one(&"sample ".repeat(60))).collect();
        let plain = encode(records.iter(), 7, Codec::None).unwrap();
        let closed = encode(records.iter(), 7, Codec::Lz4).unwrap();
        assert!(closed.len() * 10 < plain.len(), "{} of {}", closed.len(), plain.len());
        let read = decode(closed.clone(), 0);
        assert_eq!((read.records.len(), read.unreadable), (100, 0));
        assert_eq!(read, decode(plain, 0));
        // In the frame's descriptor: version 1, blocks that do not depend on each other.
        assert_eq!(closed[PREFIX + HEADER + 4] & 0b1110_0000, 0b0110_0000);
        let short = one("k");
        assert_eq!(
            encode(short.iter(), 7, Codec::Lz4).unwrap(),
            encode(short.iter(), 7, Codec::None).unwrap(),
            "what would grow stays as it is"
        );
    }

    #[test]
    fn a_batch_that_would_fill_the_memory_is_not_opened() {
        let plain = vec![0; LARGEST + 1];
        for codec in CODECS {
            assert_eq!(open(codec, &close(codec, &plain).into()), None, "codec {codec}");
            assert_eq!(
                open(codec, &close(codec, &plain[1..]).into()).unwrap().len(),
                LARGEST,
                "codec {codec}"
            );
        }
    }

    proptest! {
        #[test]
        fn nothing_inside_a_batch_panics(codec in 0_i16..8, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = open(codec, &bytes.into());
        }

        #[test]
        fn no_damage_inside_a_batch_panics(codec in 1_i16..5, at in any::<proptest::sample::Index>(), bit in 0..8_u8) {
            let mut closed = close(codec, &b"some words, and the same words again, the same words again".repeat(9));
            let at = at.index(closed.len());
            closed[at] ^= 1_u8 << bit;
            let _ = open(codec, &closed.into());
        }
    }
}
