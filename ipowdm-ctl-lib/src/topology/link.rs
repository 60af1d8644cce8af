//! Fibre links: what lies between two PoPs.

use super::{Metadata, UpDown};
use crate::store::{Key, Record};
use ipowdm_core::grid::{FlexSlot, Raster, SpectrumWindow};
use ipowdm_core::ids::{LinkId, PopId};
use ipowdm_core::slots::Slots;
use ipowdm_core::units::{Db, Length};
use serde::{Deserialize, Serialize};

/// Spans that a link may have.
const MAX_SPANS: usize = 256;
/// Amplifiers on both fibres of a link.
const MAX_AMPLIFIERS: usize = 1024;
/// Bands of a link.
const MAX_BANDS: usize = 8;
/// Risk groups of a link.
const MAX_SRLGS: usize = 64;
/// Bytes of the name of a kind of fibre or amplifier.
const MAX_NAME: usize = 63;

/// One stretch of fibre between amplifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Its length.
    pub length: Length,
    /// Its loss.
    pub loss: Db,
}

/// One of the two fibres of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fibre {
    /// From end a to end b.
    AToB,
    /// From end b to end a.
    BToA,
}

/// An amplifier of a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amplifier {
    /// The fibre that it amplifies.
    pub fibre: Fibre,
    /// Spans between end a and it, whichever way the light goes: 0 is at end a, the number of spans at end b.
    pub spans_from_a: u16,
    /// Its kind, as the equipment library names it.
    pub kind: String,
    /// Its gain; `None` while that is not known.
    pub gain: Option<Db>,
    /// Its noise figure at that gain; `None` while that is not known.
    pub noise_figure: Option<Db>,
}

/// A shared-risk link group: links of one group can fail by one cause, such as a cut duct (RFC 4202 §2.3, 32 bits).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Srlg(pub u32);

/// A fibre link between two PoPs: a pair of directed fibres.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FibreLink {
    /// Its id.
    pub id: LinkId,
    /// One end; the first fibre runs from here.
    pub a: PopId,
    /// The other end; the second fibre runs from here.
    pub b: PopId,
    /// Its length.
    pub length: Length,
    /// The kind of fibre, such as `SMF`.
    pub fibre: String,
    /// Its spans from a to b; empty while they are not known.
    pub spans: Vec<Span>,
    /// What the operator wants.
    pub admin: UpDown,
    /// What is seen.
    pub oper: UpDown,
    /// Its amplifiers; empty while they are not known.
    pub amplifiers: Vec<Amplifier>,
    /// The bands that its amplifiers and multiplexers carry, lowest first; empty where it carries all of LinkDB's band.
    /// A channel lies whole in one of them.
    pub bands: Vec<SpectrumWindow>,
    /// The risks that it shares with other links, in ascending order.
    pub srlgs: Vec<Srlg>,
    /// Notes.
    pub metadata: Metadata,
}

impl FibreLink {
    /// A link in service.
    #[must_use]
    pub fn new(id: LinkId, a: PopId, b: PopId, length: Length) -> Self {
        Self {
            id,
            a,
            b,
            length,
            fibre: "SMF".to_owned(),
            spans: Vec::new(),
            admin: UpDown::Up,
            oper: UpDown::Up,
            amplifiers: Vec::new(),
            bands: Vec::new(),
            srlgs: Vec::new(),
            metadata: Metadata::default(),
        }
    }

    /// Whether new connections may use the link, as far as the link itself goes: see [`super::Pop::admin`] too.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        (self.admin, self.oper) == (UpDown::Up, UpDown::Up)
    }

    /// The sum of the losses of the spans; `None` while no span is known, or where the sum leaves the range of the unit.
    #[must_use]
    pub fn loss(&self) -> Option<Db> {
        let sum = self.spans.iter().try_fold(0_i16, |sum, span| sum.checked_add(span.loss.hundredths()))?;
        (!self.spans.is_empty()).then_some(Db::from_hundredths(sum))
    }

    /// The bits of a raster that lie in the link's bands. Bands that touch are still two bands: what lies in one of them
    /// is to be asked of each.
    #[must_use]
    pub fn carried(&self, raster: Raster) -> Slots {
        if self.bands.is_empty() {
            return Slots::all_free(raster.bits());
        }
        let mut carried = Slots::all_occupied(raster.bits());
        for (first, count) in self.bands.iter().filter_map(|band| raster.bits_in(*band)) {
            // Bands do not overlap, and lie in the raster by the line above.
            let _ = carried.release(first, count);
        }
        carried
    }

    /// Whether the link carries a slot: it lies whole in one of the bands.
    #[must_use]
    pub fn carries(&self, slot: FlexSlot) -> bool {
        self.bands.is_empty() || self.band_of(slot).is_some()
    }

    /// The band that carries a slot; `None` where none does, and where the link carries everything.
    #[must_use]
    pub fn band_of(&self, slot: FlexSlot) -> Option<SpectrumWindow> {
        let centre = slot.centre().ok()?;
        self.bands.iter().copied().find(|band| band.holds(centre, slot.width_mhz()))
    }

    /// The first field that says something impossible, and what is wrong with it.
    #[must_use]
    pub fn fault(&self) -> Option<(&'static str, String)> {
        let too_many = |field, count: usize, most: usize| {
            (count > most).then(|| (field, format!("{count} are more than {most}")))
        };
        let bad_name = |name: &str| name.len() > MAX_NAME || name.chars().any(char::is_control);
        if bad_name(&self.fibre) || self.amplifiers.iter().any(|amplifier| bad_name(&amplifier.kind)) {
            let reason = format!("a name has control characters or more than {MAX_NAME} bytes");
            return Some(("fibre", reason));
        }
        if let Some(far) = self.amplifiers.iter().find(|far| usize::from(far.spans_from_a) > self.spans.len())
        {
            let reason = format!("after {} of {} spans is beyond end b", far.spans_from_a, self.spans.len());
            return Some(("amplifiers", reason));
        }
        if let Some(empty) = self.bands.iter().find(|band| band.low >= band.high) {
            return Some(("bands", format!("{} … {} is empty", empty.low, empty.high)));
        }
        if let Some((low, high)) =
            self.bands.iter().zip(self.bands.iter().skip(1)).find(|(a, b)| a.high > b.low)
        {
            let reason =
                format!("{} … {} and {} … {} overlap or descend", low.low, low.high, high.low, high.high);
            return Some(("bands", reason));
        }
        if !self.srlgs.is_sorted_by(|a, b| a < b) {
            return Some(("srlgs", "not in ascending order, each once".to_owned()));
        }
        too_many("spans", self.spans.len(), MAX_SPANS)
            .or_else(|| too_many("amplifiers", self.amplifiers.len(), MAX_AMPLIFIERS))
            .or_else(|| too_many("bands", self.bands.len(), MAX_BANDS))
            .or_else(|| too_many("srlgs", self.srlgs.len(), MAX_SRLGS))
    }

    /// The key of a link.
    #[must_use]
    pub fn key(id: &LinkId) -> Key<Self> {
        Key::new(&[id.as_str()])
    }
}

/// Version 1 of the record.
#[derive(Deserialize)]
struct FibreLinkV1 {
    id: LinkId,
    a: PopId,
    b: PopId,
    length: Length,
    fibre: String,
    spans: Vec<Span>,
    admin: UpDown,
    oper: UpDown,
}

impl Record for FibreLink {
    const KIND: &'static str = "link";
    const VERSION: u8 = 2;

    fn upgrade(body: &[u8]) -> Option<Result<Self, postcard::Error>> {
        Some(super::whole(body).map(|old: FibreLinkV1| Self {
            fibre: old.fibre,
            spans: old.spans,
            admin: old.admin,
            oper: old.oper,
            ..Self::new(old.id, old.a, old.b, old.length)
        }))
    }
}
