//! Keys: a kind and length-prefixed parts, readable in a log line and unambiguous to a machine.

use super::Record;
use core::cell::RefCell;
use core::fmt;
use core::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};
use core::marker::PhantomData;
use foldhash::quality::RandomState;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

/// How keys are hashed in this process: seeded at random, since parts of keys come from outside.
static HASHING: LazyLock<RandomState> = LazyLock::new(RandomState::default);

/// A key as a back end sees it: text whose byte order is the order of scans.
///
/// The form is `kind/<len>:<part>,<len>:<part>,…`. The lengths keep `("a-b", "c")` and `("a", "b-c")` apart, which a
/// separator alone would not: ids may contain any separator that reads well.
///
/// The hash is computed once: a key is looked up many times on its way through a transaction.
#[derive(Clone)]
pub struct RawKey {
    text: Arc<str>,
    hash: u64,
}

impl RawKey {
    /// Takes over a key that a back end has stored before.
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        Self { hash: HASHING.hash_one(text), text: Arc::from(text) }
    }

    /// A key that is written into a buffer of this thread first, so that it costs one allocation.
    pub(super) fn written(write: impl Fn(&mut String)) -> Self {
        thread_local! {
            static DRAFT: RefCell<String> = RefCell::default();
        }
        let drafted = DRAFT.try_with(|draft| {
            let mut draft = draft.try_borrow_mut().ok()?;
            draft.clear();
            write(&mut draft);
            Some(Self::from_stored(&draft))
        });
        drafted.ok().flatten().unwrap_or_else(|| {
            let mut text = String::new();
            write(&mut text);
            Self::from_stored(&text)
        })
    }

    /// The hash, equal for equal keys of one process.
    pub(super) const fn hash_code(&self) -> u64 {
        self.hash
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The kind: what stands before the slash.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.text.split_once('/').map_or(&*self.text, |(kind, _)| kind)
    }

    /// The parts in order; `None` where the text is not a well-formed key.
    #[must_use]
    pub fn parts(&self) -> Option<Vec<&str>> {
        let (_, mut rest) = self.text.split_once('/')?;
        let mut parts = Vec::new();
        while !rest.is_empty() {
            let (length, tail) = rest.split_once(':')?;
            let length: usize = length.parse().ok()?;
            parts.push(tail.get(..length)?);
            rest = tail.get(length..)?.strip_prefix(',')?;
        }
        Some(parts)
    }
}

impl PartialEq for RawKey {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && (Arc::ptr_eq(&self.text, &other.text) || self.text == other.text)
    }
}

impl Eq for RawKey {}

impl PartialOrd for RawKey {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RawKey {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for RawKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Hashes keys to the hash that they carry. For maps whose keys are [`RawKey`] and nothing else.
pub(super) type KeyHash = BuildHasherDefault<CarriedHash>;

/// See [`KeyHash`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CarriedHash(u64);

impl Hasher for CarriedHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = HASHING.hash_one(bytes);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl fmt::Display for RawKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for RawKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Writes `kind/` and the parts.
fn compose(text: &mut String, kind: &str, parts: &[&str]) {
    text.push_str(kind);
    text.push('/');
    for part in parts {
        push_part(text, part);
    }
}

pub(super) fn push_part(text: &mut String, part: &str) {
    match u8::try_from(part.len()) {
        Ok(length @ 0..=9) => text.push(char::from(b'0' + length)),
        Ok(length @ 10..=99) => {
            text.push(char::from(b'0' + length / 10));
            text.push(char::from(b'0' + length % 10));
        }
        // Writing to a String cannot fail.
        _ => drop(write!(text, "{}", part.len())),
    }
    text.push(':');
    text.push_str(part);
    text.push(',');
}

/// A number as a part: 16 hexadecimal digits, so that the order of keys is the order of numbers.
pub(super) fn push_number(text: &mut String, number: u64) {
    text.push_str("16:");
    for nibble in (0..16).rev() {
        let digit = number >> (4 * nibble) & 0xf;
        text.push(char::from_digit(u32::try_from(digit).unwrap_or(0), 16).unwrap_or('0'));
    }
    text.push(',');
}

/// The key of one record of type `T`.
pub struct Key<T> {
    raw: RawKey,
    record: PhantomData<fn() -> T>,
}

impl<T: Record> Key<T> {
    /// The key of kind `T::KIND` with these parts.
    ///
    /// ```
    /// # use ipowdm_ctl_lib::store::{Key, Record};
    /// # #[derive(serde::Serialize, serde::Deserialize)] struct Port;
    /// # impl Record for Port { const KIND: &'static str = "port"; const VERSION: u8 = 1; }
    /// let key = Key::<Port>::new(&["pop1", "router1", "Ethernet48"]);
    /// assert_eq!(key.to_string(), "port/4:pop1,7:router1,10:Ethernet48,");
    /// ```
    #[must_use]
    pub fn new(parts: &[&str]) -> Self {
        Self::from_key(RawKey::written(|text| compose(text, T::KIND, parts)))
    }

    /// The key with these parts and a number as the last part; numbers sort as numbers.
    #[must_use]
    pub fn numbered(parts: &[&str], number: u64) -> Self {
        Self::from_key(RawKey::written(|text| {
            compose(text, T::KIND, parts);
            push_number(text, number);
        }))
    }

    const fn from_key(raw: RawKey) -> Self {
        Self { raw, record: PhantomData }
    }

    /// A stored key as one of this kind; `None` where it is of another kind.
    #[must_use]
    pub fn from_raw(raw: RawKey) -> Option<Self> {
        (raw.kind() == T::KIND).then_some(Self { raw, record: PhantomData })
    }
}

impl<T> Key<T> {
    /// The untyped key.
    #[must_use]
    pub const fn raw(&self) -> &RawKey {
        &self.raw
    }

    /// The parts in order; empty where the key holds none.
    #[must_use]
    pub fn parts(&self) -> Vec<&str> {
        self.raw.parts().unwrap_or_default()
    }

    /// The last part as a number, for keys made by [`Key::numbered`].
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        let parts = self.raw.parts()?;
        u64::from_str_radix(parts.last()?, 16).ok()
    }
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        Self { raw: self.raw.clone(), record: PhantomData }
    }
}

impl<T> PartialEq for Key<T> {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl<T> Eq for Key<T> {}

impl<T> PartialOrd for Key<T> {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Key<T> {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.raw.cmp(&other.raw)
    }
}

impl<T> core::hash::Hash for Key<T> {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.raw.hash(state);
    }
}

impl<T> fmt::Display for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw.fmt(f)
    }
}

impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw.fmt(f)
    }
}

/// All keys of one kind, or those that begin with the same parts.
pub struct Prefix<T> {
    raw: RawKey,
    record: PhantomData<fn() -> T>,
}

impl<T: Record> Prefix<T> {
    /// Every record of the kind.
    #[must_use]
    pub fn all() -> Self {
        Self::under(&[])
    }

    /// The records whose first parts are these.
    #[must_use]
    pub fn under(parts: &[&str]) -> Self {
        Self { raw: RawKey::written(|text| compose(text, T::KIND, parts)), record: PhantomData }
    }
}

impl<T> Prefix<T> {
    /// The untyped prefix.
    #[must_use]
    pub const fn raw(&self) -> &RawKey {
        &self.raw
    }
}

impl<T> Clone for Prefix<T> {
    fn clone(&self) -> Self {
        Self { raw: self.raw.clone(), record: PhantomData }
    }
}

impl<T> fmt::Debug for Prefix<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}*", self.raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    struct Thing;
    impl Record for Thing {
        const KIND: &'static str = "thing";
        const VERSION: u8 = 1;
    }

    #[test]
    fn parts_with_separators_stay_apart() {
        assert_ne!(Key::<Thing>::new(&["a-b", "c"]), Key::new(&["a", "b-c"]));
        assert_ne!(Key::<Thing>::new(&["a,1:b"]), Key::new(&["a", "b"]));
        assert_eq!(Key::<Thing>::new(&["a,1:b", ""]).to_string(), "thing/5:a,1:b,0:,");
    }

    #[test]
    fn a_prefix_covers_whole_parts_only() {
        let prefix = Prefix::<Thing>::under(&["pop1"]);
        assert!(Key::<Thing>::new(&["pop1", "x"]).raw().as_str().starts_with(prefix.raw().as_str()));
        assert!(!Key::<Thing>::new(&["pop11", "x"]).raw().as_str().starts_with(prefix.raw().as_str()));
    }

    #[test]
    fn a_key_of_another_kind_is_refused() {
        assert!(Key::<Thing>::from_raw(RawKey::from_stored("other/1:a,")).is_none());
        assert!(Key::<Thing>::from_raw(RawKey::from_stored("thing/1:a,")).is_some());
    }

    proptest! {
        #[test]
        fn parts_read_back_as_written(parts in proptest::collection::vec(".{0,20}", 0..5)) {
            let borrowed: Vec<&str> = parts.iter().map(String::as_str).collect();
            let key = Key::<Thing>::new(&borrowed);
            prop_assert_eq!(key.parts(), borrowed);
        }

        #[test]
        fn different_parts_make_different_keys(a in proptest::collection::vec("[ab,:1]{0,4}", 0..4),
                                               b in proptest::collection::vec("[ab,:1]{0,4}", 0..4)) {
            let key = |parts: &[String]| Key::<Thing>::new(&parts.iter().map(String::as_str).collect::<Vec<_>>());
            prop_assert_eq!(key(&a) == key(&b), a == b);
        }

        #[test]
        fn numbers_sort_as_numbers(a: u64, b: u64) {
            let (x, y) = (Key::<Thing>::numbered(&["l"], a), Key::<Thing>::numbered(&["l"], b));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(x.number(), Some(a));
        }

        #[test]
        fn any_stored_text_reads_without_panic(text in ".{0,40}") {
            let _ = RawKey::from_stored(&text).parts();
        }
    }
}
