//! `application_advertisement`: the module's applications, as Python prints a dictionary of dictionaries.

use ipowdm_core::capability::ApplicationInfo;
use ipowdm_core::modes;

/// Names of media interfaces that SONiC writes otherwise than SFF-8024 (its table 4-7) is quoted here.
const MEDIA: &[(&str, u8)] =
    &[("400ZR, DWDM, amplified", 0x3E), ("400ZR, Single Wavelength, Unamplified", 0x3F)];

/// Names of host interfaces (SFF-8024, table 4-5) of coherent modules.
const HOST: &[(&str, u8)] = &[
    ("CAUI-4 C2M (Annex 83E)", 0x0B),
    ("100GAUI-2 C2M (Annex 135G)", 0x0D),
    ("200GAUI-4 C2M (Annex 120E)", 0x0F),
    ("400GAUI-8 C2M (Annex 120E)", 0x11),
    ("400GAUI-4-S C2M (Annex 120G)", 0x4F),
];

/// The applications whose media interface is known by name, in the order in which they are written.
pub(super) fn advertised(text: &str) -> heapless::Vec<ApplicationInfo, 15> {
    let mut found = heapless::Vec::new();
    for entry in text.split('}') {
        if let Some(application) = application(entry)
            && found.push(application).is_err()
        {
            break;
        }
    }
    found
}

/// One entry, such as `, 2: {'module_media_interface_id': 'ZR400-OFEC-16QAM', 'host_lane_count': 8, …`.
fn application(entry: &str) -> Option<ApplicationInfo> {
    let (number, fields) = entry.rsplit_once('{')?;
    let number = number.trim_end().strip_suffix(':')?;
    let digits = number.rfind(|letter: char| !letter.is_ascii_digit()).map_or(0, |at| at + 1);
    let app_sel = number.get(digits..)?.parse().ok().filter(|n| (1..=15).contains(n))?;
    let media = text(fields, "module_media_interface_id")?;
    let coded =
        |names: &[(&str, u8)], name: &str| names.iter().find(|(n, _)| *n == name).map(|(_, code)| *code);
    let media_code = coded(MEDIA, media)
        .or_else(|| modes::CATALOGUE.iter().find(|mode| mode.name == media).map(|mode| mode.media_code))?;
    Some(ApplicationInfo {
        app_sel,
        // 00h is SFF-8024's code for an undefined one.
        host_code: text(fields, "host_electrical_interface_id")
            .and_then(|name| coded(HOST, name))
            .unwrap_or(0),
        media_code,
        host_lanes: count(fields, "host_lane_count")?,
        media_lanes: count(fields, "media_lane_count")?,
    })
}

fn value<'a>(fields: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = fields.split_once(&format!("'{name}':"))?;
    Some(rest.trim_start())
}

/// A quoted value.
fn text<'a>(fields: &'a str, name: &str) -> Option<&'a str> {
    let rest = value(fields, name)?;
    let quote = rest.chars().next().filter(|letter| matches!(letter, '\'' | '"'))?;
    rest.get(1..)?.split(quote).next()
}

fn count(fields: &str, name: &str) -> Option<u8> {
    let rest = value(fields, name)?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applications_are_read_as_python_prints_them() {
        let text = "{1: {'host_electrical_interface_id': '400GAUI-8 C2M (Annex 120E)', 'module_media_interface_id': \
                    '400ZR, DWDM, amplified', 'media_lane_count': 1, 'host_lane_count': 8}, 2: \
                    {'host_electrical_interface_id': 'of a vendor', 'module_media_interface_id': 'ZR100-OFEC-QPSK', \
                    'media_lane_count': 1, 'host_lane_count': 2}, 13: {'module_media_interface_id': 'nobody knows', \
                    'media_lane_count': 1, 'host_lane_count': 2}}";
        let found: Vec<_> = advertised(text)
            .iter()
            .map(|a| (a.app_sel, a.host_code, a.media_code, a.host_lanes, a.media_lanes))
            .collect();
        assert_eq!(found, [(1, 0x11, 0x3E, 8, 1), (2, 0, 0x49, 2, 1)]);
    }

    #[test]
    fn other_text_is_no_application() {
        for text in
            ["", "N/A", "{}", "{1: {}}", "{0: {'module_media_interface_id': '400ZR'", "}}}}", "{'é': {é}}"]
        {
            assert!(advertised(text).is_empty(), "{text}");
        }
    }
}
