//! Names of modules.

use super::*;

#[test]
fn every_kind_is_read_and_written_alike() {
    for text in ["unix:/run/module", "sysfs:/sys/bus/i2c/devices/7-0050", "i2c:/dev/i2c-12", "image:a:b.json"]
    {
        assert_eq!(text.parse::<ModuleSpec>().unwrap().to_string(), text);
    }
    assert_eq!("i2c:3".parse(), Ok(ModuleSpec::I2c(3)));
}

#[test]
fn what_names_no_module_says_what_would() {
    let refused = |text: &str| text.parse::<ModuleSpec>().unwrap_err();
    assert_eq!(refused("module"), SpecError::UnknownKind("module".to_string()));
    assert_eq!(refused("tcp:1"), SpecError::UnknownKind("tcp:1".to_string()));
    assert_eq!(refused("unix:"), SpecError::NoPath("unix"));
    for bus in ["", "/dev/i2c-", "/dev/i2c-x", "/dev/i2c-+1", "/dev/i2c-4294967296", "/dev/ttyS0"] {
        assert_eq!(refused(&std::format!("i2c:{bus}")), SpecError::NotABus(bus.to_string()));
    }
    assert!(refused("tcp:1").to_string().contains("unix:PATH"));
}

#[test]
fn a_module_that_is_not_there_is_named_in_the_error() {
    for text in ["unix:/nowhere/module", "sysfs:/nowhere/eeprom"] {
        let error = text.parse::<ModuleSpec>().unwrap().open().unwrap_err().to_string();
        assert!(error.contains("/nowhere/"), "{error}");
    }
}
