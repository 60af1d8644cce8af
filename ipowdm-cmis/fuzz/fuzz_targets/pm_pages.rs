#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ipowdm_cmis_fuzz::run("pm_pages", data));
