//! What kind of module is emulated: data only.

use crate::procedure::Application;
use core::time::Duration;
use ipowdm_core::capability::ApplicationInfo;
use ipowdm_core::grid::Grid;
use ipowdm_core::units::{Db, Power};

/// A row of the application list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApplicationRow {
    /// SFF-8024 host interface code.
    pub host_code: u8,
    /// SFF-8024 media interface code.
    pub media_code: u8,
    /// Host lanes of one instance.
    pub host_lanes: u8,
    /// Media lanes of one instance.
    pub media_lanes: u8,
    /// Host lanes on which an instance may begin.
    pub host_assignment: u8,
    /// Media lanes on which an instance may begin.
    pub media_assignment: u8,
}

impl ApplicationRow {
    /// The row as the driver knows applications, with its AppSel code.
    pub(super) const fn application(&self, app_sel: u8) -> Application {
        Application {
            info: ApplicationInfo {
                app_sel,
                host_code: self.host_code,
                media_code: self.media_code,
                host_lanes: self.host_lanes,
                media_lanes: self.media_lanes,
            },
            host_assignment: self.host_assignment,
            media_assignment: self.media_assignment,
        }
    }
}

/// How long a state really lasts, and the code that advertises its maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dwell {
    /// Real duration.
    pub actual: Duration,
    /// Advertised duration code.
    pub advertised: u8,
}

const fn dwell(millis: u64, advertised: u8) -> Dwell {
    Dwell { actual: Duration::from_millis(millis), advertised }
}

/// What the control registers hold when the power comes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PowerOn {
    /// DPDeinit, 10h:128.
    pub deinit: u8,
    /// OutputDisableTx, 10h:130.
    pub output_disable_tx: u8,
    /// Grid and channel of the laser.
    pub channel: (Grid, i16),
    /// Target power.
    pub power: Power,
    /// Level of the LPMode pin: high keeps the module in LowPwr until the host clears LowPwrAllowRequestHW.
    pub low_power_pin: bool,
}

/// Everything that tells one module type from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Name of the profile.
    pub name: &'static str,
    /// SFF-8024 identifier.
    pub identifier: u8,
    /// CMIS revision byte.
    pub cmis_revision: u8,
    /// Vendor name, at most 16 characters.
    pub vendor_name: &'static str,
    /// Part number, at most 16 characters.
    pub part_number: &'static str,
    /// Applications in order of AppSel code, at most 15.
    pub applications: &'static [ApplicationRow],
    /// Grids with lowest and highest channel.
    pub grids: &'static [(Grid, i16, i16)],
    /// Least and greatest programmable power.
    pub power_range: (Power, Power),
    /// ModulePwrUp.
    pub power_up: Dwell,
    /// ModulePwrDn.
    pub power_down: Dwell,
    /// DPInit.
    pub dp_init: Dwell,
    /// DPDeinit.
    pub dp_deinit: Dwell,
    /// DPTxTurnOn.
    pub tx_on: Dwell,
    /// DPTxTurnOff.
    pub tx_off: Dwell,
    /// MgmtInit after power-on or reset.
    pub management_init: Duration,
    /// ConfigInProgress after an apply trigger.
    pub configuring: Duration,
    /// Tuning of a laser that is on.
    pub tuning: Duration,
    /// Power change of a laser that is on.
    pub power_change: Duration,
    /// Hold-off after a page change.
    pub page_hold_off: Duration,
    /// Hold-off after another write.
    pub write_hold_off: Duration,
    /// OSNR of the transmitter, 0.1 nm.
    pub tx_osnr: Db,
    /// Received power below which there is loss of signal.
    pub los: Power,
    /// Defaults.
    pub power_on: PowerOn,
}

/// Application rows over eight host lanes of 50G and one carrier.
const fn carrier(host_code: u8, media_code: u8, host_lanes: u8, host_assignment: u8) -> ApplicationRow {
    ApplicationRow {
        host_code,
        media_code,
        host_lanes,
        media_lanes: 1,
        host_assignment,
        media_assignment: 0x01,
    }
}

/// 191.300-196.100 THz.
const C_BAND_GRIDS: &[(Grid, i16, i16)] = &[
    (Grid::Ghz100, -18, 30),
    (Grid::Ghz75, -72, 120),
    (Grid::Ghz50, -36, 60),
    (Grid::Ghz25, -72, 120),
    (Grid::Ghz12p5, -144, 240),
    (Grid::Ghz6p25, -288, 480),
];

const SAFE_DEFAULTS: PowerOn = PowerOn {
    deinit: 0xFF,
    output_disable_tx: 0xFF,
    channel: (Grid::Ghz100, 0),
    power: Power::from_hundredths(-1000),
    low_power_pin: true,
};

impl Profile {
    /// An OpenZR+ QSFP-DD module: 400/300/200/100G oFEC and 400ZR, power −15…0 dBm.
    pub const OPENZRP: Self = Self {
        name: "openzrp",
        identifier: 0x18,
        cmis_revision: 0x52,
        vendor_name: "IPOWDM-EMU",
        part_number: "OPENZRP-QDD",
        applications: &[
            carrier(0x11, 0x46, 8, 0x01),
            carrier(0x11, 0x3E, 8, 0x01),
            carrier(0x0D, 0x46, 2, 0x55),
            carrier(0x0D, 0x47, 2, 0x15),
            carrier(0x0D, 0x48, 2, 0x05),
            carrier(0x0D, 0x49, 2, 0x01),
        ],
        grids: C_BAND_GRIDS,
        power_range: (Power::from_hundredths(-1500), Power::from_hundredths(0)),
        power_up: dwell(3_000, 7),
        power_down: dwell(400, 6),
        dp_init: dwell(12_000, 9),
        dp_deinit: dwell(800, 7),
        tx_on: dwell(2_000, 7),
        tx_off: dwell(60, 5),
        management_init: Duration::from_millis(800),
        configuring: Duration::from_millis(40),
        tuning: Duration::from_millis(4_000),
        power_change: Duration::from_millis(300),
        page_hold_off: Duration::from_millis(1),
        write_hold_off: Duration::from_millis(3),
        tx_osnr: Db::from_hundredths(3600),
        los: Power::from_hundredths(-2800),
        power_on: SAFE_DEFAULTS,
    };

    /// A plain 400ZR QSFP-DD module: power −15…−8 dBm. Its defaults would light it as soon as it is powered up.
    pub const ZR400: Self = Self {
        name: "400zr",
        part_number: "400ZR-QDD",
        applications: &[
            carrier(0x11, 0x3E, 8, 0x01),
            carrier(0x11, 0x3F, 8, 0x01),
            carrier(0x0D, 0x3E, 2, 0x55),
        ],
        power_range: (Power::from_hundredths(-1500), Power::from_hundredths(-800)),
        dp_init: dwell(25_000, 10),
        tx_on: dwell(8_000, 9),
        power_on: PowerOn { deinit: 0x00, output_disable_tx: 0x00, ..SAFE_DEFAULTS },
        ..Self::OPENZRP
    };

    /// The profile of a name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::OPENZRP, Self::ZR400].into_iter().find(|profile| profile.name == name)
    }
}
