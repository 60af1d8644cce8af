//! The user that keeps Kafka from forgetting everybody's passwords at a restart.
//!
//! A node of Apache Kafka that starts reads its metadata log into one `ScramDelta` and applies that to an empty image. `apply` (the
//! code of 3.5.0 to 4.3.1) goes through the users of a mechanism in the order of a `java.util.HashMap`. Where it meets one whose password was
//! withdrawn, while it has put nobody in yet, it drops the mechanism, and puts all who follow into a map that nobody reads. The
//! node then refuses everybody's password, its administrator's and its peers' too, and what it thinks it knows goes into its next
//! snapshot. Without a restart, and with a snapshot to start from, it takes that the mechanism is empty for a moment.
//!
//! So a user must be there that is never withdrawn and that such a map names first: one with the hash 0, put in before others with
//! that hash. Every change of passwords carries it along. It may do nothing (no right names it), and no password fits it: what
//! brokers are told is random.

/// Its name. The last seven letters are there for the hash.
pub(super) const KEEPER: &str = "ipowdm_keeper_wxapccv";

#[cfg(test)]
mod tests {
    use super::KEEPER;

    /// `java.lang.String.hashCode`.
    fn java_hash(text: &str) -> i32 {
        text.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
    }

    #[test]
    fn a_java_hash_map_of_any_size_names_it_first() {
        assert_eq!(java_hash("admin"), 92_668_751, "as Java says");
        assert_eq!(java_hash(KEEPER), 0);
    }
}
