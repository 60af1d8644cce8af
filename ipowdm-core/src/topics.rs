//! Topic names, and which partition a key belongs to.
//!
//! Per virtual operator: `config_<vOp>` (controller to agents), `monitoring_<vOp>` (agents to controller) and
//! `health_<vOp>`; with a region the same name and `_<region>`. Ids have no `_`, so naming is total and injective.

use crate::ids::{RegionId, VopId};
use heapless::String;

/// The compacted topic that tells agents what they serve; written by the operator's side only.
pub const ASSIGNMENTS: &str = "ipowdm_assignments";

/// A topic name; `monitoring_` + 63 + `_` + 63 characters at most.
pub type TopicName = String<139>;

/// What a topic of a virtual operator carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Commands, controller to agents.
    Config,
    /// Acks, telemetry, events, agents to controller.
    Monitoring,
    /// Heartbeats and capabilities, agents to controller.
    Health,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 3] = [Self::Config, Self::Monitoring, Self::Health];

    const fn prefix(self) -> &'static str {
        match self {
            Self::Config => "config_",
            Self::Monitoring => "monitoring_",
            Self::Health => "health_",
        }
    }
}

/// The name of a topic.
#[must_use]
pub fn name(role: Role, vop: &VopId, region: Option<&RegionId>) -> TopicName {
    let mut name = TopicName::new();
    // The capacity covers the longest prefix and two ids of 63; the pushes cannot fail.
    let _ = name.push_str(role.prefix());
    let _ = name.push_str(vop.as_str());
    if let Some(region) = region {
        let _ = name.push('_');
        let _ = name.push_str(region.as_str());
    }
    name
}

/// Reads a topic name back.
#[must_use]
pub fn parse(name: &str) -> Option<(Role, VopId, Option<RegionId>)> {
    let (role, rest) =
        Role::ALL.into_iter().find_map(|role| Some((role, name.strip_prefix(role.prefix())?)))?;
    let (vop, region) = match rest.split_once('_') {
        Some((vop, region)) => (vop, Some(RegionId::new(region).ok()?)),
        None => (rest, None),
    };
    Some((role, VopId::new(vop).ok()?, region))
}

/// A topic name of the time before per-operator topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{legacy:?} is a legacy topic name shared by all tenants; use {prefix}<vOp>, for example {prefix}vOp2"
)]
pub struct LegacyName {
    /// The refused name.
    pub legacy: &'static str,
    /// How the name must begin.
    pub prefix: &'static str,
}

/// Refuses the legacy names `config-topic` and `monitoring-topic` (and `health-topic`).
///
/// # Errors
/// [`LegacyName`], whose message names the fix.
pub fn refuse_legacy(name: &str) -> Result<(), LegacyName> {
    for (legacy, prefix) in
        [("config-topic", "config_"), ("monitoring-topic", "monitoring_"), ("health-topic", "health_")]
    {
        if name == legacy {
            return Err(LegacyName { legacy, prefix });
        }
    }
    Ok(())
}

/// The 32-bit murmur2 hash that Java Kafka clients use.
#[must_use]
pub fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    #[expect(clippy::cast_possible_truncation, reason = "the algorithm mixes in the length modulo 2^32")]
    let mut h = 0x9747_b28c_u32 ^ (data.len() as u32);
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (i, &byte) in rest.iter().enumerate() {
            h ^= u32::from(byte) << (8 * i);
        }
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^ (h >> 15)
}

/// The partition of a key, as Java clients compute it. `partitions` of 0 is taken as 1.
#[must_use]
pub fn partition(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff) % partitions.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn murmur2_agrees_with_java() {
        for (text, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(text.as_bytes()).cast_signed(), hash, "{text}");
        }
    }

    #[test]
    fn s0_01_topic_names_are_the_guides() {
        let vop = VopId::new("vOp2").unwrap();
        assert_eq!(name(Role::Config, &vop, None), "config_vOp2");
        assert_eq!(name(Role::Monitoring, &vop, None), "monitoring_vOp2");
        assert_eq!(name(Role::Health, &vop, Some(&RegionId::new("east").unwrap())), "health_vOp2_east");
    }

    #[test]
    fn s0_17_legacy_names_are_refused_with_the_fix() {
        let error = refuse_legacy("config-topic").unwrap_err();
        assert!(std::format!("{error}").contains("config_<vOp>"));
        assert!(refuse_legacy("monitoring-topic").is_err());
        assert_eq!(refuse_legacy("config_vOp2"), Ok(()));
    }

    proptest! {
        #[test]
        fn s3_01_naming_is_total_and_injective(
            role in 0_usize..3, vop in "[A-Za-z0-9-]{1,63}", region in proptest::option::of("[A-Za-z0-9-]{1,63}")
        ) {
            let vop = VopId::new(&vop).unwrap();
            let region = region.map(|r| RegionId::new(&r).unwrap());
            let name = name(Role::ALL[role], &vop, region.as_ref());
            prop_assert!(name.len() <= 249);
            prop_assert_eq!(parse(&name), Some((Role::ALL[role], vop, region)));
        }

        #[test]
        fn a_partition_is_always_in_range(key in any::<std::vec::Vec<u8>>(), partitions in any::<u32>()) {
            prop_assert!(partition(&key, partitions) < partitions.max(1));
        }
    }
}
