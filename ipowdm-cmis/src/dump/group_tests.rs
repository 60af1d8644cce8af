//! What registers and groups make of contents that are easily taken for something else.

use super::*;
use crate::access::TransportError;
use std::string::ToString;

/// A half of the window, and bytes of it with the first one's address.
type Written<'a> = (PageName, &'a [(u8, &'a [u8])]);

/// A paged module of CMIS 5.3 with zeros in all that is not named.
fn memory(halves: &[Written<'_>]) -> Memory {
    let mut memory = Memory::default();
    memory.put(PageName::Lower, PageState::Read(Half::from([0; 128])));
    memory.put_bytes(PageName::Lower, 0, &[0x19, 0x53]);
    for (page, parts) in halves {
        if *page != PageName::Lower {
            memory.put(*page, PageState::Read(Half::from([0; 128])));
        }
        for (byte, bytes) in *parts {
            memory.put_bytes(*page, *byte, bytes);
        }
    }
    memory
}

const fn page(page: u8) -> PageName {
    PageName::page(page)
}

fn group<'a>(dump: &'a Dump<'_>, path: &[&str]) -> &'a Item {
    let (first, rest) = path.split_first().unwrap();
    rest.iter().fold(dump.group(first).unwrap(), |item, name| item.get(name).unwrap())
}

#[test]
fn a_supply_on_the_third_auxiliary_monitor_has_no_sign() {
    let supply = 33_000_u16.to_be_bytes();
    let halves: &[Written<'_>] = &[
        (PageName::Lower, &[(22, &supply)]),
        (page(1), &[(145, &[0b100]), (159, &[0x10])]),
        (page(2), &[(160, &34_650_u16.to_be_bytes())]),
    ];
    let memory = memory(halves);
    let dump = Dump::decode(&memory);
    let register = dump.register("lower", "Aux3MonValue").unwrap();
    assert_eq!((register.to_string().as_str(), register.raw()), ("3.3 V", Some(33_000)));
    assert_eq!(dump.register("02", "Aux3MonHighAlarmThreshold").unwrap().to_string(), "3.465 V");
    let third = group(&dump, &["monitors", "auxiliary"]).at(2).unwrap();
    assert_eq!(third.get("reading").unwrap().get("value"), Some(&Item::Quantity(3.3, "V")));
    assert_eq!(dump.register("lower", "Aux2MonValue").unwrap().unit, "degC");
}

#[test]
fn a_duration_without_an_upper_end_and_a_reserved_code_are_no_limits() {
    let memory = memory(&[(page(1), &[(144, &[0xED]), (167, &[0xFC])])]);
    let dump = Dump::decode(&memory);
    let shown = |name| dump.register("01", name).unwrap().to_string();
    assert_eq!(shown("MaxDurationDPInit"), "3000000 ms or longer (code Dh)");
    assert_eq!(shown("MaxDurationDPDeinit"), "reserved (code Eh)");
    assert_eq!(shown("MaxDurationModulePwrUp"), "at most 3000000 ms (code Ch)");
    let limit = |name| group(&dump, &["state", "max_durations", name]);
    assert_eq!(*limit("data_path_init"), Item::Missing(Missing::Absent));
    assert_eq!(*limit("data_path_deinit"), Item::Missing(Missing::Implausible));
    assert_eq!(*limit("module_power_up"), Item::Quantity(3_000.0, "s"));
    assert_eq!(*limit("module_power_down"), Item::Missing(Missing::Implausible));
}

#[test]
fn flags_are_listed_of_every_bank_and_a_page_of_them_that_cannot_be_read_is_told_of() {
    let bank1 = |page| PageName::Page { page, bank: 1 };
    let mut memory = memory(&[
        (PageName::Lower, &[(8, &[0x01])]),
        (page(0x11), &[(147, &[0b1])]),
        (bank1(0x11), &[(147, &[0b10])]),
        (bank1(0x12), &[(232, &[0x01])]),
    ]);
    let flags = |memory: &Memory| group(&Dump::decode(memory), &["state", "flags"]).clone();
    let expected = ["ModuleStateChangedFlag", "LOSRxFlag lane 1", "LOSRxFlag lane 10"];
    let Item::List(set) = flags(&memory) else { panic!("{}", flags(&memory)) };
    let words: Vec<_> = set.iter().map(ToString::to_string).collect();
    assert_eq!(words[..3], expected);
    assert!(words.len() == 4 && words[3].ends_with("2 bank 1"), "{words:?}");
    memory.put(page(0x11), PageState::Unreadable(TransportError::TimedOut));
    let Item::List(set) = flags(&memory) else { panic!("{}", flags(&memory)) };
    assert!(set.contains(&Item::Missing(Missing::Unreadable(TransportError::TimedOut))), "{set:?}");
    assert!(set.contains(&Item::word("LOSRxFlag lane 10")), "{set:?}");
}

#[test]
fn performance_is_told_of_every_bank() {
    let bank1 = PageName::Page { page: 0x35, bank: 1 };
    let osnr = |tenths: u16| [tenths.to_be_bytes(); 3].concat();
    let memory = memory(&[(page(0x35), &[(158, &osnr(250))]), (bank1, &[(158, &osnr(310))])]);
    let dump = Dump::decode(&memory);
    let of = |link: &Item| link.at(4).unwrap().get("avg").unwrap().clone();
    assert_eq!(of(group(&dump, &["pm", "link"])), Item::Quantity(25.0, "dB"));
    let further = group(&dump, &["pm", "further_banks"]).at(0).unwrap();
    assert_eq!(further.get("bank"), Some(&Item::Number(1)));
    assert_eq!(of(further.get("link").unwrap()), Item::Quantity(31.0, "dB"));
}

#[test]
fn statistics_that_contradict_each_other_are_implausible_also_where_one_is_not_advertised() {
    let osnr =
        |average: u16, minimum: u16, maximum: u16| [average, minimum, maximum].map(u16::to_be_bytes).concat();
    let shown = |advertised: u8, raw: &[u8]| {
        let memory = memory(&[(page(0x35), &[(158, raw)]), (page(0x42), &[(132, &[advertised << 4])])]);
        let dump = Dump::decode(&memory);
        let osnr = group(&dump, &["pm", "link"]).at(4).unwrap();
        ["min", "avg", "max"].map(|name| osnr.get(name).unwrap().to_string())
    };
    assert_eq!(shown(0b0111, &osnr(300, 290, 310)), ["29 dB", "30 dB", "31 dB"]);
    let odd = "(implausible)";
    assert_eq!(shown(0b0111, &osnr(300, 320, 310)), [odd; 3]);
    assert_eq!(shown(0b0011, &osnr(300, 320, 310)), [odd, "(unsupported)", odd]);
    assert_eq!(shown(0b0101, &osnr(315, 320, 310)), ["(unsupported)", odd, odd]);
}

#[test]
fn a_counter_beyond_what_can_be_counted_is_no_number() {
    let many = (1_u64 << 63).to_be_bytes();
    let memory = memory(&[(page(0x34), &[(128, &many)])]);
    let dump = Dump::decode(&memory);
    assert_eq!(*group(&dump, &["pm", "media_fec", "bits"]), Item::Missing(Missing::Implausible));
    assert_eq!(
        dump.register("34", "rxBitsPM").unwrap().raw(),
        Some(1 << 63),
        "the register is shown as it is"
    );
}

#[test]
fn codes_whose_meaning_is_elsewhere_have_their_names() {
    let status = |byte: u8| {
        let memory = memory(&[(PageName::Lower, &[(37, &[byte])])]);
        Dump::decode(&memory).register("lower", "CdbStatus1.Result").unwrap().to_string()
    };
    assert_eq!(
        [status(0x00), status(0x01), status(0x03)],
        ["no command yet", "success", "the previous command was aborted"]
    );
    assert_eq!([status(0x81), status(0x83)], ["captured", "processing"]);
    assert_eq!([status(0x41), status(0x45), status(0x46)], ["unknown command", "check code", "password"]);
    assert_eq!([status(0x04), status(0x60)], ["04h", "20h"], "reserved, and defined by the command");

    let applications: &[u8] = &[0x11, 0xF7, 0x81, 1, 0xFF, 0, 0, 0];
    let memory = memory(&[(PageName::Lower, &[(85, &[2]), (86, applications)])]);
    let dump = Dump::decode(&memory);
    let shown = |name| dump.register("lower", name).unwrap().to_string();
    assert_eq!(
        [shown("App1.MediaInterfaceID"), shown("App2.HostInterfaceID")],
        ["custom", "end of the list"]
    );
    assert_eq!(
        group(&dump, &["applications"]).at(0).unwrap().get("media_interface").unwrap().to_string(),
        "custom (F7h)"
    );
}

#[test]
fn a_duty_cycle_is_told_of_where_there_is_one() {
    let duty = |advertised: u8| {
        let memory = memory(&[(page(0x20), &[]), (page(0x2F), &[(128, &[advertised]), (144, &[10 << 2])])]);
        group(&Dump::decode(&memory), &["vdm", "duty_cycle"]).clone()
    };
    assert_eq!(duty(0), Item::Missing(Missing::Unsupported));
    assert_eq!(duty(0x08), Item::Number(10));
}

#[test]
fn what_is_not_managed_by_cmis_is_told() {
    for (head, cmis) in
        [([0x19, 0x53], true), ([0x11, 0x08], false), ([0xFF, 0xFF], false), ([0x18, 0], false)]
    {
        let memory = memory(&[(PageName::Lower, &[(0, &head)])]);
        assert_eq!(*group(&Dump::decode(&memory), &["identity", "cmis"]), Item::Flag(cmis), "{head:02X?}");
    }
    let nothing = Memory::default();
    assert!(matches!(group(&Dump::decode(&nothing), &["identity", "cmis"]), Item::Missing(_)));
}

#[test]
fn a_list_of_applications_that_goes_on_where_nothing_could_be_read_says_so() {
    let descriptors = [0x11, 0x3E, 0x81, 1].repeat(8);
    let mut memory = memory(&[(PageName::Lower, &[(86, &descriptors)])]);
    let mut ninth = |state: PageState| {
        memory.put(page(1), state);
        let dump = Dump::decode(&memory);
        let applications = dump.group("applications").unwrap();
        assert!(applications.at(7).is_some_and(|item| item.get("app_sel") == Some(&Item::Number(8))));
        applications.at(8).cloned()
    };
    let timed_out = TransportError::TimedOut;
    assert_eq!(ninth(PageState::Unreadable(timed_out)), Some(Item::Missing(Missing::Unreadable(timed_out))));
    assert_eq!(ninth(PageState::NotAdvertised), None, "a flat memory has eight");
}
