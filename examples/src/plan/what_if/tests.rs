//! Networks of which the answer is known.

use super::fill::{Answer, Question, fill};
use super::{Options, answer, picture, report};
use clap::Parser;
use ipowdm_core::grid::{Grid, SpectrumWindow};
use ipowdm_core::ids::{ConnectionId, LinkId, PopId, VopId};
use ipowdm_core::units::{Frequency, Length};
use ipowdm_ctl_lib::linkdb::{AllocationRequest, Endpoint, LinkDb, Tuning};
use ipowdm_ctl_lib::spectrum::VopGrant;
use ipowdm_ctl_lib::store::Store;
use ipowdm_ctl_lib::topology::{FibreLink, Pop, TopologyDocument};
use std::path::Path;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

fn options(words: &str) -> Options {
    let words = ["what-if"].into_iter().chain(words.split_whitespace());
    Line::try_parse_from(words).unwrap().options
}

fn pop(name: &str) -> PopId {
    PopId::new(name).unwrap()
}

fn link(id: &str, a: &str, b: &str, km: u32) -> FibreLink {
    FibreLink::new(LinkId::new(id).unwrap(), pop(a), pop(b), Length::from_metres(km * 1000))
}

/// a-b directly, and over c.
async fn triangle() -> LinkDb {
    let db = LinkDb::new(Store::memory());
    let links = vec![link("ab", "a", "b", 100), link("ac", "a", "c", 80), link("cb", "c", "b", 80)];
    db.import(["a", "b", "c"].map(|name| Pop::new(pop(name))).into(), links).await.unwrap();
    db
}

async fn asked(db: &LinkDb, words: &str) -> Answer {
    let question = Question::try_from(&options(&format!("--snapshot x {words}"))).unwrap();
    fill(db, question).await.unwrap()
}

fn full_after(answer: &Answer) -> Vec<(&str, Option<usize>)> {
    answer.links.iter().map(|link| (link.id.as_str(), link.full_after)).collect()
}

/// 75 GHz channels of a C band of 191.250 to 196.150 THz: centres 191.3 to 196.1 THz.
const WHOLE: usize = 65;

#[tokio::test]
async fn an_empty_network_takes_what_its_paths_take_the_shortest_first() {
    let db = triangle().await;
    let answer = asked(&db, "--from a --to b").await;
    assert_eq!(answer.channels.len(), 2 * WHOLE);
    assert!(answer.channels[..WHOLE].iter().all(|channel| channel.path == 0));
    assert!(answer.channels[WHOLE..].iter().all(|channel| channel.path == 1));
    let ends = [0, WHOLE - 1].map(|at| answer.channels[at].frequency.mhz());
    assert_eq!(ends, [191_300_000, 196_100_000]);
    assert_eq!(full_after(&answer), [("ab", Some(WHOLE)), ("ac", Some(2 * WHOLE)), ("cb", Some(2 * WHOLE))]);
    assert_eq!(report::first_full(&answer), "Full first, after channel 65: link ab (a – b).");
    let only = asked(&triangle().await, "--from a --to b -k 1").await;
    assert_eq!((only.channels.len(), only.links.len()), (WHOLE, 1));
}

#[tokio::test]
async fn the_bottleneck_is_the_link_that_others_use_already() {
    let db = triangle().await;
    let vop = VopId::new("vOp1").unwrap();
    db.set_vop_grant(VopGrant::pool(vop.clone(), vec![db.raster().window()])).await.unwrap();
    for n in 0..60 {
        let id = ConnectionId::new(&format!("old-{n}")).unwrap();
        let (b, c) = (Endpoint::at(pop("b")), Endpoint::at(pop("c")));
        let request = AllocationRequest {
            tuning: Tuning::Grid(Grid::Ghz75),
            k: 1,
            ..AllocationRequest::new(id, vop.clone(), b, c, 6)
        };
        db.allocate(request).await.unwrap();
    }
    let answer = asked(&db, "--from a --to b").await;
    assert_eq!(answer.channels.len(), WHOLE + 5);
    let last = answer.channels.last().unwrap();
    assert_eq!(last.fullest().unwrap().0.as_str(), "cb");
    assert_eq!(full_after(&answer)[2], ("cb", Some(WHOLE + 5)));
    let cb = &answer.links[2];
    assert_eq!((cb.before.len(), cb.used.1 > cb.used.0), (60, true));
    // a-c has room, and nothing to reach b with.
    assert_eq!(full_after(&answer)[1], ("ac", None));
    let table = report::table(&answer);
    assert!(table.contains("70 more channels fit.") && table.contains("cb (c – b)"), "{table}");
}

#[tokio::test]
async fn an_operator_is_held_to_its_windows() {
    let db = triangle().await;
    let window =
        SpectrumWindow { low: Frequency::from_mhz(193_000_000), high: Frequency::from_mhz(193_300_000) };
    db.set_vop_grant(VopGrant::pool(VopId::new("vOp1").unwrap(), vec![window])).await.unwrap();
    let answer = asked(&db, "--from a --to b --vop vOp1 --mode 100").await;
    let centres: Vec<u32> = answer.channels.iter().map(|channel| channel.frequency.mhz()).collect();
    assert_eq!(centres, [193_100_000, 193_200_000, 193_100_000, 193_200_000]);
}

#[tokio::test]
async fn the_object_and_the_picture_say_what_the_table_says() {
    let db = triangle().await;
    let answer = asked(&db, "--from a --to b --mode 400zr").await;
    let object: serde_json::Value = serde_json::from_str(&report::json(&answer)).unwrap();
    assert_eq!(object["fit"], 2 * WHOLE);
    assert_eq!((&object["mode"], &object["width_ghz"]), (&"400ZR".into(), &75.0.into()));
    assert_eq!(object["full_first"]["links"][0], "ab");
    assert_eq!(object["channels"][0]["frequency_thz"], 191.3);
    assert_eq!(object["channels"][2 * WHOLE - 1]["path"], 2);
    let svg = picture::draw(&answer);
    // Each channel on each of its links, a row for each link, a legend of two entries and two paths, a ground.
    assert_eq!(svg.matches("<rect").count(), WHOLE + 2 * WHOLE + 3 + 4 + 1);
    for word in
        ["frequency (THz)", "191.5", "196.0", "ab (a – b)", "taken before", "path 2: 65 channels, 160 km"]
    {
        assert!(svg.contains(word), "{word}");
    }
    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
}

#[test]
fn names_are_written_so_that_they_are_no_markup() {
    // Ids have no such characters; the names of modes and fibres might come to.
    assert!(options("--topology x --from a --to b").svg.is_none());
    let refused = answer(&options("--topology nowhere --from a --to b --mode <b>")).unwrap_err().to_string();
    assert!(refused.contains("neither a width in GHz nor one of 400ZR"), "{refused}");
}

#[test]
fn a_question_that_cannot_be_answered_is_refused_by_name() {
    let refused = |words: &str| answer(&options(words)).unwrap_err().to_string();
    assert!(refused("--topology /nowhere/x.json --from a --to b").contains("/nowhere/x.json"));
    assert!(refused("--topology x --from a --to b --mode 0").contains("neither"));
    assert!(refused("--topology x --from a --to b --mode 9000").contains("neither"));
    assert!(refused("--topology x --from a --to b --band d").contains("super-c"));
    assert!(Line::try_parse_from(["what-if", "--from", "a", "--to", "b"]).is_err(), "a network is needed");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("network.json");
    write_topology(&file);
    let with = |words: &str| refused(&format!("--topology {} {words}", file.display()));
    assert!(with("--from a --to x").contains("PoP x is not known"));
    assert!(with("--from a --to a").contains("both ends"));
    assert!(with("--from a --to b --vop nobody").contains("nobody"));
    assert!(with("--from a --to b -k 0").contains('k'));
}

/// Centres in GHz, rounded down, and their number.
async fn centres(db: &LinkDb, words: &str) -> Vec<u32> {
    let answer = asked(db, words).await;
    assert!(answer.links.iter().all(|link| link.full_after == Some(answer.channels.len())), "{words}");
    answer.channels.iter().map(|channel| channel.frequency.mhz() / 1_000).collect()
}

#[test]
fn no_channel_lies_in_the_hole_between_l_and_c() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("network.json");
    write_topology(&file);
    let words = format!("--topology {} --from a --to b --mode 100 --band c+l --json", file.display());
    let object: serde_json::Value = serde_json::from_str(&answer(&options(&words)).unwrap()).unwrap();
    let thz: Vec<f64> =
        object["channels"].as_array().unwrap().iter().map(|c| c["frequency_thz"].as_f64().unwrap()).collect();
    // 186.55 to 190.85 and 191.25 to 196.15 THz: centres 186.6 to 190.8 and 191.3 to 196.1.
    assert_eq!((thz.len(), thz[0], thz[42], thz[43], thz[91]), (43 + 49, 186.6, 190.8, 191.3, 196.1));
    assert_eq!(object["full_first"]["after"], 92);
    // All that is usable: the hole is no room.
    assert_eq!(object["links"][0]["used_percent_after"], 100.0);
}

#[tokio::test]
async fn what_a_link_does_not_carry_and_an_operator_may_not_use_is_no_room() {
    let window =
        |low, high| SpectrumWindow { low: Frequency::from_mhz(low), high: Frequency::from_mhz(high) };
    let db = LinkDb::new(Store::memory());
    let narrow = FibreLink { bands: vec![window(193_050_000, 193_450_000)], ..link("ab", "a", "b", 100) };
    db.import(["a", "b"].map(|name| Pop::new(pop(name))).into(), vec![narrow]).await.unwrap();
    assert_eq!(centres(&db, "--from a --to b --mode 100").await, [193_100, 193_200, 193_300, 193_400]);
    let db = triangle().await;
    let grant = VopGrant::pool(VopId::new("vOp1").unwrap(), vec![window(193_000_000, 193_300_000)]);
    db.set_vop_grant(grant).await.unwrap();
    assert_eq!(centres(&db, "--from a --to b --mode 100 --vop vOp1 -k 1").await, [193_100, 193_200]);
}

#[test]
fn fixed_grids_and_edge_guards_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("network.json");
    write_topology(&file);
    let fit = |words: &str| {
        let words = format!("--topology {} --from a --to b --json {words}", file.display());
        let object: serde_json::Value = serde_json::from_str(&answer(&options(&words)).unwrap()).unwrap();
        assert_eq!(object["full_first"]["after"], object["fit"], "{words}");
        object["fit"].as_u64().unwrap()
    };
    // 191.25 to 196.15 THz.
    assert_eq!(fit("--mode 50 --centres 100"), 49);
    assert_eq!(fit("--mode 50 --centres 50"), 97);
    assert_eq!(fit("--mode 50 --centres 50 --edge-guard 50"), 95);
    assert_eq!(fit("--mode 62.5 --centres 12.5"), 78);
    assert_eq!(fit("--mode 62.5 --centres 12.5-edges"), 78);
    let refused = |words: &str| {
        let words = format!("--topology {} --from a --to b {words}", file.display());
        answer(&options(&words)).unwrap_err().to_string()
    };
    assert!(refused("--centres 33").contains("12.5-edges"));
    assert!(refused("--centres 50 --mode 75").contains("does not fit a channel"));
    assert!(
        refused("--edge-guard 9999").contains("nothing") || refused("--edge-guard 9999").contains("no step")
    );
}

fn write_topology(file: &Path) {
    let pops = ["a", "b"].map(|name| Pop::new(pop(name)));
    let document = TopologyDocument::from_records("two", &pops, &[link("ab", "a", "b", 80)]);
    std::fs::write(file, document.to_json().unwrap()).unwrap();
}

#[test]
fn a_topology_file_and_a_picture_file_are_read_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let (network, svg) = (folder.path().join("network.json"), folder.path().join("spectrum.svg"));
    write_topology(&network);
    let words = format!("--topology {} --from a --to b --json --svg {}", network.display(), svg.display());
    let object: serde_json::Value = serde_json::from_str(&answer(&options(&words)).unwrap()).unwrap();
    assert_eq!(object["fit"], WHOLE);
    assert!(std::fs::read_to_string(svg).unwrap().contains("65 more channels of 400ZR fit between a and b"));
}

#[tokio::test]
async fn without_an_operator_others_partitions_stay_theirs() {
    let db = triangle().await;
    let window =
        |low, high| SpectrumWindow { low: Frequency::from_mhz(low), high: Frequency::from_mhz(high) };
    let band = db.raster().window();
    // All but 200 GHz in the middle.
    let windows = vec![window(band.low.mhz(), 193_000_000), window(193_200_000, band.high.mhz())];
    db.set_vop_grant(VopGrant::partition(VopId::new("vOp1").unwrap(), windows)).await.unwrap();
    let answer = asked(&db, "--from a --to b --mode 100 -k 1").await;
    let centres: Vec<u32> = answer.channels.iter().map(|channel| channel.frequency.mhz()).collect();
    assert_eq!(centres, [193_100_000]);
}

#[tokio::test]
async fn a_partition_of_one_link_leaves_the_others_to_everybody() {
    let db = triangle().await;
    let window =
        |low, high| SpectrumWindow { low: Frequency::from_mhz(low), high: Frequency::from_mhz(high) };
    let band = db.raster().window();
    let windows = vec![window(band.low.mhz(), 193_000_000), window(193_200_000, band.high.mhz())];
    let on_ab =
        VopGrant::partition(VopId::new("vOp1").unwrap(), Vec::new()).on_link("ab".parse().unwrap(), windows);
    db.set_vop_grant(on_ab).await.unwrap();
    let answer = asked(&db, "--from a --to b --mode 100 -k 1").await;
    let centres: Vec<u32> = answer.channels.iter().map(|channel| channel.frequency.mhz()).collect();
    assert_eq!(centres, [193_100_000]);
    let beside = asked(&db, "--from b --to c -k 1").await;
    assert_eq!(beside.channels.len(), WHOLE);
    // On behalf of the owner, which has nothing on the other links.
    let own = asked(&db, "--from a --to b --mode 100 -k 2 --vop vOp1").await;
    assert!(!own.channels.is_empty());
    assert!(own.channels.iter().all(|channel| channel.frequency.mhz().abs_diff(193_100_000) > 100_000));
}

#[tokio::test]
async fn an_archive_is_asked_without_being_changed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.archive");
    let db = triangle().await;
    let before = asked(&db, "--from a --to b -k 1").await;
    db.store().archive(&file).await.unwrap();
    let bytes = std::fs::read(&file).unwrap();
    let words = format!("--snapshot {} --from b --to c --json", file.display());
    let object = tokio::task::spawn_blocking(move || answer(&options(&words)).unwrap()).await.unwrap();
    let object: serde_json::Value = serde_json::from_str(&object).unwrap();
    // b-c is free; the other way round over a is full on a-b.
    assert_eq!((before.channels.len(), object["fit"].as_u64()), (WHOLE, Some(WHOLE as u64)));
    assert_eq!(object["full_first"]["after"], 0);
    assert_eq!(object["full_first"]["links"], serde_json::json!(["ab"]));
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
}
