//! Fuzz targets of ipowdm-cmis: for every decoder, and for the access layer and the procedures against modules that answer
//! anything.
//!
//! Each target takes any bytes, and panics only where the driver is wrong. [`TARGETS`] lists them; `fuzz_targets/` hands
//! each to libFuzzer, `../tests/fuzz_targets.rs` runs all of them on stable.

mod access;
mod decoders;
mod module;
mod procedures;

/// A target: its name, which is also that of its corpus, and the function.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("registers", decoders::registers),
    ("dump", decoders::dump),
    ("image_json", decoders::image_json),
    ("vdm_pages", decoders::vdm_pages),
    ("pm_pages", decoders::pm_pages),
    ("observables", decoders::observables),
    ("line_protocol", decoders::line_protocol),
    ("module_spec", decoders::module_spec),
    ("control_json", decoders::control_json),
    ("profile_toml", decoders::profile_toml),
    ("paged", access::paged),
    ("linear", access::linear),
    ("emulator", access::emulator),
    ("identify", procedures::identify),
    ("monitoring", procedures::monitoring),
    ("configuration", procedures::configuration),
    ("diagnostics", procedures::diagnostics),
    ("cdb", procedures::cdb),
];

/// Runs a target by its name.
pub fn run(name: &str, data: &[u8]) {
    for (_, target) in TARGETS.iter().filter(|(target, _)| *target == name) {
        target(data);
    }
}
