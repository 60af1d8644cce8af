//! Writes the seeds of the fuzz targets into `fuzz/corpus`: what emulated modules say, and lines and documents of our own.
//!
//! ```text
//! cargo run -p ipowdm-cmis --features emulator,json --example fuzz_seeds
//! ```

use ipowdm_cmis::dump::{Dump, Memory, PageName, Plan, ReadMemory};
use ipowdm_cmis::emulator::{EmulatedModule, ModuleClock, Profile, VirtualClock};
use ipowdm_cmis::procedure::run;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// What an emulated module says right after its start.
fn memory(profile: Profile) -> Result<Memory, Box<dyn Error>> {
    let mut clock = VirtualClock::new();
    let module = EmulatedModule::new(profile, 1, ModuleClock::from(&clock));
    Ok(run(ReadMemory::new(Plan::Advertised), &mut module.eeprom(), &mut clock)?)
}

/// The bytes of a page that was read.
fn page(memory: &Memory, page: u8) -> Vec<u8> {
    memory.half(PageName::page(page)).and_then(|half| half.get(128, 128)).unwrap_or(&[0; 128]).to_vec()
}

/// A memory as the target `dump` takes it.
fn as_input(memory: &Memory) -> Vec<u8> {
    let mut input =
        memory.half(PageName::Lower).and_then(|half| half.get(0, 128)).unwrap_or(&[0; 128]).to_vec();
    for (name, _) in memory.pages() {
        if let (PageName::Page { page, bank }, Some(half)) = (name, memory.half(name)) {
            input.extend([page, bank]);
            input.extend(half.get(128, 128).unwrap_or(&[0; 128]));
        }
    }
    input
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let put = |target: &str, name: &str, bytes: &[u8]| -> Result<(), Box<dyn Error>> {
        let folder: &Path = &folder.join(target);
        fs::create_dir_all(folder)?;
        Ok(fs::write(folder.join(name), bytes)?)
    };
    let profile = |name: &str| Profile::by_name(name).ok_or_else(|| format!("no profile {name}"));
    let zr = memory(profile("400zr")?)?;
    let flat = Profile::built_in().into_iter().map(memory).collect::<Result<Vec<_>, _>>()?;
    for (index, memory) in
        flat.iter().enumerate().filter(|(_, memory)| memory.half(PageName::page(1)).is_none())
    {
        put("dump", &format!("flat-{index}"), &as_input(memory))?;
    }
    put("dump", "400zr", &as_input(&zr))?;
    for number in [0x01, 0x11, 0x12, 0x20] {
        put("registers", &format!("page-{number:02x}"), &[vec![number, 128], page(&zr, number)].concat())?;
    }
    let lower = zr.half(PageName::Lower).and_then(|half| half.get(0, 128)).unwrap_or(&[0; 128]);
    let image = format!(
        r#"{{"name":"emulated","lower":"{}","pages":{{"00":"{}","12":"{}"}}}}"#,
        hex(lower),
        hex(&page(&zr, 0)),
        hex(&page(&zr, 0x12))
    );
    put("image_json", "emulated", image.as_bytes())?;
    put("image_json", "not-an-image", br#"{"lower":"00","pages":[]}"#)?;
    let vdm: Vec<u8> = (0x20..=0x2D).flat_map(|number| page(&zr, number)).collect();
    put("vdm_pages", "400zr", &vdm)?;
    put("pm_pages", "400zr", &[page(&zr, 0x34), page(&zr, 0x35)].concat())?;
    put("pm_pages", "advertised", &[page(&zr, 0x35), page(&zr, 0x42)].concat())?;
    put("observables", "known", &[15, 0x91, 0x61, 139, 0x01, 0x53, 4, 0x26, 0x7D, 143, 0xFF, 0x36])?;
    for (name, line) in [
        ("read", "R 2248 8"),
        ("write", "W 26 00ff"),
        ("time", "T 60000"),
        ("control", r#"X {"faults":[]}"#),
        ("answer", "OK 1852"),
        ("refusal", "ERR busy not acknowledged"),
    ] {
        put("line_protocol", name, line.as_bytes())?;
    }
    for (name, spec) in [("unix", "unix:/run/module"), ("i2c", "i2c:/dev/i2c-12"), ("image", "image:a.json")]
    {
        put("module_spec", name, spec.as_bytes())?;
    }
    let control =
        r#"{"line":null,"surroundings":{"temperature_c":71.5},"faults":[{"fault":"nack","accesses":3}]}"#;
    put("control_json", "faults", control.as_bytes())?;
    let profiles = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("profiles");
    for name in ["copper", "400zr"] {
        put("profile_toml", name, &fs::read(profiles.join(name).with_extension("toml"))?)?;
    }
    // Select a page, read it, write to it; with a module that answers, and one that is reset in between.
    let steps = [0, 0x10, 200, 8, 0x80, 0x10, 143, 1, 1, 0x12, 128, 128, 0, 0x11, 130, 4];
    let answers = [
        [0xFF_u8; 16],
        [0x20, 0xFF, 0x05, 0xFF, 0xFF, 0x20, 0x14, 0xFF, 0xFF, 0xFF, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
    ];
    for (index, answers) in answers.iter().enumerate() {
        for target in ["paged", "linear"] {
            put(target, &format!("steps-{index}"), &[&steps[..], answers].concat())?;
        }
    }
    put("emulator", "select-and-read", &[0, 2, 0, 0x12, 0, 0, 136, 7, 0, 3, 100, 10, 0, 0, 0, 15, 0])?;
    // Answers of a module: acknowledged, and what its pages hold.
    let answers = as_input(&zr);
    let short = &answers[..answers.len().min(1024)];
    for target in ["identify", "monitoring", "configuration", "diagnostics", "cdb"] {
        put(target, "400zr", short)?;
        put(target, "silent", &[0x00; 64])?;
    }
    println!(
        "{} registers in the dump of the 400ZR profile",
        Dump::decode(&zr).pages.iter().map(|page| page.registers.len()).sum::<usize>()
    );
    Ok(())
}
