//! The tables against the reference rows, and what the rest of the crate relies on.

use super::*;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::string::{String, ToString};
use std::vec::Vec;
use std::{env, eprintln, format, fs, println};

/// Every element of every table: its name with the index filled in, and the row.
fn elements() -> impl Iterator<Item = (String, Field, Place)> {
    TABLES.iter().copied().flatten().flat_map(|field| {
        (0..field.count).map(move |index| {
            let number = (field.first_index + index).to_string();
            let name =
                if field.count > 1 { field.name.replace('#', &number) } else { field.name.to_string() };
            (name, *field, field.element(index).expect("an element within the array"))
        })
    })
}

#[test]
fn every_element_lies_in_one_half_of_the_window() {
    for (name, field, place) in elements() {
        let end = usize::from(place.at.byte) + usize::from(place.len);
        assert!(end <= if place.at.is_lower() { 128 } else { 256 }, "{name} runs over the end");
        assert_eq!(place.at.page, field.page);
        if let Some((high, low)) = place.bits {
            assert!(high >= low && high < 8, "{name} has bits {high}-{low}");
            assert_eq!(place.len, 1, "{name} has bits of a longer register");
        }
    }
}

#[test]
fn no_number_straddles_a_multiple_of_eight() {
    // The strict read mode cuts there; a scalar must come from one access.
    for (name, field, place) in elements() {
        let readable = !matches!(field.access, Access::Wo | Access::WoSc);
        if readable && field.kind.is_scalar() {
            let last = place.at.byte + (place.len - 1);
            assert_eq!(place.at.byte / 8, last / 8, "{name} straddles");
        }
    }
}

#[test]
fn registers_of_a_page_do_not_overlap() {
    let mut owner: BTreeMap<(u8, u8, u8), String> = BTreeMap::new();
    for (name, field, place) in elements() {
        let (high, low) = place.bits.unwrap_or((7, 0));
        for byte in place.at.byte..=place.at.byte + (place.len - 1) {
            for bit in low..=high {
                let other = owner.insert((field.page, byte, bit), name.clone());
                assert!(other.is_none(), "{name} overlaps {other:?}");
            }
        }
    }
}

#[test]
fn an_address_survives_its_linear_offset() {
    assert_eq!(Address::page(0x12, 200).linear(), 0x12 * 128 + 200);
    for bank in [0, 1, 3] {
        for page in [0_u8, 1, 0x10, 0x2F, 0x9F, 0xFF] {
            for byte in [128_u8, 200, 255] {
                let at = Address { bank, page, byte };
                assert_eq!(Address::from_linear(at.linear()), Some(at));
            }
        }
    }
    assert_eq!(Address::from_linear(5), Some(Address::lower(5)));
}

#[test]
fn a_block_that_does_not_cover_a_register_says_so() {
    let bytes = [0x12, 0x34];
    let block = Block::new(Address::page(0x12, 136), &bytes);
    assert_eq!(block.signed(page12::CHANNEL_NUMBER_TX), Some(0x1234));
    assert_eq!(block.signed_at(page12::CHANNEL_NUMBER_TX, 1), None, "the next lane is not there");
    assert_eq!(block.signed_at(page12::CHANNEL_NUMBER_TX, 8), None, "there is no ninth lane");
    assert_eq!(block.byte(page12::GRID_SPACING_TX), None, "before the block");
    assert_eq!(block.word_at(page11::OPTICAL_POWER_TX, 0), None, "another page");
    assert_eq!(block.byte(lower::MODULE_STATE), None, "the lower memory is not a page");
}

/// All tables as a page for people.
fn as_markdown() -> String {
    let mut page = String::from(
        "# Registers\n\nEvery register that `map` declares, made from its tables: `IPOWDM_UPDATE_REGISTERS=1 cargo test -p ipowdm-cmis \
         registers_md`.\n\nConfidence: empty for what rests on the specification, or on agreeing implementations and a real module; \
         **B** for one secondary source;\n**C** where sources contradict each other. Check B and C against the OIF documents before \
         relying on them. `×n` is an array of n elements.\n",
    );
    for table in TABLES {
        let Some(first) = table.first() else { continue };
        let title =
            if first.byte < 128 { "Lower memory".into() } else { format!("Page {:02X}h", first.page) };
        page += &format!("\n## {title}\n\n{}; exists: {:?}.\n\n", first.citation, first.support());
        page += "| byte | bits | name | type | scale | unit | access | confidence |\n|---|---|---|---|---|---|---|---|\n";
        for field in *table {
            let bits = field.bits.map_or_else(String::new, |(high, low)| {
                if high == low { high.to_string() } else { format!("{high}-{low}") }
            });
            let last = u16::from(field.byte) + u16::from(field.len) - 1;
            let bytes = if field.len > 1 { format!("{}-{last}", field.byte) } else { field.byte.to_string() };
            let count = if field.count > 1 { format!(" ×{}", field.count) } else { String::new() };
            let scale = match field.scale {
                Some((1, 1)) => String::new(),
                Some((times, 1)) => times.to_string(),
                Some((times, by)) => format!("{times}/{by}"),
                None => "elsewhere".into(),
            };
            let confidence = match field.confidence {
                Confidence::Binding => "",
                Confidence::Secondary => "B",
                Confidence::Contradicted => "C",
            };
            page += &format!(
                "| {bytes} | {bits} | `{}`{count} | {:?} | {scale} | {} | {} | {confidence} |\n",
                field.name,
                field.kind,
                field.unit,
                access_name(field.access)
            );
        }
    }
    page
}

#[test]
fn registers_md_is_what_the_tables_say() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("REGISTERS.md");
    let page = as_markdown();
    if env::var_os("IPOWDM_UPDATE_REGISTERS").is_some() {
        fs::write(&path, &page).expect("the page is written");
    }
    let found = fs::read_to_string(&path).expect("the page is there");
    assert!(found == page, "REGISTERS.md is old: IPOWDM_UPDATE_REGISTERS=1 makes it anew");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Row S4-18: what is parsed from a register and emitted again is what was there, and touches nothing else.
    #[test]
    fn s4_18_every_register_survives_parsing_and_emitting(page in prop::collection::vec(any::<u8>(), 128)) {
        for (name, field, place) in elements() {
            let start = if place.at.is_lower() { Address::lower(0) } else { Address::page(field.page, 128) };
            let index = u16::try_from(
                (0..field.count).position(|index| field.element(index) == Some(place)).expect("an element"),
            ).expect("an index");
            let Some(raw) = Block::new(start, &page).unsigned_at(field, index) else {
                prop_assert!(place.len > 8, "{} is a number", name);
                continue;
            };
            let mut zeros = [0_u8; 128];
            prop_assert!(store(start, &mut zeros, field, index, raw), "{}", name);
            prop_assert_eq!(Block::new(start, &zeros).unsigned_at(field, index), Some(raw), "{}", name);
            let mut same = page.clone();
            prop_assert!(store(start, &mut same, field, index, raw));
            prop_assert_eq!(&same, &page, "{} touches its neighbours", name);
            if let Some((high, low)) = place.bits {
                let mut unchanged = page.clone();
                prop_assert!(!store(start, &mut unchanged, field, index, 1 << (high - low + 1)), "{}", name);
                prop_assert_eq!(&unchanged, &page);
            }
        }
    }
}

#[test]
fn packed_arrays_take_the_odd_lane_from_the_low_nibble() {
    let bytes = [0x41, 0x72];
    let block = Block::new(Address::page(0x11, 128), &bytes);
    let state = |lane| block.byte_at(page11::DP_STATE_HOST_LANE, lane);
    assert_eq!(
        [state(0), state(1), state(2), state(3), state(4)],
        [Some(1), Some(4), Some(2), Some(7), None]
    );
}

#[test]
fn names_of_codes_are_in_order_and_fit_their_bits() {
    for (name, field, place) in elements() {
        let most = place.bits.map_or(0xFF, |(high, low)| 0xFF_u8 >> (7 - (high - low)));
        assert!(field.names.windows(2).all(|pair| pair[0].0 < pair[1].0), "{name}");
        assert!(field.names.iter().all(|(code, _)| *code <= most), "{name}");
        let coded = matches!(field.kind, Kind::Enum | Kind::Flag | Kind::U2 | Kind::U8);
        assert!(field.names.is_empty() || coded, "{name}");
    }
}

/// The reference rows, if they are at hand.
fn reference() -> Option<Vec<Value>> {
    let path = env::var_os("IPOWDM_CMIS_REGISTERS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join("../shared/cmis/cmis-registers.json"),
        PathBuf::from,
    );
    match fs::read_to_string(&path) {
        Ok(text) => Some(serde_json::from_str(&text).expect("the reference rows are JSON")),
        Err(error) => {
            eprintln!(
                "SKIPPED: no reference rows at {}: {error} (IPOWDM_CMIS_REGISTERS names them)",
                path.display()
            );
            None
        }
    }
}

/// The reference's word for a kind.
fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Flag => "FLAG",
        Kind::Enum => "ENUM",
        Kind::U2 => "U2",
        Kind::U3 => "U3",
        Kind::U4 => "U4",
        Kind::U5 => "U5",
        Kind::U6 => "U6",
        Kind::U7 => "U7",
        Kind::U8 => "U8",
        Kind::S8 => "S8",
        Kind::U16 => "U16BE",
        Kind::S16 => "S16BE",
        Kind::Word => "16BE",
        Kind::U32 => "U32BE",
        Kind::S32 => "S32BE",
        Kind::U64 => "U64BE",
        Kind::F16 => "F16BE",
        Kind::BcdNibbles => "BCD_NIBBLES",
        Kind::DurationCode => "DURATION_CODE",
        Kind::Bitmap2 => "BITMAP2",
        Kind::Bitmap4 => "BITMAP4",
        Kind::Bitmap5 => "BITMAP5",
        Kind::Bitmap8 => "BITMAP8",
        Kind::BitmapLe16 => "U16LE_BITMAP",
        Kind::LaneBitmap => "BITMAP8_LANE",
        Kind::LanePairs => "BITMAP16_2PER_LANE",
        Kind::LaneNibbles => "NIBBLES_LANE",
        Kind::AlarmNibble => "NIBBLE_HA_LA_HW_LW",
        Kind::StatisticsNibble => "NIBBLE_CUR_AVG_MIN_MAX",
        Kind::ByObservable => "BY_OBSERVABLE",
        Kind::BySelector => "LITTLE_ENDIAN_BY_SELECTOR",
        Kind::Ascii => "ASCII",
        Kind::Bytes => "BYTES",
    }
}

fn access_name(access: Access) -> &'static str {
    match access {
        Access::Ro => "RO",
        Access::Rw => "RW",
        Access::Cor => "RO/COR",
        Access::Wo => "WO",
        Access::WoSc => "WO/SC",
    }
}

/// A row of either side in one comparable text.
fn of_reference(row: &Value) -> String {
    let bits = row.get("bits").and_then(Value::as_array).map(|bits| (bits[0].as_u64(), bits[1].as_u64()));
    let bits = bits.map(|(high, low)| (high.expect("a bit"), low.expect("a bit")));
    format!(
        "{}@{} len {} bits {bits:?} {} unit {:?} {} banked {} conf {}",
        row["page"].as_str().expect("a page"),
        row["addr"],
        row["len"],
        row["type"].as_str().expect("a type"),
        row["unit"].as_str().expect("a unit"),
        row["access"].as_str().expect("an access"),
        row["bank"],
        row["conf"].as_str().expect("a confidence"),
    )
}

fn of_field(field: Field, place: Place) -> String {
    let page = if place.at.is_lower() { "lower".to_string() } else { format!("{:02X}", field.page) };
    let bits = place.bits.map(|(high, low)| (u64::from(high), u64::from(low)));
    let confidence = match field.confidence {
        Confidence::Binding => "A",
        Confidence::Secondary => "B",
        Confidence::Contradicted => "C",
    };
    format!(
        "{page}@{} len {} bits {bits:?} {} unit {:?} {} banked {} conf {confidence}",
        place.at.byte,
        place.len,
        kind_name(field.kind),
        field.unit,
        access_name(field.access),
        !place.at.is_lower() && field.bank_rule() != BankRule::Unbanked,
    )
}

/// Enumerations whose codes are named elsewhere: the auxiliary monitors each have their own two, and the filter types are
/// one pair of bits per lane.
const NAMED_ELSEWHERE: [&str; 4] =
    ["Aux1MonObservable", "Aux2MonObservable", "Aux3MonObservable", "TxFilterType"];

/// Every code that the reference names has a name; the words may differ.
fn names_are_declared(name: &str, field: Field, row: &Value) {
    let Some(codes) = row.get("enum").and_then(Value::as_object) else { return };
    for code in codes.keys().filter(|_| !NAMED_ELSEWHERE.contains(&name)) {
        let code = u8::from_str_radix(code, 16).expect("a code");
        assert!(field.names.iter().any(|(named, _)| *named == code), "{name}: code {code:X}h has no name");
    }
}

#[test]
fn every_reference_row_is_declared_with_the_same_place_type_scale_and_unit() {
    let Some(rows) = reference() else { return };
    let mut declared: BTreeMap<(String, String), (Field, Place)> = BTreeMap::new();
    for (name, field, place) in elements() {
        let page = if place.at.is_lower() { "lower".to_string() } else { format!("{:02X}", field.page) };
        let twice = declared.insert((page.clone(), name.clone()), (field, place));
        assert!(twice.is_none(), "{page} {name} is declared twice");
    }
    let mut by_confidence: BTreeMap<String, usize> = BTreeMap::new();
    for row in &rows {
        let key = (
            row["page"].as_str().expect("a page").to_string(),
            row["name"].as_str().expect("a name").to_string(),
        );
        let Some((field, place)) = declared.remove(&key) else {
            panic!("{} {} is not declared", key.0, key.1);
        };
        assert_eq!(of_field(field, place), of_reference(row), "{} {}", key.0, key.1);
        let scale = field.scale.map(|(times, by)| f64::from(times) / f64::from(by));
        match (scale, row["scale"].as_f64()) {
            (None, None) => {}
            (Some(ours), Some(theirs)) => {
                assert!((ours / theirs - 1.0).abs() < 1e-12, "{}: scale {ours} against {theirs}", key.1);
            }
            other => panic!("{}: scale {other:?}", key.1),
        }
        names_are_declared(&key.1, field, row);
        *by_confidence.entry(row["conf"].to_string()).or_default() += 1;
    }
    assert!(declared.is_empty(), "declared and not in the reference: {:?}", declared.keys());
    println!("{} reference rows are declared, by confidence {by_confidence:?}", rows.len());
}
