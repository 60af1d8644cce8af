//! Dumps of images of real modules, where they are at hand: third-party data that is read from beside the project.
//!
//! `IPOWDM_CMIS_IMAGES` names the folder; without one each test says that it skips.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at what it does not expect, in its own functions too"
)]

use ipowdm_cmis::dump::{Dump, Item, Memory, Missing, Plan, ReadMemory};
use ipowdm_cmis::procedure::run;
use ipowdm_cmis::transport::{Image, StillClock};
use serde_json::Value;
use std::path::PathBuf;
use std::{env, fs};

fn folder() -> PathBuf {
    env::var_os("IPOWDM_CMIS_IMAGES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join("../shared/cmis/eeprom"),
        PathBuf::from,
    )
}

/// The memory of a real module, or `None` with a message where it is not at hand.
fn memory(name: &str) -> Option<Memory> {
    let path = folder().join(name).with_extension("json");
    if !path.exists() {
        eprintln!("SKIPPED: no image at {} (IPOWDM_CMIS_IMAGES names the folder)", path.display());
        return None;
    }
    let mut image = Image::open(&path).unwrap();
    Some(run(ReadMemory::new(Plan::Everything), &mut image, &mut StillClock::default()).unwrap())
}

fn json(memory: &Memory) -> Value {
    serde_json::to_value(Dump::decode(memory)).unwrap()
}

/// The physical value of a register.
fn register(json: &Value, page: &str, name: &str) -> f64 {
    json["pages"][page][name]["value"].as_f64().unwrap_or_else(|| panic!("{page} {name}"))
}

/// The item of a list whose `key` is `wanted`.
fn find<'a>(list: &'a Value, key: &str, wanted: &str) -> &'a Value {
    let found = list.as_array().unwrap().iter().find(|item| item[key] == wanted);
    found.unwrap_or_else(|| panic!("no {wanted}"))
}

#[test]
fn the_400zr_module_says_what_it_is_and_does() {
    let Some(memory) = memory("sfppi-400zr-a") else { return };
    let json = json(&memory);
    let identity = &json["identity"];
    assert_eq!((&identity["identifier"], &identity["cmis_revision"]), (&"QSFP-DD".into(), &"5.0".into()));
    assert_eq!(identity["coherent"], true);
    for page in ["00", "01", "02", "04"] {
        assert_eq!(identity["checksums"][page], true, "{page}");
    }
    let applications = json["applications"].as_array().unwrap();
    let codes: Vec<_> =
        applications.iter().map(|a| (a["host_code"].as_u64(), a["media_code"].as_u64())).collect();
    let code = |host, media| (Some(host), Some(media));
    assert_eq!(codes, [code(0x11, 0x3E), code(0x11, 0x3F), code(0x0D, 0x3E)], "up to the first FFh");
    assert_eq!(applications[2]["host_lane_assignment"], "1,3,5,7");
    assert_eq!(json["state"]["module_state"], "Ready");
    let lanes = json["state"]["lanes"].as_array().unwrap();
    assert!(lanes.len() == 8 && lanes.iter().all(|lane| lane["data_path_state"] == "Activated"));
    assert_eq!(
        json["state"]["max_durations"]["data_path_init"],
        serde_json::json!({"value": 300.0, "unit": "s"})
    );

    // Grid of 100 GHz, channel 30: 193.1 + 30 · 0.1 THz.
    let lane = &json["laser"]["lanes"][0];
    assert_eq!((&lane["grid"], &lane["channel"]), (&"100 GHz".into(), &30.into()));
    assert_eq!(lane["set_frequency"]["value"], 196_100_000.0);
    assert_eq!(lane["current_frequency"], serde_json::json!({"value": 196_100_000.0, "unit": "MHz"}));
    assert_eq!(lane["target_power"], serde_json::json!({"value": -10.0, "unit": "dBm"}));
    assert_eq!(json["laser"]["lanes"].as_array().unwrap().len(), 1, "00h:210 leaves one media lane");
    let hundred = find(&json["laser"]["capability"]["grids"], "grid", "100 GHz");
    assert!(hundred["low_frequency"]["value"].as_f64() <= Some(196_100_000.0));
    assert_eq!(register(&json, "12", "CurrentLaserFrequencyTx1"), 196_100.0);
    assert_eq!(json["pages"]["12"]["CurrentLaserFrequencyTx1"]["unit"], "GHz");
    assert_eq!(register(&json, "12", "TargetOutputPowerTx1"), -10.0);
    // 111.2 µW and 402.5 µW.
    let monitors = &json["monitors"]["lanes"][0];
    assert_eq!(
        (&monitors["tx_power"]["value"], &monitors["rx_power"]["value"]),
        (&(-9.54).into(), &(-3.95).into())
    );
    assert_eq!(json["page_status"]["12"], "read");
    // Advertised, and not in the image.
    assert_eq!(json["page_status"]["20"], "absent");
    assert_eq!(json["page_status"]["0D"], "not advertised");
}

#[test]
fn the_800zr_module_has_15_applications_and_its_statistics_are_in_order() {
    let Some(memory) = memory("fboss-800zr") else { return };
    let json = json(&memory);
    assert_eq!(json["identity"]["coherent"], true, "by its pages, not by a name");
    let applications = json["applications"].as_array().unwrap();
    assert_eq!(applications.len(), 15, "all descriptors, no FFh");
    assert_eq!(applications[0]["media_interface"], "FLEXO-8e-DPO");
    assert_eq!(applications[14]["media_code"], 0xF7);

    // 34h:136 holds only the low 32 bits of the bits of a sub-interval.
    let fec = &json["pm"]["media_fec"];
    assert_eq!(json["pages"]["34"]["rxBitsSubIntPM"]["raw"], 0x6BD8_0000);
    assert_eq!(fec["bits_sub_interval"]["value"], 0xEE_6BD8_0000_u64);
    let ratio = |name: &str| fec["pre_fec_ber"][name]["value"].as_f64().unwrap();
    for (name, expected) in [("min", 3.16e-4), ("avg", 3.38e-4), ("max", 3.87e-4)] {
        assert!((ratio(name) / expected - 1.0).abs() < 2e-3, "{name}: {}", ratio(name));
    }
    assert!(ratio("min") <= ratio("avg") && ratio("avg") <= ratio("max"));
    let link = json["pm"]["link"].as_array().unwrap();
    assert_eq!(link.len(), 18);
    for quantity in link {
        let [min, avg, max] = ["min", "avg", "max"].map(|name| quantity[name]["value"].as_f64());
        assert!(min.is_some() && min <= avg && avg <= max, "{quantity}");
    }
    let osnr = find(&json["pm"]["link"], "quantity", "OSNR");
    assert_eq!(osnr["avg"], serde_json::json!({"value": 33.8, "unit": "dB"}));

    let instances = json["vdm"]["instances"].as_array().unwrap();
    let ber = |statistic: &str| {
        let of = |i: &&Value| i["observable"] == "media input pre-FEC BER" && i["statistic"] == statistic;
        instances.iter().find(of).unwrap()["sample"]["value"].as_f64().unwrap()
    };
    assert!(ber("min") <= ber("avg") && ber("avg") <= ber("max"));
    assert!((ber("cur") - 3.53e-4).abs() < 1e-9);
    assert_eq!(json["pages"]["27"]["VDM204.Sample"]["observable"], "OSNR");
    assert_eq!(register(&json, "27", "VDM204.Sample"), 33.9);
}

#[test]
fn grey_modules_and_a_flat_cable_say_what_they_lack() {
    for name in ["sfppi-400g-lr4", "fboss-400g-lr4"] {
        let Some(memory) = memory(name) else { return };
        let dump = Dump::decode(&memory);
        assert_eq!(dump.group("laser"), Some(&Item::Missing(Missing::Unsupported)), "{name}");
        assert_eq!(dump.group("identity").unwrap().get("coherent"), Some(&Item::Flag(false)), "{name}");
        assert_eq!(dump.group("pm"), Some(&Item::Missing(Missing::Unsupported)), "{name}");
    }
    let Some(memory) = memory("fboss-400g-cr8-flat") else { return };
    let json = json(&memory);
    assert_eq!(json["identity"]["flat_memory"], true);
    assert_eq!(json["state"]["lanes"]["unavailable"], "unsupported");
    assert_eq!(json["applications"][0]["host_interface"], "400G CR8");
    assert_eq!(json["page_status"]["10"], "not advertised");
}

#[test]
fn every_image_is_dumped_with_names_of_the_map_and_finite_numbers() {
    let Ok(entries) = fs::read_dir(folder()) else {
        eprintln!("SKIPPED: no images at {} (IPOWDM_CMIS_IMAGES names the folder)", folder().display());
        return;
    };
    let mut seen = 0;
    for entry in entries {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let memory = memory(path.file_stem().unwrap().to_str().unwrap()).unwrap();
        let dump = Dump::decode(&memory);
        assert!(!dump.to_string().contains("NaN"), "{}", path.display());
        let text = serde_json::to_string(&dump).unwrap();
        assert!(!text.contains("null"), "{}: what is not known says why", path.display());
        seen += 1;
    }
    assert!(seen > 0, "no image in {}", folder().display());
}
