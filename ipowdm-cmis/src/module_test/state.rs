//! What a module is doing: states against settings and against each other.

use super::memory::{Half, Memory};
use super::{Report, Verdict};
use crate::codes::{ConfigStatus, DataPathState, ModuleState};
use crate::map::{Address, Block, lower, page10, page11, page12};
use crate::procedure::{ModuleInfo, ProcError};
use ipowdm_core::grid::{Grid, LASER_TOLERANCE_MHZ};
use ipowdm_core::units::Frequency;
use std::format;

pub(super) fn check(
    info: &ModuleInfo,
    memory: &mut Memory<'_>,
    report: &mut Report,
) -> Result<(), ProcError> {
    let lower = memory.lower()?;
    let block = Block::new(Address::lower(0), &lower);
    let module = module_state(block, report);
    supply(block, report);
    let (Some(control), Some(path), Some(config)) =
        (memory.span(0x10, 128, 5)?, memory.span(0x11, 128, 4)?, memory.span(0x11, 202, 34)?)
    else {
        report.add(Verdict::Fail, "10h, 11h", "the control and status pages are not there");
        return Ok(());
    };
    let paths = Paths::decode(&control, &path, &config);
    paths.check(info, module, report);
    if info.tunable
        && let Some(laser) = memory.span(0x12, 128, 102)?
    {
        self::laser(&laser, &paths, module, report);
    }
    Ok(())
}

fn module_state(block: Block<'_>, report: &mut Report) -> ModuleState {
    let state = ModuleState::from_code(block.byte(lower::MODULE_STATE).unwrap_or(0));
    match state {
        ModuleState::Unknown(code) => {
            report.add(Verdict::Fail, "00h:3.3-1", format!("reserved module state {code}"));
        }
        ModuleState::Fault => {
            let cause = block.byte(lower::MODULE_FAULT_CAUSE).unwrap_or(0);
            report.add(Verdict::Fail, "00h:3.3-1, 41", format!("module fault, cause {cause}"));
        }
        state => report.add(Verdict::Pass, "00h:3.3-1", format!("module state {state}")),
    }
    let control = block.byte(lower::LOW_PWR_REQUEST_SW).unwrap_or(0);
    if control != 0 {
        let settled = matches!(state, ModuleState::LowPwr | ModuleState::PwrDn | ModuleState::Fault);
        report.expect(
            settled,
            "00h:26.4",
            "low power is asked for and obeyed",
            format!("low power is asked for and the module is {state}"),
        );
    }
    state
}

/// Plausible values of temperature in degrees and supply in millivolts, wider than any module class.
fn supply(block: Block<'_>, report: &mut Report) {
    if let Some(raw) = block.signed(lower::TEMP_MON_VALUE) {
        let celsius = f64::from(raw) / 256.0;
        let words = format!("temperature {celsius:.1} °C");
        report.expect(
            (-40.0..=125.0).contains(&celsius),
            "00h:14",
            words.clone(),
            format!("{words} is not plausible"),
        );
    }
    if let Some(raw) = block.word_at(lower::VCC_MON_VOLTAGE, 0) {
        let volts = f64::from(raw) / 10_000.0;
        let words = format!("supply {volts:.3} V");
        report.expect(
            (2.9..=3.7).contains(&volts),
            "00h:16",
            words.clone(),
            format!("{words} is not plausible"),
        );
    }
}

/// The data paths of bank 0.
struct Paths {
    states: [DataPathState; 8],
    statuses: [ConfigStatus; 8],
    active: [u8; 8],
    deinit: u8,
    output_disabled: u8,
    squelched: u8,
}

impl Paths {
    fn decode(control: &Half, path: &Half, config: &Half) -> Self {
        let control = Block::new(Address::page(0x10, 128), control);
        let path = Block::new(Address::page(0x11, 128), path);
        let config = Block::new(Address::page(0x11, 128), config);
        let lanes = |block: Block<'_>, field| -> [u8; 8] {
            core::array::from_fn(|lane| {
                u16::try_from(lane).ok().and_then(|lane| block.byte_at(field, lane)).unwrap_or(0)
            })
        };
        let mut active = [0; 8];
        active.copy_from_slice(config.slice(206, 8).unwrap_or(&[0; 8]));
        Self {
            states: lanes(path, page11::DP_STATE_HOST_LANE).map(DataPathState::from_code),
            statuses: lanes(config, page11::CONFIG_STATUS_LANE).map(ConfigStatus::from_code),
            active,
            deinit: control.byte(page10::DP_DEINIT_LANE).unwrap_or(0),
            output_disabled: control.byte(page10::OUTPUT_DISABLE_TX).unwrap_or(0),
            squelched: control.byte(page10::OUTPUT_SQUELCH_FORCE_TX).unwrap_or(0),
        }
    }

    fn is(&self, lane: usize, state: DataPathState) -> bool {
        self.states[lane] == state
    }

    fn check(&self, info: &ModuleInfo, module: ModuleState, report: &mut Report) {
        let lanes = || 0..8_usize;
        let list = |lane: usize| lane + 1;
        let unknown =
            lanes().find(|lane| matches!(self.states[*lane], DataPathState::Unknown(code) if code != 0));
        match unknown {
            Some(lane) => {
                let words = format!("lane {}: reserved data path state", list(lane));
                report.add(Verdict::Fail, "11h:128-131", words);
            }
            None => report.add(Verdict::Pass, "11h:128-131", format!("data path states {}", self.words())),
        }
        let odd = lanes().find(|lane| matches!(self.statuses[*lane], ConfigStatus::Unknown(0x9..=0xB)));
        report.check(
            odd.is_none(),
            "11h:202-205",
            odd.map_or_else(
                || "configuration results have defined codes".into(),
                |lane| format!("lane {}: reserved configuration result", list(lane)),
            ),
        );
        if matches!(module, ModuleState::LowPwr | ModuleState::PwrUp | ModuleState::Fault) {
            let up = lanes().find(|lane| {
                !matches!(self.states[*lane], DataPathState::Deactivated | DataPathState::Unknown(0))
            });
            report.check(
                up.is_none(),
                "00h:3, 11h:128",
                up.map_or_else(
                    || format!("{module}: every data path is Deactivated"),
                    |lane| format!("{module}, and lane {} is {}", list(lane), self.states[lane]),
                ),
            );
        }
        self.whole_paths(info, report);
        self.settings(report);
    }

    fn words(&self) -> std::string::String {
        let names: std::vec::Vec<std::string::String> = self
            .states
            .iter()
            .map(|state| match state {
                DataPathState::Unknown(0) => "-".into(),
                state => format!("{state}"),
            })
            .collect();
        names.join(" ")
    }

    /// Lanes of one data path report one state, and what is up carries an advertised application.
    fn whole_paths(&self, info: &ModuleInfo, report: &mut Report) {
        let torn = (0..8_usize).find(|lane| {
            self.active[*lane] >> 4 != 0
                && (0..8).any(|other| {
                    self.active[other] & 0xFE == self.active[*lane] & 0xFE
                        && self.states[other] != self.states[*lane]
                })
        });
        report.check(
            torn.is_none(),
            "11h:128, 206",
            torn.map_or_else(
                || "all lanes of a data path report one state".into(),
                |lane| format!("lane {}: lanes of its data path report different states", lane + 1),
            ),
        );
        let advertised = |code: u8| info.applications.iter().any(|a| a.info.app_sel == code);
        let stray =
            (0..8_usize).find(|lane| self.active[*lane] >> 4 != 0 && !advertised(self.active[*lane] >> 4));
        report.check(
            stray.is_none(),
            "11h:206-213",
            stray.map_or_else(
                || "the active control set has advertised applications only".into(),
                |lane| format!("lane {}: AppSel {} is not advertised", lane + 1, self.active[lane] >> 4),
            ),
        );
        let empty = (0..8_usize)
            .find(|lane| self.is(*lane, DataPathState::Activated) && self.active[*lane] >> 4 == 0);
        if let Some(lane) = empty {
            let words = format!("lane {} is Activated without an application", lane + 1);
            report.add(Verdict::Fail, "11h:128, 206", words);
        }
    }

    fn settings(&self, report: &mut Report) {
        let held = (0..8_usize)
            .find(|lane| self.is(*lane, DataPathState::Activated) && self.deinit & (1 << lane) != 0);
        report.check(
            held.is_none(),
            "10h:128, 11h:128",
            held.map_or_else(
                || "no data path is Activated against DPDeinit".into(),
                |lane| format!("lane {} is Activated although DPDeinit is set", lane + 1),
            ),
        );
        let lit = (0..8_usize).any(|lane| self.is(lane, DataPathState::Activated));
        if lit && self.output_disabled | self.squelched == 0xFF {
            let words = "a data path is Activated although every output is disabled or squelched";
            report.add(Verdict::Fail, "10h:130, 132", words);
        }
    }
}

fn laser(half: &Half, paths: &Paths, module: ModuleState, report: &mut Report) {
    let block = Block::new(Address::page(0x12, 128), half);
    let code = half[0] >> 4;
    let Some(grid) = Grid::from_code(code) else {
        report.add(Verdict::Warn, "12h:128.7-4", format!("grid code {code:X}h of lane 1 names no grid"));
        return;
    };
    let channel = block.signed(page12::CHANNEL_NUMBER_TX).unwrap_or(0);
    let fine = if half[0] & 1 != 0 { block.signed(page12::FINE_TUNING_OFFSET_TX).unwrap_or(0) } else { 0 };
    let set = grid.frequency(channel).ok().and_then(|centre| centre.offset(i64::from(fine)));
    let seen = block
        .unsigned(page12::CURRENT_LASER_FREQUENCY_TX)
        .and_then(|mhz| u32::try_from(mhz).ok())
        .map_or(Frequency::from_mhz(0), Frequency::from_mhz);
    match set {
        Some(set) => report.add(Verdict::Pass, "12h:128, 136", format!("lane 1 is set to {set}")),
        None => report.add(Verdict::Fail, "12h:136", format!("channel {channel} is none of {grid:?}")),
    }
    let lit = (0..8_usize).any(|lane| paths.is(lane, DataPathState::Activated));
    let settled = half[usize::from(page12::TUNING_IN_PROGRESS_TX.byte - 128)] & 0x03 == 0;
    if let Some(set) = set.filter(|_| lit && settled) {
        let words = format!("the laser of lane 1 is at {seen}");
        report.check(seen.distance(set) <= LASER_TOLERANCE_MHZ, "12h:168", words);
    }
    if module == ModuleState::LowPwr && seen.mhz() != 0 {
        report.add(Verdict::Warn, "12h:168", format!("low power, and the laser reports {seen}"));
    }
}
