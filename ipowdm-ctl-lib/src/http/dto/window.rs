//! The JSON of windows of spectrum.

use super::{Object, frequency, ghz};
use ipowdm_core::grid::SpectrumWindow;
use ipowdm_core::ids::LinkId;
use ipowdm_core::units::Frequency;
use schemars::JsonSchema;
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

fn required_frequency<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Frequency, D::Error> {
    frequency(deserializer)?.ok_or_else(|| de::Error::custom("a frequency is expected"))
}

/// A window of spectrum, in THz, GHz or MHz.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Object<WindowNumbers>")]
pub(in crate::http) struct Window(#[schemars(with = "WindowNumbers")] pub(in crate::http) SpectrumWindow);

#[derive(Debug, Deserialize, JsonSchema)]
struct WindowNumbers {
    #[serde(deserialize_with = "required_frequency")]
    #[schemars(with = "f64", range(min = 0, max = 4_294_967_295_u32))]
    low: Frequency,
    #[serde(deserialize_with = "required_frequency")]
    #[schemars(with = "f64", range(min = 0, max = 4_294_967_295_u32))]
    high: Frequency,
}

impl TryFrom<Object<WindowNumbers>> for Window {
    type Error = String;
    fn try_from(Object(WindowNumbers { low, high }): Object<WindowNumbers>) -> Result<Self, String> {
        if low >= high {
            return Err(format!("{low} … {high} is empty"));
        }
        Ok(Self(SpectrumWindow { low, high }))
    }
}

/// A window of spectrum, in GHz.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct WindowJson {
    low: f64,
    high: f64,
}

impl From<&SpectrumWindow> for WindowJson {
    fn from(window: &SpectrumWindow) -> Self {
        Self { low: ghz(window.low), high: ghz(window.high) }
    }
}

/// The windows that were asked for.
pub(in crate::http) fn windows_of(windows: Vec<Window>) -> Vec<SpectrumWindow> {
    windows.into_iter().map(|Window(window)| window).collect()
}

/// The same on single links.
pub(in crate::http) fn on_links_of(
    on_links: BTreeMap<LinkId, Vec<Window>>,
) -> BTreeMap<LinkId, Vec<SpectrumWindow>> {
    on_links.into_iter().map(|(link, windows)| (link, windows_of(windows))).collect()
}

/// Windows on single links.
pub(in crate::http) fn on_links_json(
    on_links: &BTreeMap<LinkId, Vec<SpectrumWindow>>,
) -> BTreeMap<LinkId, Vec<WindowJson>> {
    let shown = |windows: &Vec<SpectrumWindow>| windows.iter().map(WindowJson::from).collect();
    on_links.iter().map(|(link, windows)| (link.clone(), shown(windows))).collect()
}
