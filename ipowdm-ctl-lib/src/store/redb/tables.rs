//! The tables of the database, and reading a store back from them.

use super::codec::Records;
use crate::store::Version;
use redb::{
    Database, ReadTransaction, ReadableDatabase as _, ReadableTableMetadata as _, TableDefinition,
    TableError, TableHandle as _, WriteTransaction,
};

/// What the file is and where its parts are.
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("ipowdm.meta");
/// Groups of transactions, under the version of the first one of each.
pub(super) const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("ipowdm.log");
/// Images of all records, under their generation and the number of each part.
pub(super) const IMAGE: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("ipowdm.image");

/// What is stored under "format"; raised when a release stores something that earlier ones must not read.
pub(super) const FORMAT: u32 = 1;

/// The image that a store is read back from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Image {
    /// Which of those in the table.
    pub(super) generation: u64,
    /// Transactions up to this one are in the image. Later ones may be too, in part: all of them are in the log.
    pub(super) through: u64,
    /// Bytes of all its parts.
    pub(super) bytes: u64,
}

impl Image {
    fn to_bytes(self) -> [u8; 24] {
        let mut out = [0; 24];
        let fields = [self.generation, self.through, self.bytes];
        for (to, from) in out.chunks_exact_mut(8).zip(fields) {
            to.copy_from_slice(&from.to_le_bytes());
        }
        out
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 24] = bytes.try_into().ok()?;
        let mut fields = bytes.chunks_exact(8).map(|field| field.try_into().map(u64::from_le_bytes));
        let mut next = || fields.next()?.ok();
        Some(Self { generation: next()?, through: next()?, bytes: next()? })
    }

    /// Makes this the image to read back.
    pub(super) fn install(self, tx: &WriteTransaction) -> Result<(), redb::Error> {
        tx.open_table(META)?.insert("image", self.to_bytes().as_slice())?;
        Ok(())
    }
}

/// Adds a group to the log. Its last version is also kept elsewhere: a damaged log may end too early and look whole.
pub(super) fn append(
    tx: &WriteTransaction,
    first: Version,
    last: Version,
    blob: &[u8],
) -> Result<(), redb::Error> {
    tx.open_table(LOG)?.insert(first.get(), blob)?;
    tx.open_table(META)?.insert("last", last.get().to_le_bytes().as_slice())?;
    Ok(())
}

/// What a database holds.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing yet.
    Empty,
    /// Something of another program.
    Foreign(String),
    /// A store of a later release.
    Newer(u32),
    /// A store.
    Store(Contents),
}

/// A store that was read back.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) image: Image,
    pub(super) log_bytes: u64,
    pub(super) records: Records,
}

/// Why a store cannot be read back.
#[derive(Debug)]
pub(super) enum ReadError {
    Database(redb::Error),
    Damaged(String),
}

impl<E: Into<redb::Error>> From<E> for ReadError {
    fn from(error: E) -> Self {
        Self::Database(error.into())
    }
}

/// Makes an empty database a store.
pub(super) fn initialise(database: &Database) -> Result<(), redb::Error> {
    let tx = database.begin_write()?;
    tx.open_table(META)?.insert("format", FORMAT.to_le_bytes().as_slice())?;
    tx.open_table(META)?.insert("last", 0_u64.to_le_bytes().as_slice())?;
    Image::default().install(&tx)?;
    tx.open_table(LOG)?;
    tx.open_table(IMAGE)?;
    Ok(tx.commit()?)
}

/// Reads everything.
pub(super) fn read(database: &Database) -> Result<Found, ReadError> {
    let tx = database.begin_read()?;
    let meta = match tx.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::TableDoesNotExist(_)) => return Ok(without_meta(&tx)?),
        Err(error) => return Err(error.into()),
    };
    let damaged = |what: &str| ReadError::Damaged(what.to_owned());
    let format = meta.get("format")?.ok_or_else(|| damaged("the format is not stated"))?;
    let format = format.value().try_into().map_err(|_| damaged("the format is not a number"))?;
    let format = u32::from_le_bytes(format);
    if format > FORMAT {
        return Ok(Found::Newer(format));
    }
    let image = meta.get("image")?.ok_or_else(|| damaged("the image is not stated"))?;
    let image = Image::from_bytes(image.value()).ok_or_else(|| damaged("the image is not described"))?;
    let last = meta.get("last")?.ok_or_else(|| damaged("the last transaction is not stated"))?;
    let last = last.value().try_into().map_err(|_| damaged("the last transaction is not a number"))?;
    let last = Version::new(u64::from_le_bytes(last));
    let contents = contents(&tx, image)?;
    if contents.records.version != last {
        let found = contents.records.version;
        return Err(ReadError::Damaged(format!("the log ends at transaction {found} instead of {last}")));
    }
    Ok(Found::Store(contents))
}

fn without_meta(tx: &ReadTransaction) -> Result<Found, redb::Error> {
    let other = tx.list_tables()?.map(|table| table.name().to_owned()).next();
    let other = other.or(tx
        .list_multimap_tables()?
        .map(|table| redb::MultimapTableHandle::name(&table).to_owned())
        .next());
    Ok(other.map_or(Found::Empty, |name| Found::Foreign(format!("it has a table {name:?}"))))
}

fn contents(tx: &ReadTransaction, image: Image) -> Result<Contents, ReadError> {
    let mut records = Records { version: Version::new(image.through), ..Records::default() };
    let of_image = |part: u64, reason| ReadError::Damaged(format!("part {part} of the image: {reason}"));
    let table = tx.open_table(IMAGE)?;
    let mut bytes = 0;
    for (expected, entry) in (0_u64..).zip(table.range((image.generation, 0)..=(image.generation, u64::MAX))?)
    {
        let (key, blob) = entry?;
        let (_, part) = key.value();
        if part != expected {
            return Err(of_image(expected, "it is missing".to_owned()));
        }
        records.load(blob.value()).map_err(|reason| of_image(part, reason))?;
        bytes += length(blob.value());
    }
    if bytes != image.bytes {
        return Err(of_image(
            table.len()?,
            format!("the image has {bytes} bytes instead of {}", image.bytes),
        ));
    }
    let mut log_bytes = 0;
    for entry in tx.open_table(LOG)?.range(image.through + 1..)? {
        let (first, blob) = entry?;
        let first = first.value();
        records
            .replay(blob.value())
            .map_err(|reason| ReadError::Damaged(format!("the log at transaction {first}: {reason}")))?;
        log_bytes += length(blob.value());
    }
    Ok(Contents { image, log_bytes, records })
}

/// A length as a 64-bit number, which it fits wherever this compiles.
pub(super) fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
