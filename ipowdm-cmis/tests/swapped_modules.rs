//! A module that is exchanged so fast that no access fails is not read or written on a page that the old one had selected.

use ipowdm_cmis::access::{Eeprom, TransportError};
use ipowdm_cmis::emulator::{EmulatedModule, ModuleClock, Profile, VirtualClock};
use ipowdm_cmis::map::{Address, page12};
use ipowdm_cmis::time::{Clock, Millis};

/// Repeats an access until the module acknowledges it.
fn patiently<T>(
    clock: &mut VirtualClock,
    mut access: impl FnMut() -> Result<T, TransportError>,
) -> Result<T, TransportError> {
    loop {
        match access() {
            Err(TransportError::Busy) => clock.sleep_until(Millis(clock.now().0 + 1)),
            other => return other,
        }
    }
}

#[test]
fn the_new_module_is_read_on_the_page_that_was_asked_for() {
    let mut clock = VirtualClock::new();
    let module = EmulatedModule::new(Profile::OPENZRP, 1, ModuleClock::from(&clock));
    let mut eeprom = module.eeprom();
    let at = page12::TARGET_OUTPUT_POWER_TX.address(0);
    let mut power = [0; 2];
    patiently(&mut clock, || eeprom.read(at, &mut power)).unwrap();
    let written = (-150_i16).to_be_bytes();
    patiently(&mut clock, || eeprom.write(at, &written)).unwrap();
    patiently(&mut clock, || eeprom.read(at, &mut power)).unwrap();
    assert_eq!(power, written);

    module.swap(Profile::OPENZRP, 2);
    let mut fresh = [0; 2];
    patiently(&mut clock, || eeprom.read(at, &mut fresh)).unwrap();
    assert_ne!(fresh, written, "the new module's own power");
    let mut identity = [0; 2];
    let same_bytes = Address::page(0, at.byte);
    patiently(&mut clock, || eeprom.read(same_bytes, &mut identity)).unwrap();
    assert_ne!(fresh, identity, "and not page 00h, which it shows after its start");

    module.swap(Profile::OPENZRP, 3);
    patiently(&mut clock, || eeprom.write(at, &written)).unwrap();
    patiently(&mut clock, || eeprom.read(at, &mut power)).unwrap();
    assert_eq!(power, written, "a write reaches the page, too");
}

#[test]
fn a_new_module_without_the_page_says_so() {
    let mut clock = VirtualClock::new();
    let module = EmulatedModule::new(Profile::OPENZRP, 1, ModuleClock::from(&clock));
    let mut eeprom = module.eeprom();
    let at = page12::TARGET_OUTPUT_POWER_TX.address(0);
    patiently(&mut clock, || eeprom.read(at, &mut [0; 2])).unwrap();
    module.swap(Profile::by_name("400g-fr4").unwrap(), 2);
    let missing = TransportError::PageUnsupported { bank: 0, page: 0x12 };
    assert_eq!(patiently(&mut clock, || eeprom.read(at, &mut [0; 2])), Err(missing));
}
