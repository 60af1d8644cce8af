use super::*;

/// A lit port, as a switch describes it.
pub(in crate::sonic) fn lit() -> View {
    View {
        config: Row::of([
            ("admin_status", "up"),
            ("laser_freq", "193100"),
            ("tx_power", "-10.0"),
            ("index", "1"),
        ]),
        host: Row::of([("host_tx_ready", "true")]),
        info: Row::of([
            ("manufacturer", "Lab Optics"),
            ("model", "LAB-400-ZR"),
            ("serial", "LAB0001"),
            ("cmis_rev", "5.0"),
            ("active_apsel_hostlane1", "1"),
            ("supported_max_tx_power", "1.0"),
            ("supported_min_tx_power", "-22.9"),
            ("supported_max_laser_freq", "196100"),
            ("supported_min_laser_freq", "191300"),
            (
                "application_advertisement",
                "{1: {'host_electrical_interface_id': '400GAUI-8 C2M (Annex 120E)', 'module_media_interface_id': \
                 '400ZR, DWDM, amplified', 'media_lane_count': 1, 'host_lane_count': 8}}",
            ),
        ]),
        manager: Row::of([("cmis_state", "READY")]),
        status: Row::of([
            ("module_state", "ModuleReady"),
            ("DP1State", "DataPathActivated"),
            ("DP8State", "DataPathActivated"),
            ("tuning_in_progress", "False"),
            ("wavelength_unlock_status", "False"),
            ("last_update_time", "Sat Nov 21 18:05:35 2026"),
        ]),
        status_flags: Row::of([("rx1los", "False"), ("tx1fault", "False")]),
        monitors: Row::of([
            ("temperature", "45.5"),
            ("voltage", "3.3012"),
            ("tx1power", "-10.04"),
            ("rx1power", "-12.5"),
            ("laser_config_freq", "193100"),
            ("laser_curr_freq", "193100"),
            ("tx_config_power", "-10.0"),
            ("last_update_time", "Sat Nov 21 18:05:35 2026"),
        ]),
        vdm: Row::of([("osnr1", "34.2"), ("prefec_ber_curr_media_input1", "3.4e-4"), ("cfo1", "-120")]),
        pm: Row::of([("esnr_avg", "17.1"), ("osnr_avg", "1.0")]),
    }
}

#[test]
fn rows_become_what_registers_would_have_said() {
    let report = lit().report();
    assert_eq!(report.module_state, Reading::Value(ModuleState::Ready));
    assert_eq!(report.dp_states.value().unwrap()[0], DataPathState::Activated);
    assert_eq!(report.temperature.value().unwrap().celsius(), 45.5);
    assert_eq!(report.voltage.value().unwrap().raw(), 33_012);
    assert_eq!(report.set_frequency, Reading::Value(Frequency::ANCHOR));
    assert_eq!(report.laser_unsettled, Reading::Value(false));
    assert_eq!(report.tx_power.value().unwrap().hundredths(), -1_004);
    assert_eq!(report.osnr.value().unwrap().hundredths(), 3_420);
    assert_eq!(report.esnr.value().unwrap().hundredths(), 1_710);
    assert_eq!(report.pre_fec_ber.value().unwrap().value(), 3.4e-4);
    assert_eq!(report.frequency_offset, Reading::Value(-120));
    assert_eq!(report.rx_los, Reading::Value(false));
    // Nobody says it: neither a zero nor a guess.
    assert_eq!(report.q_factor, Reading::Unsupported);
    assert_eq!(report.dispersion, Reading::Unsupported);
}

#[test]
fn what_the_switch_does_not_know_is_absent_and_without_light_nothing_is_received() {
    let mut view = lit();
    view.vdm = Row::of([("osnr1", "N/A"), ("rxtotpower1", "-11.0")]);
    view.pm = Row::default();
    assert_eq!(view.report().osnr, Reading::Absent);
    assert_eq!(view.report().rx_total_power.value().unwrap().hundredths(), -1_100);
    view.status_flags = Row::of([("rx1los", "True")]);
    assert_eq!(view.report().rx_total_power, Reading::Absent);
    view.monitors = Row::of([("temperature", "4000000")]);
    assert_eq!(view.report().temperature, Reading::Implausible);
}

#[test]
fn the_capability_is_what_the_switch_can_set() {
    let facts = lit().facts();
    assert_eq!((facts.vendor.as_str(), facts.serial.as_str()), ("Lab Optics", "LAB0001"));
    let range = facts.capability.grids[0];
    // 191.300 and 196.100 THz are 24 channels of 75 GHz below and 40 above the anchor.
    assert_eq!((range.grid, range.low_channel, range.high_channel), (Grid::Ghz75, -72, 120));
    assert!(facts.capability.can_tune(Frequency::from_mhz(193_175_000)));
    assert!(!facts.capability.can_tune(Frequency::from_mhz(193_200_000)));
    assert_eq!(facts.capability.tx_power.unwrap().min.hundredths(), -2_290);
    assert_eq!(facts.capability.applications[0].media_code, 0x3E);
    assert_eq!(lit().app_sel(), Some(1));
}

#[test]
fn limits_between_channels_are_those_of_the_channels_inside() {
    let range = grid_range((Frequency::from_mhz(193_050_000), Frequency::from_mhz(193_240_000))).unwrap();
    assert_eq!((range.low_channel, range.high_channel), (0, 3));
    assert_eq!(grid_range((Frequency::from_mhz(193_110_000), Frequency::from_mhz(193_170_000))), None);
}

#[test]
fn frequencies_are_gigahertz_or_plainly_megahertz() {
    let thz = |value| frequency(value).map(Frequency::mhz);
    assert_eq!((thz(193_100.0), thz(193_100_000.0)), (Some(193_100_000), Some(193_100_000)));
    assert_eq!((thz(0.0), thz(-1.0), thz(1e300)), (None, None, None));
}

#[test]
fn measurements_of_long_ago_are_stale_and_states_stand() {
    let report = outdated(lit().report());
    assert_eq!(report.module_state, Reading::Value(ModuleState::Ready));
    assert_eq!(report.set_frequency, Reading::Value(Frequency::ANCHOR));
    assert_eq!((report.osnr, report.temperature), (Reading::Stale, Reading::Stale));
    assert_eq!((report.rx_los, report.q_factor), (Reading::Stale, Reading::Unsupported));
}
